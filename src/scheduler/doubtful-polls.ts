import type { RouterId } from "../routers/router.ts";
import type { RouterEntry, RouterPoll } from "./router-entry.ts";
import { SteadyTime } from "./steady-time.ts";
import { TimeHeap } from "./time-heap.ts";

/**
 * Polls in flight whose events may have been lost: when to ask the queue about each, which of them the queue says it does
 * not have, and which routers to leave alone because a worker may still have a poll of theirs that the queue forgot. It
 * counts in a time of its own, so that a clock that is set back makes nothing wait for the old time to come again.
 */

/**
 * A running poll is asked after when it took this many times its estimate: its end may have gone unheard. Soon, because
 * until then it takes the place of a poll in the window: BullMQ on Postgres loses one event in fifteen, on Redis none.
 */
const PATIENCE_IN_ESTIMATES = 4;
const PATIENCE_MS_MIN = 200;
/** A released poll is asked after when nobody said that a worker has it. */
const START_CHECK_MS = 750;
/** Between two questions about one poll, should an answer never come or change nothing. */
const CHECK_AGAIN_MS = 2_000;
/** An answer "gone" is asked again after this: the completion may be on its way. */
const GONE_AGAIN_MS = 250;

/** A longer step of the clock says that it was set. */
const CLOCK_STEP_MS_MAX = 10_000;

/** A router left alone because a worker may have `poll`, though the queue has not. */
interface HeldRouter {
  readonly untilMs: number;
  readonly poll: RouterPoll;
  /** What came meanwhile, and is done then. */
  postponed: ((nowMs: number) => void) | undefined;
}

export class DoubtfulPolls {
  /** By when to ask. A poll may stand in it more than once: only its `checkAtMs` counts. */
  readonly #checks = new TimeHeap<RouterPoll>();
  readonly #held = new Map<RouterEntry, HeldRouter>();
  readonly #time = new SteadyTime(CLOCK_STEP_MS_MAX);
  #gone = 0;

  /** Polls in flight that the queue says it does not have: their places in the window are free. */
  get gone(): number {
    return this.#gone;
  }

  /** It lies in the queue; nobody has said that a worker has it. */
  released(poll: RouterPoll, nowMs: number): void {
    this.#setGone(poll, false);
    this.#checkIn(START_CHECK_MS, poll, nowMs);
  }

  /** A worker has it. */
  running(poll: RouterPoll, nowMs: number): void {
    this.#setGone(poll, false);
    const patienceMs = PATIENCE_IN_ESTIMATES * poll.router.estimateMs;
    this.#checkIn(Math.max(PATIENCE_MS_MIN, patienceMs), poll, nowMs);
  }

  /** The queue says that it still runs. */
  stillRunning(poll: RouterPoll): void {
    this.#setGone(poll, false);
  }

  /** The queue does not have it. True when it has said so twice. */
  missing(poll: RouterPoll, nowMs: number): boolean {
    if (poll.wasGone) return true;
    this.#setGone(poll, true);
    this.#checkIn(GONE_AGAIN_MS, poll, nowMs);
    return false;
  }

  settled(poll: RouterPoll): void {
    this.#setGone(poll, false);
    poll.checkAtMs = Number.NaN;
  }

  /** The routers whose polls to ask about now. Each is asked about again later, should no answer come. */
  toCheck(nowMs: number): RouterId[] {
    const ids: RouterId[] = [];
    const now = this.#time.read(nowMs);
    while (this.#checks.firstTime <= now) {
      const atMs = this.#checks.firstTime;
      const poll = this.#checks.pop();
      if (poll === undefined || poll.checkAtMs !== atMs) continue;
      ids.push(poll.router.id);
      this.#checkIn(CHECK_AGAIN_MS, poll, nowMs);
    }
    return ids;
  }

  /** Leaves a router alone for `forMs`: a worker may have its poll though the queue has not. */
  hold(forMs: number, poll: RouterPoll, nowMs: number): void {
    const untilMs = this.#time.read(nowMs) + forMs;
    this.#held.set(poll.router, { untilMs, poll, postponed: undefined });
  }

  isHeld(router: RouterEntry): boolean {
    return this.#held.has(router);
  }

  /** Does `polling` once the router need not be left alone any more; false when another waits for that already. */
  postpone(router: RouterEntry, polling: (nowMs: number) => void): boolean {
    const held = this.#held.get(router);
    if (held === undefined || held.postponed !== undefined) return false;
    held.postponed = polling;
    return true;
  }

  letGo(router: RouterEntry): void {
    this.#held.delete(router);
  }

  /** The routers that need not be left alone any more: the poll each was left alone for, and what waited for that. */
  takeHeld(nowMs: number): Pick<HeldRouter, "poll" | "postponed">[] {
    if (this.#held.size === 0) return [];
    const now = this.#time.read(nowMs);
    const over = [...this.#held.values()].filter(({ untilMs }) => now >= untilMs);
    for (const { poll } of over) this.#held.delete(poll.router);
    return over;
  }

  #setGone(poll: RouterPoll, isGone: boolean): void {
    if (poll.wasGone !== isGone) this.#gone += isGone ? 1 : -1;
    poll.wasGone = isGone;
  }

  #checkIn(inMs: number, poll: RouterPoll, nowMs: number): void {
    poll.checkAtMs = this.#time.read(nowMs) + inMs;
    this.#checks.push(poll.checkAtMs, poll);
  }
}
