import { expect, test } from "vitest";
import { LatenessHistogram } from "../../../src/scheduler/lateness-histogram.ts";

test("percentiles are right to within a fifth", () => {
  const histogram = new LatenessHistogram();
  for (let ms = 1; ms <= 10_000; ms++) histogram.add(ms);

  const [p50, p99] = [histogram.quantile(0.5) ?? 0, histogram.quantile(0.99) ?? 0];

  expect(p50).toBeGreaterThanOrEqual(5_000);
  expect(p50).toBeLessThan(6_000);
  expect(p99).toBeGreaterThanOrEqual(9_900);
  expect(p99).toBeLessThan(11_900);
});

test("what lies two spans back is forgotten", () => {
  const histogram = new LatenessHistogram();
  histogram.add(500);
  histogram.turn();
  const kept = histogram.quantile(0.5);

  histogram.turn();

  expect(kept).toBeGreaterThan(400);
  expect(histogram.quantile(0.5)).toBeNull();
});

test.for([Number.NaN, -1, 0, 1e300, Number.POSITIVE_INFINITY])(
  "a lateness of %d has a place",
  (ms) => {
    const histogram = new LatenessHistogram();

    histogram.add(ms);

    expect(histogram.quantile(1)).not.toBeNull();
  },
);
