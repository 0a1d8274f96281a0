import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import { uuidv7 } from "../../src/lib/uuid.ts";
import type { RouterId } from "../../src/routers/router.ts";
import type { PollResult, SampleBlock } from "../../src/routers/samples.ts";
import { forgetFlushes, openSampleWriter, type SampleWriter } from "../../src/storage/copy.ts";
import { CopyEncoder, POLLS_COLUMNS, SAMPLES_COLUMNS } from "../../src/storage/copy-encoding.ts";
import { FlushError, isRefusal } from "../../src/storage/errors.ts";
import { leafName } from "../../src/storage/partitions.ts";
import { StatementRefused, sendPipelined } from "../../src/storage/pipelined-copy.ts";
import { latestPolls, pollsOfRouter } from "../../src/storage/polls.ts";
import { openPool, withConnection, withTenant } from "../../src/storage/pool.ts";
import { deleteRouter } from "../../src/storage/routers.ts";
import { latestSamples, type SampleRow, sampleSeries } from "../../src/storage/samples.ts";
import { registerShapes, ShapeRegistry } from "../../src/storage/shapes.ts";
import { deleteTenant } from "../../src/storage/tenants.ts";
import type { Tenant, TenantId } from "../../src/tenants/tenant.ts";
import { openStorageFixture, type StorageFixture } from "../storage-fixture.ts";

const MINUTE_MS = 60_000;
const NOW = Date.now();
const LONG_AGO = new Date(NOW - 60 * MINUTE_MS);

let storage: StorageFixture;
let writer: SampleWriter;
let alpha: Tenant;
let beta: Tenant;

beforeAll(async () => {
  storage = await openStorageFixture(inject("databaseUrl"));
  writer = openSampleWriter(storage.ingest);
  alpha = await storage.newTenant("alpha");
  beta = await storage.newTenant("beta");
});

afterAll(() => storage.close());

/** Tests count rows: each begins with none. */
afterEach(async () => {
  await storage.owner.query("delete from samples");
  await storage.owner.query("delete from polls");
  await storage.owner.query("delete from ingest_flushes");
});

/** A block of two metrics of two interfaces. */
function blockOf(
  values: readonly (bigint | null)[],
  instances: readonly string[] = ["1", "2"],
): SampleBlock {
  return {
    module: "if_mib",
    metrics: ["ifHCInOctets", "ifHCOutOctets"],
    instances,
    labels: instances.map((ifIndex) => ({ ifIndex, ifName: `eth${ifIndex}` })),
    values: BigInt64Array.from(values, (value) => value ?? 0n),
    present: Uint8Array.from(values, (value) => (value === null ? 0 : 1)),
  };
}

function resultOf(
  tenantId: TenantId,
  routerId: RouterId,
  blocks: readonly SampleBlock[],
  polledAtMs = NOW,
): PollResult {
  return {
    poll: {
      tenantId,
      routerId,
      polledAtMs,
      dueAtMs: polledAtMs - 20,
      startedAtMs: polledAtMs - 10,
      durationMs: 12,
      outcome: "answered",
      costMs: 13,
      requests: 4,
      retries: 1,
      bytesIn: 5_000_000_000,
      modules: [
        {
          module: "if_mib",
          outcome: "answered",
          requests: 4,
          retries: 1,
          rows: 2,
          reason: "odd \u0000 text \ud800",
        },
      ],
    },
    blocks,
  };
}

async function store(...results: PollResult[]): Promise<string> {
  const flushId = uuidv7();
  await new ShapeRegistry(storage.app).register(results);
  await writer.flush({ flushId, results });
  return flushId;
}

function latest(tenantId: TenantId, routerId?: RouterId, since = LONG_AGO): Promise<SampleRow[]> {
  return withTenant(storage.app, tenantId, async (client) => {
    const rows: SampleRow[] = [];
    for await (const row of latestSamples(client, tenantId, { since, routerId })) rows.push(row);
    return rows;
  });
}

async function countOf(table: string): Promise<number> {
  const { rows } = await storage.owner.query<{ count: number }>(
    `select count(*)::integer as count from ${table}`,
  );
  return rows[0]?.count ?? -1;
}

const router = (): RouterId => uuidv7() as RouterId;

describe("a flush", () => {
  it("stores samples and polls of several tenants as they were said", async () => {
    const a = await storage.newRouter(alpha);
    const b = await storage.newRouter(beta);
    const block = blockOf([1n, 2n, null, -4n]);

    await store(resultOf(alpha.id, a.id, [block]), resultOf(beta.id, b.id, [block]));

    expect(await latest(alpha.id)).toEqual([
      {
        ...block,
        values: BigInt64Array.of(1n, 2n, 0n, -4n),
        routerId: a.id,
        polledAt: new Date(NOW),
      },
    ]);
    expect(await latest(beta.id)).toMatchObject([{ routerId: b.id }]);
  });

  it("keeps a Counter64 exact up to 2^64 - 1, both ways", async () => {
    const { id } = await storage.newRouter(alpha);
    const values = [
      -1n,
      9_223_372_036_854_775_807n,
      -9_223_372_036_854_775_808n,
      9_007_199_254_740_993n,
    ];

    await store(resultOf(alpha.id, id, [blockOf(values)]));

    const [row] = await latest(alpha.id);
    expect([...(row?.values ?? [])]).toEqual(values);
    expect(BigInt.asUintN(64, row?.values[0] as bigint)).toBe(2n ** 64n - 1n);
    const { rows } = await storage.owner.query(
      "select fairwalk_counter64(values[1])::text as counter from samples",
    );
    expect(rows).toEqual([{ counter: "18446744073709551615" }]);
  });

  it("stores floats beside integers", async () => {
    const { id } = await storage.newRouter(alpha);
    const floats: SampleBlock = {
      module: "sensors",
      metrics: ["temperature"],
      instances: ["1", "2", "3"],
      labels: [{}, {}, {}],
      values: Float64Array.of(21.5, Number.NaN, 0),
      present: Uint8Array.of(1, 1, 0),
    };

    await store(resultOf(alpha.id, id, [floats, blockOf([1n, 2n, 3n, 4n])]));

    const rows = await latest(alpha.id);
    expect(rows.find(({ module }) => module === "sensors")).toMatchObject(floats);
    expect(rows).toHaveLength(2);
  });

  it("splits a block that would not fit in a page, and it reads as one", async () => {
    const { id } = await storage.newRouter(alpha);
    const instances = Array.from({ length: 1_500 }, (_, i) => String(i + 1));
    const values = Array.from({ length: 3_000 }, (_, i) => BigInt(i) * 1_000_000_000_000n);

    await store(resultOf(alpha.id, id, [blockOf(values, instances)]));

    const rows = await latest(alpha.id);
    expect(rows.length).toBeGreaterThan(3);
    expect(rows.flatMap((row) => [...row.values]).sort()).toEqual(values.sort());
    const { rows: toasted } = await storage.owner.query(
      "select count(*)::integer as rows from samples where pg_column_size(values) > 8160",
    );
    expect(toasted).toEqual([{ rows: 0 }]);
  });

  it("stores the polls, whatever text a router sent", async () => {
    const { id } = await storage.newRouter(alpha);
    const result = resultOf(alpha.id, id, []);

    await store(result);

    const [poll] = await withTenant(storage.app, alpha.id, (client) =>
      latestPolls(client, alpha.id, LONG_AGO),
    );
    expect(poll).toEqual({
      ...result.poll,
      modules: [{ ...result.poll.modules[0], reason: "odd \ufffd text \ufffd" }],
    });
  });

  it("changes nothing when it is repeated", async () => {
    const result = resultOf(alpha.id, router(), [blockOf([1n, 2n, 3n, 4n])]);
    const flushId = await store(result);

    await writer.flush({ flushId, results: [result] });

    expect([await countOf("samples"), await countOf("polls")]).toEqual([1, 1]);
  });

  it("is rolled back whole when one tenant's leaf is gone, and says whose", async () => {
    const gone = await storage.newTenant("gone");
    const results = [
      resultOf(alpha.id, router(), [blockOf([1n, 2n, 3n, 4n])]),
      resultOf(gone.id, router(), [blockOf([1n, 2n, 3n, 4n])]),
    ];
    await store(...results); // So that the writer knows the leaves.
    await storage.owner.query(`drop table samples_${gone.id.replaceAll("-", "")}`);
    const before = await countOf("samples");

    const failure = await writer.flush({ flushId: uuidv7(), results }).catch((error) => error);

    expect(failure).toBeInstanceOf(FlushError);
    expect(failure).toMatchObject({
      kind: "refused",
      sqlState: "42P01",
      tenantId: gone.id,
      leaf: expect.stringMatching(/^samples_/),
    });
    expect(isRefusal(failure)).toBe(true);
    expect(await countOf("samples")).toBe(before);
    // The connection and the other tenants are none the worse.
    await store(resultOf(alpha.id, router(), [blockOf([1n, 2n, 3n, 4n])]));
    expect(await countOf("samples")).toBe(before + 1);
  });

  it("is refused for a tenant that has no partition at that time", async () => {
    const tooOld = resultOf(alpha.id, router(), [], Date.parse("2001-01-01T00:00:00Z"));
    const unknown = resultOf(uuidv7() as TenantId, router(), []);

    for (const result of [tooOld, unknown]) {
      await expect(writer.flush({ flushId: uuidv7(), results: [result] })).rejects.toMatchObject({
        kind: "refused",
        tenantId: result.poll.tenantId,
      });
    }
  });

  it("of another tenant's row is refused by Postgres itself", async () => {
    await store(resultOf(alpha.id, router(), [])); // The leaf exists.
    const { rows } = await storage.owner.query<{ lower: Date }>(
      "select lower from fairwalk_leaves($1) where parent = 'samples' and lower <= now() and upper > now()",
      [alpha.id],
    );
    const lowerMs = rows[0]?.lower.getTime() ?? 0;
    const foreign = resultOf(beta.id, router(), [blockOf([1n, 2n, 3n, 4n])]);
    const attempt = async (table: "samples" | "polls", columns: string) => {
      const encoder = new CopyEncoder();
      encoder.beginCopy();
      if (table === "samples") encoder.addSamples(foreign);
      else encoder.addPoll(foreign.poll);
      encoder.endCopy();
      const leaf = leafName(table, alpha.id, lowerMs);
      return withConnection(storage.ingest, (connection) =>
        sendPipelined(
          connection,
          [`copy ${leaf} (${columns}) from stdin (format binary)`],
          [encoder.take()],
          { timeoutMs: 10_000, onSent: () => undefined },
        ),
      ).catch((error: unknown) => error);
    };

    for (const refusal of [
      await attempt("samples", SAMPLES_COLUMNS),
      await attempt("polls", POLLS_COLUMNS),
    ]) {
      expect(refusal).toBeInstanceOf(StatementRefused);
      expect((refusal as StatementRefused).refusal.code).toBe("23514");
    }
    expect(await countOf("samples")).toBe(0);
  });

  it("that loses its connection says so, and can be repeated", async () => {
    const result = resultOf(alpha.id, router(), [blockOf([1n, 2n, 3n, 4n])]);
    const flushId = uuidv7();
    // Another transaction holds the flush's id, so that the flush waits for it with its data sent.
    const holder = new pg.Client({ connectionString: storage.url });
    await holder.connect();
    await holder.query("set role fairwalk_owner");
    await holder.query("begin");
    await holder.query("insert into ingest_flushes (id, row_count) values ($1, 0)", [flushId]);
    await registerShapes(storage.app, alpha.id, result.blocks);

    const flushing = writer.flush({ flushId, results: [result] }).catch((error) => error);
    await terminateWaiting(holder);
    const failure = await flushing;
    await holder.query("rollback");
    await holder.end();

    expect(failure).toMatchObject({ kind: "disconnected" });
    expect(isRefusal(failure)).toBe(false);
    await writer.flush({ flushId, results: [result] });
    expect(await countOf("samples")).toBe(1);
  });

  it("waits for Postgres to come back: no connection is no refusal", async () => {
    const pool = openPool({
      url: "postgres://nobody@127.0.0.1:1/nothing",
      role: "fairwalk_ingest",
      max: 1,
      applicationName: "test",
    });
    const flushing = openSampleWriter(pool).flush({
      flushId: uuidv7(),
      results: [resultOf(alpha.id, router(), [])],
    });

    await expect(flushing).rejects.toMatchObject({ kind: "disconnected" });
    await pool.end();
  });

  it("reaches its leaves when many run at once", async () => {
    const ids = Array.from({ length: 40 }, router);

    await Promise.all(
      ids.map((id, i) =>
        store(resultOf(i % 2 === 0 ? alpha.id : beta.id, id, [blockOf([BigInt(i), 2n, 3n, 4n])])),
      ),
    );

    expect([await countOf("samples"), await countOf("polls")]).toEqual([40, 40]);
  });

  it("is forgotten by its id when it is old enough", async () => {
    const old = uuidv7(NOW - 30 * 86_400_000);
    const results = [resultOf(alpha.id, router(), [])];
    await writer.flush({ flushId: old, results });
    await writer.flush({ flushId: uuidv7(), results });

    expect(await forgetFlushes(storage.scheduler, new Date(NOW - 86_400_000))).toBe(1);
    expect(await countOf("ingest_flushes")).toBe(1);
  });
});

/** Ends the session that waits for the holder's transaction, as soon as one does. */
async function terminateWaiting(holder: pg.Client): Promise<void> {
  const { rows } = await holder.query<{ pid: number }>("select pg_backend_pid() as pid");
  await expect
    .poll(async () => {
      const { rowCount } = await storage.login.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where $1 = any (pg_blocking_pids(pid))",
        [rows[0]?.pid],
      );
      return rowCount;
    })
    .toBe(1);
}

describe("a query that names its tenant", () => {
  it("is planned over that tenant's leaves alone, every time", async () => {
    const other = beta.id.replaceAll("-", "");
    const own = alpha.id.replaceAll("-", "");
    await withTenant(storage.app, alpha.id, async (client) => {
      const { rows: mode } = await client.query("show plan_cache_mode");
      expect(mode).toEqual([{ plan_cache_mode: "force_custom_plan" }]);
      for (const table of ["samples", "polls"]) {
        const { rows } = await client.query<{ "QUERY PLAN": string }>(
          `explain select * from ${table} where tenant_id = $1 and polled_at >= $2`,
          [alpha.id, LONG_AGO],
        );
        const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
        expect(plan).toContain(`${table}_${own}`);
        expect(plan).not.toContain(other);
      }
    });
  });
});

describe("shapes", () => {
  it("are stored once, whoever stores them and however often", async () => {
    const block = blockOf([1n, 2n, 3n, 4n], ["only-here", "too"]);
    const count = async () =>
      (
        await withTenant(storage.app, alpha.id, (client) =>
          client.query(
            "select id from sample_shapes where tenant_id = $1 and $2 = any (instances)",
            [alpha.id, "only-here"],
          ),
        )
      ).rows.length;

    await Promise.all(
      Array.from({ length: 8 }, () => registerShapes(storage.app, alpha.id, [block])),
    );

    expect(await count()).toBe(1);
  });

  it("take whatever text labels hold", async () => {
    const block = {
      ...blockOf([1n, 2n]),
      instances: ["9"],
      labels: [{ ifAlias: "a\u0000b\ud800" }],
    };
    const { id } = await storage.newRouter(alpha);

    await store(resultOf(alpha.id, id, [block]));

    expect(await latest(alpha.id)).toMatchObject([{ labels: [{ ifAlias: "a\ufffdb\ufffd" }] }]);
  });

  it("of a tenant that is gone are refused", async () => {
    const storing = registerShapes(storage.app, uuidv7() as TenantId, [blockOf([1n, 2n, 3n, 4n])]);

    await expect(storing).rejects.toSatisfy(isRefusal);
  });
});

describe("the latest samples", () => {
  it("are each router's newest poll: blocks it no longer brings are withdrawn", async () => {
    const one = await storage.newRouter(alpha);
    const two = await storage.newRouter(alpha);
    const before = NOW - MINUTE_MS;
    await store(
      resultOf(alpha.id, one.id, [blockOf([1n, 1n, 1n, 1n])], before),
      resultOf(alpha.id, two.id, [blockOf([2n, 2n, 2n, 2n])], before),
    );
    await store(resultOf(alpha.id, one.id, [blockOf([3n, 3n], ["1"])]));

    const rows = await latest(alpha.id);

    expect(rows.map((row) => [row.routerId, row.instances, row.polledAt.getTime()])).toEqual(
      expect.arrayContaining([
        [one.id, ["1"], NOW],
        [two.id, ["1", "2"], before],
      ]),
    );
    expect(rows).toHaveLength(2);
    expect(await latest(alpha.id, two.id)).toHaveLength(1);
  });

  it("are judged by module: one that failed keeps its last good poll", async () => {
    const { id } = await storage.newRouter(alpha);
    const system = { ...blockOf([7n], [""]), module: "system", metrics: ["sysUpTime"] };
    await store(
      resultOf(alpha.id, id, [system, blockOf([1n, 1n, 1n, 1n])], NOW - MINUTE_MS),
      resultOf(alpha.id, id, [system]),
    );

    const rows = await latest(alpha.id);

    expect(rows.map((row) => `${row.module} ${row.polledAt.getTime() === NOW}`).sort()).toEqual([
      "if_mib false",
      "system true",
    ]);
  });

  it("are withdrawn when too old, and with their router", async () => {
    const { id } = await storage.newRouter(alpha);
    await store(resultOf(alpha.id, id, [blockOf([1n, 2n, 3n, 4n])], NOW - 10 * MINUTE_MS));

    expect(await latest(alpha.id, undefined, new Date(NOW - 5 * MINUTE_MS))).toEqual([]);
    expect(await latest(alpha.id)).toHaveLength(1);
    await withTenant(storage.app, alpha.id, (client) => deleteRouter(client, id));
    expect(await latest(alpha.id)).toEqual([]);
  });

  it("come in any number, and the reader may stop early", async () => {
    const { id } = await storage.newRouter(alpha);
    const blocks = Array.from({ length: 1_200 }, (_, i) => blockOf([1n, 2n], [`block ${i}`]));
    await store(resultOf(alpha.id, id, blocks));

    expect(await latest(alpha.id)).toHaveLength(1_200);
    await withTenant(storage.app, alpha.id, async (client) => {
      for await (const _row of latestSamples(client, alpha.id, { since: LONG_AGO })) break;
      for await (const _row of latestSamples(client, alpha.id, { since: LONG_AGO })) break;
    });
  });
});

describe("a series", () => {
  it("follows an interface through changing shapes, without points where nothing was said", async () => {
    const { id } = await storage.newRouter(alpha);
    const at = (minutes: number) => NOW - minutes * MINUTE_MS;
    await store(
      resultOf(alpha.id, id, [blockOf([1n, 10n, 0n, 0n])], at(4)),
      resultOf(alpha.id, id, [blockOf([2n, null, 0n, 0n])], at(3)),
      resultOf(alpha.id, id, [blockOf([5n, 3n, 30n, 0n, 0n, 0n], ["0", "1", "2"])], at(2)),
      resultOf(alpha.id, id, [blockOf([9n, 9n, 9n, 9n])], at(0)),
    );
    const read = (instance?: string) =>
      withTenant(storage.app, alpha.id, (client) =>
        sampleSeries(client, alpha.id, {
          routerId: id,
          metrics: ["ifHCInOctets"],
          instances: instance === undefined ? undefined : [instance],
          from: new Date(at(5)),
          to: new Date(at(0)),
        }),
      );

    const points = (...pairs: [number, bigint][]) =>
      pairs.map(([minutes, value]) => ({ at: new Date(at(minutes)), value }));
    expect(await read("2")).toEqual([
      {
        module: "if_mib",
        metric: "ifHCInOctets",
        instance: "2",
        labels: { ifIndex: "2", ifName: "eth2" },
        points: points([4, 10n], [2, 30n]),
      },
    ]);
    const all = await read();
    expect(all.map((one) => [one.instance, one.points.length])).toEqual(
      expect.arrayContaining([
        ["0", 1],
        ["1", 3],
        ["2", 2],
      ]),
    );
  });

  it("of what nobody measured is empty", async () => {
    const request = { routerId: router(), metrics: ["nothing"], from: LONG_AGO, to: new Date() };

    const series = await withTenant(storage.app, alpha.id, (client) =>
      sampleSeries(client, alpha.id, request),
    );

    expect(series).toEqual([]);
  });
});

describe("polls", () => {
  it("are listed newest first, in pages", async () => {
    const id = router();
    const times = [3, 2, 1].map((minutes) => NOW - minutes * MINUTE_MS);
    await store(...times.map((time) => resultOf(alpha.id, id, [], time)));
    const page = (before?: Date) =>
      withTenant(storage.app, alpha.id, async (client) =>
        (await pollsOfRouter(client, alpha.id, { routerId: id, limit: 2, before })).map(
          ({ polledAtMs }) => polledAtMs,
        ),
      );

    expect(await page()).toEqual([times[2], times[1]]);
    expect(await page(new Date(times[1] ?? 0))).toEqual([times[0]]);
    const newest = await withTenant(storage.app, alpha.id, (client) =>
      latestPolls(client, alpha.id, LONG_AGO),
    );
    expect(newest.map(({ polledAtMs }) => polledAtMs)).toEqual([times[2]]);
  });
});

describe("erasing a tenant", () => {
  it("drops its partitions and every row, and refuses what still arrives", async () => {
    const tenant = await storage.newTenant("leaving");
    const { id } = await storage.newRouter(tenant);
    const result = resultOf(tenant.id, id, [blockOf([1n, 2n, 3n, 4n])]);
    await store(result);

    expect(await deleteTenant(storage.platform, tenant.id)).toBe(true);

    const { rows } = await storage.owner.query(
      "select relname from pg_class where relname like '%' || $1 || '%'",
      [tenant.id.replaceAll("-", "")],
    );
    expect(rows).toEqual([]);
    for (const table of ["routers", "credentials", "sample_shapes", "tenant_keys"]) {
      const left = await storage.owner.query(`select from ${table} where tenant_id = $1`, [
        tenant.id,
      ]);
      expect(left.rowCount).toBe(0);
    }
    await expect(writer.flush({ flushId: uuidv7(), results: [result] })).rejects.toSatisfy(
      isRefusal,
    );
    expect(await deleteTenant(storage.platform, tenant.id)).toBe(false);
  });

  it("waits for readers of its samples instead of failing", async () => {
    const tenant = await storage.newTenant("read");
    const reader = new pg.Client({ connectionString: storage.url });
    await reader.connect();
    await reader.query("set role fairwalk_owner");
    await reader.query("begin");
    await reader.query(`select count(*) from samples_${tenant.id.replaceAll("-", "")}`);

    const deleting = deleteTenant(storage.platform, tenant.id);
    await expect
      .poll(async () => {
        const { rows } = await storage.login.query(
          "select wait_event_type from pg_stat_activity where query like '%fairwalk_drop_leaf%' and wait_event_type = 'Lock'",
        );
        return rows.length;
      })
      .toBe(1);
    await reader.query("rollback");
    await reader.end();

    expect(await deleting).toBe(true);
  });
});
