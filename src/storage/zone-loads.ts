import type { TenantId } from "../tenants/tenant.ts";
import type { Queryable, TenantClient } from "./pool.ts";

/**
 * What is asked of zones and what they can give: for admission and for planning capacity. A tenant's own part is read
 * under its policy; what tenants ask for together comes from the rows of the zones' leaders, as fairwalk_platform.
 */

/** Workers report every second; one that missed this many reports is no capacity. */
export const WORKER_SILENCE_MS_MAX = 15_000;

/** Rows of a zone that nobody leads any more say nothing after this. */
const REPORTS_COUNT_FOR = "1 hour";

/** What one tenant's enabled routers ask of a zone. */
export interface OwnLoad {
  readonly zoneKey: string;
  /** Sum of 1 ÷ interval, and of modules ÷ interval. */
  readonly pollsPerSecond: number;
  readonly modulesPerSecond: number;
  /** Slot time of one of its polls there, as measured; null: none was yet. */
  readonly meanCostMs: number | null;
}

/**
 * The tenant's load of each of the zones, in no order. A router whose modules its profile chooses counts with
 * `modulesByProfile` of them.
 */
export async function ownLoads(
  client: TenantClient,
  zoneKeys: readonly string[],
  modulesByProfile: number,
): Promise<OwnLoad[]> {
  const { rows } = await client.query<{
    zone_key: string;
    polls_per_second: number;
    modules_per_second: number;
    mean_cost_ms: number | null;
  }>(
    `select z.key as zone_key,
       coalesce(sum(1 / r.interval_seconds::float8), 0) as polls_per_second,
       coalesce(sum(coalesce(cardinality(r.modules), $3) / r.interval_seconds::float8), 0) as modules_per_second,
       (select f.mean_cost_ms from tenant_fairness f where f.tenant_id = $1 and f.zone_key = z.key) as mean_cost_ms
     from unnest($2::text[]) z (key)
     left join routers r on r.tenant_id = $1 and r.zone_key = z.key and r.enabled
     group by z.key`,
    [client.tenantId, zoneKeys, modulesByProfile],
  );
  return rows.map((row) => ({
    zoneKey: row.zone_key,
    pollsPerSecond: row.polls_per_second,
    modulesPerSecond: row.modules_per_second,
    meanCostMs: row.mean_cost_ms,
  }));
}

/** A zone as one tenant stands in it; sums over other tenants, never a row of one. */
export interface ZoneStanding {
  /** Slots of its live workers; null: none lives. */
  readonly slots: number | null;
  /** Weights of those the tenant (or its MSP, with all of its tenants) shares the zone with. */
  readonly othersWeight: number;
  /** Weights of its MSP's other tenants there, and of the MSP itself; of an MSP: those of its tenants. */
  readonly siblingsWeight: number;
  /** Slot-milliseconds a second that all other tenants ask for. */
  readonly othersDemandMsPerSecond: number;
}

/** As fairwalk_platform. `mspWeight` is the weight of an MSP's group. */
export async function zoneStanding(
  pool: Queryable,
  zoneKey: string,
  tenant: { readonly id: TenantId; readonly parentId: TenantId | null },
  mspWeight: number,
): Promise<ZoneStanding> {
  const { rows } = await pool.query<{
    slots: number | null;
    others_weight: number;
    siblings_weight: number;
    others_demand: number;
  }>(
    `with others as (
       select f.weight, f.demand_ms_per_second as demand, coalesce(t.parent_id, t.id) as top,
         t.parent_id is not null as has_parent
       from tenant_fairness f join tenants t on t.id = f.tenant_id
       where f.zone_key = $1 and f.tenant_id <> $2 and t.state = 'active'
         and f.updated_at > now() - interval '${REPORTS_COUNT_FOR}'
     ), rivals as (
       select case when bool_or(has_parent) then $4::float8 else max(weight) end as weight
       from others where top <> $3 group by top
     )
     select
       (select sum(w.concurrency::float8 / cardinality(w.zones)) from workers w
        where $1 = any (w.zones) and w.heartbeat_at > now() - $5 * interval '1 millisecond') as slots,
       (select coalesce(sum(weight), 0) from rivals) as others_weight,
       (select coalesce(sum(weight), 0) from others where top = $3) as siblings_weight,
       (select coalesce(sum(demand), 0) from others) as others_demand`,
    [zoneKey, tenant.id, tenant.parentId ?? tenant.id, mspWeight, WORKER_SILENCE_MS_MAX],
  );
  const [row] = rows;
  return {
    slots: row?.slots ?? null,
    othersWeight: row?.others_weight ?? 0,
    siblingsWeight: row?.siblings_weight ?? 0,
    othersDemandMsPerSecond: row?.others_demand ?? 0,
  };
}

/** What the tenants of a zone ask for together: now, and at most for 99 % of the last day. */
export interface ZoneDemand {
  readonly zoneKey: string;
  readonly routers: number;
  readonly pollsPerSecond: number;
  readonly demandMsPerSecond: number;
  /** Of the means over five minutes; null: no history yet. */
  readonly demandP99MsPerSecond: number | null;
  readonly historySince: Date | null;
  readonly updatedAt: Date;
}

/** All zones that a leader reported of lately, by key. As fairwalk_platform. */
export async function zoneDemands(pool: Queryable): Promise<ZoneDemand[]> {
  const { rows } = await pool.query<{
    zone_key: string;
    routers: number;
    polls_per_second: number;
    demand: number;
    demand_p99: number | null;
    history_since: Date | null;
    updated_at: Date;
  }>(
    `select f.zone_key, sum(f.routers)::integer as routers, sum(f.polls_per_second) as polls_per_second,
       sum(f.demand_ms_per_second) as demand, max(d.p99) as demand_p99, min(d.since) as history_since,
       max(f.updated_at) as updated_at
     from tenant_fairness f
     left join (
       select zone_key, min(bucket_at) as since,
         percentile_cont(0.99) within group (order by demand_ms_per_second_sum / reports) as p99
       from zone_demand group by zone_key
     ) d on d.zone_key = f.zone_key
     where f.updated_at > now() - interval '${REPORTS_COUNT_FOR}'
     group by f.zone_key order by f.zone_key`,
  );
  return rows.map((row) => ({
    zoneKey: row.zone_key,
    routers: row.routers,
    pollsPerSecond: row.polls_per_second,
    demandMsPerSecond: row.demand,
    demandP99MsPerSecond: row.demand_p99,
    historySince: row.history_since,
    updatedAt: row.updated_at,
  }));
}
