import { setTimeout as delay } from "node:timers/promises";
import type { RouterId } from "../routers/router.ts";
import { intervalMsOf, nextDue } from "../scheduler/due-times.ts";
import { isOnTime } from "../scheduler/tenant-account.ts";
import { openPool, type Pool, withTenant } from "../storage/pool.ts";
import { routersOfTenant, routersOfZone } from "../storage/routers.ts";
import { liveWorkers } from "../storage/workers.ts";
import { type PlainOrder, startPlainScheduler } from "./plain-scheduler.ts";
import { redisCommand } from "./redis-server.ts";
import { progress, quantile, rounded } from "./report.ts";
import {
  type BenchTenant,
  createBenchTenant,
  importRouters,
  startNetwork,
  startWholeProduct,
  until,
  type WholeProduct,
} from "./whole-product.ts";

/**
 * A tenant of healthy routers beside one that asks for ten times the capacity, with routers that are all dead, so that each
 * poll holds its slot until its deadline. How late are the healthy one's polls: alone, beside the neighbour from its first
 * second on, and with the same two tenants on plain BullMQ, first come first served and by priorities?
 *
 * The whole product, each role a process of its own, a real Redis and Postgres, SNMP to simulated routers. The plain runs
 * have the product's worker and due times; only the scheduler is another.
 */

const SLOTS = 100;
const VICTIM = {
  count: 300,
  portBase: 20_000,
  intervalSeconds: 10,
  interfaces: 4,
  rttMs: 20,
} as const;
/** At an interval of 5 s the deadline is 4 s: 1,250 dead routers ask for 1,000 slots. */
const NEIGHBOUR = { count: 1_250, portBase: 22_000, intervalSeconds: 5 } as const;
const NEIGHBOUR_DEADLINE_MS = 4_000;
const ZONE = "default";
/** Polls that came due within a run have this long to be started and committed. */
const GRACE_MS = 3_000;
const FIRST_SECONDS = 10;
const WORKER_SILENCE_MS = 3_000;

export async function measureDeadNeighbour({
  seconds,
  seed,
}: {
  readonly seconds: number;
  readonly seed: number;
}) {
  const product = await startWholeProduct({ queue: "redis", concurrency: SLOTS });
  try {
    const pools = openPools(product);
    await startNetwork(product, { ...VICTIM, routers: VICTIM.count, seed });
    await startNetwork(product, {
      ...NEIGHBOUR,
      routers: NEIGHBOUR.count,
      interfaces: 1,
      seed,
      deadFraction: 1,
    });
    let worker = product.start(["worker"]);
    const scheduler = product.start(["scheduler"]);
    const victim = await createBenchTenant(product, { slug: "victim", tier: "business" });
    await importRouters(product, victim, VICTIM);
    const neighbour = await createBenchTenant(product, { slug: "neighbour", tier: "msp" });
    const measure = (name: string) => measureVictim(name, victim, pools, seconds);
    await everyRouterPolled(pools.samples, victim);

    const alone = await measure("the victim alone");
    await importRouters(product, neighbour, NEIGHBOUR);
    const beside = await measure("beside ten times the capacity of dead routers");
    const load = await neighbourLoad(product, pools.samples, neighbour, seconds);
    await scheduler.stop();

    const plain = async (order: PlainOrder) => {
      // A new worker and an empty queue: nothing of the run before is left.
      await worker.stop();
      const { redis } = product;
      if (redis === undefined) throw new Error("Cannot compare without a Redis");
      await redisCommand(redis.url, "FLUSHALL");
      worker = product.start(["worker"]);
      await until(
        async () =>
          (await liveWorkers(pools.scheduler, WORKER_SILENCE_MS)).length > 0 ? true : undefined,
        () => `the worker did not start:\n${worker.output()}`,
      );
      const routers = await routersOfZone(pools.scheduler, ZONE);
      const scheduling = await startPlainScheduler(redis.url, ZONE, routers, order);
      try {
        return await measure(`the same on plain BullMQ, ${order}`);
      } finally {
        await scheduling.stop();
      }
    };
    const fifo = await plain("fifo");
    const priority = await plain("priority");
    return {
      victim_alone_p99_ms: alone.p99_ms,
      victim_p99_ms: beside.p99_ms,
      victim_p99_allowed_ms: Math.max(rounded(1.5 * alone.p99_ms, 1), alone.p99_ms + 50),
      victim_on_time_ratio: beside.on_time_ratio,
      fifo_victim_p99_ms: fifo.p99_ms,
      priority_victim_p99_ms: priority.p99_ms,
      victim: { alone, beside, fifo, priority },
      neighbour: load,
      slots: SLOTS,
      seconds_a_run: seconds,
      polls: "the whole product; SNMP to simulated routers; unserved due times count as late",
      plain: "the product's worker and due times; BullMQ's order; no back-off, nothing expires",
    };
  } finally {
    await product.stop();
  }
}

interface Pools {
  readonly samples: Pool;
  readonly scheduler: Pool;
}

function openPools(product: WholeProduct): Pools {
  const open = (role: "fairwalk_app" | "fairwalk_scheduler") => {
    const pool = openPool({
      url: product.postgresUrl,
      role,
      max: 1,
      applicationName: "fairwalk bench",
    });
    product.atStop(() => pool.end());
    return pool;
  };
  return { samples: open("fairwalk_app"), scheduler: open("fairwalk_scheduler") };
}

async function measureVictim(
  name: string,
  victim: BenchTenant,
  pools: Pools,
  seconds: number,
): Promise<VictimFigures> {
  progress(`neighbour: ${name}, measuring ${seconds} s`);
  const fromMs = Date.now();
  await delay(1_000 * seconds + GRACE_MS);
  const toMs = fromMs + 1_000 * seconds;
  const routers = await routersOfTenant(pools.scheduler, victim.id);
  const starts = await startsOf(pools.samples, victim, fromMs);
  const lates = routers.flatMap(({ id, intervalSeconds }) =>
    latenessOf(id, intervalMsOf(intervalSeconds), { fromMs, toMs }, starts.get(id)),
  );
  const figures = figuresOf(lates, fromMs);
  progress(`neighbour: ${name}: ${JSON.stringify(figures)}`);
  return figures;
}

interface DueTime {
  readonly dueAtMs: number;
  readonly latenessMs: number;
  readonly isServed: boolean;
  readonly isOnTime: boolean;
}

/** What became of each due time of a router; one without a poll of its own is as late as the measurement was long. */
function latenessOf(
  id: RouterId,
  intervalMs: number,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  starts: ReadonlyMap<number, number> = new Map(),
): DueTime[] {
  const dues: DueTime[] = [];
  for (let dueAtMs = nextDue(id, intervalMs, fromMs); dueAtMs < toMs; dueAtMs += intervalMs) {
    const startedAtMs = starts.get(dueAtMs);
    const latenessMs = (startedAtMs ?? toMs + GRACE_MS) - dueAtMs;
    const isServed = startedAtMs !== undefined;
    dues.push({
      dueAtMs,
      latenessMs,
      isServed,
      isOnTime: isServed && isOnTime(latenessMs, intervalMs),
    });
  }
  return dues;
}

type VictimFigures = ReturnType<typeof figuresOf>;

function figuresOf(dues: readonly DueTime[], fromMs: number) {
  const p = (of: readonly DueTime[], q: number) =>
    Math.round(
      quantile(
        of.map(({ latenessMs }) => latenessMs).sort((a, b) => a - b),
        q,
      ),
    );
  const first = dues.filter(({ dueAtMs }) => dueAtMs < fromMs + 1_000 * FIRST_SECONDS);
  return {
    due: dues.length,
    unserved: dues.filter(({ isServed }) => !isServed).length,
    on_time_ratio: rounded(dues.filter((due) => due.isOnTime).length / dues.length, 10_000),
    p50_ms: p(dues, 0.5),
    p99_ms: p(dues, 0.99),
    max_ms: p(dues, 1),
    first_10_s_p99_ms: p(first, 0.99),
  };
}

/** Of each router, when the poll of a due time started. */
async function startsOf(
  pool: Pool,
  { id }: BenchTenant,
  fromMs: number,
): Promise<ReadonlyMap<RouterId, ReadonlyMap<number, number>>> {
  const { rows } = await withTenant(pool, id, (client) =>
    client.query<{ router_id: RouterId; due_ms: number; started_ms: number }>(
      `select router_id,
              extract(epoch from due_at)::float8 * 1000 as due_ms,
              extract(epoch from started_at)::float8 * 1000 as started_ms
       from polls where tenant_id = $1 and due_at >= $2`,
      [id, new Date(fromMs)],
    ),
  );
  const starts = new Map<RouterId, Map<number, number>>();
  for (const { router_id, due_ms, started_ms } of rows) {
    const ofRouter = starts.get(router_id) ?? new Map<number, number>();
    ofRouter.set(Math.round(due_ms), Math.round(started_ms));
    starts.set(router_id, ofRouter);
  }
  return starts;
}

/** What the neighbour asked for and got in the run that has just ended, by its polls and the scheduler's own row. */
async function neighbourLoad(
  product: WholeProduct,
  pool: Pool,
  { id }: BenchTenant,
  seconds: number,
) {
  const { rows } = await withTenant(pool, id, (client) =>
    client.query<{ outcome: string; polls: number; cost_ms: number }>(
      `select outcome, count(*)::int as polls, sum(cost_ms)::float8 as cost_ms
       from polls where tenant_id = $1 group by outcome`,
      [id],
    ),
  );
  const usedMs = rows.reduce((sum, { cost_ms }) => sum + cost_ms, 0);
  const { zones } = await product.get<Fairness>("/v1/admin/fairness", product.adminToken);
  const row = zones.flatMap(({ tenants }) => tenants).find(({ tenantId }) => tenantId === id);
  const offered = (NEIGHBOUR.count * NEIGHBOUR_DEADLINE_MS) / (1_000 * NEIGHBOUR.intervalSeconds);
  return {
    routers: NEIGHBOUR.count,
    offered_slots: offered,
    offered_ratio: rounded(offered / SLOTS, 10),
    polls: Object.fromEntries(rows.map(({ outcome, polls }) => [outcome, polls])),
    slots_used_mean: rounded(usedMs / (1_000 * seconds + GRACE_MS), 10),
    backlog_at_end: row?.backlog,
    unreachable_backoff: "on, as by default",
    skips: row?.skips,
  };
}

interface Fairness {
  readonly zones: readonly {
    readonly tenants: readonly {
      readonly tenantId: string;
      readonly backlog: number;
      readonly skips: Readonly<Record<string, number>>;
    }[];
  }[];
}

async function everyRouterPolled(pool: Pool, { id }: BenchTenant): Promise<void> {
  await until(
    async () => {
      const { rows } = await withTenant(pool, id, (client) =>
        client.query<{ twice: number }>(
          `select count(*)::int as twice from (
             select from polls where tenant_id = $1 group by router_id having count(*) > 1
           ) polled`,
          [id],
        ),
      );
      const twice = rows[0]?.twice ?? 0;
      progress(`neighbour: polled twice: ${twice} of ${VICTIM.count}`);
      return twice >= VICTIM.count ? true : undefined;
    },
    () => "not every router of the victim was polled twice",
  );
}
