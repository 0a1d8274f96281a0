import { describe, expect, test } from "vitest";
import { limitsWorthKeeping, memoryOfLimits, Sizing } from "../../../src/snmp/sizing.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const ROWS = [50, 50];
const BYTES_EACH = [22, 22];
const HOUR_MS = 3_600_000;

const sizingWith = (memory?: ReturnType<Sizing["memory"]>, nowMs = NOW) =>
  new Sizing({ memory, nowMs, framing: "community" });

/** One walk whose answers are full, and what it leaves behind. */
function fullWalk(memory?: ReturnType<Sizing["memory"]>) {
  const sizing = sizingWith(memory);
  sizing.answered({ columns: 2, repetitions: 30 }, 60, sizing.roomBytes, false);
  return sizing.memory(ROWS, BYTES_EACH);
}

describe("answers", () => {
  test("grow from walk to walk: a frame, then twice as much, up to a bound", () => {
    const sizes: number[] = [];
    let memory = fullWalk();
    for (let walk = 0; walk < 6; walk++) {
      sizes.push(memory.answerBytesMax);
      memory = fullWalk(memory);
    }

    expect(sizes).toEqual([1_472, 2_944, 5_888, 8_000, 8_000, 8_000]);
  });

  test("do not grow for a table that fits one of them", () => {
    const sizing = sizingWith();
    sizing.answered({ columns: 2, repetitions: 10 }, 20, 400, true);

    expect(sizing.memory(ROWS, BYTES_EACH).answerBytesMax).toBe(1_400);
  });

  test("stay below where the agent cuts them off", () => {
    const sizing = sizingWith(fullWalk(fullWalk()));
    sizing.answered({ columns: 7, repetitions: 18 }, 64, 1_430, false);

    const memory = sizing.memory(ROWS, BYTES_EACH);
    expect(memory.answerBytesMax).toBeLessThan(1_472);
    expect(memory.answerBytesMax).toBeGreaterThan(1_390);
    expect(fullWalk(memory).answerBytesMax).toBe(memory.answerBytesMax);
  });

  test("go back to what needs no fragments when one does not arrive, and the retry already does", () => {
    const sizing = sizingWith(fullWalk(fullWalk(fullWalk())));
    const asked = { columns: 5, repetitions: 49 };

    const again = sizing.afterSilence(asked);
    sizing.tooMuch(asked, "no answer in time");

    expect(5 * again * 22).toBeLessThan(1_400);
    const memory = sizing.memory(ROWS, BYTES_EACH);
    expect(memory.answerBytesMax).toBe(1_400);
    expect(fullWalk(memory).answerBytesMax).toBe(1_400);
  });
});

describe("a reader", () => {
  test("is told nothing while nothing stands in the way", () => {
    expect(sizingWith().explanation).toBeUndefined();
  });

  test("is told why no more is asked for at once, and since when", () => {
    const sizing = sizingWith();
    sizing.tooMuch({ columns: 5, repetitions: 25 }, "no answer in time");

    expect(sizing.explanation).toBe(
      "Asks for at most 62 varbinds, 1400 octets at once because of 5 columns × 25 rows: " +
        "no answer in time at 2026-01-02T03:04:05.000Z",
    );
  });
});

describe("what is worth keeping", () => {
  const learnt = () => {
    const sizing = sizingWith();
    sizing.tooMuch({ columns: 5, repetitions: 25 }, "tooBig");
    return sizing.memory(ROWS, BYTES_EACH);
  };

  test("is nothing while sizes still grow", () => {
    expect(limitsWorthKeeping(fullWalk(), undefined)).toBeUndefined();
  });

  test("is what an agent could not answer, once, and without the rows it has", () => {
    const memory = learnt();
    const kept = limitsWorthKeeping(memory, undefined);

    expect(kept).toMatchObject({ varbindsMax: 62, answerBytesMax: 1_400 });
    expect(kept).not.toHaveProperty("rows");
    expect(limitsWorthKeeping(memory, kept)).toBeUndefined();
  });

  test("serves a process that has never walked that table, until it is too old", () => {
    const kept = limitsWorthKeeping(learnt(), undefined);
    const memory = kept && memoryOfLimits(kept);

    expect(sizingWith(memory, NOW + HOUR_MS).columnsMax(25)).toBe(2);
    expect(sizingWith(memory, NOW + 24 * HOUR_MS).columnsMax(25)).toBe(25);
  });
});
