import { beforeEach, describe, expect, test } from "vitest";
import { uuidv7 } from "../../../src/lib/uuid.ts";
import type { PollJob } from "../../../src/queue/poll-job.ts";
import type { PollOutcome, RouterId } from "../../../src/routers/router.ts";
import type { ScheduledTenant, SkipReason } from "../../../src/scheduler/tenant-account.ts";
import { type PlannedRouter, ZoneSchedule } from "../../../src/scheduler/zone-schedule.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";

const START = 1_700_000_000_000;
const A = "tenant-a" as TenantId;
const B = "tenant-b" as TenantId;
const INTERVAL = 60;

const skips = new Map<SkipReason, number>();
const latenesses: number[] = [];
const suspicions: boolean[] = [];
let unheard = 0;

beforeEach(() => {
  skips.clear();
  latenesses.length = 0;
  suspicions.length = 0;
  unheard = 0;
});

function tenant(tenantId: TenantId, over: Partial<ScheduledTenant> = {}): ScheduledTenant {
  return { tenantId, tier: "business", weight: 1, isActive: true, ...over };
}

function tenantsOf(...tenants: ScheduledTenant[]): ReadonlyMap<TenantId, ScheduledTenant> {
  return new Map(tenants.map((each) => [each.tenantId, each]));
}

function routersOf(tenantId: TenantId, count: number, intervalSeconds = INTERVAL): PlannedRouter[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `${tenantId}-router-${i}` as RouterId,
    tenantId,
    intervalSeconds,
  }));
}

/** A zone with workers, driven by hand. */
function zone(slots = 100) {
  const schedule = new ZoneSchedule(
    { failuresMax: 3, probeSpacingMsMax: 900_000 },
    {
      lateness: (_tier, seconds) => void latenesses.push(seconds),
      poll: () => undefined,
      skip: (reason, count) => void skips.set(reason, (skips.get(reason) ?? 0) + count),
      unheard: () => void unheard++,
      zoneSuspected: (isSuspected) => void suspicions.push(isSuspected),
    },
  );
  schedule.reportSlots(slots, START);
  schedule.setTenants(tenantsOf(tenant(A), tenant(B)));
  return schedule;
}

/** Everything that is due until `nowMs` and may go. */
function release(schedule: ZoneSchedule, nowMs: number): PollJob[] {
  schedule.takeDue(nowMs, 1_000_000);
  const jobs = schedule.release(nowMs, 1_000_000);
  schedule.added(jobs, nowMs);
  return jobs;
}

function finish(
  schedule: ZoneSchedule,
  jobs: readonly PollJob[],
  nowMs: number,
  outcome: PollOutcome = "answered",
): void {
  for (const { routerId } of jobs) {
    schedule.active(routerId, nowMs);
    schedule.finished(routerId, { outcome, costMs: 20, startedAtMs: nowMs }, nowMs + 20);
  }
}

/** Plays `intervals` intervals in steps of a second; each poll ends at once as `outcomeOf` says. */
function play(
  schedule: ZoneSchedule,
  fromMs: number,
  intervals: number,
  outcomeOf: (job: PollJob) => PollOutcome,
): PollJob[] {
  const all: PollJob[] = [];
  for (let nowMs = fromMs + 1_000; nowMs <= fromMs + 1_000 * INTERVAL * intervals; nowMs += 1_000) {
    for (const job of release(schedule, nowMs)) {
      all.push(job);
      finish(schedule, [job], nowMs, outcomeOf(job));
    }
  }
  return all;
}

describe("dues", () => {
  test("each router gets one poll an interval, with its due time and its expiry", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 50), START);

    const jobs = release(schedule, START + 60_000);

    expect(new Set(jobs.map(({ routerId }) => routerId)).size).toBe(50);
    for (const job of jobs) {
      expect(job.dueAtMs).toBeGreaterThan(START);
      expect(job.dueAtMs).toBeLessThanOrEqual(START + 60_000);
      expect(job.expiresAtMs).toBeGreaterThanOrEqual(job.dueAtMs + 60_000);
      expect(job).toMatchObject({ kind: "full", tenantId: A });
    }
  });

  test("nothing is released without workers, and never more than the window", () => {
    const schedule = zone(0);
    schedule.setRouters(routersOf(A, 50), START);

    const without = release(schedule, START + 60_000);
    schedule.reportSlots(10, START + 60_000);
    const withTen = release(schedule, START + 60_000);

    expect(without).toHaveLength(0);
    expect(withTen).toHaveLength(14);
    expect(schedule.inFlight).toBe(14);
    expect(schedule.backlog).toBe(36);
  });

  test("a router whose poll still runs at its next due time skips that: overrun", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 1), START);
    const [job] = release(schedule, START + 60_000);
    if (job === undefined) throw new Error("nothing released");
    schedule.active(job.routerId, START + 60_000);

    const again = release(schedule, START + 120_000);

    expect(again).toHaveLength(0);
    expect(skips.get("overrun")).toBe(1);
  });

  test("a router whose poll still waits at its next due time skips that: backlog", () => {
    const schedule = zone(0);
    schedule.setRouters(routersOf(A, 3), START);

    for (let interval = 1; interval <= 4; interval++) release(schedule, START + 60_000 * interval);

    expect(skips.get("backlog")).toBe(9);
    expect(schedule.backlog).toBe(3);
  });

  test("a poll released late keeps its due time and may still be started before the next", () => {
    const schedule = zone(0);
    schedule.setRouters(routersOf(A, 1), START);
    release(schedule, START + 60_000);
    release(schedule, START + 180_000);

    schedule.reportSlots(10, START + 181_000);
    const [job] = release(schedule, START + 181_000);

    expect(job?.dueAtMs).toBeLessThanOrEqual(START + 60_000);
    expect(job?.expiresAtMs).toBeGreaterThan(START + 181_000);
    expect(job?.expiresAtMs).toBeLessThanOrEqual(START + 240_000);
  });

  test("lateness is from due to start, by what is possible on our clock", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 2), START);
    const jobs = release(schedule, START + 60_000);
    const [first, second] = jobs;
    if (first === undefined || second === undefined) throw new Error("nothing released");

    // One worker's clock is right, another's an hour behind.
    const at = START + 60_400;
    schedule.finished(first.routerId, { outcome: "answered", costMs: 9, startedAtMs: at }, at + 50);
    schedule.finished(
      second.routerId,
      { outcome: "answered", costMs: 9, startedAtMs: at - 3_600_000 },
      at + 50,
    );

    expect(latenesses[0]).toBeCloseTo((at - first.dueAtMs) / 1_000, 6);
    expect(latenesses[1]).toBeCloseTo((START + 60_000 - second.dueAtMs) / 1_000, 6);
  });

  test("an hour's jump of the clock makes one poll a router, and the missed dues are counted", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 20), START);
    finish(schedule, release(schedule, START + 60_000), START + 60_000);

    const jobs = release(schedule, START + 60_000 + 3_600_000);

    expect(jobs).toHaveLength(20);
    expect(skips.get("backlog")).toBe(20 * 59);
  });
});

describe("routers and tenants that come and go", () => {
  test("a router just registered is polled at once, before the ordinary ones", () => {
    const schedule = zone(1);
    schedule.setRouters(routersOf(A, 30), START);
    schedule.takeDue(START + 60_000, 100);
    const fresh = {
      id: uuidv7(START + 59_000) as RouterId,
      tenantId: A,
      intervalSeconds: INTERVAL,
    };

    schedule.setRoutersOf(A, [...routersOf(A, 30), fresh], START + 60_000);
    const [first] = schedule.release(START + 60_000, 1);

    expect(first?.routerId).toBe(fresh.id);
  });

  test("the first poll of a new router stands for the due time it meets", () => {
    const schedule = zone(0);
    const fresh = { id: uuidv7(START) as RouterId, tenantId: A, intervalSeconds: INTERVAL };
    schedule.setRouters([fresh], START);

    release(schedule, START + 60_000);

    expect(skips.get("backlog")).toBeUndefined();
    expect(schedule.backlog).toBe(1);
  });

  test("a poll asked for by a person goes out of turn, once for each time it is asked", () => {
    const schedule = zone();
    const [router] = routersOf(A, 1);
    if (router === undefined) throw new Error("no router");
    schedule.setRouters([{ ...router, pollRequestedAtMs: null }], START);

    const asked = { ...router, pollRequestedAtMs: START + 10 };
    schedule.setRoutersOf(A, [asked], START + 10);
    const jobs = schedule.release(START + 10, 10);
    finish(schedule, jobs, START + 10);
    schedule.setRoutersOf(A, [asked], START + 500);

    expect(jobs).toHaveLength(1);
    expect(schedule.release(START + 500, 10)).toHaveLength(0);
  });

  test("a removed router's waiting poll is gone; a released one is to be withdrawn", () => {
    const schedule = zone(1);
    schedule.setRouters(routersOf(A, 10), START);
    const released = release(schedule, START + 60_000).map(({ routerId }) => routerId);

    const taken = schedule.setRouters([], START + 60_000);

    expect(new Set(taken)).toEqual(new Set(released));
    expect(schedule.backlog).toBe(0);
    for (const routerId of taken) schedule.withdrawn(routerId, START + 60_000);
    expect(schedule.inFlight).toBe(0);
    expect(release(schedule, START + 180_000)).toHaveLength(0);
  });

  test("a router removed while its poll runs is forgotten when that ends", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 1), START);
    const jobs = release(schedule, START + 60_000);
    schedule.setRouters([], START + 60_000);

    finish(schedule, jobs, START + 60_100, "silent");

    expect(schedule.inFlight).toBe(0);
    expect(schedule.rows(START + 60_200)).toHaveLength(0);
  });

  test("a suspended tenant's polls stop at once, its dues are counted, and it resumes", () => {
    const schedule = zone(1);
    schedule.setRouters([...routersOf(A, 5), ...routersOf(B, 1)], START);
    schedule.takeDue(START + 60_000, 100);

    schedule.setTenants(tenantsOf(tenant(A, { isActive: false }), tenant(B)));
    const released = schedule.release(START + 60_000, 10);
    finish(schedule, released, START + 60_000);
    schedule.setRoutersOf(A, [], START + 60_000);
    schedule.takeDue(START + 120_000, 100);
    const skipped = skips.get("suspended");
    schedule.setTenants(tenantsOf(tenant(A), tenant(B)));
    schedule.takeDue(START + 180_000, 100);

    expect(released.map(({ tenantId }) => tenantId)).toEqual([B]);
    expect(skipped).toBe(10);
    expect(schedule.backlog).toBeGreaterThanOrEqual(5);
  });

  test("a deleted tenant is forgotten", () => {
    const schedule = zone(0);
    schedule.setRouters(routersOf(A, 5), START);
    schedule.takeDue(START + 60_000, 100);

    schedule.setTenants(tenantsOf(tenant(B)));
    schedule.setRouters([], START + 60_000);

    expect(schedule.backlog).toBe(0);
    expect(schedule.routers).toBe(0);
    expect(schedule.rows(START + 60_000)).toHaveLength(0);
  });

  test("a changed interval counts from now", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 5, 3_600), START);

    schedule.setRoutersOf(A, routersOf(A, 5, 10), START);

    expect(release(schedule, START + 10_000)).toHaveLength(5);
  });
});

describe("events that are lost, late, doubled or unknown", () => {
  test("completions and starts of unknown polls change nothing", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 1), START);
    const stranger = "stranger" as RouterId;
    const completion = { outcome: "answered", costMs: 5, startedAtMs: START } as const;

    schedule.active(stranger, START);
    schedule.finished(stranger, completion, START);
    schedule.lost(stranger, START);
    schedule.checked(stranger, "gone", START);
    schedule.withdrawn(stranger, START);

    expect(schedule.inFlight).toBe(0);
    expect(release(schedule, START + 60_000)).toHaveLength(1);
  });

  test("a completion heard twice counts once", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 1), START);
    const jobs = release(schedule, START + 60_000);

    finish(schedule, jobs, START + 60_000);
    finish(schedule, jobs, START + 60_000);

    expect(schedule.rows(START + 61_000)[0]).toMatchObject({ receivedMs: 20, inFlight: 0 });
    expect(schedule.rows(START + 61_000)[0]?.polls.answered).toBe(1);
  });

  test("a poll whose end went unheard is settled when the queue says twice that it is gone", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 1), START);
    const [job] = release(schedule, START + 60_000);
    if (job === undefined) throw new Error("nothing released");
    schedule.active(job.routerId, START + 60_000);

    const early = schedule.pollsToCheck(START + 60_150);
    const first = schedule.pollsToCheck(START + 61_100);
    schedule.checked(job.routerId, "gone", START + 61_100);
    const stillInFlight = schedule.inFlight;
    const second = schedule.pollsToCheck(START + 61_700);
    schedule.checked(job.routerId, "gone", START + 61_700);

    expect(early).toEqual([]);
    expect(first).toEqual([job.routerId]);
    expect(second).toEqual([job.routerId]);
    expect(stillInFlight).toBe(1);
    expect(schedule.inFlight).toBe(0);
    expect(unheard).toBe(1);
    // Charged what such a poll costs, not the time it took us to notice.
    expect(schedule.rows(START + 61_700)[0]?.receivedMs).toBe(50);
  });

  test("a poll that the queue does not have leaves its place in the window at once", () => {
    const schedule = zone(1);
    schedule.setRouters(routersOf(A, 10), START);
    const jobs = release(schedule, START + 60_000);
    const [first] = jobs;
    if (first === undefined) throw new Error("nothing released");

    schedule.checked(first.routerId, "gone", START + 61_000);
    const inItsPlace = schedule.release(START + 61_000, 10);
    schedule.checked(first.routerId, "active", START + 61_100);
    const afterwards = schedule.release(START + 61_100, 10);

    expect(inItsPlace).toHaveLength(1);
    expect(afterwards).toHaveLength(0);
    expect(schedule.inFlight).toBe(jobs.length + 1);
  });

  test("a start that went unheard is learnt by asking", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 1), START);
    const [job] = release(schedule, START + 60_000);
    if (job === undefined) throw new Error("nothing released");

    const asked = schedule.pollsToCheck(START + 62_000);
    schedule.checked(job.routerId, "active", START + 62_000);
    release(schedule, START + 120_000);

    expect(asked).toEqual([job.routerId]);
    expect(skips.get("overrun")).toBe(1);
  });

  /** What the queue says of every poll that is asked after, for four seconds. */
  function answer(schedule: ZoneSchedule, state: "gone" | "forgotten", fromMs: number): void {
    for (let nowMs = fromMs; nowMs < fromMs + 4_000; nowMs += 250) {
      for (const routerId of schedule.pollsToCheck(nowMs)) schedule.checked(routerId, state, nowMs);
    }
  }

  test("a queue that lost its data: routers that may still be polled are left alone for a lock's length, then polled", () => {
    const schedule = zone();
    const at = START + 60_000;
    schedule.setRouters(routersOf(A, 10), START);
    const jobs = release(schedule, at);

    answer(schedule, "forgotten", at);
    const settled = schedule.inFlight;
    const atOnce = release(schedule, at + 8_000);
    const again = release(schedule, at + 12_000);

    expect(jobs).toHaveLength(10);
    expect(settled).toBe(0);
    expect(atOnce).toHaveLength(0);
    expect(new Set(again.map(({ routerId }) => routerId)).size).toBe(10);
    expect(skips.get("overrun")).toBeUndefined();
  });

  test("a queue that kept its data and does not have a poll: it ended unheard, and the next due time is served", () => {
    const schedule = zone();
    const at = START + 60_000;
    schedule.setRouters(routersOf(A, 10), START);
    const jobs = release(schedule, at);

    answer(schedule, "gone", at);
    const next = release(schedule, at + 60_000);

    expect(jobs).toHaveLength(10);
    expect(next).toHaveLength(10);
    expect(skips.size).toBe(0);
  });

  test.for([Number.NaN, -5, Number.POSITIVE_INFINITY, 1e300])(
    "a cost of %d leaves no router stuck, and its tenant charged like others",
    (costMs) => {
      const schedule = zone();
      schedule.setRouters(routersOf(A, 1), START);
      const at = START + 60_000;
      const [job] = release(schedule, at);
      if (job === undefined) throw new Error("nothing released");
      schedule.active(job.routerId, at);
      schedule.finished(job.routerId, { outcome: "answered", costMs, startedAtMs: at }, at + 400);
      const charged = schedule.rows(at + 400)[0]?.receivedMs;

      // What it will cost next is still believed to be little: should its next end go unheard, that is noticed.
      const [next] = release(schedule, at + 60_000);
      schedule.active(job.routerId, at + 60_000);
      for (let nowMs = at + 60_000; nowMs < at + 75_000; nowMs += 250) {
        for (const routerId of schedule.pollsToCheck(nowMs))
          schedule.checked(routerId, "gone", nowMs);
      }

      expect(charged).toBe(costMs > 60_000 ? 60_000 : 400);
      expect(next?.routerId).toBe(job.routerId);
      expect(schedule.inFlight).toBe(0);
    },
  );

  test("a poll whose end went unheard is charged for as long as it was seen to run", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 1), START);
    const at = START + 60_000;
    const [job] = release(schedule, at);
    if (job === undefined) throw new Error("nothing released");
    schedule.active(job.routerId, at);

    for (let nowMs = at; nowMs < at + 9_000; nowMs += 100) {
      for (const routerId of schedule.pollsToCheck(nowMs))
        schedule.checked(routerId, nowMs < at + 5_000 ? "active" : "gone", nowMs);
    }

    const charged = schedule.rows(at + 9_000)[0]?.receivedMs ?? Number.NaN;
    expect(schedule.inFlight).toBe(0);
    expect(charged).toBeGreaterThan(4_000);
    expect(charged).toBeLessThanOrEqual(5_000);
  });

  test("a clock set back an hour makes nothing wait that long: not what went unheard, nor who was left alone", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 10), START);
    const jobs = release(schedule, START + 60_000);
    for (const { routerId } of jobs.slice(0, 5)) schedule.active(routerId, START + 60_000);

    const back = START + 60_000 - 3_600_000;
    const again = new Set<RouterId>();
    for (let nowMs = back; nowMs < back + 120_000; nowMs += 250) {
      for (const routerId of schedule.pollsToCheck(nowMs))
        schedule.checked(routerId, "gone", nowMs);
      for (const { routerId } of release(schedule, nowMs)) again.add(routerId);
    }

    expect(jobs).toHaveLength(10);
    expect(again.size).toBe(10);
  });

  test("a lost poll is repeated at once, but once only", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 1), START);
    const [job] = release(schedule, START + 60_000);
    if (job === undefined) throw new Error("nothing released");

    schedule.lost(job.routerId, START + 60_100);
    const again = schedule.release(START + 60_100, 10);
    schedule.lost(job.routerId, START + 60_200);
    const third = schedule.release(START + 60_200, 10);

    expect(again.map(({ routerId }) => routerId)).toEqual([job.routerId]);
    expect(again[0]?.dueAtMs).toBe(job.dueAtMs);
    expect(third).toEqual([]);
    expect(schedule.rows(START + 60_300)[0]?.polls.lost).toBe(2);
  });

  test("a tenant whose polls are lost by the hundred runs out of repeats", () => {
    const schedule = zone(1_000);
    schedule.setRouters(routersOf(A, 300), START);
    const jobs = release(schedule, START + 60_000);

    for (const { routerId } of jobs) schedule.lost(routerId, START + 60_000);

    expect(schedule.release(START + 60_000, 1_000)).toHaveLength(100);
  });

  test("an expired poll is polled after all, for the same due time", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 1), START);
    const [job] = release(schedule, START + 60_000);
    if (job === undefined) throw new Error("nothing released");

    const at = job.expiresAtMs + 5;
    schedule.finished(job.routerId, { outcome: "expired", costMs: 0, startedAtMs: at }, at);
    const [again] = schedule.release(at, 10);

    expect(again?.dueAtMs).toBe(job.dueAtMs);
    expect(again?.expiresAtMs).toBeGreaterThan(at);
  });

  test("a leader takes over what was in flight, and does not release it again", () => {
    const schedule = zone();
    schedule.setRouters(routersOf(A, 2), START);
    const [first, second] = routersOf(A, 2);
    if (first === undefined || second === undefined) throw new Error("no routers");
    const job = {
      routerId: first.id,
      tenantId: A,
      dueAtMs: START - 5_000,
      expiresAtMs: START + 55_000,
      kind: "full",
    } as const;

    const answers = [
      schedule.adopt(job, true, START),
      schedule.adopt({ ...job, routerId: "stranger" as RouterId }, false, START),
    ];
    const jobs = release(schedule, START + 60_000);
    finish(schedule, [job], START + 60_000);

    expect(answers).toEqual([true, false]);
    expect(jobs.map(({ routerId }) => routerId)).toEqual([second.id]);
    expect(skips.get("overrun")).toBe(1);
    expect(schedule.inFlight).toBe(1);
  });

  test("released polls that nobody takes shrink the window to what runs", () => {
    const schedule = zone(1_000);
    schedule.setRouters(routersOf(A, 2_000), START);
    const jobs = release(schedule, START + 60_000);
    for (const { routerId } of jobs.slice(0, 20)) schedule.active(routerId, START + 60_000);

    for (const routerId of schedule.pollsToCheck(START + 62_500)) {
      const isRunning = jobs.slice(0, 20).some((job) => job.routerId === routerId);
      schedule.checked(routerId, isRunning ? "active" : "waiting", START + 62_500);
    }

    expect(jobs.length).toBeGreaterThan(1_000);
    expect(schedule.window).toBeLessThan(50);
  });
});

describe("dead routers and dead zones", () => {
  test("a dead router is probed ever less often, and the dues between are counted", () => {
    const schedule = zone();
    schedule.setRouters([...routersOf(A, 1), ...routersOf(B, 20)], START);

    const jobs = play(schedule, START, 40, (job) => (job.tenantId === A ? "silent" : "answered"));

    const kinds = jobs.filter(({ tenantId }) => tenantId === A).map(({ kind }) => kind);
    expect(kinds).toEqual(["full", "full", "full", "probe", "probe", "probe", "probe", "probe"]);
    expect(skips.get("unreachable_backoff")).toBe(40 - kinds.length);
    expect(suspicions).toEqual([]);
  });

  test("the first answer to a probe brings a full poll at once", () => {
    const schedule = zone();
    schedule.setRouters([...routersOf(A, 1), ...routersOf(B, 20)], START);
    let isDead = true;
    play(schedule, START, 4, (job) => (isDead && job.tenantId === A ? "silent" : "answered"));
    isDead = false;

    const jobs = play(schedule, START + 240_000, 2, () => "answered");

    const kinds = jobs.filter(({ tenantId }) => tenantId === A).map(({ kind }) => kind);
    expect(kinds.slice(0, 2)).toEqual(["probe", "full"]);
    expect(schedule.rows(START + 360_000).find((row) => row.tenantId === A)).toMatchObject({
      unreachableRouters: 0,
    });
  });

  test("when all routers fall silent at once the zone is suspected, not they", () => {
    const schedule = zone(1_000);
    schedule.setRouters([...routersOf(A, 200), ...routersOf(B, 200)], START);
    play(schedule, START, 1, () => "answered");

    const dark = play(schedule, START + 60_000, 2, () => "silent");
    const afterwards = play(schedule, START + 180_000, 2, () => "answered");

    expect(suspicions).toEqual([true, false]);
    // Full polls until it was noticed, then a probe a tenant every five seconds.
    expect(dark.filter(({ kind }) => kind === "full").length).toBeLessThan(40);
    expect(dark.filter(({ kind }) => kind === "probe").length).toBeLessThanOrEqual(2 * 24);
    // All are back within an interval of the first answer: none was marked unreachable.
    const full = afterwards.filter(({ kind }) => kind === "full");
    expect(full.length).toBeGreaterThanOrEqual(2 * 400 - 40);
    expect(schedule.rows(START + 300_000).every((row) => row.unreachableRouters === 0)).toBe(true);
  });

  test("polls that waited when the zone went dark are not all let loose on it", () => {
    const schedule = zone(1_000);
    schedule.setRouters(routersOf(A, 500), START);
    play(schedule, START, 1, () => "answered");
    schedule.takeDue(START + 120_000, 1_000);
    const first = schedule.release(START + 120_000, 20);

    finish(schedule, first, START + 120_000, "silent");
    const next = schedule.release(START + 120_100, 1_000);

    expect(schedule.isSuspected).toBe(true);
    expect(next.map(({ kind }) => kind)).toEqual(["probe"]);
    expect(schedule.backlog).toBe(0);
  });
});

describe("rows", () => {
  test("show what each tenant asked for, got and should have got", () => {
    const schedule = zone(10);
    schedule.setTenants(tenantsOf(tenant(A, { weight: 3 }), tenant(B)));
    schedule.setRouters([...routersOf(A, 100), ...routersOf(B, 100)], START);

    // A poll holds a slot for two seconds; 200 routers need 6.7 slots, there are 2.
    schedule.reportSlots(2, START);
    const running: { job: PollJob; endMs: number }[] = [];
    for (let nowMs = START; nowMs <= START + 300_000; nowMs += 100) {
      for (const each of [...running]) {
        if (each.endMs > nowMs) continue;
        running.splice(running.indexOf(each), 1);
        const completion = {
          outcome: "answered",
          costMs: 2_000,
          startedAtMs: each.endMs - 2_000,
        } as const;
        schedule.finished(each.job.routerId, completion, nowMs);
      }
      schedule.takeDue(nowMs, 1_000);
      for (const job of schedule.release(nowMs, 2 - running.length)) {
        schedule.active(job.routerId, nowMs);
        running.push({ job, endMs: nowMs + 2_000 });
      }
      if (nowMs % 2_000 === 0) schedule.rows(nowMs);
    }
    const rows = schedule.rows(START + 300_000);
    const [a, b] = [A, B].map((id) => rows.find(({ tenantId }) => tenantId === id));
    if (a === undefined || b === undefined) throw new Error("no rows");

    expect(a.weight).toBe(3);
    expect(a.demandMsPerSecond).toBeGreaterThan(3_000);
    expect(a.demandMsPerSecond).toBeLessThan(3_700);
    expect(a.receivedMs / b.receivedMs).toBeGreaterThan(2.7);
    expect(a.receivedMs / b.receivedMs).toBeLessThan(3.3);
    for (const row of [a, b]) {
      expect(row.receivedMs / row.fairShareMs).toBeGreaterThan(0.9);
      expect(row.receivedMs / row.fairShareMs).toBeLessThan(1.1);
      expect(row.backlog).toBeGreaterThan(0);
      expect(row.skips.backlog).toBeGreaterThan(0);
      expect(row.latenessP99Ms).toBeGreaterThanOrEqual(row.latenessP50Ms ?? 0);
      expect(row.onTimeRatio).toBeLessThan(0.5);
      expect(row.oldestDueAtMs).toBeLessThan(START + 300_000);
    }
  });
});
