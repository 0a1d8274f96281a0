import { expect, test } from "vitest";
import { nextEstimate } from "../../../src/scheduler/cost-estimate.ts";

test("an estimate falls fast and rises slowly", () => {
  expect(nextEstimate(1_000, 50)).toBe(525);
  expect(nextEstimate(50, 1_000)).toBe(98);
});

test("an estimate reaches what polls cost, from either side, in whole milliseconds", () => {
  let low = 1;
  let high = 30_000;
  for (let i = 0; i < 400; i++) {
    low = nextEstimate(low, 70.4);
    high = nextEstimate(high, 70.4);
  }

  expect(low).toBeGreaterThanOrEqual(70);
  expect(low).toBeLessThanOrEqual(72);
  expect(high).toBeGreaterThanOrEqual(68);
  expect(high).toBeLessThanOrEqual(72);
});

test.for([Number.NaN, -1])("a cost of %d teaches nothing", (cost) => {
  expect(nextEstimate(50, cost)).toBe(50);
});
