/**
 * Where a reader of BullMQ's events in Postgres stands, so that none is passed over.
 *
 * Events take their ids from a sequence when they are written and become visible when their transactions commit, in any
 * order: a reader that only asks for ids above the highest it has seen loses 3 to 12 in a hundred under load. So we
 * remember the ids that were missing below it and ask for those as well. Most gaps are another queue's ids or of a
 * transaction that was rolled back and will never be filled. The snapshot of each read tells which: once every
 * transaction that was under way when a gap was noticed has ended, an id that is still missing stays missing.
 *
 * The same holds for the announcements that wake a reader: a transaction leaves its own out when another one that has
 * not committed yet is about to announce. So after an announced read one looks again, until the transactions that were
 * under way then have ended.
 *
 * The cursor never moves back. Pure: the time is an argument.
 */

/** What one read saw: all events it found, and which transactions had ended by then. */
export interface EventPage {
  /** Of the events found, ascending. */
  readonly ids: readonly number[];
  /** Every transaction below this number had ended. */
  readonly xmin: number;
  /** Every transaction that was under way has a lower number than this. */
  readonly xid: number;
}

/** Ids remembered as missing; of more, the oldest are forgotten. */
export const GAPS_MAX = 1_000;

/** A transaction that is under way for longer than this is not waited for: its event is found by asking the queue. */
export const GAP_MS_MAX = 10_000;

interface Gap {
  /** Settled once every transaction below this number has ended. */
  readonly untilXid: number;
  readonly sinceMs: number;
}

export class EventCursor {
  #after: number;
  /** In the order they were noticed. */
  readonly #gaps = new Map<number, Gap>();
  #unannounced: Gap | undefined;

  /** Reads events with ids above `after`. */
  constructor(after: number) {
    this.#after = after;
  }

  /** Wanted are events with ids above this, and the missing ones. */
  get after(): number {
    return this.#after;
  }

  get missing(): number[] {
    return [...this.#gaps.keys()];
  }

  /** Whether events may still turn up without an announcement. */
  get isUnsettled(): boolean {
    return this.#gaps.size > 0 || this.#unannounced !== undefined;
  }

  /** Notes a read of everything wanted; `isAnnounced` when an announcement was its reason. */
  take({ ids, xmin, xid }: EventPage, isAnnounced: boolean, nowMs: number): void {
    for (const id of ids) this.#gaps.delete(id);
    const isOver = ({ untilXid, sinceMs }: Gap) =>
      xmin >= untilXid || nowMs - sinceMs > GAP_MS_MAX || nowMs < sinceMs;
    for (const [id, gap] of this.#gaps) if (isOver(gap)) this.#gaps.delete(id);
    if (this.#unannounced !== undefined && isOver(this.#unannounced)) this.#unannounced = undefined;

    // With no transaction under way nothing can turn up below what was seen.
    if (xmin < xid) {
      const gap = { untilXid: xid, sinceMs: nowMs };
      if (isAnnounced) this.#unannounced = gap;
      this.#noteGaps(ids, gap);
    }
    this.#after = Math.max(this.#after, ids.at(-1) ?? 0);
  }

  #noteGaps(ids: readonly number[], gap: Gap): void {
    const last = ids.at(-1) ?? 0;
    const seen = new Set(ids);
    for (let id = Math.max(this.#after + 1, last - GAPS_MAX); id < last; id++) {
      if (!seen.has(id)) this.#gaps.set(id, gap);
    }
    for (const id of this.#gaps.keys()) {
      if (this.#gaps.size <= GAPS_MAX) break;
      this.#gaps.delete(id);
    }
  }
}
