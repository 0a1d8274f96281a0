import type { Tenant, TenantId, Tier } from "../tenants/tenant.ts";
import type { Pool, Queryable } from "./pool.ts";

/**
 * Which leaves the tenants' samples and polls need, made ahead of need; and retention, which drops whole leaves.
 *
 * Leaves are aligned to days since the epoch (UTC) and follow each other without a gap. A change of tier changes the
 * width of leaves to come, from the end of the last one there is.
 */

/** Days in a leaf, so that a tier's retention makes 12 to 26 leaves: fewer, and retention is coarse; more, and planning pays. */
export const LEAF_DAYS = {
  free: 2,
  professional: 7,
  business: 28,
  enterprise: 28,
  msp: 28,
} satisfies Record<Tier, number>;

/** Leaves reach at least this far ahead, so that polling outlives a scheduler that cannot make them for days. */
const AHEAD_DAYS = 3;

/** A new tenant's first leaf reaches this far back: a worker's clock may be behind ours. */
const BEHIND_DAYS = 1;

const DAY_MS = 86_400_000;

/** Times in milliseconds since the Unix epoch: [lowerMs, upperMs). */
export interface LeafBounds {
  readonly lowerMs: number;
  readonly upperMs: number;
}

export type PartitionedTable = "samples" | "polls";

/** The name of the leaf of `table` that begins at `lowerMs`: "samples_<32 hex>_<yyyymmdd>". */
export function leafName(table: PartitionedTable, tenantId: TenantId, lowerMs: number): string {
  const day = new Date(lowerMs).toISOString().slice(0, 10).replaceAll("-", "");
  return `${table}_${tenantId.replaceAll("-", "")}_${day}`;
}

/**
 * The leaves a tenant lacks at `nowMs`. `coveredUntilMs` is the end of its last leaf, undefined when it has none. Pure;
 * empty when enough lies ahead.
 */
export function missingLeaves(
  tier: Tier,
  nowMs: number,
  coveredUntilMs: number | undefined,
): LeafBounds[] {
  const widthMs = LEAF_DAYS[tier] * DAY_MS;
  const until = nowMs + AHEAD_DAYS * DAY_MS;
  const leaves: LeafBounds[] = [];
  const from = Math.floor((nowMs - BEHIND_DAYS * DAY_MS) / widthMs) * widthMs;
  // After an outage longer than what lay ahead, the days nobody polled get no leaves.
  let lowerMs = coveredUntilMs === undefined ? from : Math.max(coveredUntilMs, from);
  while (lowerMs < until) {
    const upperMs = (Math.floor(lowerMs / widthMs) + 1) * widthMs;
    leaves.push({ lowerMs, upperMs });
    lowerMs = upperMs;
  }
  return leaves;
}

/** Makes the given leaves of samples and polls; those that exist stay. */
export async function makeLeaves(
  client: Queryable,
  tenantId: TenantId,
  leaves: readonly LeafBounds[],
): Promise<void> {
  await client.query("select fairwalk_make_partitions($1, $2, $3)", [
    tenantId,
    leaves.map(({ lowerMs }) => new Date(lowerMs)),
    leaves.map(({ upperMs }) => new Date(upperMs)),
  ]);
}

export interface PartitionUpkeep {
  /** Leaves made or dropped. */
  readonly leaves: number;
  /** Tenants left for the next time, and why; the others were seen to. */
  readonly failures: readonly { readonly tenantId: TenantId; readonly error: unknown }[];
}

/** Makes every tenant's leaves to come. Run hourly; by any number of processes at once. As scheduler or platform. */
export async function makePartitionsAhead(pool: Pool, now: Date): Promise<PartitionUpkeep> {
  const { rows } = await pool.query<{ id: TenantId; tier: Tier; covered_until: Date | null }>(
    `select t.id, t.tier,
       (select min(last.upper) from (
          select l.parent, max(l.upper) as upper from fairwalk_leaves(t.id) l group by l.parent
        ) last) as covered_until
     from tenants t
     where t.state not in ('erasing', 'erased')`,
  );
  return forEachTenant(rows, async ({ id, tier, covered_until }) => {
    const leaves = missingLeaves(tier, now.getTime(), covered_until?.getTime());
    if (leaves.length > 0) await makeLeaves(pool, id, leaves);
    return leaves.length * 2;
  });
}

/** Drops leaves all of whose samples are older than their tenant's tier keeps them. Run daily, as scheduler or platform. */
export async function dropExpiredPartitions(
  pool: Pool,
  now: Date,
  retentionDays: Readonly<Record<Tier, number>>,
): Promise<PartitionUpkeep> {
  const { rows } = await pool.query<{ id: TenantId; tier: Tier }>(
    "select id, tier from tenants where state not in ('erasing', 'erased')",
  );
  return forEachTenant(rows, async ({ id, tier }) => {
    const before = new Date(now.getTime() - retentionDays[tier] * DAY_MS);
    const answer = await pool.query<{ dropped: number }>(
      "select fairwalk_drop_leaves($1, $2) as dropped",
      [id, before],
    );
    return answer.rows[0]?.dropped ?? 0;
  });
}

/** One tenant after the other: each holds its locks only as long as its own leaves take. */
async function forEachTenant<Row extends Pick<Tenant, "id">>(
  tenants: readonly Row[],
  work: (tenant: Row) => Promise<number>,
): Promise<PartitionUpkeep> {
  const failures: { tenantId: TenantId; error: unknown }[] = [];
  let leaves = 0;
  for (const tenant of tenants) {
    try {
      leaves += await work(tenant);
    } catch (error) {
      failures.push({ tenantId: tenant.id, error });
    }
  }
  return { leaves, failures };
}
