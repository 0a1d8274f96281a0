import { setTimeout as delay } from "node:timers/promises";
import { afterAll, describe, expect, inject, it, vi } from "vitest";
import { startSimulator } from "../../src/simulator/start-simulator.ts";
import { openPool, withTenant } from "../../src/storage/pool.ts";
import { surveySpool } from "../../src/storage/spool-folder.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import { enablingCommand } from "../debian-package.ts";
import { registerRouters, SYSTEM_WAIT, startSystem } from "../system.ts";
import { startTcpProxy, type TcpProxy } from "../tcp-proxy.ts";

/**
 * Postgres is away for a minute under load, as one long time and some short ones. Requests are counted where they arrived,
 * in the routers' own log, and in the polls that Postgres has: a poll that was lost leaves requests nobody owns, and one
 * that was doubled owns more than there were.
 */

const ROUTERS = 120;
const INTERVAL_SECONDS = 10;
const RTT_MS = 50;
const OUTAGES_MS = [3_000, 50_000, 3_000, 4_000];
const BETWEEN_MS = 5_000;

const cleanups: (() => Promise<unknown>)[] = [];

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}, 120_000);

describe.skipIf(inject("redisUrl") === null)(
  `Postgres away for a minute under load (to run it: ${enablingCommand("redis-server")})`,
  () => {
    it("every poll a router saw is in Postgres, once", { timeout: 300_000 }, async () => {
      /** When each router was asked. */
      const logs: number[][] = Array.from({ length: ROUTERS }, () => []);
      const simulator = await startSimulator({
        generate: ROUTERS,
        interfaces: 24,
        rttMs: RTT_MS,
        live: true,
        onRequest: (router, atMs) => logs[router]?.push(atMs),
      });
      cleanups.push(() => simulator.stop());
      let proxy: TcpProxy | undefined;
      const system = await startSystem(
        { kind: "redis", url: inject("redisUrl") ?? "" },
        ["scheduler", "worker", "api"],
        {
          reach: async (url) => {
            proxy = await startTcpProxy(url);
            return proxy.url;
          },
        },
      );
      cleanups.push(() => proxy?.stop() ?? Promise.resolve());
      cleanups.push(() => system.stop());
      const { id, key } = await system.tenant("outage");
      await registerRouters(
        system,
        key,
        simulator.routers.map(({ name, address, port }) => ({
          name,
          address,
          port,
          intervalSeconds: INTERVAL_SECONDS,
        })),
      );
      await polledSince(logs, 0);

      for (const outageMs of OUTAGES_MS) {
        await duringPolls(logs);
        proxy?.become("down");
        await delay(outageMs);
        proxy?.become("pass");
        await delay(BETWEEN_MS);
      }
      await polledSince(logs, Date.now());

      // No more polls, and what is on its way arrives.
      await system.roles["scheduler"]?.stop();
      await system.roles["worker"]?.stop();
      expect(await surveySpool(`${system.env["FAIRWALK_DATA_DIR"]}/spool`)).toMatchObject({
        bytes: 0,
        quarantinedFiles: 0,
      });
      const stored = await storedPolls(system.databaseUrl, id as TenantId);
      const odd: string[] = [];
      for (const [index, log] of logs.entries()) {
        const { name } = simulator.routers[index] ?? { name: "" };
        const { polls, whole, requests, retries } = stored.get(name) ?? NOTHING;
        // A datagram that did not arrive was repeated.
        const isCounted = log.length <= requests && requests <= log.length + retries;
        if (!isCounted || whole !== polls) {
          odd.push(
            `${name}: ${log.length} requests; ${requests} stored (${retries} repeated), ${whole} of ${polls} polls with samples`,
          );
        }
      }
      expect(odd, system.roles["worker"]?.output()).toEqual([]);
      expect(system.roles["worker"]?.output()).toContain("spool replayed");
    });
  },
);

/** Waits until every router was polled after the given time. */
async function polledSince(logs: readonly number[][], sinceMs: number): Promise<void> {
  await vi.waitFor(
    () => expect(logs.filter((log) => (log.at(-1) ?? 0) <= sinceMs).length).toBe(0),
    { ...SYSTEM_WAIT, timeout: 90_000 },
  );
}

/** Waits for a moment in which some router is being asked. */
async function duringPolls(logs: readonly number[][]): Promise<void> {
  await vi.waitFor(
    () => expect(logs.some((log) => (log.at(-1) ?? 0) > Date.now() - RTT_MS)).toBe(true),
    { timeout: 60_000, interval: 5 },
  );
}

interface StoredPolls {
  readonly polls: number;
  /** Those with their samples, each once; a probe has none. */
  readonly whole: number;
  /** Datagrams that were sent, and how many of them were repetitions. */
  readonly requests: number;
  readonly retries: number;
}

const NOTHING: StoredPolls = { polls: 0, whole: 0, requests: 0, retries: 0 };

/** What Postgres has of each router, by name. */
async function storedPolls(
  databaseUrl: string,
  tenantId: TenantId,
): Promise<Map<string, StoredPolls>> {
  const pool = openPool({
    url: databaseUrl,
    role: "fairwalk_app",
    max: 1,
    applicationName: "fairwalk test",
  });
  try {
    const { rows } = await withTenant(pool, tenantId, (client) =>
      client.query<StoredPolls & { name: string }>(
        `with stored as (
           select p.router_id, p.outcome, p.requests, p.retries, s.rows, s.shapes
           from polls p cross join lateral (
             select count(*) as rows, count(distinct s.shape_id) as shapes from samples s
             where s.tenant_id = $1 and s.router_id = p.router_id and s.polled_at = p.polled_at
           ) s
           where p.tenant_id = $1
         )
         select r.name, count(*)::integer as polls, sum(requests)::integer as requests,
           sum(retries)::integer as retries,
           count(*) filter (where rows = shapes and (rows > 0 or outcome <> 'answered' or requests = 1))::integer as whole
         from stored join routers r on r.tenant_id = $1 and r.id = stored.router_id
         group by r.name`,
        [tenantId],
      ),
    );
    return new Map(rows.map(({ name, ...counts }) => [name, counts]));
  } finally {
    await pool.end();
  }
}
