import { afterAll, describe, expect, inject, it, vi } from "vitest";
import { findRedisServer, startRedisServer } from "../../src/bench/redis-server.ts";
import {
  makeTemporaryDirectory,
  removeTemporaryDirectory,
} from "../../src/bench/temporary-directory.ts";
import { seededRandom } from "../../src/lib/seeded-random.ts";
import type { SimulatedRouter } from "../../src/simulator/plan-routers.ts";
import { startSimulator } from "../../src/simulator/start-simulator.ts";
import { TAG } from "../../src/snmp/ber.ts";
import { openPool, withTenant } from "../../src/storage/pool.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import { chaosPlan } from "../chaos-plan.ts";
import { type ChaosTargets, doFaults, type Member, startMember } from "../chaos-system.ts";
import { enablingCommand } from "../debian-package.ts";
import { type LoggedRequest, type Overlap, seenPolls, udpPortsOf } from "../poll-log.ts";
import { registerRouters, type System, startSystem } from "../system.ts";

/**
 * Schedulers, workers and Redis are killed and paused for a minute, several at the same time, while routers of several
 * tenants are polled. What must never happen is looked for at the routers, in their own log.
 */

/** FAIRWALK_CHAOS_SEED replays another run's faults. */
const SEED = Number(process.env["FAIRWALK_CHAOS_SEED"] ?? 1);

const CHAOS_MS = 60_000;
const TENANTS = ["business", "enterprise", "business"];
const ROUTERS_A_TENANT = 30;
const ROUTERS = TENANTS.length * ROUTERS_A_TENANT;

/**
 * Long enough that a worker which goes on after 13 s would find its polls' deadlines (0.8 of it) still before it: only
 * its leases then keep it from polling routers that another worker has by now. And a killed worker's polls are found
 * after up to 12 s (lock and stalled check), those that Redis forgot after 17 s at most: both are followed by another
 * within two of these, with time to spare for a slow machine.
 */
const INTERVAL_SECONDS = 20;

/** Slow enough that every fault finds polls running, far below a poll's deadline. */
const RTT_MS = 200;
const SYSTEM_MS_MAX = 90_000;

/** From a leader's end to the next one's lead; usually a fifth of it. On a busy machine the fastest of the run tells. */
const TAKEOVER_MS_MAX = 5_000;

const cleanups: (() => Promise<unknown>)[] = [];

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}, 120_000);

describe("a router's log", () => {
  const get = (atMs: number, requestId: number, source: string): LoggedRequest => ({
    atMs,
    pduType: TAG.getRequest,
    requestId,
    source,
  });
  const bulk = (atMs: number, requestId: number, source: string): LoggedRequest => ({
    atMs,
    pduType: TAG.getBulkRequest,
    requestId,
    source,
  });
  const first = [get(0, 1, "a"), bulk(200, 2, "a"), bulk(210, 3, "a"), bulk(2_500, 3, "a")];
  const second = [get(9_000, 4, "b"), bulk(9_200, 5, "b")];

  it.each([
    ["polls one after the other, with repeated requests", [...first, ...second], 0],
    ["a poll that goes on when another has begun", [...first, ...second, bulk(9_300, 6, "a")], 1],
    ["a first request that is repeated too late", [...first, ...second, get(9_300, 1, "a")], 1],
    ["a poll that begins while a request is unanswered", [...first, get(2_600, 4, "b")], 1],
    ["two polls of one process", [...first, get(9_000, 4, "a"), bulk(9_100, 6, "a")], 1],
  ])("%s", (_name, log, overlaps) => {
    expect(seenPolls(log, RTT_MS).overlaps).toHaveLength(overlaps);
  });
});

describe.skipIf(inject("redisUrl") === null)(
  `schedulers, workers and Redis killed and paused at random (to run it: ${enablingCommand("redis-server")})`,
  () => {
    it("no router is polled twice at once, each is polled again within two intervals, no sample is lost or doubled", {
      timeout: 300_000,
    }, async () => {
      const story: string[] = [`seed ${SEED}`];
      try {
        await runChaos((line) => void story.push(`${new Date().toISOString()} ${line}`));
      } catch (error) {
        throw new Error(`${(error as Error).message}\n\n${story.join("\n")}`, { cause: error });
      } finally {
        process.stderr.write(`${story.join("\n")}\n`);
      }
    });
  },
);

async function runChaos(tell: (what: string) => void): Promise<void> {
  const routers: LoggedRequest[][] = Array.from({ length: ROUTERS }, () => []);
  const sources = sourcesByPort();
  const simulator = await startSimulator({
    generate: ROUTERS,
    interfaces: 24,
    rttMs: RTT_MS,
    live: true,
    onRequest: (router, atMs, pduType, requestId, port) =>
      routers[router]?.push({ atMs, pduType, requestId, source: sources.of(port) }),
  });
  cleanups.push(() => simulator.stop());

  const folder = await makeTemporaryDirectory("chaos");
  cleanups.push(() => removeTemporaryDirectory(folder));
  const program = findRedisServer() ?? "";
  const first = await startRedisServer(program, folder);
  const port = Number(new URL(first.url).port);
  const redis = { server: first, restart: () => startRedisServer(program, folder, port) };
  cleanups.push(async () => {
    process.kill(redis.server.pid, "SIGCONT");
    await redis.server.stop();
  });

  const system = await startSystem({ kind: "redis", url: first.url }, ["api"]);
  cleanups.push(() => system.stop());
  const unasked: string[] = [];
  const start = async (name: string, role: "scheduler" | "worker"): Promise<Member> => {
    const member = await startMember(name, role, system.env, (what) => unasked.push(what));
    cleanups.push(() => member.stop());
    return member;
  };
  const schedulers = [
    await start("scheduler 1", "scheduler"),
    await start("scheduler 2", "scheduler"),
  ];
  const workers = await Promise.all([1, 2, 3].map((n) => start(`worker ${n}`, "worker")));
  sources.watch(workers);

  const tenantIds = await registerTenants(system, simulator.routers);
  await vi.waitFor(() => expect(routers.filter((log) => log.length === 0).length).toBe(0), {
    timeout: SYSTEM_MS_MAX,
    interval: 100,
  });

  const takeovers: number[] = [];
  const continued: Continued[] = [];
  const plan = chaosPlan(SEED);
  const targets: ChaosTargets = {
    schedulers,
    workers,
    redis,
    dice: seededRandom(SEED),
    tell,
    tookOver: (afterMs) => {
      takeovers.push(afterMs);
      tell(`the standby leads after ${afterMs} ms`);
    },
    goesOn: (pid) => void continued.push({ pid, atMs: Date.now() }),
  };
  const untilMs = Date.now() + CHAOS_MS;
  tell("chaos begins");
  await Promise.all(Object.values(plan).map((faults) => doFaults(faults, targets, untilMs)));
  const lastFaultMs = Date.now();
  tell("chaos is over");

  await vi.waitFor(
    () => {
      const waiting = routers.flatMap((log, router) =>
        seenPolls(log, RTT_MS).beganAtMs.some((atMs) => atMs > lastFaultMs) ? [] : [router],
      );
      expect(waiting, "routers not polled again within two intervals").toEqual([]);
    },
    { timeout: 2 * INTERVAL_SECONDS * 1_000, interval: 100 },
  );
  tell(`every router was polled again after ${Date.now() - lastFaultMs} ms`);

  expect(unasked).toEqual([]);
  for (const member of [...workers, ...schedulers]) {
    expect(await member.stop(), `exit code of ${member.name}`).toBe(0);
  }
  const overlaps = routers.flatMap((log) => seenPolls(log, RTT_MS).overlaps);
  for (const { what } of overlaps) tell(what);
  expect(unexplained(overlaps, continued)).toEqual([]);
  expect(Math.min(...takeovers)).toBeLessThan(TAKEOVER_MS_MAX);
  await everyAnsweredPollIsStoredOnce(system.databaseUrl, tenantIds);
}

/** Whose a port is: asked of the system when it is first seen, because a process may be gone when the log is read. */
function sourcesByPort() {
  const owners = new Map<number, { readonly pid: number; readonly name: string }>();
  let members: readonly Member[] = [];
  return {
    watch(watched: readonly Member[]): void {
      members = watched;
    },
    of(port: number): string {
      const known = owners.get(port);
      const isPresent = members.some((member) => member.process().pid === known?.pid);
      if (known !== undefined && isPresent) return known.name;
      // New to us, or of a process that was replaced: its successor may have the port by now.
      for (const member of members) {
        const { pid } = member.process();
        for (const owned of udpPortsOf(pid)) {
          owners.set(owned, { pid, name: `${member.name} (${pid})` });
        }
      }
      return owners.get(port)?.name ?? `port ${port}`;
    },
  };
}

async function registerTenants(
  system: System,
  routers: readonly SimulatedRouter[],
): Promise<TenantId[]> {
  const ids: TenantId[] = [];
  for (const [i, tier] of TENANTS.entries()) {
    const { id, key } = await system.tenant(`chaos-${i}`, tier);
    ids.push(id as TenantId);
    await registerRouters(
      system,
      key,
      routers
        .slice(i * ROUTERS_A_TENANT, (i + 1) * ROUTERS_A_TENANT)
        .map(({ name, address, port }) => ({
          name,
          address,
          port,
          intervalSeconds: INTERVAL_SECONDS,
        })),
    );
  }
  return ids;
}

interface Continued {
  readonly pid: number;
  readonly atMs: number;
}

/** A datagram that a process was about to send when it was paused comes within this time after it goes on. */
const LEFTOVER_MS_MAX = 1_000;

/**
 * Overlaps, less one datagram for each pause: no lease can call back the one that a process was sending when it was
 * stopped, after its last look at the lease and before the system call. A worker that goes on with its polls sends more.
 */
function unexplained(overlaps: readonly Overlap[], continued: readonly Continued[]): string[] {
  const left = [...overlaps];
  for (const { pid, atMs } of continued) {
    const leftover = left.findIndex(
      (overlap) =>
        overlap.source.endsWith(`(${pid})`) &&
        overlap.atMs >= atMs &&
        overlap.atMs <= atMs + LEFTOVER_MS_MAX,
    );
    if (leftover >= 0) left.splice(leftover, 1);
  }
  return left.map(({ what }) => what);
}

/** As Postgres has it: one row a poll, never two polls of a router at a time, and all samples of each once. */
async function everyAnsweredPollIsStoredOnce(
  databaseUrl: string,
  tenantIds: readonly TenantId[],
): Promise<void> {
  const pool = openPool({
    url: databaseUrl,
    role: "fairwalk_app",
    max: 1,
    applicationName: "fairwalk test",
  });
  try {
    for (const tenantId of tenantIds) {
      const { rows } = await withTenant(pool, tenantId, (client) =>
        client.query<
          Record<"answered" | "doubled" | "overlapping" | "incomplete" | "strays", string>
        >(
          `with stored as (
             select p.router_id, p.polled_at, p.started_at, p.duration_ms, p.outcome, s.blocks, s.shapes,
               lag(p.started_at + p.duration_ms * interval '1 ms') over w as last_ended_at,
               lag(p.polled_at) over w as last_polled_at
             from polls p left join lateral (
               select count(*) as blocks, count(distinct shape_id) as shapes from samples s
               where s.tenant_id = $1 and s.router_id = p.router_id and s.polled_at = p.polled_at
             ) s on true
             where p.tenant_id = $1
             window w as (partition by p.router_id order by p.started_at)
           )
           select
             count(*) filter (where outcome = 'answered') as answered,
             count(*) filter (where polled_at = last_polled_at or blocks <> shapes) as doubled,
             count(*) filter (where started_at < last_ended_at - interval '1 ms') as overlapping,
             count(*) filter (where outcome = 'answered' and blocks <> (select max(blocks) from stored)) as incomplete,
             (select count(*) from samples s where s.tenant_id = $1 and not exists (
               select from polls p
               where p.tenant_id = $1 and p.router_id = s.router_id and p.polled_at = s.polled_at
             )) as strays
           from stored`,
          [tenantId],
        ),
      );
      const { answered, ...faults } = rows[0] ?? { answered: "0" };
      expect(faults).toEqual({ doubled: "0", overlapping: "0", incomplete: "0", strays: "0" });
      expect(Number(answered)).toBeGreaterThanOrEqual(ROUTERS_A_TENANT);
    }
  } finally {
    await pool.end();
  }
}
