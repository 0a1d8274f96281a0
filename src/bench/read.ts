import { percentile95 } from "../routers/percentile.ts";
import { type TenantClient, withTenant } from "../storage/pool.ts";
import { latestSamples, ShapeCache, sampleSeries } from "../storage/samples.ts";
import { trafficOfRouter } from "../storage/traffic.ts";
import { openReadDatabase, type ReadDatabase } from "./read-database.ts";
import { machine, printResult, progress, quantile, rounded } from "./report.ts";

/**
 * How long reading takes, with few and with many tenants in the database, and what planning costs when there are 10,000
 * leaves. Each reading is what the API does for it, under row-level security, from the transaction's begin to its end.
 */

export interface BenchReadOptions {
  readonly routers: number;
  readonly interfaces: number;
  readonly tenants: number;
  readonly leaves: number;
  readonly rounds: number;
  readonly seed: number;
}

const FEW_TENANTS = 10;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export async function benchRead(options: BenchReadOptions): Promise<void> {
  const database = await openReadDatabase(options);
  try {
    const measured: Record<string, Readings> = {};
    for (const tenants of [FEW_TENANTS, options.tenants]) {
      await database.growTo(tenants);
      progress(`reading with ${tenants} tenants`);
      measured[tenants] = await readings(database, options);
    }
    const bytes = await bytesOf(database);
    const leaves = await database.addLeaves(options.leaves);
    const planning = await planningMs(database);
    printResult({
      bench: "read",
      ...options,
      p50_ms: mapped(measured, ({ p50 }) => p50),
      p99_ms: mapped(measured, ({ p99 }) => p99),
      samples_leaves: leaves,
      planning_ms_10000_leaves: planning.warm,
      planning_cold_ms: planning.cold,
      roll_up_ms: Math.round(database.rollUpMs),
      bytes_per_row: bytes,
      machine: machine(),
    });
  } finally {
    await database.close();
  }
}

interface Readings {
  readonly p50: Record<string, number>;
  readonly p99: Record<string, number>;
}

function mapped<In, Out>(values: Record<string, In>, of: (value: In) => Out): Record<string, Out> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, of(value)]));
}

async function readings(database: ReadDatabase, options: BenchReadOptions): Promise<Readings> {
  const { tenant, routerId, monthMs, nowMs } = database;
  const to = new Date(nowMs);
  const octets = { routerId, metrics: ["ifHCInOctets", "ifHCOutOctets"], to };
  const shapes = new ShapeCache(); // The API keeps one as well.
  const month = new Date(monthMs);
  const monthEnd = new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 1));
  const interfaceOf = (round: number) => (round % options.interfaces) + 1;
  const cases: Record<string, (client: TenantClient, round: number) => Promise<number>> = {
    interface_day: async (client, round) => {
      const from = new Date(nowMs - 24 * HOUR_MS);
      const instances = [String(interfaceOf(round))];
      const series = await sampleSeries(client, tenant.id, { ...octets, instances, from });
      return series.reduce((sum, { points }) => sum + points.length, 0);
    },
    interfaces_hour: async (client) => {
      const from = new Date(nowMs - HOUR_MS);
      const series = await sampleSeries(client, tenant.id, { ...octets, from });
      return series.reduce((sum, { points }) => sum + points.length, 0);
    },
    latest_routers: async (client) => {
      let rows = 0;
      const since = new Date(nowMs - 5 * MINUTE_MS);
      for await (const _row of latestSamples(client, tenant.id, { since, shapes })) rows++;
      return rows;
    },
    p95_month: async (client, round) => {
      const span = { from: month, to: monthEnd };
      const [traffic] = await trafficOfRouter(
        client,
        routerId,
        { flows: ["in", "out"], step: "5m", ...span },
        interfaceOf(round),
      );
      const inward = (traffic?.buckets ?? [])
        .filter(({ flow }) => flow === "in")
        .map(({ increase, coveredMs }) => ({
          bitsPerSecond: (increase * 8_000) / coveredMs,
          coveredMs,
        }));
      return percentile95(inward)?.intervals ?? 0;
    },
  };
  const result: Readings = { p50: {}, p99: {} };
  for (const [name, read] of Object.entries(cases)) {
    const isLong = name === "latest_routers" || name === "p95_month";
    const rounds = isLong ? Math.max(10, Math.floor(options.rounds / 5)) : options.rounds;
    const times: number[] = [];
    let found = 0;
    for (let round = -3; round < rounds; round++) {
      const startedAt = performance.now();
      found = await withTenant(database.app, tenant.id, (client) => read(client, round + 3));
      if (round >= 0) times.push(performance.now() - startedAt); // The first ones warm caches up.
    }
    times.sort((a, b) => a - b);
    result.p50[name] = rounded(quantile(times, 0.5), 100);
    result.p99[name] = rounded(quantile(times, 0.99), 100);
    progress(
      `${name}: ${result.p50[name]} ms, p99 ${result.p99[name]} ms, ${found} values or rows`,
    );
  }
  return result;
}

/** A row on disk, its index entries and free space included. */
async function bytesOf({ login, tenant }: ReadDatabase): Promise<Record<string, number>> {
  const bytes: Record<string, number> = {};
  for (const name of ["samples", "rollups_5m", "rollups_1h"]) {
    const part = `${name}_${tenant.id.replaceAll("-", "")}`;
    const { rows } = await login.query<{ bytes: number | null }>(
      `select sum(pg_total_relation_size(l.oid))::float8 / nullif(sum(greatest(l.reltuples, 0)), 0) as bytes
       from pg_inherits i join pg_class l on l.oid = i.inhrelid where i.inhparent = to_regclass($1)`,
      [`public.${part}`],
    );
    bytes[name] = Math.round(rows[0]?.bytes ?? 0);
  }
  return bytes;
}

const PLANS = 50;

/** What Postgres says planning took: the first time on a new connection, and the median after that. */
async function planningMs({ app, tenant, routerId, nowMs }: ReadDatabase) {
  const times = await withTenant(app, tenant.id, async (client) => {
    const all: number[] = [];
    for (let n = 0; n <= PLANS; n++) {
      const { rows } = await client.query<{ "QUERY PLAN": [{ "Planning Time": number }] }>(
        `explain (summary on, format json)
         select s.polled_at, s.values[1:1] from samples s
         where s.tenant_id = $1 and s.router_id = $2 and s.shape_id = $3 and s.polled_at >= $4 and s.polled_at < $5`,
        [tenant.id, routerId, "1", new Date(nowMs - HOUR_MS), new Date(nowMs)],
      );
      all.push(rows[0]?.["QUERY PLAN"][0]["Planning Time"] ?? Number.NaN);
    }
    return all;
  });
  const [cold = Number.NaN, ...warm] = times;
  warm.sort((a, b) => a - b);
  return { cold: rounded(cold, 1_000), warm: rounded(quantile(warm, 0.5), 1_000) };
}
