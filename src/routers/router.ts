import type { TenantId } from "../tenants/tenant.ts";

/** The identifier of a router (UUIDv7). It is also the id of the router's poll job: at most one is unfinished. */
export type RouterId = string & { readonly __brand: "RouterId" };

/** One SNMP agent a tenant registered. Its identity is (tenant, zone, address, port, context). */
export interface Router {
  readonly id: RouterId;
  readonly tenantId: TenantId;
  readonly name: string;
  /** An IPv4 or IPv6 address in canonical text; never a host name. */
  readonly address: string;
  readonly port: number;
  /** The zone as the tenant names it. */
  readonly zone: string;
  readonly credentialId: string;
  readonly intervalSeconds: number;
  /** Modules asked for by name; null = chosen by profile. */
  readonly modules: readonly string[] | null;
  /** SNMP context name; "" = the default context. */
  readonly context: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly enabled: boolean;
}

/** What the scheduler knows of a router: when and for whom, never how to log in. */
export interface ScheduledRouter {
  readonly id: RouterId;
  readonly tenantId: TenantId;
  readonly intervalSeconds: number;
}

/** How to speak SNMP to a router. Exists unsealed only in the worker that polls. */
export type SnmpCredential =
  | { readonly version: "1" | "2c"; readonly community: string }
  | {
      readonly version: "3";
      readonly username: string;
      readonly securityLevel: "noAuthNoPriv" | "authNoPriv" | "authPriv";
      readonly authProtocol?: AuthProtocol;
      readonly authPassword?: string;
      readonly privProtocol?: PrivProtocol;
      readonly privPassword?: string;
    };

/** How much of one table a router answers at once, as walking it has taught. Plain JSON. */
export interface AnswerLimits {
  readonly answerBytesMax: number;
  /** What answers may still grow to; absent when nobody has said so far. */
  readonly answerBytesCeiling?: number;
  readonly repetitionsMax: number;
  readonly varbindsMax: number;
  /** Why the limits are what they are, in one sentence; absent when nothing went wrong. */
  readonly why?: string;
  /** When the limits were learnt, in milliseconds since the Unix epoch: they are tried anew from time to time. */
  readonly limitsSinceMs: number;
}

/** Names as snmp_exporter spells them. */
export const AUTH_PROTOCOLS = ["MD5", "SHA", "SHA224", "SHA256", "SHA384", "SHA512"] as const;
export type AuthProtocol = (typeof AUTH_PROTOCOLS)[number];
export const PRIV_PROTOCOLS = ["DES", "AES", "AES192", "AES192C", "AES256", "AES256C"] as const;
export type PrivProtocol = (typeof PRIV_PROTOCOLS)[number];

/** How a poll ended. `answered`: every module; `partial`: some; the rest name why nothing came. */
export const POLL_OUTCOMES = [
  "answered",
  "partial",
  "silent",
  "refused",
  "malformed",
  "unreachable",
  "misconfigured",
  "expired",
  "lost",
] as const;
export type PollOutcome = (typeof POLL_OUTCOMES)[number];

/** One interface as last read: a row of IF-MIB's ifTable/ifXTable. Absent = the router did not say. */
export interface Interface {
  readonly ifIndex: number;
  readonly ifName?: string;
  readonly ifDescr?: string;
  readonly ifAlias?: string;
  readonly ifType?: number;
  readonly ifPhysAddress?: string;
}
