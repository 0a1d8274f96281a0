/** Registering, changing and importing routers against what a zone can give. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { uuidv7 } from "../../src/lib/uuid.ts";
import type { RouterId } from "../../src/routers/router.ts";
import { openSampleWriter } from "../../src/storage/copy.ts";
import { saveFairness, type TenantFairness } from "../../src/storage/scheduler-state.ts";
import { heartbeat, removeWorker } from "../../src/storage/workers.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import {
  type ApiFixture,
  newCredential,
  openApiFixture,
  routerBodies,
  type TenantCaller,
  TIERS,
} from "./api-fixture.ts";

let api: ApiFixture;
let tenants = 0;

beforeAll(async () => {
  api = await openApiFixture(inject("databaseUrl"));
});

afterAll(() => api.close());

beforeEach(async () => {
  await report([]);
  await workersWith(10);
});

/** One worker with so many slots in the shared zone; none = nobody lives. */
async function workersWith(slots: number): Promise<void> {
  await removeWorker(api.storage.scheduler, "worker");
  if (slots === 0) return;
  await heartbeat(api.storage.scheduler, {
    workerId: "worker",
    hostname: "poller",
    version: "1.0.0",
    zones: ["default"],
    concurrency: slots,
    busy: 0,
    free: slots,
    startedAt: new Date(),
  });
}

function figures(tenant: TenantCaller, changes: Partial<TenantFairness> = {}): TenantFairness {
  return {
    tenantId: tenant.id as TenantId,
    weight: 2,
    routers: 1,
    unreachableRouters: 0,
    pollsPerSecond: 1,
    meanCostMs: null,
    demandMsPerSecond: 0,
    receivedMs: 0,
    fairShareMs: 0,
    backlog: 0,
    inFlight: 0,
    oldestDueAtMs: null,
    latenessP50Ms: null,
    latenessP99Ms: null,
    onTimeRatio: null,
    polls: {},
    skips: {},
    ...changes,
  };
}

function report(rows: readonly TenantFairness[]): Promise<void> {
  return saveFairness(api.storage.scheduler, "default", rows);
}

async function newTenant(tier: "professional" | "business" | "msp" = "professional") {
  const tenant = await api.newTenant(`admitted-${++tenants}`, tier);
  return { tenant, body: routerBodies(await newCredential(tenant.call)) };
}

/** A neighbour that asks for all ten slots. */
async function greedyNeighbour(): Promise<TenantFairness> {
  const { tenant } = await newTenant();
  return figures(tenant, { weight: 18, demandMsPerSecond: 10_000 });
}

describe("a router's answer", () => {
  it("carries what it asks of the zone and what there is", async () => {
    const { tenant, body } = await newTenant();
    await report([figures(tenant), await greedyNeighbour()]);

    const made = await tenant.call("POST", "/v1/routers", body({ intervalSeconds: 100 }));

    expect(made.status).toBe(201);
    expect(made.body.admission).toEqual({
      zone: "default",
      verdict: "fits",
      policy: "refuse",
      demandBefore: 0,
      demandAfter: 0.002,
      guaranteedShare: 1,
      zoneCapacity: 10,
      zoneFreeRatio: 0,
      costMs: 200,
      costIs: "default",
      warning: null,
    });

    const changed = await tenant.call("PATCH", `/v1/routers/${made.body.id}`, {
      intervalSeconds: 200,
    });
    expect(changed.body.admission).toMatchObject({ demandBefore: 0.002, demandAfter: 0.001 });
    const disabled = await tenant.call("PATCH", `/v1/routers/${made.body.id}`, { enabled: false });
    expect(disabled.body.admission).toMatchObject({ demandBefore: 0.001, demandAfter: 0 });
  });

  it("says that capacity is not known where no worker lives, and refuses nothing", async () => {
    const { tenant, body } = await newTenant();
    await workersWith(0);

    const { status, body: answer } = await tenant.call("POST", "/v1/routers", body());

    expect([status, answer.admission.verdict, answer.admission.zoneCapacity]).toEqual([
      201,
      "unknown",
      null,
    ]);
  });

  it("goes by what the tenant's polls cost, and a changed router's by its own", async () => {
    const { tenant, body } = await newTenant();
    await report([figures(tenant, { meanCostMs: 3_000 })]);
    const made = await tenant.call("POST", "/v1/routers", body({ intervalSeconds: 300 }));
    expect(made.body.admission).toMatchObject({ demandAfter: 0.01, costIs: "measured" });

    await storePolls(tenant, made.body.id, [5_000, 7_000]);
    const changed = await tenant.call("PATCH", `/v1/routers/${made.body.id}`, {
      intervalSeconds: 60,
    });

    // 6 s ÷ 60 s after, 6 s ÷ 300 s before, beside the mean of 3 s that the zone's leader reports.
    expect(changed.body.admission).toMatchObject({ demandBefore: 0.01, demandAfter: 0.09 });
  });
});

describe("beyond the guaranteed share", () => {
  it("a tenant borrows what nobody asks for, and is told", async () => {
    const { tenant, body } = await newTenant();
    await report([
      figures(tenant, { meanCostMs: 120_000 }),
      { ...(await greedyNeighbour()), demandMsPerSecond: 0 },
    ]);

    const { status, body: answer } = await tenant.call(
      "POST",
      "/v1/routers",
      body({ intervalSeconds: 60 }),
    );

    expect(status).toBe(201);
    expect(answer.admission).toMatchObject({ verdict: "borrows", demandAfter: 2 });
    expect(answer.admission.warning).toContain("lengthen intervals");
  });

  it("what the zone has no room for is refused with the numbers and the remedy, and not registered", async () => {
    const { tenant, body } = await newTenant();
    await report([figures(tenant, { meanCostMs: 120_000 }), await greedyNeighbour()]);

    const refused = await tenant.call("POST", "/v1/routers", body({ intervalSeconds: 60 }));

    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({
      code: "capacity-exceeded",
      zone: "default",
      demandBefore: 0,
      demandAfter: 2,
      guaranteedShare: 1,
      zoneCapacity: 10,
      zoneFreeRatio: 0,
      costMs: 120_000,
      costIs: "measured",
    });
    expect(refused.body.detail).toContain("lengthen intervals, choose fewer modules");
    expect((await tenant.call("GET", "/v1/routers")).body.items).toEqual([]);

    const slow = await tenant.call("POST", "/v1/routers", body({ intervalSeconds: 300 }));
    expect(slow.status).toBe(201);
    const path = `/v1/routers/${slow.body.id}`;
    const faster = await tenant.call("PATCH", path, { intervalSeconds: 60 });
    expect([faster.status, faster.body.code]).toEqual([409, "capacity-exceeded"]);
    expect((await tenant.call("GET", path)).body.intervalSeconds).toBe(300);
  });

  it("a tier that warns registers it", async () => {
    const { tenant, body } = await newTenant("business");
    await report([figures(tenant, { meanCostMs: 120_000 }), await greedyNeighbour()]);

    const { status, body: answer } = await tenant.call(
      "POST",
      "/v1/routers",
      body({ intervalSeconds: 60 }),
    );

    expect([status, answer.admission.verdict, answer.admission.policy]).toEqual([
      201,
      "exceeds",
      "warn",
    ]);
    expect(answer.admission.warning).toContain("late or skipped");
  });

  it("parallel requests do not each have the same room", async () => {
    const { tenant, body } = await newTenant();
    // Each asks for 0.4 of the 1 slot that is guaranteed.
    await report([figures(tenant, { meanCostMs: 24_000 }), await greedyNeighbour()]);

    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        tenant.call("POST", "/v1/routers", body({ intervalSeconds: 60 })),
      ),
    );

    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2);
  });
});

describe("an import", () => {
  const rows = (count: number, changes: object = {}) => ({
    routers: Array.from({ length: count }, (_, n) => ({
      name: `r${n}`,
      address: `10.9.${n >> 8}.${n & 255}`,
      credential: "core",
      intervalSeconds: 60,
      ...changes,
    })),
  });

  it("is judged as a whole, zone by zone, and a dry run as well", async () => {
    const { tenant } = await newTenant();
    await tenant.call("POST", "/v1/zones", { name: "lab" });
    await report([figures(tenant, { meanCostMs: 6_000 }), await greedyNeighbour()]);
    const { routers } = rows(9);
    const twoZones = { routers: routers.map((it, n) => (n < 3 ? { ...it, zone: "lab" } : it)) };

    const { status, body: answer } = await tenant.call(
      "POST",
      "/v1/routers/import?dry_run=true",
      twoZones,
    );

    expect(status).toBe(200);
    expect(answer.admission).toMatchObject([
      { zone: "lab", verdict: "unknown", demandAfter: 0.01, costIs: "default" },
      { zone: "default", verdict: "fits", demandBefore: 0, demandAfter: 0.6 },
    ]);
  });

  it("that asks for too much imports nothing", async () => {
    const { tenant } = await newTenant();
    await report([figures(tenant, { meanCostMs: 6_000 }), await greedyNeighbour()]);

    const refused = await tenant.call("POST", "/v1/routers/import", rows(11));
    expect([refused.status, refused.body.code]).toEqual([409, "capacity-exceeded"]);
    expect(refused.body).toMatchObject({ demandAfter: 1.1, guaranteedShare: 1 });
    const dry = await tenant.call("POST", "/v1/routers/import?dry_run=true", rows(11));
    expect(dry.status).toBe(409);
    expect((await tenant.call("GET", "/v1/tenant")).body.usage).toEqual({ routers: 0 });

    expect((await tenant.call("POST", "/v1/routers/import", rows(10))).status).toBe(200);
    const again = await tenant.call("POST", "/v1/routers/import", rows(10));
    expect(again.body).toMatchObject({ unchanged: 10, admission: [] });
    const slower = await tenant.call(
      "POST",
      "/v1/routers/import",
      rows(10, { intervalSeconds: 120 }),
    );
    expect(slower.body).toMatchObject({
      updated: 10,
      admission: [{ demandBefore: 1, demandAfter: 0.5 }],
    });
  });

  it("of ten thousand rows asks the database no more often", async () => {
    const { tenant } = await newTenant("msp");

    const { status, body: answer } = await tenant.call(
      "POST",
      "/v1/routers/import?dry_run=true",
      rows(10_000),
    );

    expect(status).toBe(200);
    // 10,000 ÷ 60 s × 200 ms.
    expect(answer.admission).toMatchObject([{ demandAfter: expect.closeTo(33.333, 3) }]);
  });
});

describe("capacity", () => {
  it("is told the administrator by zone, from what leaders and workers report", async () => {
    const { tenant } = await newTenant();
    await report([
      figures(tenant, { routers: 7, pollsPerSecond: 20, demandMsPerSecond: 4_000 }),
      await greedyNeighbour(),
    ]);

    const { status, body } = await api.admin("GET", "/v1/admin/capacity");

    expect(status).toBe(200);
    const zone = body.zones.find((it: { zone: string }) => it.zone === "default");
    expect(zone).toMatchObject({
      routers: 8,
      workers: 1,
      slots: 10,
      arrivalsPerSecond: 21,
      demand: 14,
      slotsNeeded: { now: 18 },
    });
    expect(zone.demandP99).toBeGreaterThanOrEqual(14);
    expect(zone.recommendation).toContain("raise 10 slots to");
    expect(zone.headroom).toBeLessThan(0);
  });
});

describe("a tenant's own figures", () => {
  it("are its alone, in its own names", async () => {
    const { tenant } = await newTenant();
    const { tenant: other } = await newTenant();
    const skips = { overrun: 3, backlog: 1, suspended: 0, unreachable_backoff: 9 };
    await report([
      figures(tenant, { backlog: 4, inFlight: 2, latenessP99Ms: 40, onTimeRatio: 0.5, skips }),
      figures(other, { backlog: 77 }),
    ]);
    await saveFairness(api.storage.scheduler, `${tenant.slug}.lab`, [figures(tenant)]);

    const { body } = await tenant.call("GET", "/v1/tenant/polling");

    const zones = body.zones.map(({ zone }: { zone: string }) => zone);
    expect(zones.sort()).toEqual(["default", "lab"]);
    const inDefault = body.zones.find((it: { zone: string }) => it.zone === "default");
    expect(inDefault).toMatchObject({
      backlog: 4,
      inFlight: 2,
      latenessP99Ms: 40,
      onTimeRatio: 0.5,
      skips,
    });
    const figuresShown = body.zones.map(
      ({ updatedAt: _, ...rest }: object & { updatedAt: string }) => rest,
    );
    expect(JSON.stringify(figuresShown)).not.toContain("77");
    expect((await tenant.call("GET", "/v1/tenant")).body.limits).toMatchObject({
      admission: TIERS.professional.admission,
    });
  });

  it("say of each router how it stands", async () => {
    const { tenant, body } = await newTenant();
    const made = await tenant.call("POST", "/v1/routers", body());
    const path = `/v1/routers/${made.body.id}`;
    expect((await tenant.call("GET", path)).body.polling).toMatchObject({
      state: "pending",
      lastPollAt: null,
    });

    await storePolls(tenant, made.body.id, [30, 30], "answered");
    expect((await tenant.call("GET", path)).body.polling).toMatchObject({
      state: "up",
      failures: 0,
      lastOutcome: "answered",
    });

    await storePolls(tenant, made.body.id, [6_000, 6_000, 6_000], "silent");
    expect((await tenant.call("GET", path)).body.polling).toMatchObject({
      state: "unreachable",
      failures: 3,
      lastOutcome: "silent",
      nextPollAt: expect.stringMatching(/Z$/),
    });
  });
});

/** Polls of a router that ended just now, a millisecond apart. */
async function storePolls(
  tenant: TenantCaller,
  id: string,
  costsMs: readonly number[],
  outcome: "answered" | "silent" = "answered",
): Promise<void> {
  const nowMs = Date.now();
  await openSampleWriter(api.storage.ingest).flush({
    flushId: uuidv7(),
    results: costsMs.map((costMs, n) => ({
      poll: {
        tenantId: tenant.id as TenantId,
        routerId: id as RouterId,
        polledAtMs: nowMs + n,
        dueAtMs: nowMs + n,
        startedAtMs: nowMs + n,
        durationMs: costMs,
        outcome,
        costMs,
        requests: 1,
        retries: 0,
        bytesIn: 1,
        modules: [],
      },
      blocks: [],
    })),
  });
}
