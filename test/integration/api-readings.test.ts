import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { uuidv7 } from "../../src/lib/uuid.ts";
import type { PollOutcome, RouterId } from "../../src/routers/router.ts";
import type { SampleBlock } from "../../src/routers/samples.ts";
import { openSampleWriter } from "../../src/storage/copy.ts";
import { saveTextFacts } from "../../src/storage/facts.ts";
import { saveInterfaces } from "../../src/storage/interfaces.ts";
import { saveInventory } from "../../src/storage/inventories.ts";
import { withTenant } from "../../src/storage/pool.ts";
import { saveFairness } from "../../src/storage/scheduler-state.ts";
import { registerShapes } from "../../src/storage/shapes.ts";
import { heartbeat } from "../../src/storage/workers.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import {
  type ApiFixture,
  newCredential,
  openApiFixture,
  routerBodies,
  type TenantCaller,
} from "./api-fixture.ts";

let api: ApiFixture;
let north: TenantCaller;
let south: TenantCaller;

/** The API's time; samples are stored around it. */
const NOW = Math.floor(Date.now() / 60_000) * 60_000;
const MINUTE_MS = 60_000;
const COUNTER_MAX = 2n ** 64n - 1n;

beforeAll(async () => {
  api = await openApiFixture(inject("databaseUrl"), { clock: { now: () => NOW } });
  north = await api.newTenant("north");
  south = await api.newTenant("south");
});

afterAll(() => api.close());

async function newRouter(tenant: TenantCaller, changes: object): Promise<RouterId> {
  const found = await tenant.call("GET", "/v1/credentials?name=core");
  const credentialId = found.body.items[0]?.id ?? (await newCredential(tenant.call));
  const answer = await tenant.call("POST", "/v1/routers", routerBodies(credentialId)(changes));
  expect(answer.status).toBe(201);
  return answer.body.id;
}

/** ifHCInOctets, ifHCOutOctets and ifOperStatus of interfaces 1 and 2. */
function blockOf(inOctets: readonly [bigint, bigint]): SampleBlock {
  return {
    module: "if_mib",
    metrics: ["ifHCInOctets", "ifHCOutOctets", "ifOperStatus"],
    instances: ["1", "2"],
    labels: [
      { ifIndex: "1", ifName: "eth1", ifDescr: "Ethernet 1", ifAlias: 'to "core"' },
      { ifIndex: "2", ifName: "eth2", ifDescr: "Ethernet 2", ifAlias: "" },
    ],
    values: BigInt64Array.from([...inOctets, 7n, 0n, 1n, 2n]),
    present: Uint8Array.from([1, 1, 1, 0, 1, 1]),
  };
}

const WALK = {
  oid: "1.0.8802.1.1.2.1.4.1.1",
  outcome: "partial",
  columns: 9,
  rows: 2,
  requests: 3,
  retries: 1,
  bytesIn: 900,
  varbinds: 18,
  durationMs: 7.25,
  rttMsP50: 2.5,
  rttMsMax: 3.75,
  asked: "9 × 10",
  sizing: "Asks for at most 45 varbinds at once because of 9 columns × 10 rows: tooBig",
  remarks: ["9 columns × 10 rows: tooBig"],
} as const;

async function store(
  tenant: TenantCaller,
  routerId: RouterId,
  polledAtMs: number,
  block: SampleBlock,
  outcome: PollOutcome = "answered",
): Promise<void> {
  const tenantId = tenant.id as TenantId;
  await registerShapes(api.storage.app, tenantId, [block]);
  const poll = {
    tenantId,
    routerId,
    polledAtMs,
    dueAtMs: polledAtMs - 30,
    startedAtMs: polledAtMs - 10,
    durationMs: 12,
    outcome,
    costMs: 13,
    requests: 4,
    retries: 1,
    bytesIn: 2_000,
    releasedAtMs: polledAtMs - 25,
    takenAtMs: polledAtMs - 11,
    scalars: { ...WALK, oid: "", rows: 1 },
    modules: [
      { module: "if_mib", outcome, requests: 4, retries: 1, rows: 2, varbinds: 6, walkMs: 8 },
      { module: "lldp", outcome, requests: 3, retries: 1, rows: 2, walks: [WALK] },
    ],
  };
  await openSampleWriter(api.storage.ingest).flush({
    flushId: uuidv7(),
    results: [{ poll, blocks: [block] }],
  });
}

describe("one router", () => {
  let routerId: RouterId;
  let path: string;

  beforeAll(async () => {
    routerId = await newRouter(north, { name: "edge", address: "192.0.2.101" });
    path = `/v1/routers/${routerId}`;
    await store(north, routerId, NOW - 2 * MINUTE_MS, blockOf([100n, 5n]));
    await store(
      north,
      routerId,
      NOW - 1 * MINUTE_MS,
      blockOf([200n, BigInt.asIntN(64, COUNTER_MAX)]),
    );
    await withTenant(api.storage.app, north.id as TenantId, async (client) => {
      const interfaces = [10, 2, 1].map((ifIndex) => ({ ifIndex, ifName: `eth${ifIndex}` }));
      await saveInterfaces(client, routerId, interfaces, new Date(NOW));
    });
  });

  it("its interfaces are listed by ifIndex, in pages", async () => {
    const indexes = async (query: string) => {
      const { body } = await north.call("GET", `${path}/interfaces${query}`);
      return [body.items.map((it: { ifIndex: number }) => it.ifIndex), body.next];
    };

    expect(await indexes("")).toEqual([[1, 2, 10], null]);
    const [first, next] = await indexes("?limit=2");
    expect(first).toEqual([1, 2]);
    expect(await indexes(`?limit=2&cursor=${next}`)).toEqual([[10], null]);
    const { body } = await north.call("GET", `${path}/interfaces?limit=1`);
    expect(body.items[0]).toEqual({
      ifIndex: 1,
      ifName: "eth1",
      firstSeenAt: new Date(NOW).toISOString(),
      lastSeenAt: new Date(NOW).toISOString(),
    });
  });

  it("its polls are listed, newest first, in pages", async () => {
    const { body } = await north.call("GET", `${path}/polls`);

    expect(body.items).toHaveLength(2);
    expect(body.items[0]).toMatchObject({
      polledAt: new Date(NOW - MINUTE_MS).toISOString(),
      latenessMs: 20,
      outcome: "answered",
      modules: [
        { module: "if_mib", outcome: "answered", rows: 2, varbinds: 6, walkMs: 8 },
        { module: "lldp", walks: [WALK] },
      ],
    });
    const page = await north.call("GET", `${path}/polls?limit=1`);
    const rest = await north.call("GET", `${path}/polls?limit=1&cursor=${page.body.next}`);
    expect([...page.body.items, ...rest.body.items]).toEqual(body.items);
    expect(rest.body.next).toBeNull();
  });

  it("a poll's timeline tells when it was released and taken, of each walk, and what was decided", async () => {
    const { body } = await north.call("GET", `${path}/polls?limit=1`);

    const polledAtMs = NOW - MINUTE_MS;
    expect(body.items[0]).toMatchObject({
      dueAt: new Date(polledAtMs - 30).toISOString(),
      releasedAt: new Date(polledAtMs - 25).toISOString(),
      takenAt: new Date(polledAtMs - 11).toISOString(),
      startedAt: new Date(polledAtMs - 10).toISOString(),
      scalars: { ...WALK, oid: "", rows: 1 },
    });
    const decided = [WALK.remarks[0], WALK.sizing];
    expect(body.items[0].decisions).toEqual([
      ...decided.map((it) => `single values: ${it}`),
      ...decided.map((it) => `lldp ${WALK.oid}: ${it}`),
    ]);
    expect(body.items[0].slowest).toBeUndefined();
  });

  it("its inventory has states and counters as of the last poll", async () => {
    const edge = await newRouter(north, { name: "inventory", address: "192.0.2.103" });
    const [readAt, polledAt] = [NOW - 5 * MINUTE_MS, NOW - MINUTE_MS];
    await store(north, edge, polledAt, blockOf([77n, 78n]));
    const interfaces = [1, 2].map((ifIndex) => ({
      ifIndex,
      rows: "both" as const,
      ifName: ifIndex === 1 ? "eth1" : "renamed since",
      ifOperStatus: 7,
    }));
    const interfaceCounters = { ifIndex: [1, 2], columns: { ifHCInOctets: ["5", "6"] } };
    await withTenant(api.storage.app, north.id as TenantId, (client) =>
      saveInventory(
        client,
        edge,
        {
          documents: [
            { section: "interfaces", document: interfaces, isComplete: true },
            { section: "interfaceCounters", document: interfaceCounters, isComplete: true },
          ],
          discovery: { readAtMs: {}, answering: [], signals: {} },
        },
        new Date(readAt),
      ),
    );

    const { body } = await north.call("GET", `/v1/routers/${edge}/inventory`);

    expect(body.interfaces).toMatchObject([
      { ifIndex: 1, ifOperStatus: 1, ifHCInOctets: "77", ifHCOutOctets: "7" },
      { ifIndex: 2, ifOperStatus: 7, ifHCInOctets: "6" },
    ]);
    expect(body.readAt).toEqual({
      interfaces: new Date(readAt).toISOString(),
      interfaceCounters: new Date(polledAt).toISOString(),
    });
  });

  it("a counter over time is exact to its last bit, by interface", async () => {
    const { body } = await north.call("GET", `${path}/samples?metric=ifHCInOctets`);

    expect(body).toMatchObject({
      routerId,
      metric: "ifHCInOctets",
      to: new Date(NOW).toISOString(),
    });
    const pointsOf = (values: string[]) =>
      values.map((value, n) => ({
        time: new Date(NOW - (2 - n) * MINUTE_MS).toISOString(),
        value,
      }));
    expect(body.series).toMatchObject([
      {
        instance: "1",
        type: "counter",
        labels: { ifName: "eth1" },
        points: pointsOf(["100", "200"]),
      },
      { instance: "2", points: pointsOf(["5", "18446744073709551615"]) },
    ]);
  });

  it("a gauge is a number, and what the router did not say is no point", async () => {
    const state = await north.call("GET", `${path}/samples?metric=ifOperStatus&ifIndex=2`);
    expect(state.body.series).toMatchObject([
      { type: "gauge", instance: "2", points: [{ value: 2 }, { value: 2 }] },
    ]);

    const silent = await north.call("GET", `${path}/samples?metric=ifHCOutOctets&ifIndex=2`);
    expect(silent.body.series).toEqual([]);
  });

  it("a time and a step narrow it", async () => {
    const values = async (query: string) => {
      const answer = await north.call(
        "GET",
        `${path}/samples?metric=ifHCInOctets&ifIndex=1&${query}`,
      );
      return answer.body.series.flatMap((it: { points: { value: string }[] }) =>
        it.points.map(({ value }) => value),
      );
    };
    const at = (minutes: number) => new Date(NOW - minutes * MINUTE_MS).toISOString();

    expect(await values(`from=${at(5)}&to=${at(1)}`)).toEqual(["100"]);
    expect(await values(`from=${at(1)}`)).toEqual(["200"]);
    // Both in one step, wherever the present minute lies.
    const step = [121, 137, 149, 163, 179, 181, 191, 211].find(
      (it) => Math.floor((NOW / 1_000 - 120) / it) === Math.floor((NOW / 1_000 - 60) / it),
    );
    expect(step).toBeDefined();
    expect(await values(`step=${step}`)).toEqual(["200"]);
  });

  it("questions that make no sense are explained", async () => {
    const pointers = async (query: string) => {
      const answer = await north.call("GET", `${path}/samples?${query}`);
      return [answer.status, ...answer.body.errors.map((it: { pointer: string }) => it.pointer)];
    };

    expect(await pointers("")).toEqual([400, "/metric"]);
    expect(await pointers("metric=a&from=yesterday")).toEqual([400, "/from"]);
    expect(await pointers("metric=a&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z")).toEqual([
      400,
      "/from",
    ]);
    expect(await pointers("metric=a&ifIndex=1&instance=1")).toEqual([400, "/instance"]);
    expect(await pointers("metric=a&ifIndex=-1")).toEqual([400, "/ifIndex"]);
    expect(await pointers("metric=ifNoSuchMetric")).toEqual([400, "/metric"]);
    expect(await pointers("metric=ifHCInOctets,a&step=300")).toEqual([400, "/metric"]);
    expect(await pointers("metric=ifHCInOctets&step=0")).toEqual([400, "/step"]);
    expect(await pointers("metric=ifHCInOctets&step=450")).toEqual([400, "/step"]);
    expect(await pointers("metric=ifHCInOctets&step=1&from=2020-01-01T00:00:00Z")).toEqual([
      400,
      "/step",
    ]);
    expect(await pointers("metric=ifHCInOctets&from=1990-01-01T00:00:00Z")).toEqual([400, "/from"]);
  });
});

describe("the tenant's Prometheus text", () => {
  let fresh: RouterId;

  beforeAll(async () => {
    const tenant = south;
    fresh = await newRouter(tenant, {
      name: 'core "1"',
      address: "192.0.2.1",
      intervalSeconds: 60,
      labels: { site: "berlin" },
    });
    const stale = await newRouter(tenant, {
      name: "stale",
      address: "192.0.2.2",
      intervalSeconds: 60,
    });
    const rare = await newRouter(tenant, {
      name: "rare",
      address: "192.0.2.3",
      intervalSeconds: 3_600,
    });
    const silent = await newRouter(tenant, {
      name: "silent",
      address: "192.0.2.4",
      intervalSeconds: 60,
    });
    const rareStale = await newRouter(tenant, {
      name: "rare and stale",
      address: "192.0.2.5",
      intervalSeconds: 1_800,
    });
    await store(tenant, fresh, NOW - 2 * MINUTE_MS, blockOf([1n, 1n]));
    await store(tenant, fresh, NOW - 1 * MINUTE_MS, blockOf([2n, 3n]));
    await store(tenant, stale, NOW - 4 * MINUTE_MS, blockOf([44n, 44n]));
    await store(tenant, rare, NOW - 1 * MINUTE_MS, blockOf([60n, 61n]));
    await store(tenant, rareStale, NOW - 91 * MINUTE_MS, blockOf([91n, 91n]));
    await store(
      tenant,
      silent,
      NOW - 1 * MINUTE_MS,
      { ...blockOf([0n, 0n]), present: new Uint8Array(6) },
      "silent",
    );
    await withTenant(api.storage.app, tenant.id as TenantId, (client) =>
      saveTextFacts(
        client,
        fresh,
        [{ module: "system", metric: "sysDescr", instance: "", labels: {}, value: "Router OS 7" }],
        new Date(NOW),
      ),
    );
  });

  async function scrape(tenant: TenantCaller): Promise<string> {
    const made = await tenant.call("POST", "/v1/api-keys", {
      name: "prometheus",
      role: "viewer",
      scopes: ["metrics:read"],
    });
    const answer = await api.withToken(made.body.key)("GET", "/v1/metrics");
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    return answer.text;
  }

  it("has the newest sample of each router, with the router's labels", async () => {
    const lines = (await scrape(south))
      .split("\n")
      .filter((line) => line.startsWith("ifHCInOctets{"));

    expect(lines).toHaveLength(4);
    const line = lines.find((it) => it.includes(fresh) && it.includes('ifIndex="1"'));
    expect(line).toMatch(/ 2$/);
    for (const label of [
      'ifAlias="to \\"core\\""',
      'ifDescr="Ethernet 1"',
      'ifName="eth1"',
      'router="core \\"1\\""',
      `router_id="${fresh}"`,
      'zone="default"',
      'site="berlin"',
    ]) {
      expect(line).toContain(label);
    }
  });

  it("withdraws what is older than three intervals of its router, and keeps what a rare one said", async () => {
    const text = await scrape(south);

    expect(text).toContain('router="rare"');
    expect(text).not.toContain('router="stale"');
    expect(text).not.toContain('router="rare and stale"');
  });

  it("says which routers answered", async () => {
    const text = await scrape(south);

    expect(text).toMatch(/fairwalk_router_up\{[^}]*router="core \\"1\\""[^}]*\} 1/);
    expect(text).toMatch(/fairwalk_router_up\{[^}]*router="silent"[^}]*\} 0/);
    expect(text).toMatch(
      new RegExp(
        `fairwalk_router_last_poll_timestamp_seconds\\{[^}]*router="rare"[^}]*\\} ${(NOW - MINUTE_MS) / 1_000}\n`,
      ),
    );
  });

  it("has one HELP and TYPE a family", async () => {
    const types = (await scrape(south)).match(/^# TYPE \S+/gm) ?? [];

    expect(types.length).toBeGreaterThan(3);
    expect(new Set(types).size).toBe(types.length);
  });

  it("has nothing of another tenant", async () => {
    const mine = await scrape(north);

    expect(mine).toContain('router="edge"');
    expect(mine).not.toContain("berlin");
    expect(mine).not.toContain(fresh);
    expect(await scrape(south)).not.toContain('router="edge"');
  });

  it("is empty, not an error, where nothing was polled yet", async () => {
    expect(await scrape(await api.newTenant("newcomer"))).toBe("");
  });
});

describe("the platform", () => {
  it("shows fairness by zone and tenant", async () => {
    await saveFairness(api.storage.scheduler, "default", [
      {
        tenantId: north.id as TenantId,
        weight: 4,
        routers: 5,
        unreachableRouters: 1,
        pollsPerSecond: 0.5,
        meanCostMs: 25,
        inFlight: 1,
        demandMsPerSecond: 250,
        receivedMs: 900,
        fairShareMs: 1_000,
        backlog: 3,
        oldestDueAtMs: NOW,
        latenessP50Ms: 4,
        latenessP99Ms: null,
        onTimeRatio: 0.99,
        polls: { answered: 12 },
        skips: { overrun: 1 },
      },
    ]);

    const { body } = await api.admin("GET", "/v1/admin/fairness");

    expect(body.zones).toMatchObject([
      {
        zone: "default",
        tenants: [
          {
            slug: "north",
            tier: "professional",
            weight: 4,
            shareRatio: 0.9,
            backlog: 3,
            oldestDueAt: new Date(NOW).toISOString(),
            latenessP99Ms: null,
            polls: { answered: 12 },
            skips: { overrun: 1 },
          },
        ],
      },
    ]);
  });

  it("shows workers and changes their concurrency, one or all", async () => {
    const beat = (workerId: string) =>
      heartbeat(api.storage.scheduler, {
        workerId,
        hostname: "poller",
        version: "1.0.0",
        zones: ["default"],
        concurrency: 200,
        busy: 20,
        free: 180,
        startedAt: new Date(NOW),
      });
    await beat("w1");
    await beat("w2");
    const change = (body: object) => api.admin("PATCH", "/v1/admin/workers", body);

    expect((await change({ workerId: "w1", concurrency: 300 })).body).toEqual({ workersAsked: 1 });
    expect((await api.admin("GET", "/v1/admin/workers")).body.items).toMatchObject([
      { workerId: "w1", concurrency: 200, desiredConcurrency: 300, busy: 20, free: 180 },
      { workerId: "w2", desiredConcurrency: null },
    ]);
    expect((await change({ concurrency: 50 })).body).toEqual({ workersAsked: 2 });
    expect(await beat("w2")).toEqual({ desiredConcurrency: 50 });
    expect((await change({ concurrency: null })).status).toBe(200);
    expect(await beat("w2")).toEqual({ desiredConcurrency: null });

    expect((await change({ workerId: "w3", concurrency: 5 })).status).toBe(404);
    for (const concurrency of [0, 100_001, 1.5, "many", undefined]) {
      expect([concurrency, (await change({ concurrency })).status]).toEqual([concurrency, 400]);
    }
  });
});
