import { expect, test } from "vitest";
import {
  BelievedSlots,
  clippedStartMs,
  slotsOf,
  unstartedMaxOf,
  windowOf,
} from "../../../src/scheduler/window.ts";

test.for([
  [0, 1_000, 0],
  [200, 0, 204],
  [200, 1_000, 215],
  [200, 100_000, 400],
  [2, 0, 4],
] as const)("with %i slots and %i polls a second the window is %i", ([slots, rate, window]) => {
  expect(windowOf(slots, rate)).toBe(window);
});

test("a slow queue has more polls ready, up to as many as slots", () => {
  expect(windowOf(200, 1_000, 20)).toBe(280);
  expect(windowOf(200, 1_000, 60_000)).toBe(400);
});

test.for([
  [50, 0, 5, 16],
  [400, 0, 5, 50],
  [50, 2_000, 5, 20],
  [50, 2_000, 60, 240],
] as const)(
  "with %i slots and %i polls a second that take %i ms to their start, those that saturate wait at %i unstarted",
  ([slots, rate, startMs, unstarted]) => {
    expect(unstartedMaxOf(slots, rate, startMs)).toBe(unstarted);
  },
);

test("a poll that waited for a slot says nothing of the way to its start", () => {
  expect([-5, 3, 4_000, Number.NaN].map(clippedStartMs)).toEqual([0, 3, 250, 0]);
});

test("absurd reports of slots are clipped", () => {
  const slots = [200, -5, Number.NaN, 0.5, 1e12].map((each) => ({ slots: each }));

  expect(slotsOf(slots)).toBe(100_200);
});

test("slots are believed as reported", () => {
  const believed = new BelievedSlots();

  believed.report(200, 0);
  believed.report(300, 1_000);

  expect(believed.slots).toBe(300);
});

test("slots that take no polls are not believed, and earn belief back within some seconds", () => {
  const believed = new BelievedSlots();
  believed.report(10_000, 0);

  believed.untaken(150);
  const afterwards = believed.slots;
  let seconds = 0;
  while (believed.slots < 10_000 && seconds < 100) believed.report(10_000, 1_000 * ++seconds);

  expect(afterwards).toBe(150);
  expect(seconds).toBeGreaterThan(4);
  expect(seconds).toBeLessThan(10);
});

test("a worker that leaves takes its slots along at once", () => {
  const believed = new BelievedSlots();
  believed.report(400, 0);

  believed.report(200, 1_000);

  expect(believed.slots).toBe(200);
});
