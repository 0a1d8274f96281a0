import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { RouterId } from "../../src/routers/router.ts";
import { followChanges } from "../../src/storage/change-feed.ts";
import { saveTextFacts, textFacts } from "../../src/storage/facts.ts";
import { listInterfaces, saveInterfaces } from "../../src/storage/interfaces.ts";
import {
  discoveryOf,
  inventoryOf,
  inventorySections,
  saveInventory,
} from "../../src/storage/inventories.ts";
import { standForLeadership } from "../../src/storage/leadership.ts";
import { dropExpiredPartitions, makePartitionsAhead } from "../../src/storage/partitions.ts";
import { routersForPolling } from "../../src/storage/polling.ts";
import { withTenant } from "../../src/storage/pool.ts";
import { updateRouter } from "../../src/storage/routers.ts";
import {
  fairnessRows,
  saveFairness,
  type TenantFairness,
} from "../../src/storage/scheduler-state.ts";
import { setTenantState, updateTenant } from "../../src/storage/tenants.ts";
import {
  heartbeat,
  liveWorkers,
  removeWorker,
  setDesiredConcurrency,
} from "../../src/storage/workers.ts";
import type { Tenant, TenantId } from "../../src/tenants/tenant.ts";
import { openStorageFixture, type StorageFixture, silentLog } from "../storage-fixture.ts";

const DAY_MS = 86_400_000;
const UNKNOWN = "01900000-0000-7000-8000-0000000000ff";

let storage: StorageFixture;
let alpha: Tenant;

beforeAll(async () => {
  storage = await openStorageFixture(inject("databaseUrl"));
  alpha = await storage.newTenant("alpha");
});

afterAll(() => storage.close());

/** Ends every session of that name, as a crash or a network would. */
async function cutOff(applicationName: string): Promise<number> {
  const { rowCount } = await storage.login.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()",
    [applicationName],
  );
  return rowCount ?? 0;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
}

describe("leadership of a zone", () => {
  it("is one candidate's at a time, and free again when given up", async () => {
    const [one, two] = [standForLeadership(storage.url), standForLeadership(storage.url)];

    const leading = await one.tryLead("default");
    expect(leading).toBeDefined();
    expect(await two.tryLead("default")).toBeUndefined();
    expect(await one.tryLead("default")).toBeUndefined();
    expect(await two.tryLead("other")).toBeDefined();

    await leading?.stop();
    expect(leading?.lost.aborted).toBe(true);
    expect(await two.tryLead("default")).toBeDefined();
    await one.stop();
    await two.stop();
  });

  it("is lost with the connection, and another's at once", async () => {
    const [one, two] = [standForLeadership(storage.url), standForLeadership(storage.url)];
    const leading = await one.tryLead("zone-a");
    if (leading === undefined) throw new Error("nobody else leads");

    await cutOff("fairwalk leadership");
    await aborted(leading.lost);

    expect(await two.tryLead("zone-a")).toBeDefined();
    // The first may stand again over a new connection.
    expect(await one.tryLead("zone-a")).toBeUndefined();
    expect(await one.tryLead("zone-b")).toBeDefined();
    await one.stop();
    await two.stop();
  });

  it("cannot be had while Postgres is away, and can later", async () => {
    const candidate = standForLeadership("postgres://nobody@127.0.0.1:1/nothing");

    await expect(candidate.tryLead("default")).rejects.toThrow();
    await expect(candidate.tryLead("default")).rejects.toThrow();

    await candidate.stop();
  });
});

describe("the change feed", () => {
  it("tells once a tenant and statement, and goes on after a lost connection", async () => {
    const beta = await storage.newTenant("feed-beta");
    const gamma = await storage.newTenant("feed-gamma");
    const heard: string[] = [];
    let connections = 0;
    const feed = followChanges(storage.url, {
      onTenant: (id) => heard.push(id),
      onReconnect: () => connections++,
      log: silentLog,
    });
    await expect.poll(() => connections).toBe(1);
    /** Everything sent so far has been heard. */
    const caughtUp = async () => {
      await storage.owner.query("select pg_notify('fairwalk_changes', 'end of step')");
      await expect.poll(() => heard.at(-1)).toBe("end of step");
      return heard.splice(0).slice(0, -1);
    };
    const hears = async (change: () => Promise<unknown>, ids: readonly TenantId[]) => {
      await caughtUp();
      await change();
      expect((await caughtUp()).sort()).toEqual([...ids].sort());
    };

    const router = await storage.newRouter(beta);
    await storage.newRouter(beta);
    await storage.newRouter(gamma);
    await hears(
      () => storage.owner.query("update routers set interval_seconds = 90"),
      [beta.id, gamma.id],
    );
    await hears(() => storage.newRouter(gamma), [gamma.id]);
    await hears(
      () =>
        withTenant(storage.app, beta.id, (client) =>
          updateRouter(client, router.id, { intervalSeconds: 30 }),
        ),
      [beta.id],
    );
    await hears(() => setTenantState(storage.platform, gamma.id, "suspended"), [gamma.id]);
    await hears(
      () =>
        storage.owner.query("update credentials set name = name where tenant_id = $1", [beta.id]),
      [beta.id],
    );
    await hears(
      () => storage.owner.query("delete from routers where tenant_id = $1", [gamma.id]),
      [gamma.id],
    );
    await hears(() => storage.owner.query("update routers set name = name where false"), []);

    await cutOff("fairwalk change feed");
    await expect.poll(() => connections, { timeout: 10_000 }).toBe(2);
    await hears(() => storage.newRouter(beta), [beta.id]);
    await feed.stop();
  });

  it("keeps trying while Postgres is away, until it is stopped", async () => {
    const warnings: string[] = [];
    const feed = followChanges("postgres://nobody@127.0.0.1:1/nothing", {
      onTenant: () => undefined,
      onReconnect: () => undefined,
      log: { info() {}, warn: (_fields: unknown, text?: string) => void warnings.push(text ?? "") },
    });
    await expect.poll(() => warnings.length).toBe(1);

    await feed.stop();

    expect(warnings).toEqual(["change feed cannot connect, trying again"]);
  });
});

describe("workers", () => {
  const beat = {
    workerId: "worker-1",
    hostname: "host",
    version: "0.1.0",
    zones: ["default", "alpha.lab"],
    concurrency: 200,
    busy: 3,
    free: 197,
    startedAt: new Date("2030-01-01T00:00:00Z"),
  };

  it("are listed while they are heard of, with what is asked of them", async () => {
    expect(await heartbeat(storage.scheduler, beat)).toEqual({ desiredConcurrency: null });
    await heartbeat(storage.scheduler, { ...beat, workerId: "worker-2" });
    expect(await setDesiredConcurrency(storage.platform, "worker-1", 50)).toBe(1);
    expect(await setDesiredConcurrency(storage.platform, "nobody", 50)).toBe(0);

    expect(await heartbeat(storage.scheduler, { ...beat, busy: 4 })).toEqual({
      desiredConcurrency: 50,
    });
    expect(await liveWorkers(storage.platform, 60_000)).toMatchObject([
      { ...beat, busy: 4, desiredConcurrency: 50 },
      { workerId: "worker-2", desiredConcurrency: null },
    ]);
    expect(await setDesiredConcurrency(storage.platform, null, 75)).toBe(2);

    await removeWorker(storage.scheduler, "worker-2");
    expect(await liveWorkers(storage.scheduler, 60_000)).toHaveLength(1);
    await storage.owner.query("update workers set heartbeat_at = now() - interval '10 seconds'");
    expect(await liveWorkers(storage.scheduler, 5_000)).toEqual([]);
  });

  it("are forgotten a day after they were last heard of", async () => {
    await heartbeat(storage.scheduler, { ...beat, workerId: "vanished" });
    await storage.owner.query("update workers set heartbeat_at = now() - interval '2 days'");

    await heartbeat(storage.scheduler, { ...beat, workerId: "fresh" });

    const { rows } = await storage.owner.query("select worker_id from workers");
    expect(rows).toEqual([{ worker_id: "fresh" }]);
  });
});

describe("fairness", () => {
  const row: TenantFairness = {
    tenantId: UNKNOWN as TenantId,
    weight: 4,
    routers: 5,
    unreachableRouters: 1,
    pollsPerSecond: 0.5,
    meanCostMs: 25,
    inFlight: 1,
    demandMsPerSecond: 12.5,
    receivedMs: 1_000,
    fairShareMs: 1_100,
    backlog: 2,
    oldestDueAtMs: Date.parse("2030-01-01T00:00:00Z"),
    latenessP50Ms: 3,
    latenessP99Ms: 40,
    onTimeRatio: 0.99,
    polls: { answered: 100 },
    skips: { overrun: 1 },
  };

  it("is what each zone's leader said last; tenants that are gone are left out", async () => {
    const beta = await storage.newTenant("fair-beta");
    await saveFairness(storage.scheduler, "default", [
      { ...row, tenantId: alpha.id },
      { ...row, tenantId: beta.id },
      row,
    ]);
    await saveFairness(storage.scheduler, "other", [{ ...row, tenantId: beta.id }]);
    await saveFairness(storage.scheduler, "default", [
      { ...row, tenantId: alpha.id, backlog: 7, oldestDueAtMs: null },
    ]);

    expect(await fairnessRows(storage.platform)).toMatchObject([
      {
        ...row,
        tenantId: alpha.id,
        slug: "alpha",
        tier: "free",
        zoneKey: "default",
        backlog: 7,
        oldestDueAtMs: null,
      },
      { ...row, tenantId: beta.id, zoneKey: "other" },
    ]);
    await saveFairness(storage.scheduler, "other", []);
    expect(await fairnessRows(storage.platform)).toHaveLength(1);
  });
});

describe("partitions", () => {
  const leavesOf = async (tenant: Tenant) => {
    const { rows } = await storage.owner.query<{ lower: Date; upper: Date }>(
      "select lower, upper from fairwalk_leaves($1) where parent = 'polls' order by lower",
      [tenant.id],
    );
    return rows;
  };

  it("are made ahead for every tenant, once, without a gap when the tier changes", async () => {
    const tenant = await storage.newTenant("partitioned", "free");
    const now = Date.now();
    await updateTenant(storage.platform, tenant.id, { tier: "professional" });

    const runs = await Promise.all(
      [1, 2, 3].map(() => makePartitionsAhead(storage.scheduler, new Date(now + 4 * DAY_MS))),
    );
    await makePartitionsAhead(storage.platform, new Date(now + 9 * DAY_MS));

    expect(runs.flatMap(({ failures }) => failures)).toEqual([]);
    const leaves = await leavesOf(tenant);
    expect(leaves.at(-1)?.upper.getTime()).toBeGreaterThanOrEqual(now + 12 * DAY_MS);
    expect(leaves.slice(1).map(({ lower }) => lower)).toEqual(
      leaves.slice(0, -1).map(({ upper }) => upper),
    );
    const again = await makePartitionsAhead(storage.scheduler, new Date(now + 9 * DAY_MS));
    expect(again).toEqual({ leaves: 0, failures: [] });
  });

  it("are dropped once all they hold is older than the tier keeps", async () => {
    const tenant = await storage.newTenant("expiring", "free");
    const before = await leavesOf(tenant);
    const days = { free: 30, professional: 30, business: 30, enterprise: 30, msp: 30 };
    const retention = { samples: days, polls: days, rollups_5m: days, rollups_1h: days };
    const firstEnds = before[0]?.upper.getTime() ?? 0;

    await dropExpiredPartitions(
      storage.scheduler,
      new Date(firstEnds + 30 * DAY_MS - 1),
      retention,
    );
    expect(await leavesOf(tenant)).toEqual(before);

    await dropExpiredPartitions(storage.scheduler, new Date(firstEnds + 30 * DAY_MS), retention);
    expect(await leavesOf(tenant)).toEqual(before.slice(1));
  });

  it("are not made for a tenant that is being erased", async () => {
    const making = storage.platform.query("select fairwalk_make_partitions($1, '{}', '{}')", [
      UNKNOWN,
    ]);

    await expect(making).rejects.toThrow(/does not exist or is being erased/);
  });
});

describe("inventory", () => {
  const inTenant = <T>(work: Parameters<typeof withTenant<T>>[2]) =>
    withTenant(storage.app, alpha.id, work);
  const at = (hours: number) => new Date(Date.parse("2030-01-01T00:00:00Z") + hours * 3_600_000);
  const rowVersions = async (table: string, id: RouterId) => {
    const { rows } = await storage.owner.query<{ version: string }>(
      `select xmin::text as version from ${table} where router_id = $1 order by 1`,
      [id],
    );
    return rows.map(({ version }) => version);
  };

  it("holds the interfaces a router listed last", async () => {
    const { id } = await storage.newRouter(alpha);
    const eth1 = {
      ifIndex: 1,
      ifName: "eth1",
      ifDescr: "Ethernet 1",
      ifAlias: "up\0link",
      ifType: 6,
      ifPhysAddress: "00:00:5e:00:53:01",
    };
    const save = (hours: number, ...interfaces: Parameters<typeof saveInterfaces>[2][number][]) =>
      inTenant((client) => saveInterfaces(client, id, interfaces, at(hours)));

    await save(0, eth1, { ifIndex: 2 });
    await save(1, { ...eth1, ifName: "renamed" });

    expect(await inTenant((client) => listInterfaces(client, id))).toEqual([
      {
        ...eth1,
        id: expect.any(String),
        ifName: "renamed",
        ifAlias: "up\ufffdlink",
        firstSeenAt: at(0),
        lastSeenAt: at(1),
      },
    ]);
    await save(2, { ifIndex: 2 });
    expect(await inTenant((client) => listInterfaces(client, id))).toEqual([
      { id: expect.any(String), ifIndex: 2, firstSeenAt: at(0), lastSeenAt: at(2) },
    ]);
  });

  it("holds a router's latest texts, module by module", async () => {
    const { id } = await storage.newRouter(alpha);
    const fact = { module: "system", metric: "sysName", instance: "", labels: {}, value: "one" };
    const oid = { ...fact, metric: "sysObjectID", value: "1.3.6.1.4.1.8072.3.2.10" };
    const mac = {
      ...fact,
      module: "if_mib",
      metric: "ifPhysAddress",
      instance: "1",
      labels: { ifIndex: "1" },
      value: "m",
    };
    const save = (facts: (typeof fact)[]) =>
      inTenant((client) => saveTextFacts(client, id, facts, at(0)));

    await save([fact, oid, mac]);
    await save([{ ...fact, value: "t\0wo" }, oid]);

    const facts = await inTenant((client) => textFacts(client, [id]));
    expect(facts.map(({ metric, value }) => [metric, value])).toEqual([
      ["ifPhysAddress", "m"],
      ["sysName", "t\ufffdwo"],
      ["sysObjectID", oid.value],
    ]);
  });

  it("is not written again while nothing changes, but for once an hour", async () => {
    const { id } = await storage.newRouter(alpha);
    const save = (hours: number) =>
      inTenant(async (client) => {
        await saveInterfaces(client, id, [{ ifIndex: 1, ifName: "eth1" }], at(hours));
        const fact = { module: "m", metric: "x", instance: "", labels: { a: "b" }, value: "v" };
        await saveTextFacts(client, id, [fact], at(hours));
      });
    await save(0);
    const before = [await rowVersions("interfaces", id), await rowVersions("text_facts", id)];

    await save(0.5);
    expect([await rowVersions("interfaces", id), await rowVersions("text_facts", id)]).toEqual(
      before,
    );

    await save(2);
    expect(await rowVersions("interfaces", id)).not.toEqual(before[0]);
    expect(await rowVersions("text_facts", id)).not.toEqual(before[1]);
  });

  it("keeps an interface itself when the router numbers it anew, and swaps numbers with another", async () => {
    const { id } = await storage.newRouter(alpha);
    const list = () => inTenant((client) => listInterfaces(client, id));
    const save = (hours: number, ...interfaces: Parameters<typeof saveInterfaces>[2][number][]) =>
      inTenant((client) => saveInterfaces(client, id, interfaces, at(hours)));
    await save(0, { ifIndex: 1, ifName: "eth1" }, { ifIndex: 2, ifName: "eth2" });
    const [eth1, eth2] = await list();

    await save(1, { ifIndex: 2, ifName: "eth1" }, { ifIndex: 1, ifName: "eth2" });

    expect((await list()).map((one) => [one.ifIndex, one.ifName, one.id])).toEqual([
      [1, "eth2", eth2?.id],
      [2, "eth1", eth1?.id],
    ]);
  });

  it("holds a section's last document, and never a part in the place of a whole", async () => {
    const { id } = await storage.newRouter(alpha);
    const save = (hours: number, sysName: string, isComplete: boolean) =>
      inTenant((client) =>
        saveInventory(
          client,
          id,
          {
            documents: [{ section: "system", document: { sysName }, isComplete }],
            discovery: { readAtMs: { system: hours }, answering: ["1.3.6"], signals: {} },
          },
          at(hours),
        ),
      );

    await save(0, "o\0ne", false);
    await save(1, "two", true);
    await save(2, "tw", false);

    expect(await inTenant((client) => inventoryOf(client, id))).toEqual({
      documents: { system: { sysName: "two" } },
      readAt: { system: at(1) },
    });
    const discovery = { readAtMs: { system: 2 }, answering: ["1.3.6"], signals: {} };
    expect(await inTenant((client) => discoveryOf(client, id))).toEqual(discovery);
    const pollable = await routersForPolling(storage.app, storage.masterKey, alpha.id, [id]);
    expect(pollable.get(id)?.discovery).toEqual(discovery);
    const systems = await inTenant((client) => inventorySections(client, "system"));
    expect(systems.get(id)).toEqual({ document: { sysName: "two" }, readAt: at(1) });
  });

  it("of a router that is gone is refused", async () => {
    const saving = inTenant((client) =>
      saveInterfaces(client, UNKNOWN as RouterId, [{ ifIndex: 1 }], at(0)),
    );

    await expect(saving).rejects.toMatchObject({ reason: "unknown_router" });
  });
});

it("a connection that is lost while a pool's query waits is an error of that query alone", async () => {
  const waiting = withTenant(storage.app, alpha.id, async (client) => {
    await client.query("set application_name = 'fairwalk doomed'");
    await client.query("select pg_sleep(60)");
  }).catch((error: unknown) => error);
  await expect.poll(() => cutOff("fairwalk doomed")).toBe(1);

  expect(await waiting).toBeInstanceOf(Error);
  const { rows } = await withTenant(storage.app, alpha.id, (client) =>
    client.query("select slug from tenants"),
  );
  expect(rows).toEqual([{ slug: "alpha" }]);
});
