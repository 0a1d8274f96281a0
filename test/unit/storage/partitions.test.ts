import fc from "fast-check";
import { expect, it } from "vitest";
import { LEAF_DAYS, leafName, missingLeaves } from "../../../src/storage/partitions.ts";
import { TENANT_PARTITIONED_TABLES } from "../../../src/storage/tenant-tables.ts";
import { type TenantId, TIERS } from "../../../src/tenants/tenant.ts";

const DAY_MS = 86_400_000;
const SAMPLES_OF_FREE = { table: "samples", tier: "free" } as const;
const tier = fc.constantFrom(...TIERS);
const table = fc.constantFrom(...TENANT_PARTITIONED_TABLES);
const now = fc.integer({ min: Date.parse("2020-01-01"), max: Date.parse("2100-01-01") });

it("a leaf is named after its table, its tenant and its first day", () => {
  const tenant = "01900000-0000-7000-8000-00000000000a" as TenantId;

  expect(leafName("samples", tenant, Date.parse("2026-03-09T00:00:00Z"))).toBe(
    "samples_0190000000007000800000000000000a_20260309",
  );
});

it("a new tenant can store what was polled from a day ago to three days ahead", () => {
  fc.assert(
    fc.property(table, tier, now, (table, tier, now) => {
      const leaves = missingLeaves({ table, tier }, now, undefined);

      expect(leaves[0]?.lowerMs).toBeLessThanOrEqual(now - DAY_MS);
      expect(leaves.at(-1)?.upperMs).toBeGreaterThanOrEqual(now + 3 * DAY_MS);
    }),
  );
});

it("leaves follow each other without gap or overlap, at whole days, when made as time goes by", () => {
  fc.assert(
    fc.property(
      table,
      tier,
      tier,
      now,
      fc.array(fc.integer({ min: 0, max: 2 * DAY_MS })),
      (table, before, after, start, steps) => {
        const leaves = missingLeaves({ table, tier: before }, start, undefined);
        let time = start;
        for (const step of steps) {
          time += step;
          leaves.push(...missingLeaves({ table, tier: after }, time, leaves.at(-1)?.upperMs));
        }

        expect(leaves.slice(1).map(({ lowerMs }) => lowerMs)).toEqual(
          leaves.slice(0, -1).map(({ upperMs }) => upperMs),
        );
        for (const { lowerMs, upperMs } of leaves) {
          expect(lowerMs % DAY_MS).toBe(0);
          expect(upperMs).toBeGreaterThan(lowerMs);
          expect(upperMs - lowerMs).toBeLessThanOrEqual(
            Math.max(LEAF_DAYS[table][before], LEAF_DAYS[table][after]) * DAY_MS,
          );
        }
        expect(missingLeaves({ table, tier: after }, time, leaves.at(-1)?.upperMs)).toEqual([]);
      },
    ),
  );
});

it("days on which nobody could have polled get no leaves", () => {
  const start = Date.parse("2026-01-01");
  const coveredUntil = missingLeaves(SAMPLES_OF_FREE, start, undefined).at(-1)?.upperMs;

  const leaves = missingLeaves(SAMPLES_OF_FREE, start + 100 * DAY_MS, coveredUntil);

  expect(leaves[0]?.lowerMs).toBeGreaterThanOrEqual(start + 97 * DAY_MS);
});

it("rollups have leaves wherever there are samples to roll up, also those stored before there were rollups", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("rollups_5m", "rollups_1h"),
      tier,
      now,
      fc.integer({ min: 0, max: 800 }),
      (table, tier, now, daysAgo) => {
        const samples = missingLeaves({ table: "samples", tier }, now, undefined)[0]?.lowerMs ?? 0;
        const since = samples - daysAgo * DAY_MS;

        expect(missingLeaves({ table, tier }, now, undefined)[0]?.lowerMs).toBeLessThanOrEqual(
          samples,
        );
        const leaves = missingLeaves({ table, tier }, now, undefined, since);
        expect(leaves[0]?.lowerMs).toBeLessThanOrEqual(since);
        expect(leaves.at(-1)?.upperMs).toBeGreaterThanOrEqual(now + 3 * DAY_MS);
      },
    ),
  );
});
