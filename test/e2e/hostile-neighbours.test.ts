import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { HOSTILE_MODES } from "../../src/simulator/hostile.ts";
import { openPool, type Pool, withTenant } from "../../src/storage/pool.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import {
  type SimulatedNetwork,
  type SimulatedRouter,
  startSimulatedNetwork,
} from "../simulated-network.ts";
import { registerRouters, type System, startSystem } from "../system.ts";

/**
 * The whole product in one process, the queue in Postgres, where everything shares one event loop: how late are the polls
 * of a tenant's healthy routers, first alone, then while another tenant has routers of every hostile mode?
 */

const HEALTHY = 500;
const MODES = Object.keys(HOSTILE_MODES);
const INTERFACES = ["--interfaces", "8"];
const INTERVAL_SECONDS = 10;
const ALONE_MS = 15_000;
const BESIDE_MS = 30_000;
/**
 * By how much lateness may differ on a machine that does other things; far below what a loop that stands still for seconds,
 * or slots that all wait for one large flush, would cost.
 */
const NOISE_MS = 3_000;
const WAIT = { timeout: 90_000, interval: 500 };

interface Poll {
  readonly router_id: string;
  readonly due_ms: number;
  readonly late_ms: number;
  readonly outcome: string;
}

describe("a tenant of routers that misbehave in every way there is", () => {
  const networks: SimulatedNetwork[] = [];
  let system: System;
  let pool: Pool;

  beforeAll(async () => {
    system = await startSystem({ kind: "postgres", url: "" });
    pool = openPool({
      url: system.databaseUrl,
      role: "fairwalk_app",
      max: 1,
      applicationName: "fairwalk test",
    });
  }, 120_000);

  afterAll(async () => {
    await pool?.end();
    await system?.stop();
    await Promise.all(networks.map(({ process }) => process.stop()));
  });

  async function simulated(count: number, options: readonly string[]) {
    const network = await startSimulatedNetwork(count, [...INTERFACES, ...options]);
    networks.push(network);
    return network.routers;
  }

  async function tenantWith(slug: string, routers: readonly SimulatedRouter[]) {
    const { id, key } = await system.tenant(slug);
    const bodies = routers.map(({ name, address, port }) => ({
      name,
      address,
      port,
      intervalSeconds: INTERVAL_SECONDS,
    }));
    await registerRouters(system, key, bodies);
    return id as TenantId; // The API's ids are those of the database.
  }

  async function pollsOf(tenantId: TenantId, fromMs: number, toMs: number): Promise<Poll[]> {
    const { rows } = await withTenant(pool, tenantId, (client) =>
      client.query<Poll>(
        `select router_id, outcome, extract(epoch from due_at)::float8 * 1000 as due_ms,
                extract(epoch from started_at - due_at)::float8 * 1000 as late_ms
         from polls where tenant_id = $1 and due_at >= $2 and due_at < $3`,
        [tenantId, new Date(fromMs), new Date(toMs)],
      ),
    );
    return rows;
  }

  /** Waits until so many of the tenant's routers have a poll that came due since then. */
  const polledSince = (tenantId: TenantId, fromMs: number, routers: number, perRouter = 1) =>
    vi.waitFor(async () => {
      const counts = new Map<string, number>();
      for (const { router_id } of await pollsOf(tenantId, fromMs, Date.now() + 60_000)) {
        counts.set(router_id, (counts.get(router_id) ?? 0) + 1);
      }
      const polled = [...counts.values()].filter((count) => count >= perRouter).length;
      expect(polled, system.roles["all"]?.output()).toBe(routers);
    }, WAIT);

  it("makes no poll of another tenant's 500 healthy routers late", async () => {
    const tenantId = await tenantWith("healthy", await simulated(HEALTHY, []));
    const hostile = await simulated(MODES.length, ["--hostile", MODES.join(",")]);
    // The first polls read inventories too.
    await polledSince(tenantId, 0, HEALTHY, 2);

    const aloneFromMs = Date.now();
    await delay(ALONE_MS);
    const besideFromMs = Date.now();
    const hostileId = await tenantWith("hostile", hostile);
    await delay(BESIDE_MS);
    const besideToMs = Date.now();
    await polledSince(tenantId, besideToMs, HEALTHY);
    await polledSince(hostileId, 0, MODES.length);

    const alone = figures(await pollsOf(tenantId, aloneFromMs, besideFromMs));
    const beside = figures(await pollsOf(tenantId, besideFromMs, besideToMs));
    const where = JSON.stringify({ alone, beside });
    expect(beside.routers, where).toBe(HEALTHY);
    expect(beside.p50, where).toBeLessThan(alone.p50 + NOISE_MS);
    expect(beside.p90, where).toBeLessThan(2 * alone.p90 + NOISE_MS);
    const aSecond = ({ answered }: typeof alone, ms: number) => (answered * 1_000) / ms;
    expect(aSecond(beside, besideToMs - besideFromMs), where).toBeGreaterThan(
      0.7 * aSecond(alone, besideFromMs - aloneFromMs),
    );
  }, 400_000);
});

function figures(polls: readonly Poll[]) {
  const lateMs = polls.map(({ late_ms }) => late_ms).sort((a, b) => a - b);
  const at = (share: number) => Math.round(lateMs[Math.floor(lateMs.length * share)] ?? 0);
  return {
    polls: polls.length,
    answered: polls.filter(({ outcome }) => outcome === "answered").length,
    routers: new Set(polls.map(({ router_id }) => router_id)).size,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
  };
}
