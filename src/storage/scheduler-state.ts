import type { TenantId, Tier } from "../tenants/tenant.ts";
import { type Pool, type Queryable, withTransaction } from "./pool.ts";

/** What a zone's leader reports of its tenants, for administrators and tenants to see. Nothing depends on it. */

export interface TenantFairness {
  readonly tenantId: TenantId;
  readonly weight: number;
  readonly routers: number;
  readonly unreachableRouters: number;
  /** Polls that came due. */
  readonly pollsPerSecond: number;
  /** Of a poll; null: none was measured yet. */
  readonly meanCostMs: number | null;
  /** Slot time its routers ask for, per second. */
  readonly demandMsPerSecond: number;
  /** Slot time it got, and would have got of an ideal scheduler. */
  readonly receivedMs: number;
  readonly fairShareMs: number;
  /** Polls due and not started. */
  readonly backlog: number;
  /** Polls released and not finished. */
  readonly inFlight: number;
  /** Milliseconds since the Unix epoch; null: nothing is due. */
  readonly oldestDueAtMs: number | null;
  /** Null: nothing was started. */
  readonly latenessP50Ms: number | null;
  readonly latenessP99Ms: number | null;
  readonly onTimeRatio: number | null;
  /** By outcome. */
  readonly polls: Readonly<Record<string, number>>;
  /** By reason. */
  readonly skips: Readonly<Record<string, number>>;
}

export interface FairnessRow extends TenantFairness {
  readonly zoneKey: string;
  readonly slug: string;
  readonly tier: Tier;
  readonly updatedAt: Date;
}

/** The columns a leader fills, but for the zone's key and the time. */
const FIGURES = `tenant_id, weight, routers, unreachable_routers, polls_per_second, mean_cost_ms, demand_ms_per_second,
  received_ms, fair_share_ms, backlog, in_flight, oldest_due_at, lateness_p50_ms, lateness_p99_ms, on_time_ratio, polls,
  skips`;

function figuresOf(table: string): string {
  return FIGURES.replaceAll(/\w+/g, `${table}.$&`);
}

/** A bucket of zone_demand, and how long buckets are kept. */
const DEMAND_BUCKET = "5 minutes";
const DEMAND_KEPT = "1 day";

/**
 * Replaces what is known of a zone, and adds what its tenants ask for together to the zone's history. Tenants that are
 * gone are left out. As fairwalk_scheduler.
 */
export async function saveFairness(
  pool: Pool,
  zoneKey: string,
  tenants: readonly TenantFairness[],
): Promise<void> {
  const rows = tenants.map((row) => ({
    tenant_id: row.tenantId,
    weight: row.weight,
    routers: row.routers,
    unreachable_routers: row.unreachableRouters,
    polls_per_second: row.pollsPerSecond,
    mean_cost_ms: row.meanCostMs,
    demand_ms_per_second: row.demandMsPerSecond,
    received_ms: row.receivedMs,
    fair_share_ms: row.fairShareMs,
    backlog: row.backlog,
    in_flight: row.inFlight,
    oldest_due_at: row.oldestDueAtMs === null ? null : new Date(row.oldestDueAtMs),
    lateness_p50_ms: row.latenessP50Ms,
    lateness_p99_ms: row.latenessP99Ms,
    on_time_ratio: row.onTimeRatio,
    polls: row.polls,
    skips: row.skips,
  }));
  const demand = tenants.reduce((sum, row) => sum + row.demandMsPerSecond, 0);
  await withTransaction(pool, async (client) => {
    await client.query(
      `insert into tenant_fairness (zone_key, ${FIGURES}, updated_at)
       select $1, ${figuresOf("b")}, now()
       from jsonb_to_recordset($2) as b (tenant_id uuid, weight float8, routers integer, unreachable_routers integer,
         polls_per_second float8, mean_cost_ms float8, demand_ms_per_second float8, received_ms float8,
         fair_share_ms float8, backlog integer, in_flight integer, oldest_due_at timestamptz, lateness_p50_ms float8,
         lateness_p99_ms float8, on_time_ratio float8, polls jsonb, skips jsonb)
       join tenants t on t.id = b.tenant_id
       on conflict (tenant_id, zone_key) do update set
         (${FIGURES}, updated_at) = row (${figuresOf("excluded")}, excluded.updated_at)`,
      [zoneKey, JSON.stringify(rows)],
    );
    await client.query(
      "delete from tenant_fairness where zone_key = $1 and tenant_id <> all ($2)",
      [zoneKey, tenants.map(({ tenantId }) => tenantId)],
    );
    await client.query(
      `insert into zone_demand as z (zone_key, bucket_at, reports, demand_ms_per_second_sum)
       values ($1, date_bin('${DEMAND_BUCKET}', now(), 'epoch'), 1, $2)
       on conflict (zone_key, bucket_at) do update set
         reports = z.reports + 1, demand_ms_per_second_sum = z.demand_ms_per_second_sum + excluded.demand_ms_per_second_sum`,
      [zoneKey, demand],
    );
    await client.query(
      `delete from zone_demand where zone_key = $1 and bucket_at < now() - interval '${DEMAND_KEPT}'`,
      [zoneKey],
    );
  });
}

/** Whether anybody led the zone within the last day. As fairwalk_scheduler. */
export async function hasBeenLed(pool: Queryable, zoneKey: string): Promise<boolean> {
  const { rowCount } = await pool.query("select from zone_demand where zone_key = $1 limit 1", [
    zoneKey,
  ]);
  return rowCount === 1;
}

interface FairnessColumns {
  tenant_id: TenantId;
  slug: string;
  tier: Tier;
  zone_key: string;
  weight: number;
  routers: number;
  unreachable_routers: number;
  polls_per_second: number;
  mean_cost_ms: number | null;
  demand_ms_per_second: number;
  received_ms: number;
  fair_share_ms: number;
  backlog: number;
  in_flight: number;
  oldest_due_at: Date | null;
  lateness_p50_ms: number | null;
  lateness_p99_ms: number | null;
  on_time_ratio: number | null;
  polls: Record<string, number>;
  skips: Record<string, number>;
  updated_at: Date;
}

/**
 * Tenants in all zones, as their leaders last reported: of all tenants as fairwalk_platform, or of the one named; as
 * fairwalk_app in that tenant's own transaction.
 */
export async function fairnessRows(pool: Queryable, tenantId?: TenantId): Promise<FairnessRow[]> {
  const { rows } = await pool.query<FairnessColumns>(
    `select f.zone_key, ${figuresOf("f")}, t.slug, t.tier, f.updated_at
     from tenant_fairness f join tenants t on t.id = f.tenant_id
     where $1::uuid is null or f.tenant_id = $1
     order by f.zone_key, t.slug`,
    [tenantId ?? null],
  );
  return rows.map((row) => ({
    tenantId: row.tenant_id,
    slug: row.slug,
    tier: row.tier,
    zoneKey: row.zone_key,
    weight: row.weight,
    routers: row.routers,
    unreachableRouters: row.unreachable_routers,
    pollsPerSecond: row.polls_per_second,
    meanCostMs: row.mean_cost_ms,
    demandMsPerSecond: row.demand_ms_per_second,
    receivedMs: row.received_ms,
    fairShareMs: row.fair_share_ms,
    backlog: row.backlog,
    inFlight: row.in_flight,
    oldestDueAtMs: row.oldest_due_at?.getTime() ?? null,
    latenessP50Ms: row.lateness_p50_ms,
    latenessP99Ms: row.lateness_p99_ms,
    onTimeRatio: row.on_time_ratio,
    polls: row.polls,
    skips: row.skips,
    updatedAt: row.updated_at,
  }));
}
