import { uuidv7 } from "../lib/uuid.ts";
import type { PollResult } from "../routers/samples.ts";
import { openSampleWriter } from "../storage/copy.ts";
import { LeafDirectory } from "../storage/leaves.ts";
import { leafName } from "../storage/partitions.ts";
import { openSampleStore } from "../storage/sample-store.ts";
import { ShapeRegistry } from "../storage/shapes.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { type IngestDatabase, openIngestDatabase } from "./ingest-database.ts";
import { IngestNetwork, METRICS } from "./ingest-network.ts";
import { copyByPsql, hasPsql, insertUnderRls } from "./ingest-rivals.ts";
import { machine, printResult, progress, quantile, rounded } from "./report.ts";

/**
 * How fast samples get into Postgres: our writer, with the flushes of 1, 10, 100 and 1,000 tenants, beside psql's \copy of
 * ready files into the same leaves and multi-row INSERT under row-level security. All take turns on one embedded
 * Postgres, and each figure is the median of its turns.
 */

export interface IngestOptions {
  readonly polls: number;
  readonly interfaces: number;
  readonly flushes: number;
  readonly rounds: number;
  readonly seed: number;
}

const TENANTS = [1, 10, 100, 1_000] as const;

/** A turn: what it took by the clock, and of this process' CPU. */
interface Turn {
  readonly ms: number;
  readonly cpuUs: number;
}

export async function benchIngest(options: IngestOptions): Promise<void> {
  const database = await openIngestDatabase(Math.max(...TENANTS));
  try {
    const turns = await takeTurns(database, options);
    const pollsPerTurn = options.polls * options.flushes;
    const rate = (name: string): number | null => {
      const sorted = (turns.get(name) ?? []).map(({ ms }) => ms).sort((a, b) => a - b);
      if (sorted.length === 0) return null;
      return Math.round((pollsPerTurn * options.interfaces * 1_000) / quantile(sorted, 0.5));
    };
    const ratio = (a: string, b: string): number | null => {
      const [of, to] = [rate(a), rate(b)];
      return of === null || to === null ? null : rounded(of / to, 100);
    };
    const cpuUs = TENANTS.map((count) => {
      const sorted = (turns.get(`ours_${count}`) ?? []).map(({ cpuUs }) => cpuUs);
      return rounded(
        quantile(
          sorted.sort((a, b) => a - b),
          0.5,
        ) / pollsPerTurn,
        10,
      );
    });
    printResult({
      bench: "ingest",
      machine: machine(),
      ...options,
      metrics: METRICS.length,
      interface_polls_per_second: {
        ...Object.fromEntries(TENANTS.map((count) => [`ours_${count}`, rate(`ours_${count}`)])),
        psql_copy: rate("psql_copy_1"),
        psql_copy_1000: rate("psql_copy_1000"),
        insert_rls: rate("insert_rls"),
      },
      ratio_copy_1: ratio("ours_1", "psql_copy_1"),
      // Each into the same leaves; and a thousand leaves beside one.
      ratio_copy_1000: ratio("ours_1000", "psql_copy_1000"),
      ratio_copy_1000_to_one_leaf: ratio("ours_1000", "psql_copy_1"),
      ratio_insert: ratio("ours_1", "insert_rls"),
      node_cpu_us_per_poll: cpuUs[0],
      node_cpu_us_per_poll_by_tenants: Object.fromEntries(
        TENANTS.map((count, i) => [count, cpuUs[i]]),
      ),
      ...(await bytesPerValue(database, options)),
    });
  } finally {
    await database.close();
  }
}

async function takeTurns(
  database: IngestDatabase,
  options: IngestOptions,
): Promise<Map<string, Turn[]>> {
  const { app, ingest, owner, tenants } = database;
  // Only here: the product writes by COPY alone.
  await owner.query("grant insert on samples, polls to fairwalk_app");
  const shapes = new ShapeRegistry(app);
  const { store } = openSampleStore({ writer: openSampleWriter(ingest), shapes });
  const leaves = new LeafDirectory(ingest);
  await leaves.learn(tenants);
  const lowerOf = (tenantId: TenantId): number => {
    const leaf = leaves.find(tenantId, Date.now());
    if (leaf === undefined) throw new Error(`Tenant "${tenantId}" has no leaf for now`);
    return leaf.lowerMs;
  };
  const networks = new Map(
    TENANTS.map((count) => [
      count,
      new IngestNetwork(tenants.slice(0, count), { ...options, routers: options.polls }),
    ]),
  );
  const flushesOf = (count: (typeof TENANTS)[number]): PollResult[][] =>
    Array.from({ length: options.flushes }, () => networks.get(count)?.polls() ?? []);

  const turns = new Map<string, Turn[]>();
  const take = async (name: string, work: () => Promise<number>): Promise<void> => {
    const before = process.cpuUsage();
    const ms = await work();
    const { user, system } = process.cpuUsage(before);
    turns.set(name, [...(turns.get(name) ?? []), { ms, cpuUs: user + system }]);
    progress(`${name}: ${Math.round(ms)} ms`);
  };
  const ours = async (flushes: readonly PollResult[][]): Promise<number> => {
    const startedAt = performance.now();
    for (const results of flushes) {
      const { refused, postponed } = await store({ flushId: uuidv7(), results });
      if (refused.length + postponed.length > 0) throw new Error("Postgres did not take a flush");
    }
    return performance.now() - startedAt;
  };

  const isPsqlHere = hasPsql();
  if (!isPsqlHere) progress("psql is not installed: no comparison with it");
  for (let round = 0; round <= options.rounds; round++) {
    if (round === 1) turns.clear(); // The first round only warms up: shapes, leaves, caches.
    for (const count of TENANTS) {
      const flushes = flushesOf(count);
      await take(`ours_${count}`, () => ours(flushes));
    }
    if (isPsqlHere) {
      for (const count of [1, 1_000] as const) {
        const flushes = flushesOf(count);
        await take(`psql_copy_${count}`, () => copyByPsql(database, flushes, lowerOf));
      }
    }
    const flushes = flushesOf(1);
    await take("insert_rls", () => insertUnderRls(database, flushes));
  }
  return turns;
}

/** What a value takes on disk with its indexes: in our layout, and in a row per interface of the very same values. */
async function bytesPerValue(
  { owner, tenants }: IngestDatabase,
  { interfaces }: IngestOptions,
): Promise<Record<string, number>> {
  const [tenantId] = tenants;
  if (tenantId === undefined) throw new Error("There are no tenants");
  const columns = METRICS.map((_, m) => `m${m} bigint`).join(", ");
  const values = METRICS.map((_, m) => `v.values[${m * interfaces} + i]`).join(", ");
  await owner.query(
    `create table bench_rows (tenant_id uuid not null, router_id uuid not null, if_index integer not null,
       polled_at timestamptz not null, ${columns})`,
  );
  await owner.query("create index on bench_rows (router_id, if_index, polled_at)");
  const { rows: leaf } = await owner.query<{ leaf: string }>(
    "select l.leaf from fairwalk_leaves($1) l where l.parent = 'samples' order by pg_total_relation_size(l.leaf::regclass) desc limit 1",
    [tenantId],
  );
  const name = leaf[0]?.leaf ?? leafName("samples", tenantId, 0);
  await owner.query(
    `insert into bench_rows
     select v.tenant_id, v.router_id, i, v.polled_at, ${values}
     from (select * from ${name} order by polled_at limit 2000) v cross join generate_series(1, ${interfaces}) i`,
  );
  const { rows } = await owner.query<{ ours: number; theirs: number }>(
    `select
       pg_total_relation_size('${name}'::regclass)::float8
         / (select count(*) * ${METRICS.length * interfaces} from ${name}) as ours,
       pg_total_relation_size('bench_rows')::float8
         / (select count(*) * ${METRICS.length} from bench_rows) as theirs`,
  );
  const [{ ours, theirs } = { ours: Number.NaN, theirs: Number.NaN }] = rows;
  return {
    bytes_per_value: rounded(ours, 100),
    bytes_per_value_row_per_interface: rounded(theirs, 100),
  };
}
