import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startEmbeddedPostgres } from "../embedded/postgres.ts";
import { isOnTime } from "../scheduler/tenant-account.ts";
import { openPool, type Pool, withTenant } from "../storage/pool.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { cpuUs, familyCpuUs, parentOf } from "./cpu-time.ts";
import { findRedisServer, startRedisServer } from "./redis-server.ts";
import { machine, printResult, progress, quantile } from "./report.ts";
import { type RoleProcess, startRole } from "./role-process.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "./temporary-directory.ts";

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

const SETTLE_MS_MAX = 180_000;
const IMPORT_ROUTERS_MAX = 2_000;

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
  const folder = await makeTemporaryDirectory("bench");
  const stops: (() => Promise<unknown>)[] = [];
  try {
    progress(`${backend}: starting`);
    const quiet = { debug() {}, info() {}, warn() {}, error: console.error };
    const postgres = await startEmbeddedPostgres({ dataDir: join(folder, "postgres"), log: quiet });
    stops.push(() => postgres.stop());
    const redisProgram = findRedisServer();
    const redis =
      backend === "redis" && redisProgram !== null
        ? await startRedisServer(redisProgram, folder)
        : undefined;
    if (redis !== undefined) stops.push(() => redis.stop());

    const adminToken = randomBytes(16).toString("hex");
    const env = {
      DATABASE_URL: postgres.url,
      REDIS_URL: redis?.url,
      FAIRWALK_CONFIG: join(folder, "fairwalk.yaml"),
      FAIRWALK_DATA_DIR: folder,
      FAIRWALK_ADMIN_TOKEN: adminToken,
      FAIRWALK_MASTER_KEY: randomBytes(32).toString("base64"),
      FAIRWALK_CONCURRENCY: String(options.concurrency),
    };
    await writeFile(
      env.FAIRWALK_CONFIG,
      "targets: { allowLoopback: true }\nlog: { level: warn }\n",
    );
    const start = (
      args: readonly string[],
      extra: Readonly<Record<string, string>> = {},
    ): RoleProcess => {
      const role = startRole(args, { ...env, ...extra });
      stops.push(() => role.stop());
      return role;
    };
    await succeeded(start(["migrate"]));
    const network = start(simulateArguments(options));
    const api = start(["api"], { FAIRWALK_LISTEN: "127.0.0.1:0" });
    const roles = { worker: start(["worker"]), scheduler: start(["scheduler"]) };

    const routers = await simulatedRouters(network, options.routers);
    const url = await apiUrl(folder, api);
    const tenantId = await register(url, adminToken, routers, options.interval);
    const pool = openPool({ url: postgres.url, max: 1, applicationName: "fairwalk bench" });
    stops.push(() => pool.end());
    const samples = openPool({
      url: postgres.url,
      role: "fairwalk_app",
      max: 1,
      applicationName: "fairwalk bench",
    });
    stops.push(() => samples.end());
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
    for (const stop of stops.reverse()) await stop();
    await removeTemporaryDirectory(folder);
  }
}

/** Ports below those the system hands out by itself; one a router. */
const PORT_BASE = 12_000;

function simulateArguments(options: E2eOptions): string[] {
  return [
    "simulate",
    ...["--generate", String(options.routers)],
    ...["--interfaces", String(options.interfaces)],
    ...["--port-base", String(PORT_BASE)],
    ...["--seed", String(options.seed)],
    "--live",
  ];
}

interface SimulatedAddress {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** The simulator prints a line a router, in the order of their ports: with the last one all are there. */
async function simulatedRouters(network: RoleProcess, count: number): Promise<SimulatedAddress[]> {
  const last = `"port":${PORT_BASE + count - 1},`;
  await until(
    async () => (network.output().includes(last) ? true : undefined),
    () => `the simulator did not start:\n${network.output().slice(-1_000)}`,
  );
  return Array.from({ length: count }, (_, i) => ({
    name: `bench-${String(i + 1).padStart(5, "0")}`,
    address: "127.0.0.1",
    port: PORT_BASE + i,
  }));
}

async function apiUrl(folder: string, api: RoleProcess): Promise<string> {
  const file = join(folder, "api.json");
  return until(
    async () => {
      if (!existsSync(file)) return undefined;
      return (JSON.parse(await readFile(file, "utf8")) as { url: string }).url;
    },
    () => `the API did not start:\n${api.output()}`,
  );
}

async function register(
  url: string,
  adminToken: string,
  routers: readonly SimulatedAddress[],
  intervalSeconds: number,
): Promise<TenantId> {
  const post = async <T>(path: string, token: string, body: unknown): Promise<T> => {
    const response = await fetch(url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok)
      throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  };
  const { id } = await post<{ id: TenantId }>("/v1/tenants", adminToken, {
    name: "Bench",
    slug: "bench",
    tier: "msp",
  });
  const { key } = await post<{ key: string }>(`/v1/tenants/${id}/api-keys`, adminToken, {
    name: "bench",
    role: "owner",
  });
  await post("/v1/credentials", key, { name: "bench", version: "2c", community: "public" });
  for (let from = 0; from < routers.length; from += IMPORT_ROUTERS_MAX) {
    await post("/v1/routers/import", key, {
      routers: routers.slice(from, from + IMPORT_ROUTERS_MAX).map(({ name, address, port }) => ({
        name,
        address,
        port,
        credential: "bench",
        intervalSeconds,
      })),
    });
  }
  return id;
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

async function succeeded(command: RoleProcess): Promise<void> {
  const code = await command.ended;
  if (code !== 0) throw new Error(`A command ended with ${code}:\n${command.output()}`);
}

async function until<T>(
  attempt: () => Promise<T | undefined>,
  complaint: () => string,
): Promise<T> {
  const deadline = Date.now() + SETTLE_MS_MAX;
  while (Date.now() < deadline) {
    const value = await attempt();
    if (value !== undefined) return value;
    await delay(1_000);
  }
  throw new Error(complaint());
}

function rounded(value: number, steps: number): number {
  return Math.round(value * steps) / steps;
}
