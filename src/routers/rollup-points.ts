import { saturated } from "./counters.ts";

/** Buckets of one series merged into the steps of an answer. Pure. */

/** One bucket of one series. */
export interface RollupPoint {
  readonly bucketMs: number;
  readonly lastAtMs: number;
  readonly count: number;
  readonly resets: number;
  /** Of a counter, where something was measured; over `coveredMs`. */
  readonly increase: bigint | number | undefined;
  readonly coveredMs: number;
  readonly gauge: GaugePoint | undefined;
}

export interface GaugePoint {
  readonly min: number;
  readonly max: number;
  readonly last: number;
  readonly sum: number;
}

/** Points in the order of time as one a step; several of one bucket (its shape changed in it) are one as well. */
export function mergePoints(points: readonly RollupPoint[], stepMs: number): RollupPoint[] {
  const merged: RollupPoint[] = [];
  for (const point of points) {
    const bucketMs = Math.floor(point.bucketMs / stepMs) * stepMs;
    const last = merged.at(-1);
    if (last?.bucketMs === bucketMs) merged[merged.length - 1] = merge(last, point);
    else merged.push({ ...point, bucketMs });
  }
  return merged;
}

function merge(a: RollupPoint, b: RollupPoint): RollupPoint {
  return {
    bucketMs: a.bucketMs,
    lastAtMs: Math.max(a.lastAtMs, b.lastAtMs),
    count: a.count + b.count,
    resets: a.resets + b.resets,
    increase: sumOf(a.increase, b.increase),
    coveredMs: a.coveredMs + b.coveredMs,
    gauge:
      a.gauge && b.gauge
        ? mergeGauges(a.gauge, b.gauge, b.lastAtMs >= a.lastAtMs)
        : (a.gauge ?? b.gauge),
  };
}

function sumOf(a: RollupPoint["increase"], b: RollupPoint["increase"]): RollupPoint["increase"] {
  if (a === undefined || b === undefined) return a ?? b;
  return typeof a === "bigint" && typeof b === "bigint" ? saturated(a + b) : Number(a) + Number(b);
}

function mergeGauges(a: GaugePoint, b: GaugePoint, isBLater: boolean): GaugePoint {
  return {
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    last: isBLater ? b.last : a.last,
    sum: a.sum + b.sum,
  };
}
