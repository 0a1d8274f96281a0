import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import { uuidv7 } from "../../src/lib/uuid.ts";
import type { RouterId } from "../../src/routers/router.ts";
import type { PollResult, SampleBlock } from "../../src/routers/samples.ts";
import { openSampleWriter } from "../../src/storage/copy.ts";
import { partId } from "../../src/storage/flush-ids.ts";
import { makePartitionsAhead } from "../../src/storage/partitions.ts";
import { openPool, type Pool, withStartupSettings } from "../../src/storage/pool.ts";
import { openSampleStore, type SampleStore } from "../../src/storage/sample-store.ts";
import { ShapeRegistry } from "../../src/storage/shapes.ts";
import { deleteTenant } from "../../src/storage/tenants.ts";
import type { Tenant, TenantId } from "../../src/tenants/tenant.ts";
import { openStorageFixture, type StorageFixture } from "../storage-fixture.ts";

/** Whatever one tenant's polls are like, those of the others are stored, once. */

const NOW = Date.now();

let storage: StorageFixture;
let ingest: Pool;
let store: SampleStore["store"];
let good: Tenant;

beforeAll(async () => {
  storage = await openStorageFixture(inject("databaseUrl"));
  ingest = openPool({
    url: withStartupSettings(storage.url, { lock_timeout: "200ms" }),
    role: "fairwalk_ingest",
    max: 2,
    applicationName: "fairwalk test",
  });
  store = newStore();
  good = await storage.newTenant("good");
});

afterAll(async () => {
  await ingest?.end();
  await storage?.close();
});

afterEach(async () => {
  for (const table of ["samples", "polls", "ingest_flushes", "rollup_marks"]) {
    await storage.owner.query(`delete from ${table}`);
  }
});

/** As a process that was just started: it remembers nothing. */
function newStore(): SampleStore["store"] {
  return openSampleStore({
    writer: openSampleWriter(ingest),
    shapes: new ShapeRegistry(storage.app),
  }).store;
}

function blockOf(values: BigInt64Array | Float64Array): SampleBlock {
  const instances = Array.from({ length: values.length }, (_, i) => String(i + 1));
  return {
    module: "if_mib",
    metrics: ["ifHCInOctets"],
    instances,
    labels: instances.map((ifIndex) => ({ ifIndex })),
    values,
    present: new Uint8Array(values.length).fill(1),
  };
}

function resultOf(
  tenantId: TenantId,
  blocks: readonly SampleBlock[] = [blockOf(BigInt64Array.of(1n, 2n))],
  polledAtMs = NOW,
): PollResult {
  return {
    poll: {
      tenantId,
      routerId: uuidv7() as RouterId,
      polledAtMs,
      dueAtMs: NOW,
      startedAtMs: NOW,
      durationMs: 12,
      outcome: "answered",
      costMs: 13,
      requests: 4,
      retries: 1,
      bytesIn: 5_000,
      modules: [],
    },
    blocks,
  };
}

/** How many polls of each tenant are stored; a poll that is stored twice counts twice. */
async function stored(table: "polls" | "samples" = "polls"): Promise<Record<string, number>> {
  const { rows } = await storage.owner.query<{ tenant_id: string; count: number }>(
    `select tenant_id, count(*)::integer as count from ${table} group by tenant_id`,
  );
  return Object.fromEntries(rows.map(({ tenant_id, count }) => [tenant_id, count]));
}

function leafPrefix(tenant: Tenant, table = "samples"): string {
  return `${table}_${tenant.id.replaceAll("-", "")}`;
}

describe("a flush of several tenants", () => {
  it("stores the others when one has no partition any more, also when it is repeated later", async () => {
    const bad = await storage.newTenant("no-partition");
    await storage.owner.query(`drop table ${leafPrefix(bad)}`);
    const results = [resultOf(good.id), resultOf(bad.id), resultOf(bad.id), resultOf(good.id)];
    const flush = { flushId: uuidv7(), results };

    const { refused, postponed } = await newStore()(flush);

    expect(refused.map(({ result }) => result)).toEqual([results[1], results[2]]);
    expect(refused[0]?.error.message).toContain(bad.id);
    expect(postponed).toEqual([]);
    expect(await stored()).toEqual({ [good.id]: 2 });

    // Another process begins again, now that nothing would keep it from storing the flush as a whole.
    await makePartitionsAhead(storage.scheduler, new Date(NOW));
    expect(await newStore()(flush)).toEqual({ refused: [], postponed: [] });
    expect(await stored()).toEqual({ [good.id]: 2, [bad.id]: 2 });
    expect(await newStore()(flush)).toEqual({ refused: [], postponed: [] });
    expect(await stored()).toEqual({ [good.id]: 2, [bad.id]: 2 });
  });

  it("goes on where a process ended that had taken it apart", async () => {
    const other = await storage.newTenant("half-way");
    const results = [resultOf(good.id), resultOf(other.id)];
    const flush = { flushId: uuidv7(), results };
    const writer = openSampleWriter(ingest);
    expect(await writer.takeApart(flush.flushId)).toBe("apart");
    await new ShapeRegistry(storage.app).register(results);
    await writer.flush({ flushId: partId(flush.flushId, good.id), results: results.slice(0, 1) });

    expect(await newStore()(flush)).toEqual({ refused: [], postponed: [] });

    expect(await stored()).toEqual({ [good.id]: 1, [other.id]: 1 });
  });

  it("is not taken apart when it was committed and nobody heard of it", async () => {
    const leaving = await storage.newTenant("leaving");
    const flush = { flushId: uuidv7(), results: [resultOf(good.id), resultOf(leaving.id)] };
    await store(flush);
    await deleteTenant(storage.platform, leaving.id);

    expect(await newStore()(flush)).toEqual({ refused: [], postponed: [] });

    expect(await stored()).toEqual({ [good.id]: 1 });
  });

  it("refuses an erased tenant's polls alone", async () => {
    const erased = await storage.newTenant("erased");
    await deleteTenant(storage.platform, erased.id);

    const { refused } = await store({
      flushId: uuidv7(),
      results: [resultOf(erased.id), resultOf(good.id)],
    });

    expect(refused.map(({ result }) => result.poll.tenantId)).toEqual([erased.id]);
    expect(await stored()).toEqual({ [good.id]: 1 });
  });

  it("stores the others while one's leaf is locked, and that one when it is not", async () => {
    const locked = await storage.newTenant("locked");
    const results = [resultOf(locked.id), resultOf(good.id), resultOf(locked.id)];
    await store({ flushId: uuidv7(), results: [resultOf(locked.id), resultOf(good.id)] });
    const before = await stored();
    const migration = new pg.Client({ connectionString: storage.url });
    await migration.connect();
    await migration.query("set role fairwalk_owner");
    await migration.query("begin");
    await migration.query(`lock table ${leafPrefix(locked)} in access exclusive mode`);

    // Also for a process that does not know yet which leaves there are.
    const { refused, postponed } = await newStore()({ flushId: uuidv7(), results });
    await migration.query("rollback");
    await migration.end();

    expect(refused).toEqual([]);
    expect(postponed.flatMap((part) => part.results)).toEqual([results[0], results[2]]);
    for (const part of postponed) await store(part);
    expect(await stored()).toEqual({
      [good.id]: (before[good.id] ?? 0) + 1,
      [locked.id]: (before[locked.id] ?? 0) + 2,
    });
  });

  it("stores the others when the right to write one's leaves was revoked", async () => {
    const revoked = await storage.newTenant("revoked");
    const { rows } = await storage.owner.query<{ leaf: string }>(
      "select leaf from fairwalk_leaves($1) where parent = 'samples'",
      [revoked.id],
    );
    for (const { leaf } of rows) {
      await storage.owner.query(`revoke insert on ${leaf} from fairwalk_ingest`);
    }

    const { refused } = await store({
      flushId: uuidv7(),
      results: [resultOf(good.id), resultOf(revoked.id)],
    });

    expect(refused.map(({ error }) => error.message)).toEqual([
      expect.stringContaining("permission denied"),
    ]);
    expect(await stored()).toEqual({ [good.id]: 1 });
  });
});

describe("odd polls", () => {
  it("are stored where Postgres can hold them: no number, 2^64 - 1, no rows, 20,000 interfaces", async () => {
    const huge = blockOf(BigInt64Array.from({ length: 20_000 }, (_, i) => BigInt(i)));
    const results = [
      resultOf(good.id, [blockOf(Float64Array.of(Number.NaN, Number.NEGATIVE_INFINITY))]),
      resultOf(good.id, [blockOf(BigInt64Array.of(-1n))]),
      resultOf(good.id, [blockOf(new BigInt64Array(0))]),
      resultOf(good.id, []),
      resultOf(good.id, [huge]),
    ];

    expect(await store({ flushId: uuidv7(), results })).toEqual({ refused: [], postponed: [] });

    expect(await stored()).toEqual({ [good.id]: results.length });
    const { rows } = await storage.owner.query<{ sum: string }>(
      `select sum(v)::text as sum from samples s cross join unnest(s.values) v where s.router_id = $1`,
      [results[4]?.poll.routerId],
    );
    expect(rows).toEqual([{ sum: String((20_000 * 19_999) / 2) }]);
  });

  it.each<[string, (tenantId: TenantId) => PollResult]>([
    ["from the future", (id) => resultOf(id, [], NOW + 400 * 86_400_000)],
    ["from before there were partitions", (id) => resultOf(id, [], 1_000)],
    ["of no time", (id) => resultOf(id, [], Number.NaN)],
    ["of a time beyond all times", (id) => resultOf(id, [], Number.MAX_VALUE)],
    [
      "with fewer values than it says",
      (id) =>
        resultOf(id, [{ ...blockOf(BigInt64Array.of(1n, 2n)), values: BigInt64Array.of(1n) }]),
    ],
    [
      "with fewer labels than instances",
      (id) => resultOf(id, [{ ...blockOf(BigInt64Array.of(1n, 2n)), labels: [] }]),
    ],
    [
      "of no router",
      (id) => {
        const result = resultOf(id);
        return { ...result, poll: { ...result.poll, routerId: "none" as RouterId } };
      },
    ],
  ])("are refused alone: %s", async (_what, oddPoll) => {
    const odd = oddPoll(good.id);

    const { refused } = await store({
      flushId: uuidv7(),
      results: [resultOf(good.id), odd, resultOf(good.id)],
    });

    expect(refused.map(({ result }) => result)).toEqual([odd]);
    expect(await stored()).toEqual({ [good.id]: 2 });
    expect(await stored("samples")).toEqual({ [good.id]: 2 });
  });
});

describe("a Postgres that can store nothing for now", () => {
  it("rejects the flush whole when nothing may be written, and stores it later", async () => {
    const flush = { flushId: uuidv7(), results: [resultOf(good.id)] };
    await storage.owner.query("revoke insert on ingest_flushes from fairwalk_ingest");

    await expect(store(flush)).rejects.toMatchObject({ kind: "failed", sqlState: "42501" });
    await storage.owner.query("grant insert on ingest_flushes to fairwalk_ingest");
    await store(flush);

    expect(await stored()).toEqual({ [good.id]: 1 });
  });

  it("rejects the flush whole while it is read-only", async () => {
    const readOnly = openPool({
      url: withStartupSettings(storage.url, { default_transaction_read_only: "on" }),
      role: "fairwalk_ingest",
      max: 1,
      applicationName: "fairwalk test",
    });
    const writer = openSampleWriter(readOnly);
    const shapes = new ShapeRegistry(storage.app);

    const storing = openSampleStore({ writer, shapes }).store({
      flushId: uuidv7(),
      results: [resultOf(good.id)],
    });

    await expect(storing).rejects.toMatchObject({ kind: "failed", sqlState: "25006" });
    await readOnly.end();
  });
});
