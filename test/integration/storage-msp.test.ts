import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { withTenant } from "../../src/storage/pool.ts";
import { saveFairness, type TenantFairness } from "../../src/storage/scheduler-state.ts";
import {
  createTenant,
  deleteTenant,
  listTenants,
  setTenantState,
  tenantById,
  tenantSchedules,
  updateTenant,
} from "../../src/storage/tenants.ts";
import { heartbeat } from "../../src/storage/workers.ts";
import { ownLoads, zoneDemands, zoneStanding } from "../../src/storage/zone-loads.ts";
import type { Tenant, TenantId } from "../../src/tenants/tenant.ts";
import { openStorageFixture, type StorageFixture } from "../storage-fixture.ts";

const UNKNOWN = "01900000-0000-7000-8000-0000000000ff" as TenantId;

let storage: StorageFixture;

beforeAll(async () => {
  storage = await openStorageFixture(inject("databaseUrl"));
});

afterAll(() => storage.close());

const newChild = (slug: string, parent: Tenant) =>
  createTenant(
    storage.platform,
    { name: slug, slug, tier: "free", parentId: parent.id },
    storage.masterKey,
    new Date(),
  );
const adopt = (child: Tenant, parentId: TenantId | null) =>
  updateTenant(storage.platform, child.id, { parentId });

describe("tenants of an MSP", () => {
  it("are made with it, given to it and taken from it", async () => {
    const msp = await storage.newTenant("msp-1", "msp");
    const child = await newChild("child-1", msp);
    const other = await storage.newTenant("adopted");

    expect(child.parentId).toBe(msp.id);
    expect((await adopt(other, msp.id))?.parentId).toBe(msp.id);
    expect(await updateTenant(storage.platform, other.id, { name: "x" })).toMatchObject({
      parentId: msp.id,
    });
    expect(await listTenants(storage.platform, { limit: 9, parentId: msp.id })).toHaveLength(2);
    expect(await tenantSchedules(storage.scheduler)).toContainEqual(
      expect.objectContaining({ tenantId: child.id, parentId: msp.id }),
    );
    expect((await adopt(other, null))?.parentId).toBeNull();
  });

  it("have only an MSP for a parent, and one that nobody is the parent of", async () => {
    const [msp, second] = [
      await storage.newTenant("msp-2", "msp"),
      await storage.newTenant("msp-3", "msp"),
    ];
    const plain = await storage.newTenant("plain", "enterprise");
    const notAnMsp = { reason: "not_an_msp" };

    await expect(adopt(msp, plain.id)).rejects.toMatchObject(notAnMsp);
    await expect(adopt(plain, UNKNOWN)).rejects.toMatchObject(notAnMsp);
    await expect(adopt(msp, msp.id)).rejects.toMatchObject(notAnMsp);
    await expect(newChild("orphan", plain)).rejects.toMatchObject(notAnMsp);
    // Two levels: who has a parent can be none, and who is one can have none.
    await adopt(second, msp.id);
    await expect(adopt(plain, second.id)).rejects.toMatchObject(notAnMsp);
    await expect(adopt(msp, second.id)).rejects.toMatchObject({ reason: "has_tenants" });
  });

  it("keep their MSP one, and there", async () => {
    const msp = await storage.newTenant("msp-4", "msp");
    const child = await newChild("child-4", msp);
    const hasTenants = { reason: "has_tenants" };

    const demoted = updateTenant(storage.platform, msp.id, { tier: "business" });
    await expect(demoted).rejects.toMatchObject(hasTenants);
    await expect(deleteTenant(storage.platform, msp.id)).rejects.toMatchObject(hasTenants);
    expect(await tenantById(storage.platform, msp.id)).toEqual(msp);
    expect((await setTenantState(storage.platform, msp.id, "suspended"))?.state).toBe("suspended");

    expect(await deleteTenant(storage.platform, child.id)).toBe(true);
    expect(await deleteTenant(storage.platform, msp.id)).toBe(true);
  });

  it("cannot make each other's parent, however many ask at once", async () => {
    const msps: Tenant[] = [];
    for (let n = 0; n < 4; n++) msps.push(await storage.newTenant(`ring-${n}`, "msp"));

    await Promise.allSettled(
      msps.flatMap((one) => msps.map((other) => one !== other && adopt(one, other.id))),
    );

    const after = await Promise.all(msps.map(({ id }) => tenantById(storage.platform, id)));
    const parents = new Set(after.map((it) => it?.parentId).filter((id) => id != null));
    expect(parents.size).toBeGreaterThan(0);
    for (const tenant of after) {
      if (tenant && parents.has(tenant.id)) expect(tenant.parentId).toBeNull();
    }
  });
});

describe("what is asked of a zone", () => {
  const row: TenantFairness = {
    tenantId: UNKNOWN,
    weight: 4,
    routers: 10,
    unreachableRouters: 0,
    pollsPerSecond: 2,
    meanCostMs: 500,
    demandMsPerSecond: 1_000,
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
  };
  const beat = {
    hostname: "host",
    version: "1",
    concurrency: 100,
    busy: 0,
    free: 100,
    startedAt: new Date(),
  };

  it("by one tenant is its enabled routers' load, and what its polls cost", async () => {
    const tenant = await storage.newTenant("loads");
    await storage.newRouter(tenant, { intervalSeconds: 10 });
    await storage.newRouter(tenant, { intervalSeconds: 20, modules: ["a", "b", "c"] });
    await storage.newRouter(tenant, { intervalSeconds: 1, enabled: false });
    const read = () =>
      withTenant(storage.app, tenant.id, (client) => ownLoads(client, ["default", "none"], 2));

    const loads = await read();
    expect(loads).toHaveLength(2);
    expect(loads).toContainEqual({
      zoneKey: "default",
      pollsPerSecond: expect.closeTo(0.15, 9),
      modulesPerSecond: expect.closeTo(0.35, 9),
      meanCostMs: null,
    });
    expect(loads).toContainEqual({
      zoneKey: "none",
      pollsPerSecond: 0,
      modulesPerSecond: 0,
      meanCostMs: null,
    });

    await saveFairness(storage.scheduler, "default", [{ ...row, tenantId: tenant.id }]);
    expect(await read()).toContainEqual(
      expect.objectContaining({ zoneKey: "default", meanCostMs: 500 }),
    );
  });

  it("by others is their sum: an MSP and its tenants weigh as one", async () => {
    const msp = await storage.newTenant("grouped-msp", "msp");
    const [one, two] = [await newChild("grouped-1", msp), await newChild("grouped-2", msp)];
    const alone = await storage.newTenant("alone", "business");
    const idle = await storage.newTenant("idle", "business");
    const tenants = [one, two, alone, idle].map(({ id }) => ({ ...row, tenantId: id }));
    await saveFairness(storage.scheduler, "shared", tenants);
    await setTenantState(storage.platform, idle.id, "suspended");
    await heartbeat(storage.scheduler, { ...beat, workerId: "w1", zones: ["shared"] });
    await heartbeat(storage.scheduler, { ...beat, workerId: "w2", zones: ["shared", "elsewhere"] });
    const standing = (tenant: Tenant) => zoneStanding(storage.platform, "shared", tenant, 16);

    expect(await standing(alone)).toEqual({
      slots: 150,
      othersWeight: 16,
      siblingsWeight: 0,
      othersDemandMsPerSecond: 2_000,
    });
    expect(await standing(one)).toMatchObject({ othersWeight: 4, siblingsWeight: 4 });
    expect(await standing(msp)).toMatchObject({ othersWeight: 4, siblingsWeight: 8 });
    const nowhere = await zoneStanding(storage.platform, "nowhere", alone, 16);
    expect(nowhere).toMatchObject({ slots: null, othersWeight: 0 });
  });

  it("is remembered for a day, by means over five minutes", async () => {
    const tenant = await storage.newTenant("remembered");
    const save = (demandMsPerSecond: number) =>
      saveFairness(storage.scheduler, "history", [
        { ...row, tenantId: tenant.id, demandMsPerSecond },
      ]);
    await storage.owner.query(
      `insert into zone_demand values
         ('history', date_bin('5 minutes', now(), 'epoch') - interval '1 hour', 10, 40000),
         ('history', now() - interval '25 hours', 1, 1000000)`,
    );
    await save(1_000);
    await save(3_000);

    const demands = await zoneDemands(storage.platform);
    const history = demands.find(({ zoneKey }) => zoneKey === "history");

    expect(history).toMatchObject({ routers: 10, pollsPerSecond: 2, demandMsPerSecond: 3_000 });
    // Means of 4,000 an hour ago and 2,000 now, or 1,000 and 3,000 where a bucket ended in between.
    expect(history?.demandP99MsPerSecond).toBeGreaterThan(3_900);
    expect(history?.demandP99MsPerSecond).toBeLessThanOrEqual(4_000);
    const { rows } = await storage.owner.query(
      "select from zone_demand where zone_key = 'history' and bucket_at < now() - interval '1 day'",
    );
    expect(rows).toEqual([]);
  });
});
