import { describe, expect, test } from "vitest";
import type { RouterId } from "../../../src/routers/router.ts";
import { FairQueue } from "../../../src/scheduler/fair-queue.ts";
import { Poll } from "../../../src/scheduler/queued-poll.ts";
import type { Rules } from "../../../src/scheduler/turns.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";
import { jain, type Saturating, saturate } from "./saturation.ts";

const A = "tenant-a" as TenantId;
const B = "tenant-b" as TenantId;
const C = "tenant-c" as TenantId;
const MSP = "tenant-msp" as TenantId;

let made = 0;
function poll(tenantId: TenantId, over: Partial<Poll> = {}): Poll {
  const routerId = `router-${made++}` as RouterId;
  return new Poll({ routerId, tenantId, dueAtMs: 0, estimateMs: 10, isExpress: false, ...over });
}

function fill(queue: FairQueue, tenantId: TenantId, count: number, over: Partial<Poll> = {}): void {
  for (let i = 0; i < count; i++) queue.enqueue(poll(tenantId, { dueAtMs: i, ...over }), 0);
}

/** Runs `count` polls one after the other, each costing what `costOf` says; answers how many each tenant had. */
function serve(
  queue: FairQueue,
  count: number,
  costOf: (poll: Poll) => number,
  from = 0,
): Map<TenantId, number> {
  const served = new Map<TenantId, number>();
  let nowMs = from;
  for (let i = 0; i < count; i++) {
    const next = queue.release(nowMs);
    if (next === undefined) break;
    queue.started(next, nowMs);
    nowMs += costOf(next);
    queue.finished(next, costOf(next), nowMs);
    served.set(next.tenantId, (served.get(next.tenantId) ?? 0) + 1);
  }
  return served;
}

describe("shares", () => {
  test("slot time is shared by weight, whatever the polls cost", () => {
    const queue = new FairQueue();
    queue.setTenant(A, { weight: 4 });
    queue.setTenant(B, { weight: 1 });
    fill(queue, A, 2_000);
    fill(queue, B, 2_000);

    const served = serve(queue, 1_500, (each) => (each.tenantId === A ? 20 : 80));

    const ratio = (20 * (served.get(A) ?? 0)) / (80 * (served.get(B) ?? 0));
    expect(ratio).toBeGreaterThan(3.9);
    expect(ratio).toBeLessThan(4.1);
  });

  test("among equal tags the earlier due poll goes first", () => {
    const queue = new FairQueue();
    queue.enqueue(poll(A, { dueAtMs: 30 }), 0);
    queue.enqueue(poll(B, { dueAtMs: 10 }), 0);
    queue.enqueue(poll(C, { dueAtMs: 20 }), 0);

    const order = [1, 2, 3].map(() => queue.release(0)?.tenantId);

    expect(order).toEqual([B, C, A]);
  });

  test("within a tenant the earliest due goes first", () => {
    const queue = new FairQueue();
    for (const dueAtMs of [5, 1, 9, 3, 7]) queue.enqueue(poll(A, { dueAtMs }), 0);

    const order = [1, 2, 3, 4, 5].map(() => queue.release(0)?.dueAtMs);

    expect(order).toEqual([1, 3, 5, 7, 9]);
  });

  test("an MSP shares with other tenants as one, and among its children by their weights", () => {
    const queue = new FairQueue();
    queue.setTenant(MSP, { weight: 2 });
    queue.setTenant(A, { weight: 3, parent: MSP });
    queue.setTenant(B, { weight: 1, parent: MSP });
    queue.setTenant(C, { weight: 2 });
    for (const tenantId of [A, B, C]) fill(queue, tenantId, 2_000);

    const served = serve(queue, 1_600, () => 10);

    expect(served.get(C)).toBeGreaterThan(790);
    expect(served.get(C)).toBeLessThan(810);
    expect(served.get(A)).toBeGreaterThan(590);
    expect(served.get(A)).toBeLessThan(610);
  });

  test("an MSP's own routers are one more child, with its own weight", () => {
    const queue = new FairQueue();
    queue.setTenant(A, { weight: 1, parent: MSP });
    queue.setTenant(MSP, { weight: 3 });
    for (const tenantId of [A, MSP]) fill(queue, tenantId, 1_000);

    const served = serve(queue, 400, () => 10);

    expect(served.get(MSP)).toBeGreaterThan(295);
    expect(served.get(MSP)).toBeLessThan(305);
  });

  test("the cap of an MSP holds for it and its children together", () => {
    const queue = new FairQueue();
    queue.setTenant(MSP, { weight: 1, inFlightMax: 3 });
    queue.setTenant(A, { weight: 1, parent: MSP });
    queue.setTenant(B, { weight: 1, parent: MSP });
    for (const tenantId of [A, B, MSP]) fill(queue, tenantId, 10);

    while (queue.release(0) !== undefined);

    expect(queue.inFlight).toBe(3);
  });

  test("a tenant at its cap leaves the slots to others and comes back when a poll ends", () => {
    const queue = new FairQueue();
    queue.setTenant(A, { weight: 16, inFlightMax: 1 });
    fill(queue, A, 3);
    fill(queue, B, 2);
    const first = queue.release(0);
    if (first === undefined) throw new Error("nothing released");

    const others = [queue.release(0), queue.release(0)].map((each) => each?.tenantId);
    const capped = queue.release(0);
    queue.finished(first, 5, 5);

    expect(first.tenantId).toBe(A);
    expect(others).toEqual([B, B]);
    expect(capped).toBeUndefined();
    expect(queue.release(5)?.tenantId).toBe(A);
  });

  test("a changed weight counts from then on, not for what was used before", () => {
    const queue = new FairQueue();
    fill(queue, A, 3_000);
    fill(queue, B, 3_000);
    serve(queue, 1_000, () => 10);

    queue.setTenant(A, { weight: 4 });
    const served = serve(queue, 1_000, () => 10, 10_000);

    expect(served.get(A)).toBeGreaterThan(790);
    expect(served.get(A)).toBeLessThan(810);
  });
});

describe("tenants whose polls time out", () => {
  // The prototype's setting (MEASURED.md §Scheduling) at a tenth of its size.
  const tenants: Saturating[] = Array.from({ length: 60 }, (_, i) => ({
    id: `tenant-${i}`,
    weight: [16, 4, 4, 1, 1, 1][i % 6] ?? 1,
    meanCostMs: 50 + 7 * i,
    timeoutShare: i % 10 === 0 ? 0.3 : 0,
  }));
  const setting = { seed: 3, slots: 120, seconds: 60, warmUpSeconds: 15, deadlineMs: 3_000 };

  function outcome(rules: Partial<Rules> = {}) {
    const shares = saturate(tenants, { ...setting, rules }).map(
      (share, index) => share / (tenants[index]?.weight ?? 1),
    );
    const mean = (of: readonly number[]) => of.reduce((sum, share) => sum + share, 0) / of.length;
    const timingOut = shares.filter((_, index) => (tenants[index]?.timeoutShare ?? 0) > 0);
    return { jain: jain(shares), advantage: mean(timingOut) / mean(shares) };
  }

  test("get their share of slot time, no more and no less", () => {
    const { jain: index, advantage } = outcome();

    expect(index).toBeGreaterThan(0.995);
    expect(advantage).toBeGreaterThan(0.95);
    expect(advantage).toBeLessThan(1.05);
  });

  test("get several times their share when polls are counted instead of their cost", () => {
    const { jain: index, advantage } = outcome({ chargesCost: false, chargesElapsed: false });

    expect(index).toBeLessThan(0.9);
    expect(advantage).toBeGreaterThan(2);
  });

  test("are served unevenly when running polls are not charged as they run", () => {
    const { jain: index } = outcome({ chargesElapsed: false });

    expect(index).toBeLessThan(outcome().jain);
  });
});

describe("express polls", () => {
  test("overtake their tenant's others, but for one in four at most", () => {
    const queue = new FairQueue();
    fill(queue, A, 40);
    fill(queue, A, 40, { isExpress: true, dueAtMs: 1_000 });

    const order = Array.from({ length: 40 }, () => queue.release(0)?.isExpress);

    expect(order[0]).toBe(true);
    expect(order.filter((isExpress) => isExpress)).toHaveLength(10);
  });

  test("have the lane to themselves when nothing else waits", () => {
    const queue = new FairQueue();
    fill(queue, A, 3, { isExpress: true });

    const order = Array.from({ length: 3 }, () => queue.release(0)?.isExpress);

    expect(order).toEqual([true, true, true]);
  });

  test("a waiting poll is hastened once and goes once", () => {
    const queue = new FairQueue();
    fill(queue, A, 5);
    const late = poll(A, { dueAtMs: 1_000 });
    queue.enqueue(late, 0);

    const answers = [queue.hasten(late, 0), queue.hasten(late, 0)];
    const order = Array.from({ length: 7 }, () => queue.release(0));

    expect(answers).toEqual([true, false]);
    expect(order[0]).toBe(late);
    expect(order.filter((each) => each === late)).toHaveLength(1);
    expect(queue.backlog).toBe(0);
  });
});

describe("tenants that come and go", () => {
  test("a removed tenant gives back what waits, and its polls in flight still end", () => {
    const queue = new FairQueue();
    fill(queue, A, 3);
    const running = queue.release(0);
    if (running === undefined) throw new Error("nothing released");

    const waiting = queue.removeTenant(A);

    expect(waiting).toHaveLength(2);
    expect(queue.backlog).toBe(0);
    expect(queue.release(0)).toBeUndefined();
    expect(queue.inFlight).toBe(1);
    expect(queue.finished(running, 5, 5)).toBe(true);
    expect(queue.inFlight).toBe(0);
    expect(queue.tenant(A, 5)).toBeUndefined();
  });

  test("a tenant that comes back while a poll of its past runs keeps its books", () => {
    const queue = new FairQueue();
    fill(queue, A, 1);
    const running = queue.release(0);
    if (running === undefined) throw new Error("nothing released");
    queue.removeTenant(A);

    queue.setTenant(A, { weight: 2 });
    queue.finished(running, 5, 5);

    expect(queue.tenant(A, 5)).toMatchObject({ inFlight: 0, receivedMs: 5, weight: 2 });
  });

  test("a child that leaves its MSP takes its polls in flight along", () => {
    const queue = new FairQueue();
    queue.setTenant(MSP, { weight: 1, inFlightMax: 1 });
    queue.setTenant(A, { weight: 1, parent: MSP });
    queue.setTenant(B, { weight: 1, parent: MSP });
    fill(queue, A, 1);
    fill(queue, B, 1);
    const running = queue.release(0);
    if (running === undefined) throw new Error("nothing released");
    expect(queue.release(0)).toBeUndefined();

    queue.setTenant(running.tenantId, { weight: 1 });

    expect(queue.release(0)).toBeDefined();
    expect(queue.finished(running, 5, 5)).toBe(true);
    expect(queue.inFlight).toBe(1);
  });

  test("a tenant that becomes an MSP keeps its place in turn, its polls in flight among it", () => {
    const queue = new FairQueue();
    queue.setTenant(MSP, { weight: 1 });
    for (const tenantId of [MSP, C]) fill(queue, tenantId, 40, { estimateMs: 100 });
    for (let i = 0; i < 8; i++) queue.release(0);

    queue.setTenant(A, { weight: 1, parent: MSP });
    fill(queue, A, 40, { estimateMs: 100 });
    const next = Array.from({ length: 20 }, () => queue.release(0)?.tenantId);

    expect(queue.tenant(MSP, 0)?.inFlight).toBeGreaterThanOrEqual(4);
    expect(next.filter((tenantId) => tenantId === C)).toHaveLength(10);
  });

  test("children outlive their MSP's removal", () => {
    const queue = new FairQueue();
    queue.setTenant(MSP, { weight: 1 });
    queue.setTenant(A, { weight: 1, parent: MSP });
    fill(queue, A, 2);

    queue.removeTenant(MSP);

    expect(queue.release(0)?.tenantId).toBe(A);
    expect(queue.tenant(A, 0)?.parent).toBe(MSP);
  });

  test("a tenant may name itself, or a child of another MSP, as its parent", () => {
    const queue = new FairQueue();
    queue.setTenant(A, { weight: 1, parent: A });
    queue.setTenant(B, { weight: 1, parent: MSP });
    queue.setTenant(C, { weight: 1, parent: B });
    for (const tenantId of [A, B, C]) fill(queue, tenantId, 1);

    const released = [1, 2, 3].map(() => queue.release(0)?.tenantId);

    expect(new Set(released)).toEqual(new Set([A, B, C]));
    expect(queue.tenant(C, 0)?.parent).toBe(MSP);
    expect(queue.tenant(A, 0)?.parent).toBeUndefined();
  });

  test("a leader's inherited polls count as in flight", () => {
    const queue = new FairQueue();
    const inherited = poll(A);

    const answers = [queue.adopt(inherited, true, 0), queue.adopt(inherited, true, 0)];

    expect(answers).toEqual([true, false]);
    expect(queue.tenant(A, 500)).toMatchObject({ inFlight: 1, running: 1, receivedMs: 500 });
    expect(queue.finished(inherited, 700, 700)).toBe(true);
  });
});

describe("absurd input", () => {
  test.for([0, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300])(
    "a weight of %d leaves nobody stuck",
    (weight) => {
      const queue = new FairQueue();
      queue.setTenant(A, { weight });
      queue.setTenant(B, { weight: 1 });
      fill(queue, A, 2);
      fill(queue, B, 60_000);

      const first = serve(queue, 2_000, () => 10);
      fill(queue, A, 2_500);
      const later = serve(queue, 60_000, () => 10, 20_000);

      for (const served of [first, later]) expect(served.get(A)).toBeGreaterThan(0);
      expect(later.get(B)).toBeGreaterThan(0);
    },
  );

  test.for([Number.NaN, undefined, Number.POSITIVE_INFINITY, -5, 1e12])(
    "a cost of %s is charged as what was seen, or as the most a poll can use",
    (cost) => {
      const queue = new FairQueue({ pollMsMax: 1_000 });
      fill(queue, A, 1);
      const running = queue.release(0);
      if (running === undefined) throw new Error("nothing released");
      queue.started(running, 0);

      queue.finished(running, cost, 400);

      const received = queue.tenant(A, 400)?.receivedMs ?? Number.NaN;
      expect(received).toBe(cost === 1e12 ? 1_000 : 400);
    },
  );

  test.for([Number.NaN, -5, 0, Number.POSITIVE_INFINITY])("an estimate of %d is clipped", (ms) => {
    const queue = new FairQueue({ pollMsMax: 1_000 });
    queue.enqueue(poll(A, { estimateMs: ms }), 0);
    queue.enqueue(poll(B), 0);

    expect(queue.release(0)).toBeDefined();
    expect(queue.release(0)).toBeDefined();
    expect(Number.isFinite(queue.tenant(A, 0)?.tag)).toBe(true);
  });

  test.for([0, -3, Number.NaN])("a cap of %d never locks a tenant out", (inFlightMax) => {
    const queue = new FairQueue();
    queue.setTenant(A, { weight: 1, inFlightMax });
    fill(queue, A, 1);

    expect(queue.release(0)?.tenantId).toBe(A);
  });

  test("events of polls not in flight change nothing, however often they come", () => {
    const queue = new FairQueue();
    const stranger = poll(A);
    const waiting = poll(A);
    queue.enqueue(waiting, 0);
    expect(queue.enqueue(waiting, 0)).toBe(false);
    expect(queue.started(stranger, 0)).toBe(false);
    expect(queue.finished(stranger, 5, 0)).toBe(false);
    expect(queue.finished(waiting, 5, 0)).toBe(false);
    expect(queue.cancel(stranger)).toBe(false);

    const released = queue.release(0);
    expect(released).toBe(waiting);
    expect([queue.started(waiting, 1), queue.started(waiting, 2)]).toEqual([true, false]);
    expect([queue.finished(waiting, 5, 6), queue.finished(waiting, 5, 7)]).toEqual([true, false]);
    expect(queue.cancel(waiting)).toBe(false);
    expect(queue.tenant(A, 10)).toMatchObject({ receivedMs: 5, inFlight: 0, backlog: 0 });
  });

  test.for([3_600_000, -3_600_000])(
    "a clock that jumps by %d ms makes nobody wait for what did not happen",
    (jumpMs) => {
      const queue = new FairQueue();
      fill(queue, A, 100);
      fill(queue, B, 1);
      const hanging = queue.release(0);
      if (hanging === undefined) throw new Error("nothing released");
      queue.started(hanging, 0);

      const nowMs = 10 + jumpMs;
      queue.release(nowMs);
      const charged = queue.tenant(hanging.tenantId, nowMs)?.receivedMs ?? Number.NaN;
      queue.finished(hanging, 20, nowMs + 10);
      queue.enqueue(poll(C), nowMs + 10);
      const served = serve(queue, 4, () => 10, nowMs + 10);

      expect(charged).toBeLessThanOrEqual(1_010);
      expect(served.get(C)).toBe(1);
    },
  );

  test("time that is not a number stands still", () => {
    const queue = new FairQueue();
    fill(queue, A, 2);

    expect(queue.release(Number.NaN)).toBeDefined();
    expect(queue.release(10)).toBeDefined();
    expect(Number.isFinite(queue.tenant(A, 20)?.tag)).toBe(true);
  });

  test("virtual time starts over before it loses precision, and nobody's turn changes", () => {
    const queue = new FairQueue({ pollMsMax: 1e9 });
    queue.setTenant(A, { weight: 0.001 });
    queue.setTenant(B, { weight: 0.001 });
    fill(queue, A, 200);
    fill(queue, B, 200);

    const served = serve(queue, 300, () => 1e8);

    expect(served.get(A)).toBe(150);
    expect(queue.tenant(A, 0)?.tag).toBeLessThan(2 ** 43);
  });
});
