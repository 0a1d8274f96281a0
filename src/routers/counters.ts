/**
 * When the difference of two readings of a counter means something. A counter that began anew between them (the router
 * restarted, RFC 3418's sysUpTime; or it says so itself, RFC 2863's ifCounterDiscontinuityTime) tells nothing of the
 * time before: that is the end of an epoch. No difference, rate or increase crosses one, and a counter that went down
 * without a word began anew as well. One of 32 bits that may have passed its end more than once tells nothing either.
 *
 * Pure. Counters are 64 bits, given as two halves: BigInts cost ten times as much and this is done for every sample.
 */

/** `counter32` is known to have 32 bits and nothing else to go by: it may pass its end and go on from 0. */
export type MetricKind = "gauge" | "counter" | "counter32";

/** The scalar that tells of restarts, and the column that tells of one interface's counters. */
export const UPTIME_METRIC = "sysUpTime";
export const DISCONTINUITY_METRIC = "ifCounterDiscontinuityTime";

/** The columns that tell how fast an interface is: in millions of bits a second, else in bits. */
export const SPEED_METRIC = "ifHighSpeed";
export const SLOW_SPEED_METRIC = "ifSpeed";

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

/** Where sysUpTime begins anew though its router does not: after 497 days. */
const UPTIME_END_TICKS = 4_294_967_296;

/**
 * sysUpTime with the 497 days that it passed its end by since it said `before`, `elapsedMs` ago. That it passed it shows
 * by what it says now: what it would have come to. Otherwise the router restarted.
 */
export function uptimePastEnd(
  uptimeTicks: number | undefined,
  before: number | undefined,
  elapsedMs: number,
): number | undefined {
  if (uptimeTicks === undefined || before === undefined || uptimeTicks >= before) {
    return uptimeTicks;
  }
  const past = uptimeTicks + UPTIME_END_TICKS;
  const isExpected = Math.abs((past - before) * TICK_MS - elapsedMs) <= slackMs(elapsedMs);
  return isExpected ? past : uptimeTicks;
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

function slackMs(elapsedMs: number): number {
  return Math.min(SLACK_MS_MAX, SLACK_MS_MIN + elapsedMs / 50);
}

/** Whether a counter of that age has counted all the time since the reading `elapsedMs` ago. */
export function isSameEpoch(ageMs: number, elapsedMs: number): boolean {
  return ageMs + slackMs(elapsedMs) >= elapsedMs;
}

/** What ifSpeed says of a speed that does not fit (RFC 2863, section 3.1.4). */
const SPEED_UNFIT = 4_294_967_295;

/** Bits a second of an interface by its two columns; undefined where neither tells. */
export function speedOf(
  ifHighSpeed: number | undefined,
  ifSpeed: number | undefined,
): number | undefined {
  if (ifHighSpeed !== undefined && ifHighSpeed > 0) return ifHighSpeed * 1_000_000;
  return ifSpeed !== undefined && ifSpeed > 0 && ifSpeed < SPEED_UNFIT ? ifSpeed : undefined;
}

/** The least an Ethernet packet takes on its wire, with preamble and gap. */
const PACKET_OCTETS_MIN = 84;

/**
 * Whether an interface that fast can take a counter of 32 bits once around in that time: on a link of 1 Gbit/s octets
 * take 34 s, so a difference means nothing (RFC 2863, section 3.1.6). Packets count as small as they can be. Where nobody
 * tells the speed, nothing is held against the counter.
 */
export function mayGoAround(
  metric: string,
  bitsPerSecond: number | undefined,
  elapsedMs: number,
): boolean {
  if (bitsPerSecond === undefined) return false;
  const octets = (bitsPerSecond / 8_000) * elapsedMs;
  return (metric.endsWith("Octets") ? octets : octets / PACKET_OCTETS_MIN) >= TWO_32;
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
