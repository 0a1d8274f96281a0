import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startEmbeddedPostgres } from "../embedded/postgres.ts";
import type { TenantId, Tier } from "../tenants/tenant.ts";
import { findRedisServer, type RedisServer, startRedisServer } from "./redis-server.ts";
import { type RoleProcess, startRole } from "./role-process.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "./temporary-directory.ts";

/** The product with everything around it, for a benchmark: a fresh Postgres, a Redis if wanted, the API. */
export interface WholeProduct {
  readonly postgresUrl: string;
  readonly redis: RedisServer | undefined;
  /** Starts one more process of it; it stops with the product at the latest. */
  start(args: readonly string[]): RoleProcess;
  /** Rejects unless the API answers with a success. */
  post<T>(path: string, token: string, body: unknown): Promise<T>;
  get<T>(path: string, token: string): Promise<T>;
  readonly adminToken: string;
  /** Runs at the stop, before what was started earlier stops. */
  atStop(stop: () => Promise<unknown>): void;
  /** Stops everything in the reverse order of its start, and removes its files. */
  stop(): Promise<void>;
}

export interface WholeProductOptions {
  readonly queue: "postgres" | "redis";
  /** Poll slots of a worker. */
  readonly concurrency: number;
}

/** How long anything here may take to come up. */
export const SETTLE_MS_MAX = 180_000;
const IMPORT_ROUTERS_MAX = 2_000;

/** Starts Postgres, migrates it, and starts the API; workers, schedulers and simulators are the caller's to start. */
export async function startWholeProduct({
  queue,
  concurrency,
}: WholeProductOptions): Promise<WholeProduct> {
  const folder = await makeTemporaryDirectory("bench");
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each();
    await removeTemporaryDirectory(folder);
  };
  try {
    const quiet = { debug() {}, info() {}, warn() {}, error: console.error };
    const postgres = await startEmbeddedPostgres({ dataDir: join(folder, "postgres"), log: quiet });
    stops.push(() => postgres.stop());
    const redis =
      queue === "redis" ? await startRedisServer(requireRedisServer(), folder) : undefined;
    if (redis !== undefined) stops.push(() => redis.stop());

    const adminToken = randomBytes(16).toString("hex");
    const env = {
      DATABASE_URL: postgres.url,
      REDIS_URL: redis?.url,
      FAIRWALK_CONFIG: join(folder, "fairwalk.yaml"),
      FAIRWALK_DATA_DIR: folder,
      FAIRWALK_ADMIN_TOKEN: adminToken,
      FAIRWALK_MASTER_KEY: randomBytes(32).toString("base64"),
      FAIRWALK_CONCURRENCY: String(concurrency),
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
    const api = start(["api"], { FAIRWALK_LISTEN: "127.0.0.1:0" });
    const url = await apiUrl(folder, api);
    const ask = async <T>(path: string, token: string, init: RequestInit): Promise<T> => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const response = await fetch(url + path, { ...init, headers });
      if (!response.ok)
        throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
      return (await response.json()) as T; // The caller names what the route is documented to answer.
    };
    return {
      postgresUrl: postgres.url,
      redis,
      start: (args) => start(args),
      post: (path, token, body) => ask(path, token, { method: "POST", body: JSON.stringify(body) }),
      get: (path, token) => ask(path, token, {}),
      adminToken,
      atStop: (each) => void stops.push(each),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Where redis-server is; throws where it is not. */
export function requireRedisServer(): string {
  const program = findRedisServer();
  if (program === null) throw new Error('Cannot measure: "redis-server" is not on PATH');
  return program;
}

/** A tenant of the product under test, with a key that may do everything and one credential, called "bench". */
export interface BenchTenant {
  readonly id: TenantId;
  readonly key: string;
}

export async function createBenchTenant(
  product: WholeProduct,
  { slug, tier }: { readonly slug: string; readonly tier: Tier },
): Promise<BenchTenant> {
  const { post, adminToken } = product;
  const { id } = await post<{ id: TenantId }>("/v1/tenants", adminToken, {
    name: slug,
    slug,
    tier,
  });
  const { key } = await post<{ key: string }>(`/v1/tenants/${id}/api-keys`, adminToken, {
    name: "bench",
    role: "owner",
  });
  await post("/v1/credentials", key, { name: "bench", version: "2c", community: "public" });
  return { id, key };
}

/** Registers the simulated routers on `count` ports from `portBase` on. */
export async function importRouters(
  product: WholeProduct,
  { key }: BenchTenant,
  {
    count,
    portBase,
    intervalSeconds,
  }: { readonly count: number; readonly portBase: number; readonly intervalSeconds: number },
): Promise<void> {
  const bodies = Array.from({ length: count }, (_, i) => ({
    name: `bench-${portBase + i}`,
    address: "127.0.0.1",
    port: portBase + i,
    credential: "bench",
    intervalSeconds,
  }));
  for (let from = 0; from < count; from += IMPORT_ROUTERS_MAX) {
    await product.post("/v1/routers/import", key, {
      routers: bodies.slice(from, from + IMPORT_ROUTERS_MAX),
    });
  }
}

export interface SimulatedNetwork {
  readonly routers: number;
  /** Port of the first router; below those the system hands out by itself. */
  readonly portBase: number;
  readonly interfaces: number;
  readonly seed: number;
  readonly deadFraction?: number;
  readonly rttMs?: number;
}

/** Starts a simulator and waits until all of its routers listen. */
export async function startNetwork(
  product: WholeProduct,
  { routers, portBase, interfaces, seed, deadFraction = 0, rttMs = 0 }: SimulatedNetwork,
): Promise<RoleProcess> {
  const network = product.start([
    "simulate",
    ...["--generate", String(routers)],
    ...["--interfaces", String(interfaces)],
    ...["--port-base", String(portBase)],
    ...["--seed", String(seed)],
    ...["--dead-fraction", String(deadFraction)],
    ...["--rtt-ms", String(rttMs)],
    "--live",
  ]);
  // A line a router, in the order of their ports: with the last one all are there.
  const last = `"port":${portBase + routers - 1},`;
  const complaint = () => `the simulator did not start:\n${network.output().slice(-1_000)}`;
  const ended = network.ended.then(() => {
    throw new Error(complaint());
  });
  await Promise.race([
    ended,
    until(async () => (network.output().includes(last) ? true : undefined), complaint),
  ]);
  ended.catch(() => undefined); // From now on its end is nobody's failure.
  return network;
}

/** What `attempt` gives, tried once a second until it gives something; rejects with the complaint after a while. */
export async function until<T>(
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

async function succeeded(command: RoleProcess): Promise<void> {
  const code = await command.ended;
  if (code !== 0) throw new Error(`A command ended with ${code}:\n${command.output()}`);
}
