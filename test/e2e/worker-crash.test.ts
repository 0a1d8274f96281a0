import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { startRole } from "../../src/bench/role-process.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { openPool, withTenant } from "../../src/storage/pool.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import { describeOnBackends } from "../backends.ts";
import { type LoggedRequest, seenPolls } from "../poll-log.ts";
import { registerRouters, type System, startSystem } from "../system.ts";

const ROUTERS = 60;
const INTERVAL_SECONDS = 10;
/** Slow enough that a kill finds polls running, far below the poll's deadline. */
const RTT_MS = 150;

describeOnBackends("a worker killed in mid-run", (backend) => {
  let simulator: Simulator;
  let system: System;
  let tenantId: TenantId;
  /** Which worker is alive: only one is at a time. */
  let source = "the first worker";
  /** Every request each router got, from the simulator's own log. */
  const requests: LoggedRequest[][] = Array.from({ length: ROUTERS }, () => []);

  beforeAll(async () => {
    simulator = await startSimulator({
      generate: ROUTERS,
      interfaces: 24,
      rttMs: RTT_MS,
      live: true,
      onRequest: (router, atMs, pduType, requestId) =>
        requests[router]?.push({ atMs, pduType, requestId, source }),
    });
    system = await startSystem(backend, ["scheduler", "worker", "api"]);
    const { id, key } = await system.tenant("crash");
    tenantId = id as TenantId;
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
    await vi.waitFor(() => expect(requests.every((log) => log.length > 0)).toBe(true), {
      timeout: 90_000,
      interval: 200,
    });
  }, 150_000);

  afterAll(async () => {
    await system?.stop();
    await simulator?.stop();
  });

  it("loses nothing: polling goes on within 30 s of its restart, no router twice at once, samples kept", async () => {
    await vi.waitFor(
      () => {
        const recent = requests.filter((log) => (log.at(-1)?.atMs ?? 0) > Date.now() - 50);
        expect(recent.length).toBeGreaterThan(0);
      },
      { timeout: 30_000, interval: 5 },
    );
    system.roles["worker"]?.signal("SIGKILL");
    await system.roles["worker"]?.ended;
    source = "the second worker";
    const second = startRole(["worker"], system.env);

    try {
      await vi.waitFor(() => expect(second.output()).toContain("worker started"), {
        timeout: 30_000,
        interval: 20,
      });
      const restartedAtMs = Date.now();
      // Every router, also those whose polls died with the worker: found, given up, and due again.
      await vi.waitFor(
        () => {
          const polled = requests.filter((log) => log.some(({ atMs }) => atMs > restartedAtMs));
          expect(polled.length).toBe(ROUTERS);
        },
        { timeout: 30_000, interval: 100 },
      );
      expect(requests.flatMap((log) => seenPolls(log, RTT_MS).overlaps)).toEqual([]);
      await everyCompletedPollIsStored();
    } finally {
      await second.stop();
    }
  });

  /** The poll's row and its samples are of one transaction; `answered` polls must have both. */
  async function everyCompletedPollIsStored(): Promise<void> {
    const pool = openPool({
      url: system.databaseUrl,
      role: "fairwalk_app",
      max: 1,
      applicationName: "fairwalk test",
    });
    try {
      await vi.waitFor(
        async () => {
          const { rows } = await withTenant(pool, tenantId, (client) =>
            client.query<{ polls: string; bare: string }>(
              `select count(*) as polls,
                 count(*) filter (where not exists (
                   select from samples s
                   where s.tenant_id = $1 and s.router_id = p.router_id and s.polled_at = p.polled_at
                 )) as bare
               from polls p where p.tenant_id = $1 and p.outcome = 'answered'`,
              [tenantId],
            ),
          );
          expect(Number(rows[0]?.bare)).toBe(0);
          expect(Number(rows[0]?.polls)).toBeGreaterThanOrEqual(2 * ROUTERS);
        },
        { timeout: 30_000, interval: 500 },
      );
    } finally {
      await pool.end();
    }
  }
});
