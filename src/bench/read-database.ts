import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../embedded/postgres.ts";
import { seededRandom } from "../lib/seeded-random.ts";
import { uuidv7 } from "../lib/uuid.ts";
import type { RouterId } from "../routers/router.ts";
import type { PollResult, SampleBlock } from "../routers/samples.ts";
import { openSampleWriter } from "../storage/copy.ts";
import { createCredential } from "../storage/credentials.ts";
import { migrate } from "../storage/migrate.ts";
import { makeLeaves } from "../storage/partitions.ts";
import { openPool, type Pool, type Role, withTenant } from "../storage/pool.ts";
import { beginRollups, rollUpBuckets, rollUpHours } from "../storage/roll-up.ts";
import { dueRollups } from "../storage/rollup-due.ts";
import { insertRouters } from "../storage/routers.ts";
import { ShapeCache } from "../storage/samples.ts";
import { ShapeRegistry } from "../storage/shapes.ts";
import { tenantDataKey } from "../storage/tenant-keys.ts";
import { TENANT_PARTITIONED_TABLES } from "../storage/tenant-tables.ts";
import { createTenant } from "../storage/tenants.ts";
import type { Tenant, TenantId, Tier } from "../tenants/tenant.ts";
import { progress } from "./report.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "./temporary-directory.ts";

/**
 * A database to read from: one tenant with a network and a history, and others beside it. Everything was written the way
 * the product writes it.
 */
export interface ReadDatabase {
  readonly app: Pool;
  readonly platform: Pool;
  readonly login: Pool;
  /** The one that is read. */
  readonly tenant: Tenant;
  /** The router with the history. */
  readonly routerId: RouterId;
  /** Its history: every 5 minutes from `monthMs` on, every minute in the last day before `nowMs`. */
  readonly monthMs: number;
  readonly nowMs: number;
  /** How long it took to roll the history up, in milliseconds. */
  readonly rollUpMs: number;
  /** Adds others until there are `count` tenants, each with a router and some polls. */
  growTo(count: number): Promise<void>;
  /** Gives the others empty leaves of samples until there are `count` in the database. */
  addLeaves(count: number): Promise<number>;
  close(): Promise<void>;
}

export interface ReadOptions {
  readonly routers: number;
  readonly interfaces: number;
  readonly seed: number;
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const METRICS = [
  ...["ifHCInOctets", "ifHCOutOctets", "ifHCInUcastPkts", "ifHCOutUcastPkts"],
  ...["ifHCInMulticastPkts", "ifHCOutMulticastPkts", "ifInErrors", "ifOutErrors"],
  ...["ifInDiscards", "ifOutDiscards", "ifAdminStatus", "ifOperStatus", "ifHighSpeed"],
  "ifCounterDiscontinuityTime",
] as const;
const COUNTERS = 10;
const FLUSH_POLLS = 200;
const QUIET = { debug() {}, info() {}, warn() {}, error: console.error };

export async function openReadDatabase(options: ReadOptions): Promise<ReadDatabase> {
  const folder = await makeTemporaryDirectory("bench");
  const stops: (() => Promise<unknown>)[] = [() => removeTemporaryDirectory(folder)];
  const close = async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  };
  try {
    const postgres = await startEmbeddedPostgres({ dataDir: join(folder, "data"), log: QUIET });
    stops.push(() => postgres.stop());
    const directory = join(import.meta.dirname, "..", "..", "migrations");
    await migrate({ url: postgres.url, directory, log: QUIET });
    const pool = (role: Role | undefined) => {
      const opened = openPool({
        url: postgres.url,
        role,
        max: 2,
        applicationName: "fairwalk bench",
      });
      stops.push(() => opened.end());
      return opened;
    };
    const pools = {
      app: pool("fairwalk_app"),
      ingest: pool("fairwalk_ingest"),
      scheduler: pool("fairwalk_scheduler"),
      rollup: pool("fairwalk_rollup"),
      platform: pool("fairwalk_platform"),
      login: pool(undefined),
    };
    return { ...(await fill(pools, options)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Pools = Record<"app" | "ingest" | "scheduler" | "rollup" | "platform" | "login", Pool>;

async function fill(pools: Pools, options: ReadOptions): Promise<Omit<ReadDatabase, "close">> {
  const masterKey = randomBytes(32);
  const registry = new ShapeRegistry(pools.app);
  const writer = openSampleWriter(pools.ingest);
  const store = async (results: readonly PollResult[]): Promise<void> => {
    await registry.register(results);
    await writer.flush({ flushId: uuidv7(), results });
  };
  const newTenant = (slug: string, tier: Tier) =>
    createTenant(pools.platform, { name: slug, slug, tier }, masterKey, new Date());

  const nowMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  const month = new Date(nowMs - 32 * DAY_MS);
  const monthMs = Date.UTC(month.getUTCFullYear(), month.getUTCMonth(), 1);
  const tenant = await newTenant("read", "msp");
  await coverSince(pools, tenant.id, monthMs);
  const routerIds = await registerRouters(pools, tenant, masterKey, options.routers);
  const [routerId] = routerIds;
  if (routerId === undefined) throw new Error("Cannot read from no router");
  const network = new Network(options);

  progress(`storing the newest polls of ${options.routers} routers`);
  for (let minute = 5; minute >= 1; minute--) {
    for (let first = 1; first < routerIds.length; first += FLUSH_POLLS) {
      const some = routerIds.slice(first, first + FLUSH_POLLS);
      await store(some.map((id) => network.poll(tenant.id, id, nowMs - minute * MINUTE_MS)));
    }
  }
  progress("storing the history of one router");
  const times: number[] = [];
  for (let atMs = monthMs; atMs < nowMs - DAY_MS; atMs += 5 * MINUTE_MS) times.push(atMs);
  for (let atMs = nowMs - DAY_MS; atMs < nowMs; atMs += MINUTE_MS) times.push(atMs);
  for (let first = 0; first < times.length; first += FLUSH_POLLS) {
    const some = times.slice(first, first + FLUSH_POLLS);
    await store(some.map((atMs) => network.poll(tenant.id, routerId, atMs)));
  }
  progress("rolling it up");
  const startedAt = performance.now();
  await rollUp(pools, tenant.id, nowMs);
  const rollUpMs = performance.now() - startedAt;
  await pools.login.query("set role fairwalk_owner");
  await pools.login.query("analyze");

  const others: Tenant[] = [];
  return {
    ...pools,
    tenant,
    routerId,
    monthMs,
    nowMs,
    rollUpMs,
    async growTo(count) {
      progress(`growing to ${count} tenants`);
      while (others.length < count - 1) {
        const some: Tenant[] = [];
        while (some.length < 50 && others.length + some.length < count - 1) {
          some.push(await newTenant(`other-${others.length + some.length}`, "free"));
        }
        for (let minute = 5; minute >= 1; minute--) {
          const atMs = nowMs - minute * MINUTE_MS;
          await store(some.map(({ id }) => network.poll(id, uuidv7() as RouterId, atMs)));
        }
        others.push(...some);
      }
    },
    async addLeaves(count) {
      progress(`making leaves until there are ${count}`);
      const leaves = async () => {
        const { rows } = await pools.platform.query<{ count: number }>(
          "select count(*)::integer as count from pg_class where relkind = 'r' and relispartition and relname like 'samples%'",
        );
        return rows[0]?.count ?? 0;
      };
      const each = Math.ceil((count - (await leaves())) / Math.max(1, others.length));
      if (each > 0) {
        const lowest = Math.floor(nowMs / DAY_MS - 60 - each) * DAY_MS;
        const bounds = Array.from({ length: each }, (_, n) => ({
          lowerMs: lowest + n * DAY_MS,
          upperMs: lowest + (n + 1) * DAY_MS,
        }));
        for (const { id } of others) await makeLeaves(pools.platform, id, "samples", bounds);
      }
      return leaves();
    },
  };
}

/** Leaves for a history: a new tenant's reach back a day. */
async function coverSince(pools: Pools, tenantId: TenantId, sinceMs: number): Promise<void> {
  for (const table of TENANT_PARTITIONED_TABLES) {
    const { rows } = await pools.platform.query<{ lower: Date }>(
      "select min(l.lower) as lower from fairwalk_table_leaves($1, $2) l",
      [tenantId, table],
    );
    const upperMs = rows[0]?.lower.getTime() ?? 0;
    const lowerMs = Math.floor(sinceMs / DAY_MS) * DAY_MS;
    if (lowerMs < upperMs)
      await makeLeaves(pools.platform, tenantId, table, [{ lowerMs, upperMs }]);
  }
}

function registerRouters(
  pools: Pools,
  tenant: Tenant,
  masterKey: Uint8Array,
  count: number,
): Promise<RouterId[]> {
  return withTenant(pools.app, tenant.id, async (client) => {
    const key = await tenantDataKey(client, masterKey);
    const { id: credentialId } = await createCredential(client, key, {
      name: "bench",
      version: "2c",
      community: "public",
    });
    const bodies = Array.from({ length: count }, (_, n) => ({
      name: `router ${n}`,
      address: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
      port: 161,
      zone: "default",
      credentialId,
      intervalSeconds: 60,
      modules: null,
      context: "",
      labels: {},
      enabled: true,
    }));
    return (await insertRouters(client, bodies)).map(({ id }) => id);
  });
}

async function rollUp(pools: Pools, tenantId: TenantId, nowMs: number): Promise<void> {
  const kindOf = (_module: string, metric: string) =>
    METRICS.indexOf(metric as (typeof METRICS)[number]) < COUNTERS ? "counter" : "gauge";
  const context = { pool: pools.rollup, kindOf, shapes: new ShapeCache() } as const;
  await beginRollups(context, tenantId);
  for (const step of ["5m", "1h"] as const) {
    const due = await dueRollups(pools.scheduler, step, new Date(nowMs));
    const compute = step === "5m" ? rollUpBuckets : rollUpHours;
    for (const { buckets } of due) await compute(context, tenantId, buckets);
  }
}

/** Routers whose counters move by rates drawn once an interface, a little more or less from poll to poll. */
class Network {
  readonly #instances: readonly string[];
  readonly #labels: SampleBlock["labels"];
  readonly #rates: Float64Array;
  readonly #random: () => number;

  constructor({ interfaces, seed }: ReadOptions) {
    this.#random = seededRandom(seed);
    this.#instances = Array.from({ length: interfaces }, (_, i) => String(i + 1));
    this.#labels = this.#instances.map((ifIndex) => ({
      ifIndex,
      ifName: `ge-0/0/${ifIndex}`,
      ifAlias: `customer ${ifIndex}`,
    }));
    this.#rates = Float64Array.from(
      { length: METRICS.length * interfaces },
      () => 10 ** (1 + 6 * this.#random()),
    );
  }

  poll(tenantId: TenantId, routerId: RouterId, atMs: number): PollResult {
    const cells = METRICS.length * this.#instances.length;
    const values = new BigInt64Array(cells);
    const seconds = atMs / 1_000 - 1.5e9;
    for (let cell = 0; cell < cells; cell++) {
      const isCounter = cell < COUNTERS * this.#instances.length;
      const rate = this.#rates[cell] ?? 0;
      values[cell] = isCounter ? BigInt(Math.floor(rate * (seconds + 20 * this.#random()))) : 1n;
    }
    return {
      poll: {
        tenantId,
        routerId,
        polledAtMs: atMs,
        dueAtMs: atMs,
        startedAtMs: atMs,
        durationMs: 20,
        outcome: "answered",
        costMs: 20,
        requests: 18,
        retries: 0,
        bytesIn: 20_000,
        modules: [],
      },
      blocks: [
        {
          module: "if_mib",
          metrics: METRICS,
          instances: this.#instances,
          labels: this.#labels,
          values,
          present: new Uint8Array(cells).fill(1),
        },
      ],
    };
  }
}
