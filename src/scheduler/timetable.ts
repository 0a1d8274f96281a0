import { nextDue } from "./due-times.ts";
import { TimeHeap } from "./time-heap.ts";

/** What stands in a timetable. Extend it to carry more; only the timetable writes `dueAtMs`. */
export class TimetableEntry {
  readonly id: string;
  intervalMs: number;
  /** The next due time; NaN while it stands in no timetable. */
  dueAtMs = Number.NaN;

  constructor(id: string, intervalMs: number) {
    this.id = id;
    this.intervalMs = intervalMs;
  }
}

/** A clock that goes back by less is waited for; by more, every due time is computed anew. */
const BACKWARD_MS_MAX = 1_000;

/** Entries taken out or moved that are carried along, at least, before the timetable is cleared of them. */
const STALE_MIN = 1_024;

/**
 * Which routers come due until a given time. Pure: time is an argument. 16 bytes a router besides the entry itself; a
 * due time costs O(log routers).
 *
 * A clock that jumps, or a scheduler that was stopped for a while, makes no storm: each router gets one due time, the
 * latest that passed, and is told how many before it were missed (they count as skips: `backlog`, the platform was
 * behind). A clock that goes back gets every router its next due time on the new clock, none twice within an interval
 * of that clock.
 */
export class Timetable<E extends TimetableEntry> {
  readonly #dues = new TimeHeap<E>();
  #size = 0;
  #latestNowMs = Number.NEGATIVE_INFINITY;

  get size(): number {
    return this.#size;
  }

  /** Not later than the next due time; Infinity when there is none. */
  get nextDueAtMs(): number {
    return this.#dues.firstTime;
  }

  /** Adds an entry, due at its first due time after `nowMs`. One that is in stays as it is. */
  add(entry: E, nowMs: number): void {
    if (!Number.isNaN(entry.dueAtMs)) return;
    entry.dueAtMs = nextDue(entry.id, entry.intervalMs, nowMs);
    this.#dues.push(entry.dueAtMs, entry);
    this.#size++;
  }

  remove(entry: E): void {
    if (Number.isNaN(entry.dueAtMs)) return;
    entry.dueAtMs = Number.NaN;
    this.#size--;
    this.#clearIfStale();
  }

  /** Gives an entry another interval, from its first due time of that interval after `nowMs`. */
  changeInterval(entry: E, intervalMs: number, nowMs: number): void {
    if (entry.intervalMs === intervalMs) return;
    entry.intervalMs = intervalMs;
    if (Number.isNaN(entry.dueAtMs)) return;
    entry.dueAtMs = nextDue(entry.id, intervalMs, nowMs);
    this.#dues.push(entry.dueAtMs, entry);
    this.#clearIfStale();
  }

  /**
   * Visits the entries that came due until `nowMs`, earliest first, at most `entriesMax` of them, and moves each to
   * its next due time. `missed` due times before `dueAtMs` passed as well. Returns how many were visited.
   */
  takeDue(
    nowMs: number,
    entriesMax: number,
    visit: (entry: E, dueAtMs: number, missed: number) => void,
  ): number {
    this.#followClock(nowMs);
    let visited = 0;
    while (visited < entriesMax) {
      const timeMs = this.#dues.firstTime;
      const entry = this.#dues.first;
      if (entry === undefined) break;
      if (entry.dueAtMs !== timeMs) {
        this.#dues.pop(); // Taken out, or moved to another time, where it stands as well.
        continue;
      }
      if (timeMs > nowMs) break;
      const missed = Math.floor((nowMs - timeMs) / entry.intervalMs);
      const latestMs = timeMs + missed * entry.intervalMs;
      entry.dueAtMs = latestMs + entry.intervalMs;
      this.#dues.postponeFirst(entry.dueAtMs);
      visited++;
      visit(entry, latestMs, missed);
    }
    return visited;
  }

  #followClock(nowMs: number): void {
    if (nowMs >= this.#latestNowMs - BACKWARD_MS_MAX) {
      this.#latestNowMs = Math.max(this.#latestNowMs, nowMs);
      return;
    }
    this.#latestNowMs = nowMs;
    this.#rebuild((entry) => {
      entry.dueAtMs = nextDue(entry.id, entry.intervalMs, nowMs);
    });
  }

  #clearIfStale(): void {
    const stale = this.#dues.size - this.#size;
    if (stale > STALE_MIN && stale > this.#size) this.#rebuild(() => undefined);
  }

  #rebuild(change: (entry: E) => void): void {
    const seen = new Set<E>(); // An entry moved to and fro stands in the heap more than once.
    this.#dues.retain(
      (entry) => {
        if (Number.isNaN(entry.dueAtMs) || seen.has(entry)) return false;
        seen.add(entry);
        change(entry);
        return true;
      },
      (entry) => entry.dueAtMs,
    );
  }
}
