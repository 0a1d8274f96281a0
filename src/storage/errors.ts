import pg from "pg";
import type { TenantId } from "../tenants/tenant.ts";

/**
 * Refusals of Postgres that a caller can act on, told apart by the names of our constraints. Everything else stays the
 * error it was.
 */

export type ConflictReason =
  | "duplicate_slug"
  | "duplicate_name"
  | "duplicate_address"
  | "unknown_credential"
  | "unknown_zone"
  | "unknown_router"
  | "unknown_tenant"
  | "in_use"
  | "not_an_msp"
  | "has_tenants"
  | "invalid_value";

/** What was asked contradicts what is stored; nothing was changed. `constraint` is the name of the rule that refused. */
export class StorageConflict extends Error {
  readonly reason: ConflictReason;
  readonly constraint: string;

  constructor(reason: ConflictReason, constraint: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "StorageConflict";
    this.reason = reason;
    this.constraint = constraint;
  }
}

const UNIQUE_VIOLATION = "23505";
const FOREIGN_KEY_VIOLATION = "23503";
const CHECK_VIOLATION = "23514";

const REASONS: Readonly<Record<string, ConflictReason>> = {
  tenants_slug_key: "duplicate_slug",
  zones_name_key: "duplicate_name",
  credentials_name_key: "duplicate_name",
  routers_name_key: "duplicate_name",
  routers_identity_key: "duplicate_address",
  routers_credential_fkey: "unknown_credential",
  routers_zone_fkey: "unknown_zone",
  interfaces_router_fkey: "unknown_router",
  text_facts_router_fkey: "unknown_router",
  inventories_router_fkey: "unknown_router",
  neighbour_observations_router_fkey: "unknown_router",
  api_keys_tenant_fkey: "unknown_tenant",
  sample_shapes_tenant_fkey: "unknown_tenant",
  tenants_parent_fkey: "not_an_msp",
  tenants_parent_is_msp_check: "not_an_msp",
  tenants_msp_stays_check: "has_tenants",
};

/** Runs `work` and turns a refusal by one of our constraints into a StorageConflict; `action` opens its message. */
export async function refusing<T>(action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw conflictOf(action, error) ?? error;
  }
}

function conflictOf(action: string, error: unknown): StorageConflict | undefined {
  if (!(error instanceof pg.DatabaseError) || error.constraint === undefined) return undefined;
  const { code, constraint } = error;
  if (code === CHECK_VIOLATION && REASONS[constraint] === undefined) {
    return new StorageConflict(
      "invalid_value",
      constraint,
      `${action}: ${constraint} does not hold`,
      error,
    );
  }
  if (![UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION, CHECK_VIOLATION].includes(code ?? "")) {
    return undefined;
  }
  // The same foreign key is broken from both ends: by naming what is not there, and by removing what is still named.
  const isRemoval = code === FOREIGN_KEY_VIOLATION && /^update or delete/.test(error.message);
  const reason = isRemoval ? "in_use" : REASONS[constraint];
  if (reason === undefined) return undefined;
  return new StorageConflict(
    reason,
    constraint,
    `${action}: ${reason.replaceAll("_", " ")}`,
    error,
  );
}

/** SQLSTATEs with which a server ends the session: connection exceptions, a shutdown, an administrator. */
const SESSION_ENDED = /^(?:08|57P)/;

/** Whether Postgres ended the session with this error, or with the one that caused it. */
export function isSessionEnd(error: unknown): boolean {
  const sqlState =
    sqlStateOf(error) ?? (error instanceof Error ? sqlStateOf(error.cause) : undefined);
  return sqlState !== undefined && SESSION_ENDED.test(sqlState);
}

/** The SQLSTATE of an error Postgres answered with; undefined for anything else. */
export function sqlStateOf(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}

/**
 * Why nothing of a flush was stored. `refused`: it is about the contents, and the same flush will be refused again.
 * `failed`: Postgres could not, for now. `disconnected`: the connection was lost or could not be had; it may have been
 * committed all the same, so repeat it under its id. `sqlState`, `tenantId` and `leaf` where they are known.
 */
export class FlushError extends Error {
  readonly kind: "refused" | "failed" | "disconnected";
  readonly sqlState: string | undefined;
  readonly tenantId: TenantId | undefined;
  readonly leaf: string | undefined;

  constructor(
    kind: FlushError["kind"],
    reason: string,
    details: {
      readonly sqlState?: string | undefined;
      readonly tenantId?: TenantId | undefined;
      readonly leaf?: string | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    const place = details.leaf === undefined ? "" : ` into "${details.leaf}"`;
    super(`Cannot store samples${place}: ${reason}`, { cause: details.cause });
    this.name = "FlushError";
    this.kind = kind;
    this.sqlState = details.sqlState;
    this.tenantId = details.tenantId;
    this.leaf = details.leaf;
  }
}

/** Whether an error of storing samples or their shapes is about the contents rather than about reaching Postgres. */
export function isRefusal(error: unknown): boolean {
  return (
    error instanceof StorageConflict || (error instanceof FlushError && error.kind === "refused")
  );
}
