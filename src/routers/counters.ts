/**
 * When the difference of two readings of a counter means something. A counter that began anew between them (the router
 * restarted, RFC 3418's sysUpTime; or it says so itself, RFC 2863's ifCounterDiscontinuityTime) tells nothing of the
 * time before: that is the end of an epoch. No difference, rate or increase crosses one, and a counter that went down
 * without a word began anew as well.
 *
 * Pure. Counters are 64 bits, given as two halves: BigInts cost ten times as much and this is done for every sample.
 */

/** `counter32` is known to have 32 bits and nothing else to go by: it may pass its end and go on from 0. */
export type MetricKind = "gauge" | "counter" | "counter32";

/** The scalar that tells of restarts, and the column that tells of one interface's counters. */
export const UPTIME_METRIC = "sysUpTime";
export const DISCONTINUITY_METRIC = "ifCounterDiscontinuityTime";

/** A hundredth of a second: what both of them count. */
const TICK_MS = 10;

/** Samples further apart than this are not compared: a day is the longest interval of a router, and it may be late. */
export const GAP_MS_MAX = 25 * 3_600_000;

/** How long ago, in milliseconds, all counters of a router began at the latest; Infinity where it did not say. */
export function routerAgeMs(uptimeTicks: number | undefined): number {
  return uptimeTicks === undefined || uptimeTicks < 0
    ? Number.POSITIVE_INFINITY
    : uptimeTicks * TICK_MS;
}

/** The same of one interface: its counters began when its router did, or at their last discontinuity. */
export function counterAgeMs(ofRouterMs: number, discontinuityTicks: number | undefined): number {
  if (discontinuityTicks === undefined || discontinuityTicks < 0) return ofRouterMs;
  const age = ofRouterMs - discontinuityTicks * TICK_MS;
  // Some agents give nonsense, such as times to come: then the router's own age is all there is.
  return age >= 0 ? age : ofRouterMs;
}

/** Reading takes a moment, and a router's clock is not ours: a fiftieth of the time, but no more than 5 s. */
const SLACK_MS_MIN = 1_000;
const SLACK_MS_MAX = 5_000;

/** Whether a counter of that age has counted all the time since the reading `elapsedMs` ago. */
export function isSameEpoch(ageMs: number, elapsedMs: number): boolean {
  return ageMs + Math.min(SLACK_MS_MAX, SLACK_MS_MIN + elapsedMs / 50) >= elapsedMs;
}

const TWO_32 = 4_294_967_296;
const HALF_OF_32 = 2_147_483_648;

/** A whole number of up to 64 bits as two of 32. */
export interface Halves {
  high: number;
  low: number;
}

/**
 * The increase from `before` to `after`, into `increase`; false when the counter began anew in between. One of 32 bits
 * that went down has passed its end where that makes an increase of less than half its range; a greater one is likelier
 * a restart nobody told of.
 */
export function increaseOf(
  kind: MetricKind,
  before: Readonly<Halves>,
  after: Readonly<Halves>,
  increase: Halves,
): boolean {
  let high = after.high - before.high;
  let low = after.low - before.low;
  if (low < 0) {
    low += TWO_32;
    high -= 1;
  }
  if (high < 0) {
    if (kind !== "counter32" || before.high > 0 || low >= HALF_OF_32) return false;
    high = 0;
  }
  increase.high = high;
  increase.low = low;
  return true;
}

/** The largest a counter can say. */
export const COUNTER_MAX = 18_446_744_073_709_551_615n;

/** Halves added up as they come, as 64 bits. */
export function wholeOf(high: number, low: number): bigint {
  return saturated(BigInt(high) * 4_294_967_296n + BigInt(low));
}

/** What fits into 64 bits; no honest router's counters come near their end within an hour. */
export function saturated(sum: bigint): bigint {
  return sum > COUNTER_MAX ? COUNTER_MAX : sum;
}
