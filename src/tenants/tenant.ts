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
  readonly createdAt: Date;
}

/** What a tier grants. `weight` is the tenant's share in the fair queue, relative to the other tenants' weights. */
export interface TierRules {
  readonly weight: number;
  readonly routersMax: number;
  readonly intervalSecondsMin: number;
  readonly retentionDays: number;
}

export const SLUG_PATTERN = "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$";
