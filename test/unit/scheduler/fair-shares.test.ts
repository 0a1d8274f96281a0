import fc from "fast-check";
import { expect, test } from "vitest";
import { fairShares } from "../../../src/scheduler/fair-shares.ts";

test("who asks for little gets it, and leaves the rest to the others by weight", () => {
  const shares = fairShares(100, [
    { weight: 1, demand: 10 },
    { weight: 1, demand: 1_000 },
    { weight: 2, demand: 1_000 },
  ]);

  expect(shares).toEqual([10, 30, 60]);
});

test("everyone gets all they ask for when there is enough", () => {
  expect(
    fairShares(100, [
      { weight: 1, demand: 10 },
      { weight: 9, demand: 20 },
    ]),
  ).toEqual([10, 20]);
});

test("shares are never negative, never more than asked for, and add up to what there is", () => {
  const claim = fc.record({
    weight: fc.double({ min: 0.01, max: 100, noNaN: true }),
    demand: fc.double({ min: 0, max: 1_000, noNaN: true }),
  });

  fc.assert(
    fc.property(
      fc.array(claim),
      fc.double({ min: 0, max: 5_000, noNaN: true }),
      (claims, capacity) => {
        const shares = fairShares(capacity, claims);

        const demand = claims.reduce((sum, each) => sum + each.demand, 0);
        const given = shares.reduce((sum, share) => sum + share, 0);
        expect(given).toBeCloseTo(Math.min(capacity, demand), 6);
        for (const [index, share] of shares.entries()) {
          expect(share).toBeGreaterThanOrEqual(0);
          expect(share).toBeLessThanOrEqual((claims[index]?.demand ?? 0) + 1e-9);
        }
      },
    ),
    { seed: 12, numRuns: 500 },
  );
});
