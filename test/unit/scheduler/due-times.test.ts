import { expect, test } from "vitest";
import { uuidv7 } from "../../../src/lib/uuid.ts";
import { intervalMsOf, madeAtMs, nextDue, phaseOf } from "../../../src/scheduler/due-times.ts";

test("a router is due once an interval, always at the same phase", () => {
  const first = nextDue("router", 60_000, 1_700_000_000_000);

  const second = nextDue("router", 60_000, first);

  expect(second - first).toBe(60_000);
  expect(first % 60_000).toBe(phaseOf("router", 60_000));
});

test("the next due time lies after the time asked for, by an interval at most", () => {
  for (let nowMs = 0; nowMs < 200_000; nowMs += 777) {
    const dueAtMs = nextDue("router", 60_000, nowMs);

    expect(dueAtMs).toBeGreaterThan(nowMs);
    expect(dueAtMs).toBeLessThanOrEqual(nowMs + 60_000);
  }
});

test.for([60_000, 300_000, 3_600_000])(
  "routers registered in one import spread over an interval of %i ms",
  (intervalMs) => {
    const routers = 100_000;
    const parts = 60;
    const counts = new Array<number>(parts).fill(0);
    for (let i = 0; i < routers; i++) {
      const phase = phaseOf(uuidv7(1_700_000_000_000 + (i >> 8)), intervalMs);
      const part = Math.floor((phase * parts) / intervalMs);
      counts[part] = (counts[part] ?? 0) + 1;
    }

    // A fair die of 60 sides thrown 100,000 times: five standard deviations are 12 %.
    expect(Math.max(...counts)).toBeLessThan((1.12 * routers) / parts);
    expect(Math.min(...counts)).toBeGreaterThan((0.88 * routers) / parts);
  },
);

test.for([
  [60, 60_000],
  [0, 1_000],
  [-5, 1_000],
  [0.2, 1_000],
  [Number.NaN, 604_800_000],
  [Number.POSITIVE_INFINITY, 604_800_000],
] as const)("an interval of %d s is scheduled as %d ms", ([seconds, expected]) => {
  expect(intervalMsOf(seconds)).toBe(expected);
});

test("a UUIDv7 tells when it was made, another id does not", () => {
  expect(madeAtMs(uuidv7(1_700_000_000_123))).toBe(1_700_000_000_123);
  expect(madeAtMs("router-7")).toBeUndefined();
  expect(madeAtMs("3f2504e0-4f89-41d3-9a0c-0305e82c3301")).toBeUndefined();
});
