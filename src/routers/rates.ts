import {
  counterAgeMs,
  GAP_MS_MAX,
  type Halves,
  increaseOf,
  isSameEpoch,
  type MetricKind,
  mayGoAround,
  routerAgeMs,
  uptimePastEnd,
} from "./counters.ts";

/** Rates of counters from their samples, as rollups have increases: never across an epoch. Pure. */

export interface CounterPoint {
  readonly atMs: number;
  /** 64 bits in two's complement, or a float. */
  readonly value: bigint | number;
}

/** What the router said at a time of its own age and the interface's speed; undefined where it did not. */
export interface Circumstances {
  readonly uptimeTicks: (atMs: number) => number | undefined;
  readonly discontinuityTicks: (atMs: number) => number | undefined;
  readonly bitsPerSecond: (atMs: number) => number | undefined;
}

export interface Rates {
  readonly points: readonly { readonly atMs: number; readonly perSecond: number }[];
  /** Some points have no rate because the counter may have gone around more than once. */
  readonly mayGoAround: boolean;
}

/** The rate up to each point from the one before it; a point after a reset or a gap of more than 25 hours has none. */
export function ratesOf(
  { metric, kind }: { readonly metric: string; readonly kind: MetricKind },
  points: readonly CounterPoint[],
  said: Circumstances,
): Rates {
  let wentAround = false;
  const rates = points.flatMap((point, n) => {
    const before = points[n - 1];
    if (before === undefined) return [];
    const elapsedMs = point.atMs - before.atMs;
    if (elapsedMs <= 0 || elapsedMs > GAP_MS_MAX) return [];
    const isTooFast =
      kind === "counter32" && mayGoAround(metric, said.bitsPerSecond(point.atMs), elapsedMs);
    wentAround ||= isTooFast;
    if (isTooFast) return [];
    const uptime = uptimePastEnd(
      said.uptimeTicks(point.atMs),
      said.uptimeTicks(before.atMs),
      elapsedMs,
    );
    const ageMs = counterAgeMs(routerAgeMs(uptime), said.discontinuityTicks(point.atMs));
    const increase = isSameEpoch(ageMs, elapsedMs)
      ? increaseBetween(kind, before, point)
      : undefined;
    if (increase === undefined) return [];
    return [{ atMs: point.atMs, perSecond: (increase * 1_000) / elapsedMs }];
  });
  return { points: rates, mayGoAround: wentAround };
}

function increaseBetween(
  kind: MetricKind,
  { value: before }: CounterPoint,
  { value: after }: CounterPoint,
): number | undefined {
  if (typeof before === "number" || typeof after === "number") {
    const increase = Number(after) - Number(before);
    return increase >= 0 ? increase : undefined;
  }
  const increase: Halves = { high: 0, low: 0 };
  return increaseOf(kind, halvesOf(before), halvesOf(after), increase)
    ? increase.high * 4_294_967_296 + increase.low
    : undefined;
}

function halvesOf(value: bigint): Halves {
  const whole = BigInt.asUintN(64, value);
  return { high: Number(whole >> 32n), low: Number(whole & 0xffff_ffffn) };
}
