import { afterEach, beforeAll, expect, inject, it, vi } from "vitest";
import { redisCommand } from "../../src/bench/redis-server.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/seeded-random.ts";
import { uuidv7 } from "../../src/lib/uuid.ts";
import { migrateQueue } from "../../src/queue/backend.ts";
import { openPollQueue } from "../../src/queue/poll-queue.ts";
import { startPollWorker } from "../../src/queue/poll-worker.ts";
import type { RouterId } from "../../src/routers/router.ts";
import type { ZoneQueueEvents } from "../../src/scheduler/dispatch.ts";
import { type Scheduler, startScheduler } from "../../src/scheduler/scheduler.ts";
import type { FairnessRow, SkipReason } from "../../src/scheduler/tenant-account.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import { describeOnBackends } from "../backends.ts";

/** Real schedulers over a real queue with real workers; the plan, the locks and the routers are in this file. */

const silentLog = { debug() {}, info() {}, warn() {}, error() {} } as never;
const WAIT = { timeout: 30_000, interval: 20 };
const A = "tenant-a" as TenantId;
const B = "tenant-b" as TenantId;

interface Polled {
  readonly routerId: RouterId;
  readonly dueAtMs: number;
  readonly startedAtMs: number;
  endedAtMs: number;
}

describeOnBackends("schedulers", (backend) => {
  let zones = 0;
  const open: { stop(): Promise<void> }[] = [];

  beforeAll(() => migrateQueue(backend));
  afterEach(async () => {
    for (const part of open.splice(0)) await part.stop();
  });

  /** A zone with a worker of `slots` slots whose polls take `pollMs`. */
  async function openWorld({ slots = 20, pollMs = 20 } = {}) {
    const zoneKey = `scheduled-${zones++}`;
    const tenants = new Map([
      [A, { tenantId: A, tier: "business" as const, weight: 1, isActive: true }],
      [B, { tenantId: B, tier: "business" as const, weight: 1, isActive: true }],
    ]);
    const routers = new Map<
      RouterId,
      { id: RouterId; tenantId: TenantId; intervalSeconds: number; zoneKey: string }
    >();
    const polled: Polled[] = [];
    const skips = new Map<SkipReason, number>();
    let rows: readonly FairnessRow[] = [];
    let leader: AbortController | undefined;
    let unheard = 0;
    const schedulers: Scheduler[] = [];

    const worker = await startPollWorker(
      {
        backend,
        zoneKey,
        clock: systemClock,
        log: silentLog,
        poll: async ({ routerId, dueAtMs }) => {
          const poll: Polled = { routerId, dueAtMs, startedAtMs: Date.now(), endedAtMs: Infinity };
          polled.push(poll);
          await new Promise((resolve) => setTimeout(resolve, pollMs));
          poll.endedAtMs = Date.now();
          const costMs = poll.endedAtMs - poll.startedAtMs;
          return { outcome: "answered", costMs, startedAtMs: poll.startedAtMs };
        },
      },
      slots,
    );
    open.push(worker);

    const plan = () =>
      [...routers.values()].filter(({ tenantId }) => tenants.get(tenantId)?.isActive);
    function addScheduler(garble: (events: ZoneQueueEvents) => ZoneQueueEvents = (e) => e) {
      const scheduler = startScheduler(
        {
          tryLead: async () => {
            if (leader !== undefined) return undefined;
            const mine = new AbortController();
            leader = mine;
            return {
              lost: mine.signal,
              isSure: () => true,
              stop: async () => {
                if (leader === mine) leader = undefined;
              },
            };
          },
          zoneKeys: async () => [zoneKey],
          survey: async () => ({ candidates: 1, led: new Set<string>() }),
          tenants: async () => [...tenants.values()],
          routersOfZone: async () => plan(),
          routersOfTenant: async (id) => plan().filter(({ tenantId }) => tenantId === id),
          openQueue: (key, events) => openPollQueue(backend, key, garble(events), silentLog),
          liveWorkers: async () => [{ slots }],
          saveFairness: async (_zoneKey, saved) => {
            rows = saved;
          },
          metrics: {
            lateness() {},
            poll() {},
            skip: (reason, count) => void skips.set(reason, (skips.get(reason) ?? 0) + count),
            unheard: () => void unheard++,
            leading() {},
            window() {},
            demand() {},
            zoneSuspected() {},
            tenants() {},
          },
          clock: systemClock,
          log: silentLog,
        },
        { tickMs: 20, unreachableAfterFailures: 3, probeSpacingSecondsMax: 900 },
      );
      schedulers.push(scheduler);
      open.unshift(scheduler);
      return scheduler;
    }

    return {
      zoneKey,
      tenants,
      routers,
      polled,
      skips,
      schedulers,
      rows: () => rows,
      unheard: () => unheard,
      addScheduler,
      addRouters(tenantId: TenantId, count: number, intervalSeconds: number): RouterId[] {
        const ids = Array.from({ length: count }, () => uuidv7() as RouterId);
        for (const id of ids) routers.set(id, { id, tenantId, intervalSeconds, zoneKey });
        for (const scheduler of schedulers) scheduler.tenantChanged(tenantId);
        return ids;
      },
      /** The leader's session with Postgres ends: another may lead from now on. */
      cutLeader() {
        const lost = leader;
        leader = undefined;
        lost?.abort();
      },
    };
  }

  function pollsOf(polled: readonly Polled[], routerId: RouterId): Polled[] {
    return polled.filter((poll) => poll.routerId === routerId);
  }

  /** The one thing that must never happen. */
  function expectNoOverlap(polled: readonly Polled[], routerIds: readonly RouterId[]): void {
    for (const routerId of routerIds) {
      const polls = pollsOf(polled, routerId);
      polls.slice(1).forEach((poll, index) => {
        expect(poll.startedAtMs).toBeGreaterThanOrEqual(polls[index]?.endedAtMs ?? 0);
      });
    }
  }

  it("poll every router once an interval, on time, and report it", async () => {
    const world = await openWorld();
    const ids = [...world.addRouters(A, 30, 1), ...world.addRouters(B, 10, 2)];
    world.addScheduler();

    await vi.waitFor(() => {
      for (const id of ids) expect(pollsOf(world.polled, id).length).toBeGreaterThanOrEqual(3);
    }, WAIT);
    await vi.waitFor(() => expect(world.rows()[0]?.polls.answered).toBeGreaterThan(50), WAIT);

    expectNoOverlap(world.polled, ids);
    const [ofOne] = ids.map(
      (id) => new Set(pollsOf(world.polled, id).map(({ dueAtMs }) => dueAtMs)),
    );
    expect(ofOne?.size).toBe(pollsOf(world.polled, ids[0] as RouterId).length);
    for (const row of world.rows()) expect(row.onTimeRatio).toBeGreaterThan(0.8);
    expect(
      world
        .rows()
        .map(({ routers }) => routers)
        .toSorted(),
    ).toEqual([10, 30]);
  });

  it("go on when one of them is gone, without polling a router twice at once", async () => {
    const world = await openWorld({ pollMs: 300 });
    const ids = world.addRouters(A, 40, 1);
    world.addScheduler();
    await vi.waitFor(() => expect(world.polled.length).toBeGreaterThan(60), WAIT);
    world.addScheduler();

    const cutAtMs = Date.now();
    world.cutLeader();
    await vi.waitFor(() => {
      for (const id of ids) {
        const since = pollsOf(world.polled, id).filter(({ startedAtMs }) => startedAtMs > cutAtMs);
        expect(since.length).toBeGreaterThanOrEqual(2);
      }
    }, WAIT);

    const resumedMs = Math.min(
      ...world.polled.filter(({ dueAtMs }) => dueAtMs > cutAtMs).map((poll) => poll.startedAtMs),
    );
    expect(resumedMs - cutAtMs).toBeLessThan(5_000);
    expectNoOverlap(world.polled, ids);
  });

  it("stop a suspended tenant's polls and start a new tenant's, as soon as told", async () => {
    const world = await openWorld();
    const ofA = world.addRouters(A, 20, 1);
    const scheduler = world.addScheduler();
    await vi.waitFor(() => expect(world.polled.length).toBeGreaterThan(20), WAIT);

    const tenant = world.tenants.get(A);
    if (tenant === undefined) throw new Error("no tenant");
    world.tenants.set(A, { ...tenant, isActive: false });
    const toldAtMs = Date.now();
    const ofB = world.addRouters(B, 5, 86_400);
    scheduler.tenantChanged(A);
    await vi.waitFor(() => {
      for (const id of ofB) expect(pollsOf(world.polled, id)).toHaveLength(1);
    }, WAIT);
    await vi.waitFor(() => expect(world.skips.get("suspended")).toBeGreaterThan(40), WAIT);

    const late = world.polled.filter(
      ({ routerId, startedAtMs }) => ofA.includes(routerId) && startedAtMs > toldAtMs + 1_000,
    );
    expect(late).toEqual([]);
    const firstOfB = Math.min(
      ...ofB.map((id) => pollsOf(world.polled, id)[0]?.startedAtMs ?? Infinity),
    );
    expect(firstOfB - toldAtMs).toBeLessThan(1_500);
  });

  it("keep polling when a third of the queue's events never arrive", async () => {
    const seed = 20_260_401;
    const random = seededRandom(seed);
    const world = await openWorld({ slots: 10 });
    const ids = world.addRouters(A, 30, 1);
    world.addScheduler((events) => ({
      active: (routerId, atMs) => {
        if (random() > 0.3) events.active(routerId, atMs);
      },
      finished: (routerId, completion) => {
        if (random() > 0.3) events.finished(routerId, completion);
      },
      lost: (routerId, reason) => {
        if (random() > 0.3) events.lost(routerId, reason);
      },
    }));

    await vi.waitFor(() => {
      for (const id of ids)
        expect(pollsOf(world.polled, id).length, `seed ${seed}`).toBeGreaterThan(4);
    }, WAIT);

    expectNoOverlap(world.polled, ids);
    expect(world.unheard(), `seed ${seed}`).toBeGreaterThan(0);
  });

  it("make a newcomer wait for a slot, not for another tenant's backlog", async () => {
    const world = await openWorld({ slots: 10, pollMs: 50 });
    // Three times what ten slots can do.
    world.addRouters(A, 600, 1);
    world.addScheduler();
    await vi.waitFor(() => expect(world.skips.get("backlog")).toBeGreaterThan(600), WAIT);

    const ofB = world.addRouters(B, 5, 86_400);
    const toldAtMs = Date.now();
    await vi.waitFor(() => {
      for (const id of ofB) expect(pollsOf(world.polled, id)).toHaveLength(1);
    }, WAIT);

    const starts = ofB.map((id) => pollsOf(world.polled, id)[0]?.startedAtMs ?? Infinity);
    // Gathering changes takes 100 ms, then five polls of 50 ms share ten slots with A's.
    expect(Math.max(...starts) - toldAtMs).toBeLessThan(1_000);
  });

  if (backend.kind !== "redis") return;

  it("resume within ten seconds when Redis loses everything", async () => {
    const world = await openWorld({ pollMs: 100 });
    const ids = world.addRouters(A, 40, 1);
    world.addScheduler();
    await vi.waitFor(() => expect(world.polled.length).toBeGreaterThan(60), WAIT);

    const flushedAtMs = Date.now();
    await redisCommand(inject("redisUrl") ?? "", "FLUSHALL");
    await vi.waitFor(() => {
      for (const id of ids) {
        const since = pollsOf(world.polled, id).filter(
          ({ startedAtMs }) => startedAtMs > flushedAtMs + 500,
        );
        expect(since.length).toBeGreaterThanOrEqual(2);
      }
    }, WAIT);

    const resumedMs = Math.min(
      ...world.polled
        .filter(({ dueAtMs }) => dueAtMs > flushedAtMs + 500)
        .map(({ startedAtMs }) => startedAtMs),
    );
    expect(resumedMs - flushedAtMs).toBeLessThan(10_000);
    expectNoOverlap(world.polled, ids);
  });

  it("release nothing twice when Redis does not answer for a while", async () => {
    const world = await openWorld();
    const ids = world.addRouters(A, 40, 1);
    world.addScheduler();
    await vi.waitFor(() => expect(world.polled.length).toBeGreaterThan(60), WAIT);

    const pausedAtMs = Date.now();
    await redisCommand(inject("redisUrl") ?? "", "CLIENT PAUSE 3000 ALL");
    await vi.waitFor(() => {
      for (const id of ids) {
        const since = pollsOf(world.polled, id).filter(
          ({ startedAtMs }) => startedAtMs > pausedAtMs + 3_000,
        );
        expect(since.length).toBeGreaterThanOrEqual(2);
      }
    }, WAIT);

    expectNoOverlap(world.polled, ids);
    for (const id of ids) {
      const dues = pollsOf(world.polled, id).map(({ dueAtMs }) => dueAtMs);
      expect(new Set(dues).size).toBe(dues.length);
    }
  });
});
