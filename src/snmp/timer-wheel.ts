/**
 * Timeouts of many requests on one clock: hashed buckets of `tickMs` (Varghese & Lauck 1987). Adding and removing cost
 * the same few instructions however many wait, and thousands of requests need one timer of the runtime instead of one
 * each. Pure: the time is an argument.
 */

/** What can wait in a wheel. The fields belong to the wheel; an entry waits in one place at a time. */
export class Timed {
  dueAtMs = 0;
  next: Timed | undefined = undefined;
  previous: Timed | undefined = undefined;
}

const BUCKETS = 512;

export class TimerWheel {
  readonly #tickMs: number;
  /** The head of each bucket's ring; a head is itself no entry. */
  readonly #heads: readonly Timed[] = Array.from({ length: BUCKETS }, emptyRing);
  #tick: number;
  #size = 0;

  constructor(tickMs: number, nowMs: number) {
    this.#tickMs = tickMs;
    this.#tick = Math.floor(nowMs / tickMs);
  }

  get size(): number {
    return this.#size;
  }

  add(entry: Timed, dueAtMs: number): void {
    // The tick that begins after it is due: by then it is. What is overdue already waits for the next one.
    const tick = Math.max(Math.floor(dueAtMs / this.#tickMs), this.#tick) + 1;
    const head = this.#heads[tick % BUCKETS] as Timed;
    const last = head.previous as Timed;
    entry.dueAtMs = dueAtMs;
    entry.previous = last;
    entry.next = head;
    last.next = entry;
    head.previous = entry;
    this.#size++;
  }

  /** Forgets an entry; harmless when it does not wait. */
  remove(entry: Timed): void {
    const { next, previous } = entry;
    if (next === undefined || previous === undefined) return;
    previous.next = next;
    next.previous = previous;
    entry.next = undefined;
    entry.previous = undefined;
    this.#size--;
  }

  /** Removes what is due and returns it, at most two ticks late. An entry of a later round stays in its bucket. */
  expire(nowMs: number): Timed[] {
    const tick = Math.floor(nowMs / this.#tickMs);
    const from = Math.max(this.#tick + 1, tick - BUCKETS + 1);
    this.#tick = Math.max(this.#tick, tick);
    const due: Timed[] = [];
    for (let t = from; t <= tick; t++) {
      const head = this.#heads[t % BUCKETS] as Timed;
      let entry = head.next as Timed;
      while (entry !== head) {
        const next = entry.next as Timed;
        if (entry.dueAtMs <= nowMs) {
          this.remove(entry);
          due.push(entry);
        }
        entry = next;
      }
    }
    return due;
  }
}

function emptyRing(): Timed {
  const head = new Timed();
  head.next = head;
  head.previous = head;
  return head;
}
