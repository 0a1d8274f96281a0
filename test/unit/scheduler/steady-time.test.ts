import { expect, test } from "vitest";
import { SteadyTime } from "../../../src/scheduler/steady-time.ts";

const HOUR_MS = 3_600_000;

function after(readings: readonly number[]): number {
  const time = new SteadyTime(1_000);
  for (const reading of readings) time.read(reading);
  return time.nowMs;
}

test.for([
  ["begins at zero", [1_700_000_000_000], 0],
  ["counts what passes", [1_700_000_000_000, 1_700_000_000_250, 1_700_000_000_700], 700],
  ["stands still while the clock goes back", [500, 100, 50], 0],
  ["goes on from a clock that was set back", [HOUR_MS, 0, 300], 300],
  ["believes a step of a clock that was set forward", [0, HOUR_MS, HOUR_MS + 300], 1_300],
  ["takes nothing from a reading that is no number", [0, Number.NaN, 300], 300],
] as const)("it %s", ([, readings, expected]) => {
  expect(after(readings)).toBe(expected);
});
