import { saturated } from "./counters.ts";
import type { Rollup } from "./rollup.ts";

/** Buckets of one shape as one greater bucket, which begins at `bucketMs`; in the order of time. Pure. */
export function mergeRollups(parts: readonly [Rollup, ...Rollup[]], bucketMs: number): Rollup {
  const [first, ...rest] = parts;
  const merged = {
    shapeId: first.shapeId,
    bucketMs,
    lastAtMs: first.lastAtMs,
    counts: first.counts.slice(),
    coveredMs: first.coveredMs.slice(),
    resets: first.resets.slice(),
    increases: first.increases.slice() as BigUint64Array | Float64Array,
    minima: first.minima.slice(),
    maxima: first.maxima.slice(),
    lasts: first.lasts.slice(),
    sums: first.sums.slice(),
  };
  for (const part of rest) {
    merged.lastAtMs = Math.max(merged.lastAtMs, part.lastAtMs);
    for (let cell = 0; cell < merged.counts.length; cell++) mergeCell(merged, part, cell);
  }
  return merged;
}

function mergeCell(into: Rollup, part: Rollup, cell: number): void {
  const count = part.counts[cell] ?? 0;
  if (count === 0) return;
  into.counts[cell] = (into.counts[cell] ?? 0) + count;
  into.resets[cell] = (into.resets[cell] ?? 0) + (part.resets[cell] ?? 0);
  const coveredMs = part.coveredMs[cell] ?? 0;
  if (coveredMs > 0) {
    into.coveredMs[cell] = (into.coveredMs[cell] ?? 0) + coveredMs;
    addIncrease(into.increases, part.increases, cell);
  }
  const value = part.lasts[cell] ?? Number.NaN;
  if (Number.isNaN(value)) return; // A counter.
  const min = part.minima[cell] ?? value;
  const max = part.maxima[cell] ?? value;
  const isFirst = Number.isNaN(into.lasts[cell] ?? Number.NaN);
  into.minima[cell] = isFirst ? min : Math.min(into.minima[cell] ?? min, min);
  into.maxima[cell] = isFirst ? max : Math.max(into.maxima[cell] ?? max, max);
  into.sums[cell] = (isFirst ? 0 : (into.sums[cell] ?? 0)) + (part.sums[cell] ?? 0);
  into.lasts[cell] = value;
}

function addIncrease(into: Rollup["increases"], part: Rollup["increases"], cell: number): void {
  if (into instanceof BigUint64Array && part instanceof BigUint64Array) {
    into[cell] = saturated((into[cell] ?? 0n) + (part[cell] ?? 0n));
  } else if (into instanceof Float64Array && part instanceof Float64Array) {
    into[cell] = (into[cell] ?? 0) + (part[cell] ?? 0);
  }
}
