import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { COUNTER_MAX } from "../../../src/routers/counters.ts";
import { mergeRollups } from "../../../src/routers/merge-rollups.ts";
import { type Rollup, type RollupPoll, RouterRollup } from "../../../src/routers/rollup.ts";
import {
  asSums,
  bruteForce,
  eventsOfRouter,
  historyOf,
  kindOf,
  rowOf,
  STEP_MS,
  shownSums,
} from "../../rollup-history.ts";

const HOUR_MS = 3_600_000;

/** The buckets of `window`, computed as the product does: what is before the window is only looked back into. */
function rolledUp(
  polls: readonly RollupPoll[],
  [fromMs, toMs]: readonly [number, number] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
): Rollup[] {
  const router = new RouterRollup(kindOf, STEP_MS);
  const window = polls.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  for (const poll of window) router.expect(poll);
  for (const poll of polls.filter(({ atMs }) => atMs < fromMs).reverse()) {
    if (router.unresolved > 0) router.seed(poll);
  }
  for (const poll of window) router.add(poll);
  return router.finish();
}

describe("rollups", () => {
  it("equal a brute-force computation over the samples, of random histories", () => {
    fc.assert(
      fc.property(eventsOfRouter, (events) => {
        const polls = historyOf(events);
        const rows = new Map(polls.flatMap((poll) => poll.rows.map((row) => [row.shapeId, row])));

        expect(asSums(rolledUp(polls), rows)).toEqual(shownSums(bruteForce(polls)));
      }),
      { numRuns: 200 },
    );
  });

  it("come out the same in whatever windows they are computed, and with what came late", () => {
    fc.assert(
      fc.property(
        eventsOfRouter,
        fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 5 }),
        (events, cuts) => {
          const polls = historyOf(events);
          const rows = new Map(polls.flatMap((poll) => poll.rows.map((row) => [row.shapeId, row])));
          const firstMs = Math.floor((polls[0]?.atMs ?? 0) / STEP_MS) * STEP_MS;
          const lastMs = polls.at(-1)?.atMs ?? 0;
          const edges = [
            firstMs,
            ...cuts
              .map(
                (cut) => firstMs + Math.round(((lastMs - firstMs) * cut) / 100 / STEP_MS) * STEP_MS,
              )
              .sort((a, b) => a - b),
            lastMs + STEP_MS,
          ];

          const apart = edges.slice(1).flatMap((toMs, i) => rolledUp(polls, [edges[i] ?? 0, toMs]));

          expect(asSums(apart, rows)).toEqual(shownSums(bruteForce(polls)));
        },
      ),
      { numRuns: 100 },
    );
  });

  it("of an hour are those of its twelve parts together", () => {
    fc.assert(
      fc.property(eventsOfRouter, (events) => {
        const polls = historyOf(events);
        const rows = new Map(polls.flatMap((poll) => poll.rows.map((row) => [row.shapeId, row])));
        const hourly = new RouterRollup(kindOf, HOUR_MS);
        for (const poll of polls) hourly.add(poll);

        const parts = new Map<string, [Rollup, ...Rollup[]]>();
        for (const part of rolledUp(polls).sort((a, b) => a.bucketMs - b.bucketMs)) {
          const key = `${part.shapeId}/${Math.floor(part.bucketMs / HOUR_MS)}`;
          const others = parts.get(key);
          if (others === undefined) parts.set(key, [part]);
          else others.push(part);
        }
        const merged = [...parts.values()].map((some) =>
          mergeRollups(some, Math.floor(some[0].bucketMs / HOUR_MS) * HOUR_MS),
        );

        expect(asSums(merged, rows)).toEqual(asSums(hourly.finish(), rows));
      }),
      { numRuns: 100 },
    );
  });

  const counterAt = (atMs: number, value: bigint, metric = "ifHCInOctets"): RollupPoll => ({
    atMs,
    rows: [rowOf("if_mib", ["1"], { [metric]: [BigInt.asIntN(64, value)] })],
  });
  const cellsOf = (rollups: readonly Rollup[]) =>
    rollups.map((it) => [it.bucketMs, it.increases[0], it.coveredMs[0], it.resets[0]]);

  it("give an increase whole to the bucket of the later sample", () => {
    expect(
      cellsOf(
        rolledUp([counterAt(290_000, 10n), counterAt(350_000, 70n), counterAt(980_000, 100n)]),
      ),
    ).toEqual([
      [0, 0n, 0, 0],
      [300_000, 60n, 60_000, 0],
      [900_000, 30n, 630_000, 0],
    ]);
  });

  it("are exact to the last bit of 64, and count a 64-bit counter that goes down as a reset", () => {
    expect(
      cellsOf(rolledUp([counterAt(0, 0n), counterAt(60_000, COUNTER_MAX), counterAt(120_000, 5n)])),
    ).toEqual([[0, COUNTER_MAX, 60_000, 1]]);
  });

  it("see a 32-bit counter pass its end only where that makes sense", () => {
    const near = 2n ** 32n - 10n;
    expect(
      cellsOf(rolledUp([counterAt(0, near, "ifInOctets"), counterAt(60_000, 5n, "ifInOctets")])),
    ).toEqual([[0, 15n, 60_000, 0]]);
    expect(
      cellsOf(
        rolledUp([counterAt(0, 2n ** 31n, "ifInOctets"), counterAt(60_000, 5n, "ifInOctets")]),
      ),
    ).toEqual([[0, 0n, 0, 1]]);
  });

  it("measure nothing where 32 bits may have gone around, and count no reset for it", () => {
    const at = (atMs: number, value: bigint, mbps: bigint): RollupPoll => ({
      atMs,
      rows: [
        rowOf("if_mib", ["9", "1"], { ifInOctets: [undefined, value] }),
        rowOf("if_mib", ["1", "9"], { ifHighSpeed: [mbps, 10n] }),
      ],
    });
    const sums = (mbps: bigint) =>
      rolledUp([at(0, 5n, mbps), at(60_000, 65n, mbps)]).map((it) => [
        it.counts[1],
        it.increases[1],
        it.coveredMs[1],
        it.resets[1],
      ]);

    expect(sums(100n)[0]).toEqual([2, 60n, 60_000, 0]);
    expect(sums(1_000n)[0]).toEqual([2, 0n, 0, 0]);
  });

  it("go on where sysUpTime passes its end, also when that is where the window begins", () => {
    const at = (atMs: number): RollupPoll => ({
      atMs,
      rows: [
        rowOf("if_mib", ["1"], { ifHCInOctets: [BigInt(atMs)] }),
        rowOf("system", [""], { sysUpTime: [BigInt((2 ** 32 - 24_000 + atMs / 10) % 2 ** 32)] }),
      ],
    });
    const polls = [at(180_000), at(240_000), at(300_000), at(360_000)];

    const later = [[300_000, 120_000n, 120_000, 0]];
    expect(cellsOf(rolledUp(polls)).filter((_, n) => n % 2 === 0)).toEqual([
      [0, 60_000n, 60_000, 0],
      ...later,
    ]);
    expect(
      cellsOf(rolledUp(polls, [300_000, 600_000])).filter(([, increase]) => increase !== 0n),
    ).toEqual(later);
  });

  it("of floats leave out what is no number", () => {
    const polls = [1.5, Number.NaN, 2.5, Number.POSITIVE_INFINITY].map((value, n) => ({
      atMs: n * 1_000,
      rows: [rowOf("host", ["1"], { load: [value], temperature: [value] })],
    }));

    const [bucket] = rolledUp(polls);

    expect(bucket).toMatchObject({
      counts: Int32Array.of(2, 2),
      increases: Float64Array.of(1, 0),
      coveredMs: Float64Array.of(2_000, 0),
      minima: Float64Array.of(Number.NaN, 1.5),
      sums: Float64Array.of(Number.NaN, 4),
    });
  });
});
