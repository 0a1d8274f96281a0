import type { TenantId, Tier } from "../tenants/tenant.ts";
import { type Pool, type Queryable, withTransaction } from "./pool.ts";

/** What a zone's leader reports of its tenants, for administrators and tenants to see. Nothing depends on it. */

export interface TenantFairness {
  readonly tenantId: TenantId;
  readonly weight: number;
  /** Slot time its routers ask for, per second. */
  readonly demandMsPerSecond: number;
  /** Slot time it got, and would have got of an ideal scheduler. */
  readonly receivedMs: number;
  readonly fairShareMs: number;
  /** Polls due and not started. */
  readonly backlog: number;
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

/** Replaces what is known of a zone; tenants that are gone are left out. As fairwalk_scheduler. */
export async function saveFairness(
  pool: Pool,
  zoneKey: string,
  tenants: readonly TenantFairness[],
): Promise<void> {
  const rows = tenants.map((row) => ({
    tenant_id: row.tenantId,
    weight: row.weight,
    demand_ms_per_second: row.demandMsPerSecond,
    received_ms: row.receivedMs,
    fair_share_ms: row.fairShareMs,
    backlog: row.backlog,
    oldest_due_at: row.oldestDueAtMs === null ? null : new Date(row.oldestDueAtMs),
    lateness_p50_ms: row.latenessP50Ms,
    lateness_p99_ms: row.latenessP99Ms,
    on_time_ratio: row.onTimeRatio,
    polls: row.polls,
    skips: row.skips,
  }));
  await withTransaction(pool, async (client) => {
    await client.query(
      `insert into tenant_fairness (tenant_id, zone_key, weight, demand_ms_per_second, received_ms, fair_share_ms,
         backlog, oldest_due_at, lateness_p50_ms, lateness_p99_ms, on_time_ratio, polls, skips, updated_at)
       select b.tenant_id, $1, b.weight, b.demand_ms_per_second, b.received_ms, b.fair_share_ms, b.backlog,
         b.oldest_due_at, b.lateness_p50_ms, b.lateness_p99_ms, b.on_time_ratio, b.polls, b.skips, now()
       from jsonb_to_recordset($2) as b (tenant_id uuid, weight float8, demand_ms_per_second float8,
         received_ms float8, fair_share_ms float8, backlog integer, oldest_due_at timestamptz, lateness_p50_ms float8,
         lateness_p99_ms float8, on_time_ratio float8, polls jsonb, skips jsonb)
       join tenants t on t.id = b.tenant_id
       on conflict (tenant_id, zone_key) do update set
         weight = excluded.weight, demand_ms_per_second = excluded.demand_ms_per_second,
         received_ms = excluded.received_ms, fair_share_ms = excluded.fair_share_ms, backlog = excluded.backlog,
         oldest_due_at = excluded.oldest_due_at, lateness_p50_ms = excluded.lateness_p50_ms,
         lateness_p99_ms = excluded.lateness_p99_ms, on_time_ratio = excluded.on_time_ratio,
         polls = excluded.polls, skips = excluded.skips, updated_at = excluded.updated_at`,
      [zoneKey, JSON.stringify(rows)],
    );
    await client.query(
      "delete from tenant_fairness where zone_key = $1 and tenant_id <> all ($2)",
      [zoneKey, tenants.map(({ tenantId }) => tenantId)],
    );
  });
}

interface FairnessColumns {
  tenant_id: TenantId;
  slug: string;
  tier: Tier;
  zone_key: string;
  weight: number;
  demand_ms_per_second: number;
  received_ms: number;
  fair_share_ms: number;
  backlog: number;
  oldest_due_at: Date | null;
  lateness_p50_ms: number | null;
  lateness_p99_ms: number | null;
  on_time_ratio: number | null;
  polls: Record<string, number>;
  skips: Record<string, number>;
  updated_at: Date;
}

/** All tenants in all zones, as their leaders last reported. As fairwalk_platform; as fairwalk_app one tenant's own. */
export async function fairnessRows(pool: Queryable): Promise<FairnessRow[]> {
  const { rows } = await pool.query<FairnessColumns>(
    `select f.tenant_id, t.slug, t.tier, f.zone_key, f.weight, f.demand_ms_per_second, f.received_ms, f.fair_share_ms,
       f.backlog, f.oldest_due_at, f.lateness_p50_ms, f.lateness_p99_ms, f.on_time_ratio, f.polls, f.skips, f.updated_at
     from tenant_fairness f join tenants t on t.id = f.tenant_id
     order by f.zone_key, t.slug`,
  );
  return rows.map((row) => ({
    tenantId: row.tenant_id,
    slug: row.slug,
    tier: row.tier,
    zoneKey: row.zone_key,
    weight: row.weight,
    demandMsPerSecond: row.demand_ms_per_second,
    receivedMs: row.received_ms,
    fairShareMs: row.fair_share_ms,
    backlog: row.backlog,
    oldestDueAtMs: row.oldest_due_at?.getTime() ?? null,
    latenessP50Ms: row.lateness_p50_ms,
    latenessP99Ms: row.lateness_p99_ms,
    onTimeRatio: row.on_time_ratio,
    polls: row.polls,
    skips: row.skips,
    updatedAt: row.updated_at,
  }));
}
