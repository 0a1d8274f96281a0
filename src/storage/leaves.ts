import { LruCache } from "../lib/lru-cache.ts";
import type { TenantId } from "../tenants/tenant.ts";
import type { LeafBounds } from "./partitions.ts";
import type { Queryable } from "./pool.ts";

/** Tenants whose leaves are remembered; about 3 kB each. */
const TENANTS_MAX = 10_000;

/**
 * Which leaf a tenant's samples of a time belong to. Read from the catalogue rather than computed from the tier: a tier
 * changes, the leaves that were made stay. A query a tenant and process, and one more when the known leaves are used up.
 */
export class LeafDirectory {
  readonly #client: Queryable;
  readonly #leaves = new LruCache<TenantId, readonly LeafBounds[]>(TENANTS_MAX);

  constructor(client: Queryable) {
    this.#client = client;
  }

  /** The leaf that holds `timeMs`, as far as it is known; see `learn`. */
  find(tenantId: TenantId, timeMs: number): LeafBounds | undefined {
    return this.#leaves
      .get(tenantId)
      ?.find(({ lowerMs, upperMs }) => lowerMs <= timeMs && timeMs < upperMs);
  }

  /** Reads the leaves these tenants have now. */
  async learn(tenantIds: readonly TenantId[]): Promise<void> {
    const { rows } = await this.#client.query<{ tenant_id: TenantId; lower: Date; upper: Date }>(
      `select t.id as tenant_id, l.lower, l.upper
       from unnest($1::uuid[]) as t (id) cross join lateral fairwalk_leaves(t.id) l
       where l.parent = 'samples'
       order by l.lower desc`, // The present one is found first.
      [tenantIds],
    );
    const byTenant = new Map<TenantId, LeafBounds[]>(tenantIds.map((id) => [id, []]));
    for (const { tenant_id, lower, upper } of rows) {
      byTenant.get(tenant_id)?.push({ lowerMs: lower.getTime(), upperMs: upper.getTime() });
    }
    for (const [tenantId, leaves] of byTenant) this.#leaves.set(tenantId, leaves);
  }

  /** Postgres says otherwise: the tenant's leaves are read again when next needed. */
  forget(tenantId: TenantId): void {
    this.#leaves.delete(tenantId);
  }
}
