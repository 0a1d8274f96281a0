import { expect, test } from "vitest";
import {
  isUnreachable,
  noteAnswer,
  noteFailure,
  type RouterHealth,
} from "../../../src/scheduler/router-health.ts";

const RULES = { failuresMax: 3, probeSpacingMsMax: 900_000 };

/** Due times until each of the next probes. */
function spacings(intervalMs: number, probes: number): number[] {
  const health: RouterHealth = { failures: 2, duesToSkip: 0, hasAnswered: false };
  return Array.from({ length: probes }, () => {
    noteFailure(health, intervalMs, RULES);
    return health.duesToSkip + 1;
  });
}

test("a router is unreachable after three failures, and not before", () => {
  const health: RouterHealth = { failures: 0, duesToSkip: 0, hasAnswered: false };

  const states = [1, 2, 3].map(() => {
    noteFailure(health, 60_000, RULES);
    return isUnreachable(health, RULES);
  });

  expect(states).toEqual([false, false, true]);
});

test("probes double their spacing up to a quarter of an hour", () => {
  expect(spacings(60_000, 7)).toEqual([1, 2, 4, 8, 15, 15, 15]);
});

test("a router with a longer interval than that is probed at every due time", () => {
  expect(spacings(3_600_000, 3)).toEqual([1, 1, 1]);
});

test("one answer ends it", () => {
  const health: RouterHealth = { failures: 9, duesToSkip: 12, hasAnswered: false };

  noteAnswer(health);

  expect(health).toEqual({ failures: 0, duesToSkip: 0, hasAnswered: true });
});
