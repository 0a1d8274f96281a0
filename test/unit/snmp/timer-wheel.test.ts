import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/lib/seeded-random.ts";
import { Timed, TimerWheel } from "../../../src/snmp/timer-wheel.ts";

const TICK_MS = 16;

describe("a timer wheel", () => {
  test("hands over what is due, at most two ticks late and never early", () => {
    const seed = 7;
    const dice = seededRandom(seed);
    const wheel = new TimerWheel(TICK_MS, 1_000);
    const dueOf = new Map<Timed, number>();
    for (let i = 0; i < 2_000; i++) {
      const entry = new Timed();
      const dueAtMs = 1_000 + dice() * 30_000;
      dueOf.set(entry, dueAtMs);
      wheel.add(entry, dueAtMs);
    }

    for (let nowMs = 1_000; nowMs < 32_000; nowMs += TICK_MS) {
      for (const entry of wheel.expire(nowMs)) {
        const dueAtMs = dueOf.get(entry) ?? Number.NaN;
        expect(dueAtMs, `seed ${seed}`).toBeLessThanOrEqual(nowMs);
        expect(nowMs - dueAtMs, `seed ${seed}`).toBeLessThanOrEqual(2 * TICK_MS);
        expect(dueOf.delete(entry)).toBe(true);
      }
    }

    expect(dueOf.size).toBe(0);
    expect(wheel.size).toBe(0);
  });

  test("forgets what is removed, once", () => {
    const wheel = new TimerWheel(TICK_MS, 0);
    const [kept, removed] = [new Timed(), new Timed()];
    wheel.add(kept, 100);
    wheel.add(removed, 100);

    wheel.remove(removed);
    wheel.remove(removed);

    expect(wheel.size).toBe(1);
    expect(wheel.expire(1_000)).toEqual([kept]);
  });

  test("catches up after a pause longer than its round", () => {
    const wheel = new TimerWheel(TICK_MS, 0);
    const [soon, late] = [new Timed(), new Timed()];
    wheel.add(soon, 50);
    wheel.add(late, 3_600_000);

    expect(wheel.expire(1_000_000)).toEqual([soon]);
    expect(wheel.expire(3_600_000 + 2 * TICK_MS)).toEqual([late]);
  });

  test("what is overdue when added waits for the next tick only", () => {
    const wheel = new TimerWheel(TICK_MS, 5_000);
    const entry = new Timed();
    wheel.add(entry, 1_000);

    expect(wheel.expire(5_000 + 2 * TICK_MS)).toEqual([entry]);
  });
});
