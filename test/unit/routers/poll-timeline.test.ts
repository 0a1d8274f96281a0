import { describe, expect, it } from "vitest";
import { decisionsOf, slowestPart } from "../../../src/routers/poll-timeline.ts";
import type { WalkReport } from "../../../src/routers/samples.ts";

const walk: WalkReport = {
  oid: "1.3.6.1.2.1.2.2.1",
  outcome: "answered",
  columns: 12,
  rows: 48,
  requests: 6,
  retries: 0,
  bytesIn: 8_000,
  varbinds: 576,
  durationMs: 60,
  rttMsP50: 8.5,
  rttMsMax: 21,
  asked: "12 × 10",
};
const scalars: WalkReport = { ...walk, oid: "", columns: 6, rows: 1, requests: 1, durationMs: 9 };
const ofIfMib = {
  module: "if_mib",
  outcome: "answered",
  requests: 6,
  retries: 0,
  rows: 48,
  walkMs: 60,
  varbinds: 576,
  walks: [walk],
} as const;
const poll = {
  polledAtMs: 100_000,
  dueAtMs: 100_000,
  releasedAtMs: 100_004,
  takenAtMs: 100_006,
  startedAtMs: 100_007,
  durationMs: 70,
  outcome: "answered",
  costMs: 70,
  requests: 7,
  retries: 0,
  bytesIn: 8_500,
  scalars,
  modules: [ofIfMib],
} as const;

describe("where a slow poll's time went", () => {
  it("is not told of a poll that was not slow", () => {
    expect(slowestPart(poll)).toBeUndefined();
  });

  it("is the wait for its turn, or for a worker, where that was longest", () => {
    const later = { startedAtMs: 104_007, takenAtMs: 104_006 };
    expect(slowestPart({ ...poll, ...later, releasedAtMs: 103_900 })).toBe(
      "3.9 s of 4.1 s: waited for its turn among all polls",
    );
    expect(slowestPart({ ...poll, ...later })).toBe(
      "4.0 s of 4.1 s: waited in the queue for a worker",
    );
  });

  it("is the walk that took longest, with its round trips and what went unanswered", () => {
    const slow = { ...walk, durationMs: 5_100, requests: 9, retries: 2 };
    const modules = [{ ...ofIfMib, walks: [walk, slow] }];

    expect(slowestPart({ ...poll, durationMs: 5_200, modules })).toBe(
      "5.1 s of 5.2 s: if_mib 1.3.6.1.2.1.2.2.1: 9 requests, 2 of them again after a silence, 576 values, round trips 8.5 ms, 21 at most",
    );
  });

  it("is the first request where nothing ever answered", () => {
    const unheard = { durationMs: 6_000, requests: 3, retries: 2, varbinds: 0, rttMsMax: 0 };
    const silent = { ...poll, durationMs: 6_001, scalars: { ...scalars, ...unheard }, modules: [] };

    expect(slowestPart(silent)).toBe(
      "6.0 s of 6.0 s: single values: 3 requests, 2 of them again after a silence, 0 values, no answer",
    );
  });

  it("is known of polls that say nothing of their walks", () => {
    const { scalars: _scalars, releasedAtMs: _releasedAtMs, takenAtMs: _takenAtMs, ...old } = poll;

    expect(slowestPart({ ...old, startedAtMs: 109_000, modules: [] })).toBe(
      "9.0 s of 9.1 s: waited for its turn among all polls",
    );
  });
});

describe("decisions of a poll", () => {
  it("are none where everything went as it should", () => {
    expect(decisionsOf(poll)).toEqual([]);
  });

  it("are what its walks were adapted to, each said once, and why a module is not whole", () => {
    const sizing = "Asks for at most 120 varbinds at once because of 12 columns × 25 rows: tooBig";
    const cut = "1.3.6.1.2.1.2.2.1.2 has more than 100 rows";
    const modules = [
      { ...ofIfMib, reason: sizing, walks: [{ ...walk, sizing, remarks: ["12 × 25: tooBig"] }] },
      { ...ofIfMib, module: "lldp", outcome: "partial", reason: cut, walks: [] },
    ] as const;

    expect(decisionsOf({ ...poll, modules })).toEqual([
      "if_mib 1.3.6.1.2.1.2.2.1: 12 × 25: tooBig",
      `if_mib 1.3.6.1.2.1.2.2.1: ${sizing}`,
      `lldp (partial): ${cut}`,
    ]);
  });
});
