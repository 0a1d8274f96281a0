/**
 * Backpressure: a worker that cannot keep up offers fewer slots, so that the scheduler releases fewer polls, and what is
 * too much waits where it is decided fairly. Each thing that can fall behind is a pressure with a bound of its own; the
 * tightest one counts.
 */
export interface Pressure {
  /** Its name in metrics and logs. */
  readonly reason: string;
  /** The share of its slots the worker may offer now, from 0 to 1. Asked once a heartbeat. */
  share(): number;
}

/**
 * Slots to offer under pressures of these shares. At least `slotsMin` while nothing forbids all: a machine that is slow
 * for reasons of others still polls.
 */
export function offeredSlots(
  concurrency: number,
  shares: readonly number[],
  slotsMin: number,
): number {
  const share = Math.min(1, ...shares);
  if (!(share > 0)) return 0;
  return Math.min(concurrency, Math.max(slotsMin, Math.floor(concurrency * share)));
}

/** All slots until something is filled to half of its bound, none at its bound, evenly fewer in between. */
export function shareOfRoom(filled: number, filledMax: number): number {
  return Math.max(0, Math.min(1, 2 * (1 - filled / filledMax)));
}
