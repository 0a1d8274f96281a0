/**
 * How many polls may be released and not yet finished: enough that no slot waits for us, few enough that who goes
 * next is decided late. A window of slots + 512 made a newcomer wait 337 ms where slots + 4 made it wait 6 ms (2 ms
 * polls, 50 slots).
 */

/**
 * From a slot that becomes free to the poll that we release for it: what must lie ready meanwhile, beyond the slots
 * themselves. 15 ms cover Redis. A slower queue tells by how long an add takes: the way of a completion to us and of
 * a poll to a worker are about four of these (Postgres: 16 ms an add, slots idle with less than 60 ms of polls
 * ready).
 */
const HANDOVER_MS_MIN = 15;
const HANDOVER_PER_ADD = 4;
/** A queue slower than this is in trouble, and more polls in it would not help. */
const HANDOVER_MS_MAX = 250;
const READY_MIN = 4;

/** More slots than any one worker process has; a report above is a mistake. */
const WORKER_SLOTS_MAX = 100_000;

/** Released polls that no worker takes for this long say that there are fewer slots than reported. */
export const UNTAKEN_MS_MAX = 2_000;

/** The believed slots grow back to the reported ones by this factor a second. */
const RECOVERY_PER_SECOND = 2;

/** slots + clamp(rate × handover, 4, slots), the handover 15 ms or more as an add takes; nothing without slots. */
export function windowOf(slots: number, pollsPerSecond: number, addMs = 0): number {
  if (slots < 1) return 0;
  const handoverMs = Math.min(Math.max(HANDOVER_PER_ADD * addMs, HANDOVER_MS_MIN), HANDOVER_MS_MAX);
  const ready = Math.min(Math.max((pollsPerSecond * handoverMs) / 1_000, READY_MIN), slots);
  return Math.floor(slots + ready);
}

/**
 * Released polls that no worker has started yet at which the next polls of tenants that saturate wait: a worker takes a
 * poll a millisecond, so a hundred released at once make everyone behind them wait for a tenth of a second. Twice what
 * is under way at the present rate, and a few: it holds up nobody for want of polls.
 */
const UNSTARTED_MIN = 16;
const UNSTARTED_PART = 1 / 8;
/** A poll that takes longer to its start than this waits for a slot, not for its way. */
const START_MS_MAX = 250;

export function unstartedMaxOf(slots: number, pollsPerSecond: number, startMs: number): number {
  const underWay = (pollsPerSecond * startMs) / 1_000;
  return Math.ceil(Math.max(UNSTARTED_MIN, slots * UNSTARTED_PART, 2 * underWay));
}

/** How long a poll was on its way to its start, as far as that was the way; not a number = no time. */
export function clippedStartMs(tookMs: number): number {
  return Math.min(Math.max(tookMs, 0), START_MS_MAX) || 0;
}

/** The slots of a zone: what its workers report, each clipped to 0 … WORKER_SLOTS_MAX; not a number = none. */
export function slotsOf(workers: readonly { readonly slots: number }[]): number {
  let sum = 0;
  for (const { slots } of workers) {
    if (slots > 0) sum += Math.min(Math.floor(slots), WORKER_SLOTS_MAX);
  }
  return sum;
}

/**
 * Slots we believe in: those reported, until released polls lie untaken; then only as many as are seen to run,
 * growing back slowly. So a worker that reports slots it does not have cannot make the window so wide that fairness
 * is lost in it.
 */
export class BelievedSlots {
  #reported = 0;
  #believed = 0;
  #atMs = Number.NaN;

  get slots(): number {
    return this.#believed;
  }

  report(slots: number, nowMs: number): void {
    const elapsedSeconds = Math.min(Math.max((nowMs - this.#atMs) / 1_000, 0), 10) || 0;
    this.#atMs = nowMs;
    const wasWhole = this.#believed >= this.#reported;
    this.#reported = slots;
    // At least one a report: growth by shares alone never leaves a small number.
    const grown = Math.ceil(this.#believed * RECOVERY_PER_SECOND ** elapsedSeconds) + 1;
    this.#believed = wasWhole ? slots : Math.min(slots, grown);
  }

  /** Notes that released polls lie untaken while `running` polls run. */
  untaken(running: number): void {
    this.#believed = Math.min(this.#believed, Math.max(running, 1));
  }
}
