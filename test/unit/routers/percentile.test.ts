import fc from "fast-check";
import { expect, it } from "vitest";
import { type MeasuredInterval, percentile95 } from "../../../src/routers/percentile.ts";

const FIVE_MINUTES_MS = 300_000;

const measured = (...rates: number[]): MeasuredInterval[] =>
  rates.map((bitsPerSecond) => ({ bitsPerSecond, coveredMs: FIVE_MINUTES_MS }));

it("leaves 5 % of the time above it", () => {
  const hundred = Array.from({ length: 100 }, (_, n) => n + 1);

  expect(percentile95(measured(...hundred))).toEqual({ bitsPerSecond: 95, intervals: 100 });
  expect(percentile95(measured(...hundred, 101))).toEqual({ bitsPerSecond: 96, intervals: 101 });
  expect(percentile95(measured(7))).toEqual({ bitsPerSecond: 7, intervals: 1 });
});

it("is unknown where nothing was measured", () => {
  expect(percentile95([])).toBeUndefined();
  expect(percentile95([{ bitsPerSecond: 5, coveredMs: 0 }])).toBeUndefined();
});

it("counts a rate measured over missed polls for each interval it covers", () => {
  const outage = { bitsPerSecond: 10, coveredMs: 19 * FIVE_MINUTES_MS + 4_000 };

  expect(percentile95([...measured(500), outage])).toEqual({ bitsPerSecond: 10, intervals: 20 });
  expect(percentile95([...measured(500, 400), outage])).toEqual({
    bitsPerSecond: 400,
    intervals: 21,
  });
});

it("is the smallest value that at least 95 % do not exceed, in whatever order they come", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1 }), (rates) => {
      const { bitsPerSecond } = percentile95(measured(...rates)) ?? { bitsPerSecond: -1 };

      const notAbove = rates.filter((rate) => rate <= bitsPerSecond).length;
      const below = rates.filter((rate) => rate < bitsPerSecond).length;
      expect(notAbove).toBeGreaterThanOrEqual(0.95 * rates.length - 1e-9);
      expect(below).toBeLessThan(0.95 * rates.length);
    }),
  );
});
