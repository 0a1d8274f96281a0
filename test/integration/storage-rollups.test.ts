import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { uuidv7 } from "../../src/lib/uuid.ts";
import { mergeRollups } from "../../src/routers/merge-rollups.ts";
import type { Rollup, RollupPoll, RollupRow } from "../../src/routers/rollup.ts";
import type { RouterId } from "../../src/routers/router.ts";
import type { PollResult } from "../../src/routers/samples.ts";
import { openSampleWriter } from "../../src/storage/copy.ts";
import { makeLeaves } from "../../src/storage/partitions.ts";
import { withTenant } from "../../src/storage/pool.ts";
import {
  beginRollups,
  type RollUpContext,
  rollUpBuckets,
  rollUpHours,
} from "../../src/storage/roll-up.ts";
import {
  dueRollups,
  gatherRollupMarks,
  oldestDueRollup,
  tenantsWithoutRollups,
} from "../../src/storage/rollup-due.ts";
import {
  decodeRollup,
  ROLLUP_COLUMNS,
  type RollupColumns,
} from "../../src/storage/rollup-encoding.ts";
import { ShapeCache } from "../../src/storage/samples.ts";
import { ShapeRegistry, shapeOf } from "../../src/storage/shapes.ts";
import { TENANT_PARTITIONED_TABLES } from "../../src/storage/tenant-tables.ts";
import type { Tenant } from "../../src/tenants/tenant.ts";
import {
  asSums,
  bruteForce,
  eventsOfRouter,
  historyOf,
  kindOf,
  rowOf,
  shownSums,
} from "../rollup-history.ts";
import { openStorageFixture, type StorageFixture } from "../storage-fixture.ts";

/** Where the histories lie. */
const FROM_MS = Date.parse("2020-02-01T00:00:00Z");
const TO_MS = Date.parse("2020-12-01T00:00:00Z");
const HOUR_MS = 3_600_000;
const ALL_TIME = new Date("2100-01-01T00:00:00Z");

let storage: StorageFixture;
let tenant: Tenant;
let context: RollUpContext;
let registry: ShapeRegistry;

beforeAll(async () => {
  storage = await openStorageFixture(inject("databaseUrl"));
  tenant = await newTenant("rolled-up");
  context = { pool: storage.rollup, kindOf, shapes: new ShapeCache() };
  registry = new ShapeRegistry(storage.app);
});

afterAll(() => storage.close());

async function newTenant(slug: string): Promise<Tenant> {
  const made = await storage.newTenant(slug, "msp");
  for (const table of TENANT_PARTITIONED_TABLES) {
    const { rows } = await storage.owner.query<{ lower: Date }>(
      "select min(lower) as lower from fairwalk_table_leaves($1, $2)",
      [made.id, table],
    );
    const upperMs = Math.min(TO_MS, rows[0]?.lower.getTime() ?? TO_MS);
    await makeLeaves(storage.platform, made.id, table, [{ lowerMs: FROM_MS, upperMs }]);
  }
  return made;
}

/** A row as it is stored: known by its shape's id. */
function stored(row: RollupRow): RollupRow {
  return { ...row, shapeId: shapeOf({ ...row, labels: labelsOf(row) }).id.toString() };
}

const labelsOf = ({ instances }: RollupRow) => instances.map((ifIndex) => ({ ifIndex }));

async function store(to: Tenant, routerId: RouterId, polls: readonly RollupPoll[]): Promise<void> {
  const results = polls.map(({ atMs, rows }): PollResult => {
    return {
      poll: {
        tenantId: to.id,
        routerId,
        polledAtMs: atMs,
        dueAtMs: atMs,
        startedAtMs: atMs,
        durationMs: 1,
        outcome: "answered",
        costMs: 1,
        requests: 1,
        retries: 0,
        bytesIn: 1,
        modules: [],
      },
      blocks: rows.map((row) => ({ ...row, labels: labelsOf(row) })),
    };
  });
  await registry.register(results);
  await openSampleWriter(storage.ingest).flush({ flushId: uuidv7(), results });
}

async function rollUp(): Promise<void> {
  await gatherRollupMarks(storage.scheduler);
  for (const id of await tenantsWithoutRollups(storage.scheduler)) await beginRollups(context, id);
  for (const { tenantId, buckets } of await dueRollups(storage.scheduler, "5m", ALL_TIME)) {
    await rollUpBuckets(context, tenantId, buckets);
  }
  for (const { tenantId, buckets } of await dueRollups(storage.scheduler, "1h", ALL_TIME)) {
    await rollUpHours(context, tenantId, buckets);
  }
}

async function rollupsOf(
  table: "rollups_5m" | "rollups_1h",
  routerId: RouterId,
  rows: ReadonlyMap<string, RollupRow>,
): Promise<Rollup[]> {
  const found = await withTenant(storage.app, tenant.id, (client) =>
    client.query<RollupColumns & { shape_id: string; bucket: Date; last_at: Date }>(
      `select shape_id, bucket, last_at, ${ROLLUP_COLUMNS.map((name) => `${name}::text`)}
       from ${table} where tenant_id = $1 and router_id = $2 order by bucket, shape_id`,
      [tenant.id, routerId],
    ),
  );
  return found.rows.map((row) => decodeRollup(row, rows.get(row.shape_id)?.present.length ?? 0));
}

const newRouterId = () => uuidv7() as RouterId;

describe("rollups", () => {
  it("equal a brute-force computation over what is stored, however late and in what order it came", async () => {
    await fc.assert(
      fc.asyncProperty(
        eventsOfRouter,
        fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 40, maxLength: 40 }),
        fc.integer({ min: 1, max: 12 }),
        async (events, order, flushPolls) => {
          const polls = historyOf(events).map((it) => ({ ...it, rows: it.rows.map(stored) }));
          const rows = new Map(polls.flatMap((it) => it.rows.map((row) => [row.shapeId, row])));
          const routerId = newRouterId();

          // Half of the history in its order, as polls come; the other half late, in any order; rolled up in between.
          const isLate = (n: number) => (order[n] ?? 0) > 500;
          const inTime = polls.filter((_, n) => !isLate(n));
          const late = polls
            .map((poll, n) => ({ poll, key: order[n] ?? 0, isLate: isLate(n) }))
            .filter((it) => it.isLate)
            .sort((a, b) => a.key - b.key)
            .map(({ poll }) => poll);
          const arriving = [...inTime, ...late];
          for (let n = 0; n < arriving.length; n += flushPolls) {
            await store(tenant, routerId, arriving.slice(n, n + flushPolls));
            await rollUp();
          }

          const buckets = await rollupsOf("rollups_5m", routerId, rows);
          expect(asSums(buckets, rows)).toEqual(shownSums(bruteForce(polls)));
          expect(asSums(await rollupsOf("rollups_1h", routerId, rows), rows)).toEqual(
            asSums(hoursOf(buckets), rows),
          );
        },
      ),
      { numRuns: 10 },
    );
  });

  it("computed again change nothing, not even a row's version", async () => {
    const routerId = newRouterId();
    const polls = historyOf(fc.sample(eventsOfRouter, { seed: 7, numRuns: 1 })[0] ?? []);
    await store(tenant, routerId, polls);
    await rollUp();
    const versions = async () =>
      (
        await storage.owner.query(
          "select ctid, xmin from rollups_5m where router_id = $1 order by bucket, shape_id",
          [routerId],
        )
      ).rows;
    const before = await versions();

    await withTenant(storage.rollup, tenant.id, (client) =>
      client.query("delete from rollup_due where tenant_id = $1", [tenant.id]),
    );
    await beginRollups(context, tenant.id); // Everything is due again.
    await rollUp();

    expect(before.length).toBeGreaterThan(0);
    expect(await versions()).toEqual(before);
  });

  it("stay due when their bucket is marked while they are computed", async () => {
    const routerId = newRouterId();
    const atMs = Date.parse("2020-03-01T00:01:00Z");
    const poll = (ms: number, value: bigint) => ({
      atMs: ms,
      rows: [rowOf("if_mib", ["1"], { ifHCInOctets: [value] })],
    });
    await store(tenant, routerId, [poll(atMs, 1n)]);
    await gatherRollupMarks(storage.scheduler);
    const [due] = await dueRollups(storage.scheduler, "5m", ALL_TIME);
    await store(tenant, routerId, [poll(atMs + 60_000, 5n)]);
    await gatherRollupMarks(storage.scheduler);

    await rollUpBuckets(context, tenant.id, due?.buckets ?? []);

    expect((await dueRollups(storage.scheduler, "5m", ALL_TIME)).length).toBe(1);
    await rollUp();
    expect(await oldestDueRollup(storage.platform)).toBeUndefined();
  });

  it("that cannot be computed stay due, and keep no other from it; those no longer kept are let go", async () => {
    const poor = await newTenant("half-covered");
    const routerId = newRouterId();
    const rows = [rowOf("if_mib", ["1"], { ifHCInOctets: [1n] })];
    const times = [FROM_MS, FROM_MS + 100 * HOUR_MS, FROM_MS + 200 * HOUR_MS];
    await store(
      poor,
      routerId,
      times.map((atMs) => ({ atMs, rows })),
    );
    await storage.owner.query(
      "select fairwalk_drop_leaf($1, 'rollups_5m', min(l.leaf)) from fairwalk_table_leaves($1, 'rollups_5m') l where l.lower = $2",
      [poor.id, new Date(FROM_MS)],
    );
    const day = 24 * HOUR_MS;
    await makeLeaves(storage.platform, poor.id, "rollups_5m", [
      { lowerMs: FROM_MS + 2 * day, upperMs: FROM_MS + 4 * day },
      { lowerMs: FROM_MS + 8 * day, upperMs: FROM_MS + 9 * day },
    ]);
    await gatherRollupMarks(storage.scheduler);
    const dueOf = async () =>
      (await dueRollups(storage.scheduler, "5m", ALL_TIME))
        .filter(({ tenantId }) => tenantId === poor.id)
        .flatMap(({ buckets }) => buckets);

    await expect(rollUpBuckets(context, poor.id, await dueOf())).rejects.toThrow(/no partition/);

    expect((await dueOf()).map(({ startMs }) => startMs)).toEqual([times[1]]);
    await makeLeaves(storage.platform, poor.id, "rollups_5m", [
      { lowerMs: FROM_MS + 4 * day, upperMs: FROM_MS + 8 * day },
    ]);
    await rollUpBuckets(context, poor.id, await dueOf());
    expect(await dueOf()).toEqual([]);
  });

  it("are begun with what was stored before there were rollups", async () => {
    const old = await newTenant("from-before");
    const routerId = newRouterId();
    await store(old, routerId, [
      { atMs: FROM_MS + HOUR_MS, rows: [rowOf("if_mib", ["1"], { ifHCInOctets: [1n] })] },
    ]);
    await storage.owner.query("delete from rollup_marks"); // As a release before this one would have stored it.

    await rollUp();

    const { rows } = await storage.owner.query(
      "select bucket from rollups_1h where router_id = $1",
      [routerId],
    );
    expect(rows).toEqual([{ bucket: new Date(FROM_MS + HOUR_MS) }]);
  });
});

/** Hours made of buckets of 5 minutes. */
function hoursOf(buckets: readonly Rollup[]): Rollup[] {
  const parts = new Map<string, [Rollup, ...Rollup[]]>();
  for (const bucket of buckets) {
    const key = `${bucket.shapeId}/${Math.floor(bucket.bucketMs / HOUR_MS)}`;
    const others = parts.get(key);
    if (others === undefined) parts.set(key, [bucket]);
    else others.push(bucket);
  }
  return [...parts.values()].map((some) =>
    mergeRollups(some, Math.floor(some[0].bucketMs / HOUR_MS) * HOUR_MS),
  );
}
