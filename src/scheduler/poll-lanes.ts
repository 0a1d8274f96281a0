import { TimeHeap } from "./time-heap.ts";

/** A poll as it waits: when it is due, and whether it may overtake its tenant's ordinary polls. */
export interface WaitingPoll {
  readonly dueAtMs: number;
  isExpress: boolean;
  /** Cleared by whoever takes it back; it leaves its lane later. */
  readonly isWaiting: boolean;
}

/**
 * While ordinary polls wait, at most every fourth poll of a tenant is an express one (a person's "poll now", the
 * first poll of a new router), and at least every fourth while express ones wait: neither can keep the other out.
 */
const EXPRESS_EVERY = 4;

/**
 * Cancelled polls a lane carries along, at least, before it is cleared of them: fewer are cheaper to drop as they
 * come.
 */
const STALE_MIN = 64;

/** The polls of one tenant that wait for its turn: earliest due first in each of two lanes. */
export class PollLanes<P extends WaitingPoll> {
  readonly #ordinary = new TimeHeap<P>();
  /** Made when first needed: most tenants never have an express poll. */
  #express: TimeHeap<P> | undefined;
  #ordinarySinceExpress = EXPRESS_EVERY;
  /** Polls waiting; the lanes hold these and the stale. */
  size = 0;

  /** The poll that `take` would give. */
  get next(): P | undefined {
    return this.#nextLane().first;
  }

  /** When that is due; Infinity when nothing waits. Looks at no poll: they lie far apart in memory. */
  get nextDueMs(): number {
    return this.#nextLane().firstTime;
  }

  /** Infinity when nothing waits. */
  get oldestDueMs(): number {
    this.#dropStale();
    return Math.min(this.#ordinary.firstTime, this.#express?.firstTime ?? Number.POSITIVE_INFINITY);
  }

  add(poll: P): void {
    this.size++;
    if (poll.isExpress) {
      this.#express ??= new TimeHeap<P>();
      this.#express.push(poll.dueAtMs, poll);
    } else {
      this.#ordinary.push(poll.dueAtMs, poll);
    }
  }

  take(): P | undefined {
    const lane = this.#nextLane();
    const poll = lane.pop();
    if (poll === undefined) return undefined;
    this.size--;
    if (lane === this.#express) this.#ordinarySinceExpress = 0;
    else this.#ordinarySinceExpress++;
    return poll;
  }

  /** Notes that a waiting poll was taken back: it does not wait any more. */
  takenBack(): void {
    this.size--;
    const held = this.#held;
    if (held - this.size > STALE_MIN && held > 2 * this.size) this.#clear();
  }

  /** Moves a waiting ordinary poll to the express lane. */
  hasten(poll: P): void {
    poll.isExpress = true;
    this.add(poll);
    this.takenBack();
  }

  *values(): IterableIterator<P> {
    for (const poll of this.#ordinary.values()) if (isOrdinary(poll)) yield poll;
    if (this.#express === undefined) return;
    for (const poll of this.#express.values()) if (poll.isWaiting) yield poll;
  }

  /** Polls in the lanes, the stale among them. */
  get #held(): number {
    return this.#ordinary.size + (this.#express?.size ?? 0);
  }

  /** The lane whose turn it is; empty when nothing waits. */
  #nextLane(): TimeHeap<P> {
    this.#dropStale();
    const ordinary = this.#ordinary;
    const express = this.#express;
    if (express === undefined || express.size === 0) return ordinary;
    if (ordinary.size === 0) return express;
    return this.#ordinarySinceExpress >= EXPRESS_EVERY - 1 ? express : ordinary;
  }

  /** Makes sure that what comes first in each lane waits there. */
  #dropStale(): void {
    if (this.#held === this.size) return;
    dropFrom(this.#ordinary, isOrdinary);
    if (this.#express !== undefined) dropFrom(this.#express, isWaiting);
  }

  #clear(): void {
    const asBefore = (_: P, time: number) => time;
    this.#ordinary.retain(isOrdinary, asBefore);
    this.#express?.retain(isWaiting, asBefore);
  }
}

/**
 * Whether a poll in the ordinary lane still waits there: it may have been taken back, or moved to the express lane.
 */
function isOrdinary(poll: WaitingPoll): boolean {
  return poll.isWaiting && !poll.isExpress;
}

function isWaiting(poll: WaitingPoll): boolean {
  return poll.isWaiting;
}

function dropFrom<P>(lane: TimeHeap<P>, isLive: (poll: P) => boolean): void {
  for (let first = lane.first; first !== undefined && !isLive(first); first = lane.first)
    lane.pop();
}
