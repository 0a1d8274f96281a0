import { describe, expect, it } from "vitest";
import { EventCursor, GAP_MS_MAX, GAPS_MAX } from "../../../src/queue/event-cursor.ts";

/** A read while transactions from 100 up to 110 may be under way. */
const busy = (...ids: number[]) => ({ ids, xmin: 100, xid: 110 });
/** A read when every transaction of before has ended. */
const quiet = (...ids: number[]) => ({ ids, xmin: 110, xid: 110 });

describe("the cursor of a reader of events", () => {
  it("asks again for ids that were missing below what it saw, until they turn up", () => {
    const cursor = new EventCursor(10);

    cursor.take(busy(11, 14), true, 0);
    expect(cursor.after).toBe(14);
    expect(cursor.missing).toEqual([12, 13]);

    cursor.take(busy(13), false, 1);
    expect(cursor.after).toBe(14);
    expect(cursor.missing).toEqual([12]);
    expect(cursor.isUnsettled).toBe(true);
  });

  it("forgets a missing id once every transaction that could bring it has ended", () => {
    const cursor = new EventCursor(10);
    cursor.take(busy(12), true, 0);

    cursor.take({ ids: [], xmin: 109, xid: 200 }, false, 1);
    expect(cursor.missing).toEqual([11]);
    cursor.take({ ids: [], xmin: 110, xid: 200 }, false, 2);

    expect(cursor.missing).toEqual([]);
    expect(cursor.isUnsettled).toBe(false);
  });

  it("remembers no gap when no transaction is under way", () => {
    const cursor = new EventCursor(10);

    cursor.take(quiet(12, 20), true, 0);

    expect(cursor.missing).toEqual([]);
    expect(cursor.isUnsettled).toBe(false);
    expect(cursor.after).toBe(20);
  });

  it("looks again after an announcement while others are under way, who may have left theirs out", () => {
    const cursor = new EventCursor(10);

    cursor.take(busy(11), true, 0);
    expect(cursor.missing).toEqual([]);
    expect(cursor.isUnsettled).toBe(true);

    // A look of its own accord starts no further one: whoever is under way now announces by himself.
    cursor.take({ ids: [], xmin: 115, xid: 120 }, false, 1);
    expect(cursor.isUnsettled).toBe(false);
  });

  it("waits for no transaction longer than its bound, nor past a clock that jumped back", () => {
    const cursor = new EventCursor(10);
    cursor.take(busy(12), true, 1_000);
    cursor.take(busy(), false, 1_000 + GAP_MS_MAX);
    expect(cursor.missing).toEqual([11]);
    cursor.take(busy(), false, 1_001 + GAP_MS_MAX);
    expect(cursor.isUnsettled).toBe(false);

    cursor.take(busy(14), true, 1_000);
    cursor.take(busy(), false, 0);
    expect(cursor.isUnsettled).toBe(false);
  });

  it("remembers a bounded number of gaps, the newest", () => {
    const cursor = new EventCursor(0);

    cursor.take(busy(1_000_000), true, 0);
    expect(cursor.missing).toHaveLength(GAPS_MAX);
    expect(cursor.missing.at(-1)).toBe(999_999);
    cursor.take(busy(1_000_003), true, 0);

    expect(cursor.missing).toHaveLength(GAPS_MAX);
    expect(cursor.missing.slice(-2)).toEqual([1_000_001, 1_000_002]);
  });

  it("never moves back", () => {
    const cursor = new EventCursor(50);

    cursor.take(busy(7), true, 0);

    expect(cursor.after).toBe(50);
  });
});
