/**
 * The 95th percentile that traffic is billed by, by the usual 5-minute method. Pure.
 *
 * A month is cut into intervals of 5 minutes (UTC). What an interval is worth is the average rate its counters moved at,
 * in bits a second. Where polls were missed, the rate up to the next sample was measured over several intervals and
 * stands for each of them: it counts as often as 5 minutes fit into that time, rounded, at least once. Intervals nothing
 * was measured for (the router was down, its counters began anew) do not count. The values are sorted; the one at rank
 * ceil(0.95 × n), counted from 1 and from the lowest, is the percentile: 5 % of the time may lie above it, unbilled.
 */

export interface MeasuredInterval {
  readonly bitsPerSecond: number;
  /** The time it was measured over. */
  readonly coveredMs: number;
}

export interface Percentile {
  readonly bitsPerSecond: number;
  /** Intervals of 5 minutes it was taken over. */
  readonly intervals: number;
}

export const BILLING_INTERVAL_MS = 300_000;
const SHARE = 95;

/** Undefined when nothing was measured. */
export function percentile95(measured: readonly MeasuredInterval[]): Percentile | undefined {
  const sorted = measured
    .filter(({ coveredMs }) => coveredMs > 0)
    .map(({ bitsPerSecond, coveredMs }) => ({
      bitsPerSecond,
      weight: Math.max(1, Math.round(coveredMs / BILLING_INTERVAL_MS)),
    }))
    .sort((a, b) => a.bitsPerSecond - b.bitsPerSecond);
  const intervals = sorted.reduce((sum, { weight }) => sum + weight, 0);
  const rank = Math.ceil((intervals * SHARE) / 100);
  let passed = 0;
  for (const { bitsPerSecond, weight } of sorted) {
    passed += weight;
    if (passed >= rank) return { bitsPerSecond, intervals };
  }
  return undefined;
}
