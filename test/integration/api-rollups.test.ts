import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { uuidv7 } from "../../src/lib/uuid.ts";
import { metricKinds } from "../../src/modules/metric-kinds.ts";
import type { RouterId } from "../../src/routers/router.ts";
import type { PollResult, SampleBlock } from "../../src/routers/samples.ts";
import { openSampleWriter } from "../../src/storage/copy.ts";
import { rollUpBuckets, rollUpHours } from "../../src/storage/roll-up.ts";
import { dueRollups, gatherRollupMarks } from "../../src/storage/rollup-due.ts";
import { ShapeCache } from "../../src/storage/samples.ts";
import { ShapeRegistry } from "../../src/storage/shapes.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import {
  type ApiFixture,
  newCredential,
  openApiFixture,
  routerBodies,
  type TenantCaller,
} from "./api-fixture.ts";

/** The API's time, and samples around it: two hours and a half of a month long ago. */
const NOW = Date.parse("2020-05-10T12:30:00Z");
const FROM = Date.parse("2020-05-10T10:00:00Z");
const MINUTE_MS = 60_000;
const RESTART = Date.parse("2020-05-10T11:02:30Z");

let api: ApiFixture;
let north: TenantCaller;
let south: TenantCaller;
let routerId: RouterId;
let path: string;

beforeAll(async () => {
  api = await openApiFixture(inject("databaseUrl"), { clock: { now: () => NOW } });
  north = await api.newTenant("north", "business");
  south = await api.newTenant("south", "business");
  const credentialId = await newCredential(north.call);
  const made = await north.call(
    "POST",
    "/v1/routers",
    routerBodies(credentialId)({ name: "edge" }),
  );
  routerId = made.body.id;
  path = `/v1/routers/${routerId}`;
  await storePolls();
  await rollUp();
});

afterAll(() => api.close());

/**
 * Interface 1 receives 1,000 octets a second and sends 500, interface 2 a tenth of it and loses a packet a second; both
 * have 1 Mbit/s. The router restarts once, and is not polled from 10:20 to 10:40.
 */
function blocksAt(atMs: number): SampleBlock[] {
  const isRestarted = atMs >= RESTART;
  const upMs = isRestarted ? atMs - RESTART : atMs - FROM + 40 * 86_400_000;
  const seconds = BigInt(Math.floor(upMs / 1_000));
  const block = (values: readonly bigint[], rest: Omit<SampleBlock, "values" | "present">) => ({
    ...rest,
    values: BigInt64Array.from(values),
    present: new Uint8Array(values.length).fill(1),
  });
  return [
    block([seconds * 100n], {
      module: "system",
      metrics: ["sysUpTime"],
      instances: [""],
      labels: [{}],
    }),
    block(
      [
        ...[seconds * 1_000n, seconds * 100n],
        ...[seconds * 500n, seconds * 50n],
        ...[0n, seconds],
        ...[1n, 1n],
        ...[1n, atMs % (10 * MINUTE_MS) === 0 ? 2n : 1n],
      ],
      {
        module: "if_mib",
        metrics: ["ifHCInOctets", "ifHCOutOctets", "ifInErrors", "ifHighSpeed", "ifOperStatus"],
        instances: ["1", "2"],
        labels: ["1", "2"].map((ifIndex) => ({ ifIndex, ifName: `eth${ifIndex}`, ifAlias: "" })),
      },
    ),
  ];
}

async function storePolls(): Promise<void> {
  const results: PollResult[] = [];
  for (let atMs = FROM; atMs < NOW; atMs += MINUTE_MS) {
    const minute = (atMs - FROM) / MINUTE_MS;
    if (minute >= 20 && minute < 40) continue;
    results.push({
      poll: {
        tenantId: north.id as TenantId,
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
      blocks: blocksAt(atMs),
    });
  }
  await new ShapeRegistry(api.storage.app).register(results);
  await openSampleWriter(api.storage.ingest).flush({ flushId: uuidv7(), results });
}

async function rollUp(): Promise<void> {
  const { scheduler, rollup: pool } = api.storage;
  const context = { pool, kindOf: metricKinds(api.deps.modules), shapes: new ShapeCache() };
  await gatherRollupMarks(scheduler);
  for (const step of ["5m", "1h"] as const) {
    for (const { tenantId, buckets } of await dueRollups(scheduler, step, new Date(NOW))) {
      const compute = step === "5m" ? rollUpBuckets : rollUpHours;
      await compute(context, tenantId, buckets);
    }
  }
}

const day = "from=2020-05-10T10:00:00Z&to=2020-05-10T12:30:00Z";
const time = (text: string) => `2020-05-10T${text}.000Z`;

describe("samples over time", () => {
  const series = async (query: string) => {
    const { status, body } = await north.call("GET", `${path}/samples?${query}`);
    expect(body, query).toMatchObject({ routerId });
    expect(status).toBe(200);
    return body;
  };

  it("are rollups of 5 minutes where the step says so: increases, resets, and what they were measured over", async () => {
    const { resolution, series: found } = await series(
      `metric=ifHCInOctets&ifIndex=1&step=300&${day}`,
    );

    expect(resolution).toBe("5m");
    expect(found).toHaveLength(1);
    const points = new Map(found[0].points.map((it: { time: string }) => [it.time, it]));
    expect(points.get(time("10:00:00"))).toMatchObject({
      count: 5,
      increase: "240000",
      seconds: 240,
    });
    expect(points.get(time("10:05:00"))).toEqual({
      time: time("10:05:00"),
      count: 5,
      resets: 0,
      increase: "300000",
      rate: 1_000,
      seconds: 300,
    });
    expect(points.get(time("10:20:00"))).toBeUndefined();
    expect(points.get(time("10:40:00"))).toMatchObject({
      increase: "1500000",
      seconds: 1_500,
      rate: 1_000,
    });
    expect(points.get(time("11:00:00"))).toMatchObject({ resets: 1, seconds: 240, rate: 1_000 });
  });

  it("are rollups of hours, also several of them together", async () => {
    const { resolution, series: found } = await series(
      `metric=ifHCInOctets,ifOperStatus&ifIndex=1,2&step=3600&${day}`,
    );
    expect(resolution).toBe("1h");
    expect(found).toHaveLength(4);
    const status = found.find(
      (it: { metric: string; instance: string }) =>
        it.metric === "ifOperStatus" && it.instance === "2",
    );
    expect(status).toMatchObject({ type: "gauge", labels: { ifName: "eth2" } });
    expect(status.points[0]).toEqual({
      time: time("10:00:00"),
      count: 40,
      min: 1,
      avg: 1 + 4 / 40,
      max: 2,
      last: 1,
    });

    const day1 = await series(`metric=ifHCInOctets&ifIndex=1&step=86400&${day}`);
    expect(day1.series[0].points).toMatchObject([
      { time: "2020-05-10T00:00:00.000Z", resets: 1, seconds: 119 * 60 - 60, rate: 1_000 },
    ]);
  });

  it("are rates, of samples as of rollups, and never across a restart", async () => {
    const raw = await series(`metric=ifHCInOctets,ifOperStatus&ifIndex=1&rate=true&${day}`);
    expect(raw.series).toHaveLength(1);
    const rates = raw.series[0].points;
    expect(rates.every((it: { rate: number }) => it.rate === 1_000)).toBe(true);
    expect(rates).toHaveLength(128); // 130 polls: the first has none before it, one follows the restart.
    expect(rates.some((it: { time: string }) => it.time === time("11:03:00"))).toBe(false);

    const rolled = await series(`metric=ifHCOutOctets&ifIndex=2&rate=true&step=600&${day}`);
    expect(rolled.series[0].points[1]).toEqual({ time: time("10:10:00"), rate: 50, seconds: 600 });
  });

  it("of 32 bits that an interface may fill between two polls have no rates, and say why", async () => {
    const west = await api.newTenant("west", "business");
    const body = routerBodies(await newCredential(west.call));
    const { id } = (await west.call("POST", "/v1/routers", body({ name: "old" }))).body;
    const labels = ["1", "2"].map((ifIndex) => ({ ifIndex }));
    const blockAt = (minute: number): SampleBlock => ({
      module: "if_mib",
      metrics: ["ifInOctets", "ifHighSpeed"],
      instances: ["1", "2"],
      labels,
      values: BigInt64Array.of(BigInt(minute * 600), BigInt(minute * 600), 100n, 1_000n),
      present: new Uint8Array(4).fill(1),
    });
    const results = [0, 1, 2].map((minute): PollResult => {
      const atMs = FROM + minute * MINUTE_MS;
      const times = { polledAtMs: atMs, dueAtMs: atMs, startedAtMs: atMs };
      const cost = { durationMs: 1, costMs: 1, requests: 1, retries: 0, bytesIn: 1 };
      const poll = { tenantId: west.id as TenantId, routerId: id, ...times, ...cost };
      return { poll: { ...poll, outcome: "answered", modules: [] }, blocks: [blockAt(minute)] };
    });
    await new ShapeRegistry(api.storage.app).register(results);
    await openSampleWriter(api.storage.ingest).flush({ flushId: uuidv7(), results });
    await rollUp();

    const ofBoth = async (query: string) =>
      (await west.call("GET", `/v1/routers/${id}/samples?metric=ifInOctets&${query}&${day}`)).body
        .series;
    const isFlagged = [undefined, "counter may wrap"];
    const raw = await ofBoth("rate=true");
    expect(raw.map((it: { unreliable?: string }) => it.unreliable)).toEqual(isFlagged);
    expect(raw.map((it: { points: unknown[] }) => it.points.length)).toEqual([2, 0]);
    expect(raw[0].points[0].rate).toBe(10);
    const rolled = await ofBoth("step=300");
    expect(rolled.map((it: { unreliable?: string }) => it.unreliable)).toEqual(isFlagged);
    expect(rolled.map((it: { points: unknown[] }) => it.points)).toMatchObject([
      [{ increase: "1200", resets: 0 }],
      [{ count: 3, resets: 0 }],
    ]);
  });

  it("of another tenant's router are not there", async () => {
    const { status } = await south.call("GET", `${path}/samples?metric=ifHCInOctets&step=300`);
    expect(status).toBe(404);
  });
});

describe("the top interfaces", () => {
  const top = async (query: string, caller = north) => {
    const { status, body } = await caller.call("GET", `/v1/interfaces/top?${query}`);
    expect([status, body.code]).toEqual([200, undefined]);
    return body;
  };

  it("are ranked by utilisation of the busier direction, of the last minutes", async () => {
    const { items } = await top("");

    expect(items).toMatchObject([
      { router: "edge", ifIndex: 1, ifName: "eth1", utilisation: 0.008, inBitsPerSecond: 8_000 },
      { ifIndex: 2, utilisation: 0.0008, outBitsPerSecond: 400, speedBitsPerSecond: 1_000_000 },
    ]);
    expect(items[0].routerId).toBe(routerId);
  });

  it("are ranked by traffic or by errors, over hours, as many as asked for", async () => {
    expect((await top(`by=traffic&limit=1&${day}`)).items).toMatchObject([{ ifIndex: 1 }]);
    const hours = await top("by=errors&from=2020-05-10T04:00:00Z&to=2020-05-10T12:00:00Z");
    expect(hours.items).toMatchObject([{ ifIndex: 2, errorsPerSecond: 1 }]);
  });

  it("are a tenant's own", async () => {
    expect((await top(day, south)).items).toEqual([]);
  });

  it("are not there for questions that make no sense", async () => {
    for (const [query, pointer] of [
      ["by=colour", "/by"],
      ["limit=0", "/limit"],
      ["from=2020-05-10T12:00:00Z&to=2020-05-10T11:00:00Z", "/from"],
      ["from=2020-01-01T00:00:00Z", "/from"],
    ]) {
      const { status, body } = await north.call("GET", `/v1/interfaces/top?${query}`);
      expect([query, status, body.errors?.[0]?.pointer]).toEqual([query, 400, pointer]);
    }
  });
});

describe("the 95th percentile of a month", () => {
  const p95 = (query: string, caller = north) =>
    caller.call("GET", `/v1/billing/p95?${query}`).then(({ body }) => body);

  it("is given for each interface and direction, with what it was taken over", async () => {
    const body = await p95("month=2020-05");

    expect(body).toMatchObject({
      month: "2020-05",
      from: "2020-05-01T00:00:00.000Z",
      to: new Date(NOW).toISOString(),
      expectedIntervals: 9 * 288 + 150,
      next: null,
    });
    expect(body.items).toMatchObject([
      {
        router: "edge",
        ifIndex: 1,
        ifName: "eth1",
        inBitsPerSecond: 8_000,
        outBitsPerSecond: 4_000,
        billableBitsPerSecond: 8_000,
        inIntervals: 30, // The 20 minutes nobody polled were measured by the poll after them.
      },
      { ifIndex: 2, inBitsPerSecond: 800, outBitsPerSecond: 400 },
    ]);
  });

  it("is narrowed to a router and an interface", async () => {
    expect((await p95(`month=2020-05&router=${routerId}&ifIndex=2`)).items).toMatchObject([
      { ifIndex: 2 },
    ]);
    expect((await p95(`month=2020-04&router=${routerId}`)).items).toEqual([]);
    expect((await p95("month=2020-05", south)).items).toEqual([]);
    expect((await p95(`month=2020-05&router=${routerId}`, south)).status).toBe(404);
    expect((await p95(`month=2020-05&router=${uuidv7()}`)).status).toBe(404);
  });

  it("is refused for what is no month, and for one to come", async () => {
    for (const month of ["2020-13", "May", "2020-06"]) {
      expect((await p95(`month=${month}`)).errors).toMatchObject([{ pointer: "/month" }]);
    }
  });
});
