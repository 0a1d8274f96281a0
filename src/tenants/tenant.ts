/** The identifier of a tenant (UUIDv7). Branded, so that a router's id cannot be passed for it. */
export type TenantId = string & { readonly __brand: "TenantId" };

export const TIERS = ["free", "professional", "business", "enterprise", "msp"] as const;
export type Tier = (typeof TIERS)[number];

export type TenantState = "active" | "suspended" | "pending_deletion" | "erasing" | "erased";

/** An ISP that uses the platform; isolated from all others. */
export interface Tenant {
  readonly id: TenantId;
  readonly name: string;
  /** Lower-case letters, digits and hyphens, 1 to 63 characters; unique and never changed: zones and labels are made of it. */
  readonly slug: string;
  readonly tier: Tier;
  readonly state: TenantState;
  /** The MSP it belongs to, whose share it has a part of; null: nobody's. */
  readonly parentId: TenantId | null;
  readonly createdAt: Date;
}

/**
 * What happens to a router that asks for more than the tenant's guaranteed share and than its zone has left: it is
 * refused, or registered with a warning.
 */
export const ADMISSION_POLICIES = ["refuse", "warn"] as const;
export type AdmissionPolicy = (typeof ADMISSION_POLICIES)[number];

/** What a tier grants. `weight` is the tenant's share in the fair queue, relative to the other tenants' weights. */
export interface TierRules {
  readonly weight: number;
  readonly routersMax: number;
  readonly intervalSecondsMin: number;
  /** How long samples are kept, and rollups of 5 minutes and of an hour. */
  readonly retentionDays: number;
  readonly rollups5mDays: number;
  readonly rollups1hDays: number;
  readonly admission: AdmissionPolicy;
}

export const SLUG_PATTERN = "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$";
