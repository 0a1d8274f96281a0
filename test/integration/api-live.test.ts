/** What administrators and tenants see and turn while a real scheduler and a real worker poll. */
import { createSocket, type Socket } from "node:dgram";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, inject, it, vi } from "vitest";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { openPool, withTenant } from "../../src/storage/pool.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import { registerRouters, SYSTEM_WAIT, type System, startSystem } from "../system.ts";

/** The shortest of the tier. */
const INTERVAL_SECONDS = 5;
/** A tenant of each: routers that answer. */
const ROUTERS_EACH = 6;
/** Routers that never answer: each poll holds its slot to its deadline, 4 s of its 5, so they ask for 80 slots. */
const SILENT_ROUTERS = 100;
/** Nothing but the deadline may cut them short. */
const SILENT_POLL_MS_MIN = 3_000;

let system: System;
let simulator: Simulator;
let silence: Socket;
let msp: { id: string };
let north: { id: string; key: string };
let south: { id: string; key: string };
let silent: { id: string; key: string };

beforeAll(async () => {
  simulator = await startSimulator({ generate: 2 * ROUTERS_EACH, interfaces: 4, rttMs: 5 });
  silence = createSocket("udp4");
  await new Promise<void>((resolve) => silence.bind(0, "0.0.0.0", resolve));
  system = await startSystem({ kind: "postgres", url: inject("databaseUrl") });

  msp = await system.tenant("the-msp", "msp");
  north = await system.tenant("north", "enterprise");
  south = await system.tenant("south", "enterprise");
  silent = await system.tenant("silent", "enterprise");
  for (const { id } of [north, south]) {
    await system.call("PATCH", `/v1/tenants/${id}`, { parentId: msp.id });
  }
  const answering = simulator.routers.map(({ name, address, port }) => ({
    name,
    address,
    port,
    intervalSeconds: INTERVAL_SECONDS,
  }));
  await registerRouters(system, north.key, answering.slice(0, ROUTERS_EACH));
  await registerRouters(system, south.key, answering.slice(ROUTERS_EACH));
  await system.call("POST", `/v1/tenants/${silent.id}/suspend`);
}, 150_000);

afterAll(async () => {
  await system?.stop();
  silence?.close();
  await simulator?.stop();
});

interface Figures {
  readonly slug: string;
  readonly zone: string;
  readonly routers: number;
  readonly backlog: number;
  readonly inFlight: number;
  readonly unreachableRouters: number;
  readonly meanCostMs: number | null;
  readonly polls: Readonly<Record<string, number>>;
  readonly skips: Readonly<Record<string, number>>;
}

async function figuresOf(slug: string): Promise<Figures | undefined> {
  const { zones } = await system.call<{ zones: { tenants: Figures[] }[] }>(
    "GET",
    "/v1/admin/fairness",
  );
  return zones.flatMap(({ tenants }) => tenants).find((it) => it.slug === slug);
}

interface WorkerFigures {
  readonly concurrency: number;
  readonly busy: number;
}

async function theWorker(): Promise<WorkerFigures> {
  const { items } = await system.call<{ items: WorkerFigures[] }>("GET", "/v1/admin/workers");
  const [worker] = items;
  if (worker === undefined || items.length > 1) throw new Error("one worker runs");
  return worker;
}

/** Requests that reached the routers of north (0) or south (1). */
function requestsOf(half: 0 | 1): number[] {
  return Array.from(
    { length: ROUTERS_EACH },
    (_, n) => simulator.requestsOf(half * ROUTERS_EACH + n).requests,
  );
}

/** Each of south's routers was polled again: an interval has gone by for everyone. */
async function anIntervalGoesBy(): Promise<void> {
  const startedMs = Date.now();
  await vi.waitFor(() => {
    for (let n = 0; n < ROUTERS_EACH; n++) {
      expect(simulator.requestsOf(ROUTERS_EACH + n).lastAtMs).toBeGreaterThan(
        startedMs + INTERVAL_SECONDS * 1_000,
      );
    }
  }, SYSTEM_WAIT);
}

it("a tenant sees its polls and routers, an administrator every zone's capacity", async () => {
  const polling = await vi.waitFor(async () => {
    const { zones } = await system.call<{ zones: Figures[] }>(
      "GET",
      "/v1/tenant/polling",
      undefined,
      north.key,
    );
    expect(zones[0]?.polls["answered"]).toBeGreaterThanOrEqual(ROUTERS_EACH);
    return zones;
  }, SYSTEM_WAIT);

  expect(polling).toMatchObject([{ zone: "default", routers: ROUTERS_EACH }]);
  expect(polling[0]?.meanCostMs).toBeGreaterThan(0);
  const { items } = await system.call<{ items: { id: string }[] }>(
    "GET",
    "/v1/routers",
    undefined,
    north.key,
  );
  const router = await system.call<{ polling: object }>(
    "GET",
    `/v1/routers/${items[0]?.id}`,
    undefined,
    north.key,
  );
  expect(router.polling).toMatchObject({ state: "up", lastOutcome: "answered", failures: 0 });

  const { zones } = await system.call<{ zones: object[] }>("GET", "/v1/admin/capacity");
  expect(zones).toMatchObject([
    {
      zone: "default",
      workers: 1,
      slots: 200,
      meanServiceMs: expect.any(Number),
      slotsNeeded: { withOneWorkerLost: expect.any(Number) },
      recommendation: expect.stringContaining("lost"),
    },
  ]);
}, 120_000);

it("a suspended or deleted tenant is not polled from then on, a resumed one is; its MSP's fate is not its own", async () => {
  await system.call("POST", `/v1/tenants/${msp.id}/suspend`);
  await system.call("POST", `/v1/tenants/${north.id}/suspend`);
  await vi.waitFor(async () => {
    expect(await figuresOf("north")).toMatchObject({ backlog: 0, inFlight: 0 });
    expect((await figuresOf("north"))?.skips["suspended"]).toBeGreaterThan(0);
  }, SYSTEM_WAIT);
  const atSuspension = requestsOf(0);

  await anIntervalGoesBy();
  expect(requestsOf(0)).toEqual(atSuspension);

  await system.call("POST", `/v1/tenants/${north.id}/resume`);
  await vi.waitFor(() => {
    requestsOf(0).forEach((count, n) => {
      expect(count).toBeGreaterThan(atSuspension[n] ?? 0);
    });
  }, SYSTEM_WAIT);

  await system.call("DELETE", `/v1/tenants/${north.id}`);
  await vi.waitFor(async () => expect(await figuresOf("north")).toBeUndefined(), SYSTEM_WAIT);
  await anIntervalGoesBy();
  const afterDeletion = requestsOf(0);
  await anIntervalGoesBy();
  expect(requestsOf(0)).toEqual(afterDeletion);
}, 240_000);

it("a worker's concurrency changes while it runs, and no poll is cut short", async () => {
  await system.call("POST", `/v1/tenants/${silent.id}/resume`);
  const { port } = silence.address() as AddressInfo; // A UDP socket's address is no text.
  await registerRouters(
    system,
    silent.key,
    Array.from({ length: SILENT_ROUTERS }, (_, n) => ({
      name: `silent-${n}`,
      address: `127.0.1.${n + 1}`,
      port,
      intervalSeconds: INTERVAL_SECONDS,
    })),
  );
  await vi.waitFor(async () => expect((await theWorker()).busy).toBeGreaterThan(10), SYSTEM_WAIT);
  const change = async (concurrency: number | null, expected: number) => {
    expect(await system.call("PATCH", "/v1/admin/workers", { concurrency })).toEqual({
      workersAsked: 1,
    });
    await vi.waitFor(
      async () => expect((await theWorker()).concurrency).toBe(expected),
      SYSTEM_WAIT,
    );
  };

  await change(5, 5);
  await vi.waitFor(
    async () => expect((await theWorker()).busy).toBeLessThanOrEqual(5),
    SYSTEM_WAIT,
  );
  const drainedMs = Date.now();
  await vi.waitFor(async () => {
    const started = (await pollsOf(silent.id)).filter((poll) => poll.startedMs > drainedMs);
    expect(started.length).toBeGreaterThanOrEqual(5);
  }, SYSTEM_WAIT);
  const raisedMs = Date.now();
  await change(300, 300);
  await vi.waitFor(async () => expect((await theWorker()).busy).toBeGreaterThan(5), SYSTEM_WAIT);
  await change(null, 200);

  const polls = await pollsOf(silent.id);
  expect(Math.min(...polls.map(({ durationMs }) => durationMs))).toBeGreaterThan(
    SILENT_POLL_MS_MIN,
  );
  const between = polls.filter((it) => it.startedMs > drainedMs && it.startedMs < raisedMs);
  for (const { startedMs } of between) {
    const running = between.filter(
      (it) => it.startedMs <= startedMs && startedMs < it.startedMs + it.durationMs,
    );
    expect(running.length).toBeLessThanOrEqual(5);
  }
}, 240_000);

it("routers that do not answer are seen as such by their tenant", async () => {
  await vi.waitFor(async () => {
    const figures = await figuresOf("silent");
    expect(figures?.unreachableRouters).toBeGreaterThan(0);
    expect(figures?.skips["unreachable_backoff"]).toBeGreaterThan(0);
  }, SYSTEM_WAIT);

  const { items } = await system.call<{ items: { id: string }[] }>(
    "GET",
    "/v1/routers",
    undefined,
    silent.key,
  );
  const states = await Promise.all(
    items.map(async ({ id }) => {
      const path = `/v1/routers/${id}`;
      const { polling } = await system.call<{ polling: { state: string } }>(
        "GET",
        path,
        undefined,
        silent.key,
      );
      return polling.state;
    }),
  );
  expect(states).toContain("unreachable");
  expect(states).not.toContain("disabled");
}, 120_000);

async function pollsOf(tenantId: string) {
  const pool = openPool({
    url: system.databaseUrl,
    role: "fairwalk_app",
    max: 1,
    applicationName: "fairwalk test",
  });
  try {
    const { rows } = await withTenant(pool, tenantId as TenantId, (client) =>
      client.query<{ started_at: Date; duration_ms: number }>(
        "select started_at, duration_ms from polls where tenant_id = $1",
        [tenantId],
      ),
    );
    return rows.map((row) => ({
      startedMs: row.started_at.getTime(),
      durationMs: row.duration_ms,
    }));
  } finally {
    await pool.end();
  }
}
