import { expect, it } from "vitest";
import { pollingOf } from "../../../src/api/polling-state.ts";
import type { PollOutcome } from "../../../src/routers/router.ts";

const RULES = { failuresMax: 3, probeSpacingMsMax: 900_000 };
const DUE_MS = Date.parse("2030-01-01T00:00:00Z");
const MADE = new Date(DUE_MS - 86_400_000);
const ROUTER = { enabled: true, intervalSeconds: 60, updatedAt: MADE };

/** Polls that ended so, the newest first; the newest was due at DUE_MS and started 20 ms later. */
function polls(...outcomes: PollOutcome[]) {
  return outcomes.map((outcome, back) => ({
    dueAt: new Date(DUE_MS - back * 60_000),
    startedAt: new Date(DUE_MS - back * 60_000 + 20),
    outcome,
    costMs: 30,
  }));
}

function standing(outcomes: PollOutcome[], router = ROUTER, nowMs = DUE_MS + 1_000) {
  return pollingOf(router, polls(...outcomes), RULES, nowMs);
}

function inSeconds(nextPollAt: string | null): number | null {
  return nextPollAt === null ? null : (Date.parse(nextPollAt) - DUE_MS) / 1_000;
}

it("a router that was not polled yet is pending", () => {
  expect(standing([])).toEqual({
    state: "pending",
    failures: 0,
    lastPollAt: null,
    lastOutcome: null,
    lastLatenessMs: null,
    nextPollAt: null,
  });
});

it("a router that answers is up, and due an interval later", () => {
  const { nextPollAt, ...rest } = standing(["answered", "silent"]);

  expect(rest).toEqual({
    state: "up",
    failures: 0,
    lastPollAt: "2030-01-01T00:00:00.020Z",
    lastOutcome: "answered",
    lastLatenessMs: 20,
  });
  expect(inSeconds(nextPollAt)).toBe(60);
});

it("it stays up until it failed three times in a row, whatever else came between", () => {
  expect(standing(["silent", "unreachable", "refused"])).toMatchObject({
    state: "up",
    failures: 2,
    lastOutcome: "silent",
  });
  expect(standing(["silent", "silent", "lost", "silent", "answered"])).toMatchObject({
    state: "unreachable",
    failures: 3,
  });
});

it("an unreachable router's next probe follows the doubling spacing, to a quarter of an hour", () => {
  const spacing = (failures: number) =>
    inSeconds(standing(Array<PollOutcome>(failures).fill("silent")).nextPollAt);

  expect([3, 4, 5, 6, 7, 8, 20].map(spacing)).toEqual([60, 120, 240, 480, 900, 900, 900]);
});

it("a next poll lies ahead: one that is overdue comes at the next due time", () => {
  const { nextPollAt } = standing(["answered"], ROUTER, DUE_MS + 150_000);

  expect(inSeconds(nextPollAt)).toBe(180);
});

it("it is not known before the first poll after a change, nor of a disabled router", () => {
  const changed = { ...ROUTER, updatedAt: new Date(DUE_MS + 500) };
  const disabled = { ...ROUTER, enabled: false };

  expect(standing(["answered"], changed)).toMatchObject({ state: "up", nextPollAt: null });
  expect(standing(["silent"], disabled)).toMatchObject({ state: "disabled", nextPollAt: null });
});
