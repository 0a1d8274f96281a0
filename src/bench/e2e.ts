import { setTimeout as delay } from "node:timers/promises";
import { isOnTime } from "../scheduler/tenant-account.ts";
import { openPool, type Pool, withTenant } from "../storage/pool.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { cpuUs, familyCpuUs, parentOf } from "./cpu-time.ts";
import { findRedisServer } from "./redis-server.ts";
import { machine, printResult, progress, quantile, rounded } from "./report.ts";
import {
  createBenchTenant,
  importRouters,
  SETTLE_MS_MAX,
  startNetwork,
  startWholeProduct,
  until,
} from "./whole-product.ts";

/**
 * The whole product under load, each role a process of its own: simulated routers, scheduler, worker, API, a fresh
 * embedded Postgres, and the queue once in that Postgres and once in a Redis. What is measured is the steady state:
 * polls that started in the last `seconds`, and the CPU time each part used meanwhile.
 */

export interface E2eOptions {
  readonly routers: number;
  readonly interfaces: number;
  readonly seconds: number;
  /** Seconds between two polls of a router. */
  readonly interval: number;
  readonly seed: number;
  readonly concurrency: number;
  /** Only this back end of the queue; both without it. */
  readonly backend?: "postgres" | "redis";
}

/** Ports below those the system hands out by itself; one a router. */
const PORT_BASE = 12_000;

export async function benchE2e(options: E2eOptions): Promise<void> {
  const wants = (backend: "postgres" | "redis") => (options.backend ?? backend) === backend;
  const postgres = wants("postgres") ? await measure("postgres", options) : null;
  const redis =
    wants("redis") && findRedisServer() !== null ? await measure("redis", options) : null;
  // The figures at the top are those of production's back end where it could be measured.
  printResult({
    bench: "e2e",
    seed: options.seed,
    seconds: options.seconds,
    interval_seconds: options.interval,
    concurrency: options.concurrency,
    ...(redis ?? postgres),
    backends: { postgres, redis },
    machine: machine(),
  });
}

async function measure(backend: "postgres" | "redis", options: E2eOptions) {
  progress(`${backend}: starting`);
  const product = await startWholeProduct({
    queue: backend,
    concurrency: options.concurrency,
  });
  const { redis } = product;
  try {
    const network = await startNetwork(product, { ...options, portBase: PORT_BASE });
    const roles = { worker: product.start(["worker"]), scheduler: product.start(["scheduler"]) };
    const tenant = await createBenchTenant(product, { slug: "bench", tier: "msp" });
    await importRouters(product, tenant, {
      count: options.routers,
      portBase: PORT_BASE,
      intervalSeconds: options.interval,
    });
    const tenantId = tenant.id;
    const connect = { url: product.postgresUrl, max: 1, applicationName: "fairwalk bench" };
    const pool = openPool(connect);
    product.atStop(() => pool.end());
    const samples = openPool({ ...connect, role: "fairwalk_app" });
    product.atStop(() => samples.end());
    await everyRouterPolled(samples, tenantId, options);
    const postmaster = await postmasterPid(pool);

    progress(`${backend}: measuring ${options.seconds} s`);
    const sample = async () => ({
      worker: cpuUs(roles.worker.pid),
      scheduler: cpuUs(roles.scheduler.pid),
      postgres: familyCpuUs(postmaster),
      queue: redis === undefined ? await queueBackendsCpuUs(pool) : cpuUs(redis.pid),
      simulator: cpuUs(network.pid),
    });
    const from = new Date();
    const before = await sample();
    await delay(options.seconds * 1_000);
    const after = await sample();
    const to = new Date();
    const polls = await pollsBetween(samples, tenantId, from, to);
    const wanted = (options.routers * options.seconds) / options.interval;
    const used = (part: keyof typeof before) => (after[part] - before[part]) / polls.count;
    const queue = used("queue");
    return {
      backend,
      routers: options.routers,
      interfaces: options.interfaces,
      polls: polls.count,
      polls_per_second: rounded(polls.count / ((to.getTime() - from.getTime()) / 1_000), 10),
      answered_ratio: rounded(polls.answered / polls.count, 10_000),
      on_time_ratio: rounded(onTimeOf(polls.latenessMs, wanted, options.interval), 10_000),
      lateness_p50_ms: quantile(polls.latenessMs, 0.5),
      lateness_p99_ms: quantile(polls.latenessMs, 0.99),
      cpu_us_per_poll: {
        worker: Math.round(used("worker")),
        scheduler: Math.round(used("scheduler")),
        queue: Math.round(queue),
        // The queue's back ends live in the same Postgres: their part is counted above.
        postgres: Math.round(used("postgres") - (redis === undefined ? queue : 0)),
      },
      simulator_cpu_us_per_poll: Math.round(used("simulator")),
    };
  } finally {
    await product.stop();
  }
}

/** The steady state begins when every router has been polled twice: inventories are written, sizes learnt. */
async function everyRouterPolled(
  pool: Pool,
  tenantId: TenantId,
  { routers }: E2eOptions,
): Promise<void> {
  await until(
    async () => {
      const { rows } = await withTenant(pool, tenantId, (client) =>
        client.query<{ twice: string }>(
          `select count(*) as twice from (
             select from polls where tenant_id = $1 group by router_id having count(*) > 1
           ) polled`,
          [tenantId],
        ),
      );
      const twice = Number(rows[0]?.twice);
      progress(`polled twice: ${twice} of ${routers}`);
      return twice >= routers ? true : undefined;
    },
    () => `not every router was polled twice within ${SETTLE_MS_MAX / 1_000} s`,
  );
}

async function pollsBetween(pool: Pool, tenantId: TenantId, from: Date, to: Date) {
  const { rows } = await withTenant(pool, tenantId, (client) =>
    client.query<{ lateness_ms: number; outcome: string }>(
      `select extract(epoch from started_at - due_at)::float8 * 1000 as lateness_ms, outcome
       from polls where tenant_id = $1 and started_at >= $2 and started_at < $3`,
      [tenantId, from, to],
    ),
  );
  return {
    count: rows.length,
    answered: rows.filter(({ outcome }) => outcome === "answered").length,
    latenessMs: rows.map(({ lateness_ms }) => Math.round(lateness_ms)).sort((a, b) => a - b),
  };
}

/** Polls on time ÷ due times of the span: a due time without a poll counts against it. */
function onTimeOf(latenessMs: readonly number[], wanted: number, intervalSeconds: number): number {
  const onTime = latenessMs.filter((ms) => isOnTime(ms, intervalSeconds * 1_000)).length;
  return Math.min(1, onTime / wanted);
}

/** CPU of the back ends that serve BullMQ: they name themselves (queue/backend.ts). */
async function queueBackendsCpuUs(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>(
    "select pid from pg_stat_activity where application_name like 'fairwalk-queue %'",
  );
  return rows.reduce((sum, { pid }) => sum + cpuUs(pid), 0);
}

/** The parent of any back end. */
async function postmasterPid(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>("select pg_backend_pid() as pid");
  return parentOf(rows[0]?.pid ?? 0);
}
