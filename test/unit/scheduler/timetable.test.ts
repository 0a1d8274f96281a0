import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextDue } from "../../../src/scheduler/due-times.ts";
import { Timetable, TimetableEntry } from "../../../src/scheduler/timetable.ts";

const START = 1_700_000_000_000;

interface Due {
  readonly id: string;
  readonly dueAtMs: number;
  readonly missed: number;
}

function take(timetable: Timetable<TimetableEntry>, nowMs: number, max = 1_000_000): Due[] {
  const dues: Due[] = [];
  timetable.takeDue(nowMs, max, (entry, dueAtMs, missed) => {
    dues.push({ id: entry.id, dueAtMs, missed });
  });
  return dues;
}

function filled(count: number, intervalMs = 60_000): [Timetable<TimetableEntry>, TimetableEntry[]] {
  const timetable = new Timetable<TimetableEntry>();
  const entries = Array.from({ length: count }, (_, i) => new TimetableEntry(`r${i}`, intervalMs));
  for (const entry of entries) timetable.add(entry, START);
  return [timetable, entries];
}

test("every router comes due once an interval, at its due time, earliest first", () => {
  const [timetable] = filled(500);

  const dues = take(timetable, START + 60_000);

  expect(new Set(dues.map(({ id }) => id)).size).toBe(500);
  expect(dues).toHaveLength(500);
  expect(dues.map(({ dueAtMs }) => dueAtMs)).toEqual(
    dues.map(({ dueAtMs }) => dueAtMs).toSorted((a, b) => a - b),
  );
  for (const { id, dueAtMs, missed } of dues) {
    expect(dueAtMs).toBe(nextDue(id, 60_000, START));
    expect(missed).toBe(0);
  }
});

test("at most as many are taken as asked for, and the rest stay due", () => {
  const [timetable] = filled(500);

  const first = take(timetable, START + 60_000, 200);
  const rest = take(timetable, START + 60_000);

  expect(first).toHaveLength(200);
  expect(rest).toHaveLength(300);
});

test("a removed router is not due any more; one that comes back is due once", () => {
  const [timetable, entries] = filled(10);
  for (const entry of entries) timetable.remove(entry);
  const [back] = entries;
  if (back === undefined) throw new Error("no entry");
  timetable.add(back, START);
  timetable.add(back, START);

  const dues = take(timetable, START + 60_000);

  expect(timetable.size).toBe(1);
  expect(dues.map(({ id }) => id)).toEqual([back.id]);
});

test("a changed interval counts at once", () => {
  const [timetable, entries] = filled(20, 3_600_000);
  for (const entry of entries) timetable.changeInterval(entry, 10_000, START);

  const dues = take(timetable, START + 10_000);

  expect(dues).toHaveLength(20);
});

describe("a clock that jumps", () => {
  test("an hour forward: each router is due once, and told what it missed", () => {
    const [timetable] = filled(300);
    take(timetable, START + 60_000);

    const dues = take(timetable, START + 60_000 + 3_600_000);
    const after = take(timetable, START + 60_000 + 3_600_000 + 60_000);

    expect(dues).toHaveLength(300);
    for (const { dueAtMs, missed } of dues) {
      expect(dueAtMs).toBeGreaterThan(START + 3_600_000);
      expect(missed).toBe(59);
    }
    expect(after).toHaveLength(300);
  });

  test("an hour back: each router is due within an interval of the new time, once", () => {
    const [timetable] = filled(300);
    take(timetable, START + 60_000);

    const atOnce = take(timetable, START - 3_600_000);
    const dues = take(timetable, START - 3_600_000 + 60_000);

    expect(atOnce).toHaveLength(0);
    expect(dues).toHaveLength(300);
    expect(dues.every(({ missed }) => missed === 0)).toBe(true);
  });

  test("a little back: nothing is due twice", () => {
    const [timetable] = filled(300);
    const before = take(timetable, START + 30_000);

    const again = take(timetable, START + 29_500);
    const after = take(timetable, START + 60_000);

    expect(again).toHaveLength(0);
    expect(before.length + after.length).toBe(300);
  });
});

test("whatever is added, removed, changed and however time goes, routers are due as often as they should", () => {
  const step = fc.record({
    kind: fc.constantFrom("add", "remove", "interval", "wait", "wait", "wait"),
    router: fc.integer({ min: 0, max: 9 }),
    ms: fc.integer({ min: 0, max: 90_000 }),
  });

  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const [timetable, entries] = filled(10);
      const present = new Set(entries);
      let nowMs = START;
      for (const { kind, router, ms } of steps) {
        const entry = entries[router];
        if (entry === undefined) throw new Error("no entry");
        if (kind === "add") {
          timetable.add(entry, nowMs);
          present.add(entry);
        } else if (kind === "remove") {
          timetable.remove(entry);
          present.delete(entry);
        } else if (kind === "interval") {
          timetable.changeInterval(entry, 1_000 + ms, nowMs);
        } else {
          const expected = new Map(
            [...present]
              .filter(({ dueAtMs }) => dueAtMs <= nowMs + ms)
              .map(({ id, dueAtMs, intervalMs }) => [
                id,
                Math.floor((nowMs + ms - dueAtMs) / intervalMs),
              ]),
          );
          nowMs += ms;
          const dues = take(timetable, nowMs);
          expect(dues).toHaveLength(expected.size);
          for (const { id, missed } of dues) expect(missed).toBe(expected.get(id));
        }
        expect(timetable.size).toBe(present.size);
        for (const { dueAtMs } of present) expect(dueAtMs).toBeGreaterThan(nowMs);
      }
    }),
    { seed: 11, numRuns: 300 },
  );
});

test("routers that come and go without end leave no trace", () => {
  const [timetable, entries] = filled(10);

  for (let i = 0; i < 20_000; i++) {
    const entry = entries[i % 10];
    if (entry === undefined) throw new Error("no entry");
    timetable.remove(entry);
    timetable.add(entry, START);
  }

  expect(take(timetable, START + 60_000)).toHaveLength(10);
});
