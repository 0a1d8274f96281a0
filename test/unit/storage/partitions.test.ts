import fc from "fast-check";
import { expect, it } from "vitest";
import { LEAF_DAYS, leafName, missingLeaves } from "../../../src/storage/partitions.ts";
import { type TenantId, TIERS } from "../../../src/tenants/tenant.ts";

const DAY_MS = 86_400_000;
const tier = fc.constantFrom(...TIERS);
const now = fc.integer({ min: Date.parse("2020-01-01"), max: Date.parse("2100-01-01") });

it("a leaf is named after its table, its tenant and its first day", () => {
  const tenant = "01900000-0000-7000-8000-00000000000a" as TenantId;

  expect(leafName("samples", tenant, Date.parse("2026-03-09T00:00:00Z"))).toBe(
    "samples_0190000000007000800000000000000a_20260309",
  );
});

it("a new tenant can store what was polled from a day ago to three days ahead", () => {
  fc.assert(
    fc.property(tier, now, (tier, now) => {
      const leaves = missingLeaves(tier, now, undefined);

      expect(leaves[0]?.lowerMs).toBeLessThanOrEqual(now - DAY_MS);
      expect(leaves.at(-1)?.upperMs).toBeGreaterThanOrEqual(now + 3 * DAY_MS);
    }),
  );
});

it("leaves follow each other without gap or overlap, at whole days, when made as time goes by", () => {
  fc.assert(
    fc.property(
      tier,
      tier,
      now,
      fc.array(fc.integer({ min: 0, max: 2 * DAY_MS })),
      (before, after, start, steps) => {
        const leaves = missingLeaves(before, start, undefined);
        let time = start;
        for (const step of steps) {
          time += step;
          leaves.push(...missingLeaves(after, time, leaves.at(-1)?.upperMs));
        }

        expect(leaves.slice(1).map(({ lowerMs }) => lowerMs)).toEqual(
          leaves.slice(0, -1).map(({ upperMs }) => upperMs),
        );
        for (const { lowerMs, upperMs } of leaves) {
          expect(lowerMs % DAY_MS).toBe(0);
          expect(upperMs).toBeGreaterThan(lowerMs);
          expect(upperMs - lowerMs).toBeLessThanOrEqual(
            Math.max(LEAF_DAYS[before], LEAF_DAYS[after]) * DAY_MS,
          );
        }
        expect(missingLeaves(after, time, leaves.at(-1)?.upperMs)).toEqual([]);
      },
    ),
  );
});

it("days on which nobody could have polled get no leaves", () => {
  const start = Date.parse("2026-01-01");
  const coveredUntil = missingLeaves("free", start, undefined).at(-1)?.upperMs;

  const leaves = missingLeaves("free", start + 100 * DAY_MS, coveredUntil);

  expect(leaves[0]?.lowerMs).toBeGreaterThanOrEqual(start + 97 * DAY_MS);
});
