import { describe, expect, it } from "vitest";
import type { Router, RouterId } from "../../../src/routers/router.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";
import { type PollTarget, RouterDirectory } from "../../../src/worker/router-directory.ts";

const tenant = "t1" as TenantId;
const otherTenant = "t2" as TenantId;

function targetOf(tenantId: TenantId, id: RouterId, address = "192.0.2.1"): PollTarget {
  const router: Router = {
    id,
    tenantId,
    name: id,
    address,
    port: 161,
    zone: "default",
    credentialId: "c",
    intervalSeconds: 60,
    modules: null,
    context: "",
    labels: {},
    enabled: true,
  };
  return { router, credential: { version: "2c", community: "public" }, discovery: undefined };
}

/** A database with the given routers that remembers each query. */
function databaseOf(...targets: PollTarget[]) {
  const queries: { tenantId: TenantId; routerIds: readonly RouterId[] }[] = [];
  const read = async (tenantId: TenantId, routerIds: readonly RouterId[]) => {
    queries.push({ tenantId, routerIds });
    return new Map(
      targets
        .filter(({ router }) => router.tenantId === tenantId && routerIds.includes(router.id))
        .map((target) => [target.router.id, target] as const),
    );
  };
  return { queries, read, targets };
}

describe("the router directory", () => {
  it("asks once for routers of one tenant that are wanted at the same moment", async () => {
    const ids = ["r1", "r2", "r3"] as RouterId[];
    const database = databaseOf(...ids.map((id) => targetOf(tenant, id)));
    const directory = new RouterDirectory(database.read);

    const found = await Promise.all(ids.map((id) => directory.find(tenant, id)));

    expect(found.map((target) => target?.router.id)).toEqual(ids);
    expect(database.queries).toEqual([{ tenantId: tenant, routerIds: ids }]);
  });

  it("does not ask again until the tenant changes something", async () => {
    const database = databaseOf(targetOf(tenant, "r1" as RouterId));
    const directory = new RouterDirectory(database.read);
    await directory.find(tenant, "r1" as RouterId);
    await directory.find(tenant, "r1" as RouterId);
    expect(database.queries).toHaveLength(1);

    directory.forgetTenant(tenant);
    database.targets[0] = targetOf(tenant, "r1" as RouterId, "192.0.2.9");

    expect((await directory.find(tenant, "r1" as RouterId))?.router.address).toBe("192.0.2.9");
  });

  it("never serves a router to a job of another tenant", async () => {
    const database = databaseOf(targetOf(tenant, "r1" as RouterId));
    const directory = new RouterDirectory(database.read);
    await directory.find(tenant, "r1" as RouterId);

    expect(await directory.find(otherTenant, "r1" as RouterId)).toBeUndefined();
  });

  it("does not keep an answer that a change overtook", async () => {
    const database = databaseOf(targetOf(tenant, "r1" as RouterId));
    const directory = new RouterDirectory(async (tenantId, routerIds) => {
      const answer = await database.read(tenantId, routerIds);
      directory.forgetTenant(tenant);
      return answer;
    });

    await directory.find(tenant, "r1" as RouterId);
    await directory.find(tenant, "r1" as RouterId);

    expect(database.queries).toHaveLength(2);
  });

  it("hands a failed query's error to those who asked", async () => {
    const directory = new RouterDirectory(() => Promise.reject(new Error("no database")));

    await expect(directory.find(tenant, "r1" as RouterId)).rejects.toThrow("no database");
  });

  it("uses what a poll learnt of a router at the next one", async () => {
    const database = databaseOf(targetOf(tenant, "r1" as RouterId));
    const directory = new RouterDirectory(database.read);
    await directory.find(tenant, "r1" as RouterId);

    const learnt = { readAtMs: { system: 1 }, answering: [], signals: {} };
    directory.learn("r1" as RouterId, learnt);

    expect((await directory.find(tenant, "r1" as RouterId))?.discovery).toEqual(learnt);
  });
});
