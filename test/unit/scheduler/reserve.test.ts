import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/lib/seeded-random.ts";
import type { RouterId } from "../../../src/routers/router.ts";
import { FairQueue, type TenantSnapshot } from "../../../src/scheduler/fair-queue.ts";
import { Poll } from "../../../src/scheduler/queued-poll.ts";
import type { TenantShare } from "../../../src/scheduler/tenant-tree.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";

/** A tenant of a zone that is played: its polls come by themselves, or again as soon as they have ended. */
interface Played extends TenantShare {
  readonly id: string;
  readonly costMs: number;
  /** Polls that are there at once and come again when they have ended. */
  readonly always?: number;
  /** Polls a second, at random. */
  readonly perSecond?: number;
  readonly fromMs?: number;
}

interface Zone {
  readonly slots: number;
  readonly seconds: number;
  readonly reservedPart?: number;
  readonly seed?: number;
}

/** Sees every tenant just before a release and who it is, and every moment when all that may go have gone. */
interface Watch {
  released(id: string, tenants: readonly Waiting[], nowMs: number): void;
  settled(tenants: readonly Waiting[], nowMs: number): void;
}

interface Waiting extends TenantSnapshot {
  /** Since when it has had polls waiting; undefined while it has none. */
  readonly sinceMs: number | undefined;
}

/** Polls released beyond the slots, as windows have them. */
const READY = 4;
/** From a release to the worker, and from an end to the scheduler. */
const HANDOVER_MS = 2;

/** Plays a zone in steps of a millisecond. What each tenant's polls waited for a slot, sorted, and the slots it held. */
function playZone(
  tenants: readonly Played[],
  { slots, seconds, reservedPart, seed = 1 }: Zone,
  watch?: Watch,
) {
  const queue = new FairQueue(reservedPart === undefined ? {} : { reservedPart });
  const random = seededRandom(seed);
  const happenings = new Map<number, (() => void)[]>();
  const at = (ms: number, what: () => void) => {
    const others = happenings.get(ms);
    if (others === undefined) happenings.set(ms, [what]);
    else others.push(what);
  };
  const waitsMs = new Map(tenants.map(({ id }) => [id, [] as number[]]));
  const sinceMs = new Map<string, number>();
  const line: Poll[] = [];
  let busy = 0;
  let busyMs = 0;
  const come = (tenant: Played, nowMs: number) => {
    const poll = new Poll({
      routerId: "router" as RouterId,
      tenantId: tenant.id as TenantId,
      dueAtMs: nowMs,
      estimateMs: 20,
      isExpress: false,
    });
    queue.enqueue(poll, nowMs);
    if (!sinceMs.has(tenant.id)) sinceMs.set(tenant.id, nowMs);
  };
  const look = (nowMs: number): Waiting[] =>
    tenants.flatMap(({ id }) => {
      const snapshot = queue.tenant(id as TenantId, nowMs);
      return snapshot === undefined ? [] : [{ ...snapshot, sinceMs: sinceMs.get(id) }];
    });
  const start = (poll: Poll, nowMs: number) => {
    const tenant = tenants.find(({ id }) => id === poll.tenantId);
    if (tenant === undefined) throw new Error("a poll of nobody");
    busy++;
    queue.started(poll, nowMs);
    waitsMs.get(tenant.id)?.push(nowMs - poll.dueAtMs);
    at(nowMs + tenant.costMs, () => busy--);
    at(nowMs + tenant.costMs + HANDOVER_MS, () => {
      queue.finished(poll, tenant.costMs, nowMs + tenant.costMs + HANDOVER_MS);
      if (tenant.always !== undefined) come(tenant, nowMs + tenant.costMs + HANDOVER_MS);
    });
  };

  for (const tenant of tenants) {
    const { id, always = 0, perSecond = 0, fromMs = 0 } = tenant;
    queue.setTenant(id as TenantId, tenant);
    for (let i = 0; i < always; i++) at(fromMs, () => come(tenant, fromMs));
    for (let i = 0; i < perSecond * seconds; i++) {
      const atMs = Math.floor(1_000 * seconds * random());
      at(atMs, () => come(tenant, atMs));
    }
  }
  for (let nowMs = 0; nowMs < 1_000 * seconds; nowMs++) {
    for (const happen of happenings.get(nowMs) ?? []) happen();
    happenings.delete(nowMs);
    while (queue.inFlight < slots + READY) {
      const before = watch && look(nowMs);
      const poll = queue.release(nowMs, { slots, unstartedMax: Number.POSITIVE_INFINITY });
      if (poll === undefined) break;
      if (before !== undefined) watch?.released(poll.tenantId, before, nowMs);
      if (queue.tenant(poll.tenantId, nowMs)?.backlog === 0) sinceMs.delete(poll.tenantId);
      at(nowMs + HANDOVER_MS, () => void line.push(poll));
    }
    watch?.settled(look(nowMs), nowMs);
    while (busy < slots && line.length > 0) start(line.shift() as Poll, nowMs);
    busyMs += busy;
  }
  const heldOf = (id: string) =>
    (queue.tenant(id as TenantId, 1_000 * seconds)?.receivedMs ?? 0) / (1_000 * seconds);
  return {
    waitMs: (id: string, q: number) => {
      const sorted = (waitsMs.get(id) ?? []).sort((a, b) => a - b);
      return sorted[Math.floor((sorted.length - 1) * q)] ?? Number.NaN;
    },
    heldOf,
    freeSlots: slots - busyMs / (1_000 * seconds),
  };
}

const DEAD = { costMs: 4_000, always: 300, fromMs: 3_000 } as const;
const HEALTHY = { costMs: 100, perSecond: 30 } as const;

describe("a tenant whose dead routers want every slot", () => {
  const tenants = [
    { id: "dead", weight: 16, ...DEAD },
    { id: "healthy", weight: 8, ...HEALTHY },
  ];

  test("makes nobody wait for a slot", () => {
    const zone = playZone(tenants, { slots: 100, seconds: 20 });

    expect(zone.waitMs("healthy", 0.99)).toBeLessThan(20);
  });

  test("makes others wait until its polls time out when no slots are reserved", () => {
    const zone = playZone(tenants, { slots: 100, seconds: 20, reservedPart: 0 });

    expect(zone.waitMs("healthy", 0.9)).toBeGreaterThan(1_000);
  });

  test("makes nobody wait together with others of its kind", () => {
    const three = ["dead-1", "dead-2", "dead-3"].map((id) => ({ id, weight: 16, ...DEAD }));

    const zone = playZone([...three, { id: "healthy", weight: 8, ...HEALTHY }], {
      slots: 100,
      seconds: 20,
    });

    expect(zone.waitMs("healthy", 0.99)).toBeLessThan(20);
  });

  test("makes the other tenants of its MSP wait no more than anyone", () => {
    const msp = { id: "msp", weight: 16, costMs: 100 };
    const children = tenants.map((tenant) => ({ ...tenant, parent: "msp" as TenantId }));

    const zone = playZone([msp, ...children], { slots: 100, seconds: 20 });

    expect(zone.waitMs("healthy", 0.99)).toBeLessThan(20);
  });

  test("still gets most of the slots that others leave", () => {
    const zone = playZone(tenants, { slots: 100, seconds: 40 });

    expect(zone.heldOf("dead")).toBeGreaterThan(70);
  });
});

describe("no slot stays free", () => {
  test("in a zone of one tenant", () => {
    const zone = playZone([{ id: "only", weight: 1, costMs: 500, always: 200 }], {
      slots: 100,
      seconds: 10,
    });

    expect(zone.freeSlots).toBeLessThan(1);
  });

  test("when every tenant wants more than it gets", () => {
    const all = [1, 2, 4, 8, 16].map((weight) => ({
      id: `tenant-${weight}`,
      weight,
      costMs: 100 * weight,
      always: 200,
    }));

    const zone = playZone(all, { slots: 100, seconds: 20 });

    expect(zone.freeSlots).toBeLessThan(3);
    expect(zone.heldOf("tenant-16") / zone.heldOf("tenant-4")).toBeCloseTo(4, 0);
  });
});

test("many modest tenants do not push one that saturates below its guarantee", () => {
  const modest = Array.from({ length: 20 }, (_, i) => ({
    id: `modest-${i}`,
    weight: 1,
    costMs: 500,
    perSecond: 8,
  }));

  const zone = playZone([{ id: "large", weight: 20, costMs: 500, always: 300 }, ...modest], {
    slots: 100,
    seconds: 30,
  });

  expect(zone.heldOf("large")).toBeGreaterThan(45);
});

test("a light tenant that wants all of the reserve gets its share", () => {
  const idle = Array.from({ length: 10 }, (_, i) => ({ id: `idle-${i}`, weight: 2, costMs: 1 }));
  const light = { id: "light", weight: 1, costMs: 500, perSecond: 18 };

  const zone = playZone([{ id: "heavy", weight: 20, costMs: 500, always: 300 }, light, ...idle], {
    slots: 100,
    seconds: 20,
  });

  expect(zone.heldOf("light")).toBeLessThan(7);
});

test("tenants that come and go leave nothing behind that holds slots free", () => {
  const queue = new FairQueue();
  for (let round = 0; round < 50; round++) {
    const guest = `guest-${round}` as TenantId;
    queue.setTenant(guest, { weight: 100 });
    queue.removeTenant(guest);
  }
  queue.setTenant("only" as TenantId, { weight: 1 });
  for (let i = 0; i < 40; i++) {
    const tenantId = "only" as TenantId;
    const routerId = `router-${i}` as RouterId;
    queue.enqueue(
      new Poll({ routerId, tenantId, dueAtMs: 0, estimateMs: 10, isExpress: false }),
      0,
    );
  }

  let released = 0;
  while (queue.inFlight < 40 && queue.release(0, { slots: 40, unstartedMax: 40 }) !== undefined)
    released++;

  expect(released).toBe(40);
});

test("who saturates waits while many released polls have not started, and the modest do not", () => {
  const queue = new FairQueue();
  const come = (id: string, count: number, nowMs: number) => {
    for (let i = 0; i < count; i++) {
      const tenantId = id as TenantId;
      const routerId = `${id}-${i}` as RouterId;
      const request = { routerId, tenantId, dueAtMs: nowMs, estimateMs: 10, isExpress: false };
      queue.enqueue(new Poll(request), nowMs);
    }
  };
  const room = { slots: 100, unstartedMax: 16 };
  const releaseAll = (nowMs: number) => {
    const released: Poll[] = [];
    for (let poll = queue.release(nowMs, room); poll; poll = queue.release(nowMs, room)) {
      released.push(poll);
    }
    return released;
  };
  for (const id of ["large", "small"]) queue.setTenant(id as TenantId, { weight: 1 });
  come("large", 200, 0);
  const atFirst = releaseAll(0);
  for (const poll of atFirst) queue.started(poll, 0);
  for (const poll of atFirst) queue.finished(poll, 1_000, 1_000);

  const portion = releaseAll(1_500);
  come("small", 3, 1_500);
  const between = releaseAll(1_500);
  for (const poll of portion) queue.started(poll, 1_500);
  const next = releaseAll(1_500);

  expect(portion).toHaveLength(16);
  expect(between.map(({ tenantId }) => tenantId)).toEqual(["small", "small", "small"]);
  expect(next).toHaveLength(13);
});

describe("in random zones", () => {
  const SATURATED_AFTER_MS = 1_000;
  const saturates = ({ sinceMs }: Waiting, nowMs: number) =>
    sinceMs !== undefined && nowMs - sinceMs >= SATURATED_AFTER_MS;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

  const tenant = fc.record({
    weight: fc.constantFrom(0.5, 1, 2, 4, 16),
    costMs: fc.constantFrom(5, 50, 300, 2_000),
    always: fc.constantFrom(0, 0, 1, 10, 60),
    perSecond: fc.constantFrom(0, 5, 40),
    fromMs: fc.constantFrom(0, 0, 700, 2_500),
  });
  const zone = fc.record({
    seed: fc.integer(),
    slots: fc.integer({ min: 1, max: 30 }),
    reservedPart: fc.constantFrom(0.05, 0.1, 0.5),
    tenants: fc.array(tenant, { minLength: 1, maxLength: 6 }),
  });

  /** Throws when one that saturates goes though it has not the least tag. */
  function checkTurn(id: string, tenants: readonly Waiting[], nowMs: number): void {
    const going = tenants.find(({ tenantId }) => tenantId === id);
    if (going === undefined || !saturates(going, nowMs)) return;
    const before = tenants.find(({ backlog, tag }) => backlog > 0 && tag < going.tag - 1e-6);
    if (before !== undefined) throw new Error(`${id} went before ${before.tenantId} at ${nowMs}`);
  }

  /** Throws when slots are free that those who saturate are guaranteed, all of them if all do. */
  function checkGuarantee(slots: number, tenants: readonly Waiting[], nowMs: number): void {
    const waiting = tenants.filter(({ backlog }) => backlog > 0);
    if (waiting.length === 0 || !waiting.every((each) => saturates(each, nowMs))) return;
    const free = slots - sum(tenants.map(({ inFlight }) => inFlight));
    if (free <= 0) return;
    const held = sum(waiting.map(({ inFlight }) => inFlight));
    const share =
      sum(waiting.map(({ weight }) => weight)) / sum(tenants.map(({ weight }) => weight));
    if (waiting.length === tenants.length || held < slots * share - 1) {
      throw new Error(`${free} of ${slots} slots are free at ${nowMs}, ${held} held for ${share}`);
    }
  }

  test("who saturates goes in turn, and holds what it is guaranteed if it wants that", () => {
    let turns = 0;
    const zones = fc.property(zone, ({ tenants, ...rest }) => {
      const named = tenants.map((each, i) => ({ ...each, id: `tenant-${i}` }));
      playZone(
        named,
        { ...rest, seconds: 3 },
        {
          released(id, seen, nowMs) {
            turns++;
            checkTurn(id, seen, nowMs);
          },
          settled: (seen, nowMs) => checkGuarantee(rest.slots, seen, nowMs),
        },
      );
    });

    fc.assert(zones, { seed: 20_265, numRuns: 12 });

    expect(turns).toBeGreaterThan(1_000);
  });
});
