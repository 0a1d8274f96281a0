/**
 * Quotas that hold under any number of parallel requests: who is about to create takes the tenant's lock, counts, and
 * creates in the same transaction. The lock is the tenant's own, so no tenant ever waits for another.
 */
import type { TenantClient } from "../storage/pool.ts";
import { countRouters } from "../storage/routers.ts";
import type { Tenant, TierRules } from "../tenants/tenant.ts";
import { Problem } from "./problems.ts";

/** Held until the transaction ends. */
export async function lockTenant(client: TenantClient): Promise<void> {
  await client.query("select pg_advisory_xact_lock(hashtextextended('fairwalk quota ' || $1, 0))", [
    client.tenantId,
  ]);
}

/** Takes the tenant's lock; throws `quota-exceeded` when `wanted` more routers are more than its tier grants. */
export async function reserveRouters(
  client: TenantClient,
  wanted: number,
  { tenant, tier }: { readonly tenant: Tenant; readonly tier: TierRules },
): Promise<void> {
  if (wanted === 0) return;
  await lockTenant(client);
  const used = await countRouters(client);
  if (used + wanted <= tier.routersMax) return;
  throw new Problem("quota-exceeded", {
    detail: `The tier "${tenant.tier}" grants ${tier.routersMax} routers and ${used} are registered: ${wanted} more do not fit; remove some or ask for a larger tier`,
    members: { resource: "routers", limit: tier.routersMax, used },
  });
}
