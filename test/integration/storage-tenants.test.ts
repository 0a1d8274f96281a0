import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { RouterId } from "../../src/routers/router.ts";
import { createApiKey, findApiKey, listApiKeys, revokeApiKey } from "../../src/storage/api-keys.ts";
import {
  createCredential,
  credentialById,
  deleteCredential,
  listCredentials,
  updateCredential,
} from "../../src/storage/credentials.ts";
import { routersForPolling } from "../../src/storage/polling.ts";
import { type TenantClient, withTenant } from "../../src/storage/pool.ts";
import {
  deleteRouter,
  insertRouters,
  listRouters,
  requestPoll,
  routerById,
  routersOfTenant,
  routersOfZone,
  updateRouter,
  zoneKeys,
} from "../../src/storage/routers.ts";
import { tenantDataKey } from "../../src/storage/tenant-keys.ts";
import {
  createTenant,
  listTenants,
  setTenantState,
  tenantById,
  tenantBySlug,
  tenantSchedules,
  updateTenant,
} from "../../src/storage/tenants.ts";
import {
  createZone,
  deleteZone,
  listZones,
  saveSharedZones,
  usableZones,
  zoneById,
} from "../../src/storage/zones.ts";
import type { Tenant, TenantId } from "../../src/tenants/tenant.ts";
import { openStorageFixture, type StorageFixture } from "../storage-fixture.ts";

const UNKNOWN = "01900000-0000-7000-8000-0000000000ff";

let storage: StorageFixture;
let alpha: Tenant;
let beta: Tenant;

beforeAll(async () => {
  storage = await openStorageFixture(inject("databaseUrl"));
  alpha = await storage.newTenant("alpha", "business");
  beta = await storage.newTenant("beta");
});

afterAll(() => storage.close());

const asAlpha = <T>(work: (client: TenantClient) => Promise<T>) =>
  withTenant(storage.app, alpha.id, work);
const asBeta = <T>(work: (client: TenantClient) => Promise<T>) =>
  withTenant(storage.app, beta.id, work);

describe("tenants", () => {
  it("are found by id and slug, and listed in pages", async () => {
    expect(await tenantById(storage.platform, alpha.id)).toEqual(alpha);
    expect(await tenantBySlug(storage.platform, "beta")).toEqual(beta);
    expect(await tenantById(storage.platform, UNKNOWN as TenantId)).toBeUndefined();
    expect(await listTenants(storage.platform, { limit: 1 })).toEqual([alpha]);
    expect(await listTenants(storage.platform, { limit: 9, after: alpha.id })).toEqual([beta]);
  });

  it("have a slug of their own", async () => {
    const again = storage.newTenant("alpha");

    await expect(again).rejects.toMatchObject({ reason: "duplicate_slug" });
  });

  it("change name, tier and state, not the slug", async () => {
    const tenant = await storage.newTenant("changing");

    await updateTenant(storage.platform, tenant.id, { name: "Changed", tier: "msp" });
    const changed = await setTenantState(storage.platform, tenant.id, "suspended");

    expect(changed).toMatchObject({
      name: "Changed",
      tier: "msp",
      state: "suspended",
      slug: "changing",
    });
    expect(await updateTenant(storage.platform, UNKNOWN as TenantId, {})).toBeUndefined();
  });

  it("are known to the scheduler by slug, tier and state", async () => {
    const schedules = await tenantSchedules(storage.scheduler);

    expect(schedules).toContainEqual({
      tenantId: alpha.id,
      slug: "alpha",
      tier: "business",
      state: "active",
      parentId: null,
    });
  });

  it("are made whole or not at all", async () => {
    const failing = createTenant(
      storage.platform,
      { name: "", slug: "nameless", tier: "free" },
      storage.masterKey,
      new Date(),
    );

    await expect(failing).rejects.toMatchObject({ constraint: "tenants_name_check" });
    expect(await tenantBySlug(storage.platform, "nameless")).toBeUndefined();
  });

  it("see themselves and nobody else", async () => {
    const { rows } = await asAlpha((client) => client.query("select slug from tenants"));

    expect(rows).toEqual([{ slug: "alpha" }]);
  });
});

describe("API keys", () => {
  const body = { name: "grafana", role: "viewer", scopes: ["metrics:read"], expiresAt: null };

  it("prove their tenant until they are revoked", async () => {
    const made = await createApiKey(storage.platform, { ...body, tenantId: alpha.id });
    expect(made.key).toMatch(/^fw_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/);
    expect(await findApiKey(storage.platform, made.key)).toEqual({
      tenantId: alpha.id,
      keyId: made.id,
      role: "viewer",
      scopes: ["metrics:read"],
    });

    expect(await asBeta((client) => revokeApiKey(client, made.id))).toBe(false);
    expect(await asAlpha((client) => revokeApiKey(client, made.id))).toBe(true);

    expect(await findApiKey(storage.platform, made.key)).toBeUndefined();
  });

  it("prove nothing when wrong, malformed or expired", async () => {
    const made = await createApiKey(storage.platform, { ...body, tenantId: alpha.id });
    const expired = await createApiKey(storage.platform, {
      ...body,
      tenantId: alpha.id,
      expiresAt: new Date(Date.now() - 1_000),
    });
    const wrong = made.key.slice(0, -1) + (made.key.endsWith("A") ? "B" : "A");

    for (const key of [wrong, `${made.key}x`, "", "fw_", expired.key]) {
      expect(await findApiKey(storage.platform, key)).toBeUndefined();
    }
  });

  it("note when they were last used", async () => {
    const made = await createApiKey(storage.platform, { ...body, tenantId: beta.id });
    await findApiKey(storage.platform, made.key);

    const keys = await asBeta((client) => listApiKeys(client, { limit: 10 }));

    expect(keys.find(({ id }) => id === made.id)?.lastUsedAt).toBeInstanceOf(Date);
  });

  it("need a tenant that exists", async () => {
    const made = createApiKey(storage.platform, { ...body, tenantId: UNKNOWN as TenantId });

    await expect(made).rejects.toMatchObject({ reason: "unknown_tenant" });
  });
});

describe("credentials", () => {
  const dataKey = (client: TenantClient) => tenantDataKey(client, storage.masterKey);
  const v3 = {
    version: "3",
    username: "poller",
    securityLevel: "authPriv",
    authProtocol: "SHA256",
    authPassword: "auth-secret",
    privProtocol: "AES",
    privPassword: "priv-secret",
  } as const;

  it("show what is public and keep the rest sealed", async () => {
    const made = await asAlpha(async (client) =>
      createCredential(client, await dataKey(client), { name: "v3", ...v3 }),
    );

    expect(made).toMatchObject({ version: "3", username: "poller", securityLevel: "authPriv" });
    expect(JSON.stringify(made)).not.toContain("secret");
    const { rows } = await storage.owner.query(
      "select encode(sealed, 'escape') as sealed from credentials where id = $1",
      [made.id],
    );
    expect(JSON.stringify(rows)).not.toContain("secret");
  });

  it("change one field without repeating the secrets of the others", async () => {
    const router = await storage.newRouter(alpha);

    await asAlpha(async (client) =>
      updateCredential(client, await dataKey(client), router.credentialId, {
        credential: () => v3,
      }),
    );
    await asAlpha(async (client) =>
      updateCredential(client, await dataKey(client), router.credentialId, {
        name: "renamed",
        credential: (present) =>
          present.version === "3" ? { ...present, username: "other" } : present,
      }),
    );

    const shown = await asAlpha((client) => credentialById(client, router.credentialId));
    expect(shown).toMatchObject({ name: "renamed", username: "other" });
    const pollable = await routersForPolling(storage.app, storage.masterKey, alpha.id, [router.id]);
    expect(pollable.get(router.id)?.credential).toEqual({ ...v3, username: "other" });
  });

  it("have a name of their own in their tenant", async () => {
    const create = () =>
      asAlpha(async (client) =>
        createCredential(client, await dataKey(client), {
          name: "twice",
          version: "2c",
          community: "c",
        }),
      );
    const made = await create();

    await expect(create()).rejects.toMatchObject({ reason: "duplicate_name" });

    expect(await asAlpha((client) => listCredentials(client, { limit: 9, name: "twice" }))).toEqual(
      [made],
    );
  });

  it("cannot be deleted while a router uses them", async () => {
    const router = await storage.newRouter(alpha);
    const deleting = () => asAlpha((client) => deleteCredential(client, router.credentialId));

    await expect(deleting()).rejects.toMatchObject({ reason: "in_use" });
    await asAlpha((client) => deleteRouter(client, router.id));

    expect(await deleting()).toBe(true);
    expect(await deleting()).toBe(false);
  });

  it("do not open under another master key, and the error says so", async () => {
    const router = await storage.newRouter(alpha);

    const reading = routersForPolling(storage.app, randomBytes(32), alpha.id, [router.id]);

    await expect(reading).rejects.toThrow(/set FAIRWALK_MASTER_KEY to the one that wrapped it/);
  });
});

describe("zones", () => {
  it("are the shared ones and the tenant's own, under keys of the whole platform", async () => {
    await saveSharedZones(storage.platform, ["default", "emea"]);
    const own = await asAlpha((client) => createZone(client, { name: "lab" }));

    expect(await asAlpha(usableZones)).toEqual([
      { id: null, name: "default", zoneKey: "default" },
      { id: null, name: "emea", zoneKey: "emea" },
      { id: own.id, name: "lab", zoneKey: "alpha.lab" },
    ]);
    expect(await asBeta((client) => listZones(client, { limit: 9 }))).toEqual([]);
    expect(await asBeta((client) => zoneById(client, own.id))).toBeUndefined();
  });

  it("have names nobody else uses there", async () => {
    const shared = asAlpha((client) => createZone(client, { name: "default" }));
    await expect(shared).rejects.toMatchObject({ reason: "duplicate_name" });

    await asAlpha((client) => createZone(client, { name: "twice" }));
    const again = asAlpha((client) => createZone(client, { name: "twice" }));
    await expect(again).rejects.toMatchObject({ reason: "duplicate_name" });
    await asBeta((client) => createZone(client, { name: "twice" }));
  });

  it("cannot be deleted while a router is in them", async () => {
    const zone = await asAlpha((client) => createZone(client, { name: "site-1" }));
    const router = await storage.newRouter(alpha, { zone: "site-1" });

    const deleting = asAlpha((client) => deleteZone(client, zone.id));
    await expect(deleting).rejects.toMatchObject({ reason: "in_use" });
    await asAlpha((client) => updateRouter(client, router.id, { zone: "default" }));

    expect(await asAlpha((client) => deleteZone(client, zone.id))).toBe(true);
  });
});

describe("routers", () => {
  it("come back as they were registered, in the order given", async () => {
    const { credentialId } = await storage.newRouter(alpha);
    const bodies = ["2001:db8::1", "192.0.2.1"].map((address, i) => ({
      name: `ordered-${i}`,
      address,
      port: 1161,
      zone: "default",
      credentialId,
      intervalSeconds: 30,
      modules: i === 0 ? ["system", "if_mib"] : null,
      context: "",
      labels: { site: "a" },
      enabled: true,
    }));

    const routers = await asAlpha((client) => insertRouters(client, bodies));

    expect(routers).toMatchObject(bodies);
    const [first] = routers;
    expect(await asAlpha((client) => routerById(client, first?.id as RouterId))).toEqual(first);
  });

  it("are refused, all of them, when one is wrong", async () => {
    const good = await storage.newRouter(alpha, { name: "taken", address: "192.0.2.77" });
    const { id: _id, tenantId: _tenantId, ...body } = good;
    const attempt = (change: Partial<typeof body>) =>
      asAlpha((client) =>
        insertRouters(client, [
          { ...body, name: "fresh", address: "192.0.2.78" },
          { ...body, name: "other", address: "192.0.2.79", ...change },
        ]),
      );

    await expect(attempt({ address: "192.0.2.77" })).rejects.toMatchObject({
      reason: "duplicate_address",
    });
    await expect(attempt({ name: "taken" })).rejects.toMatchObject({ reason: "duplicate_name" });
    await expect(attempt({ credentialId: UNKNOWN })).rejects.toMatchObject({
      reason: "unknown_credential",
    });
    await expect(attempt({ zone: "nowhere" })).rejects.toMatchObject({ reason: "unknown_zone" });
    await expect(attempt({ port: 0 })).rejects.toMatchObject({ constraint: "routers_port_check" });
    const left = await asAlpha((client) =>
      listRouters(client, { limit: 9, filters: { name: "fresh" } }),
    );
    expect(left).toEqual([]);
  });

  it("of two tenants may have the same address and name", async () => {
    const body = { name: "core1", address: "10.9.9.9" };

    await storage.newRouter(alpha, body);
    await storage.newRouter(beta, body);

    const found = await asBeta((client) => listRouters(client, { limit: 9, filters: body }));
    expect(found).toHaveLength(1);
  });

  it("cannot use another tenant's credential", async () => {
    const { credentialId } = await storage.newRouter(alpha);

    const stealing = storage.newRouter(beta, { credentialId });

    await expect(stealing).rejects.toMatchObject({ reason: "unknown_credential" });
  });

  it("change what is given and keep the rest", async () => {
    const router = await storage.newRouter(alpha, { labels: { a: "1" }, modules: ["system"] });

    const updated = await asAlpha((client) =>
      updateRouter(client, router.id, { name: "renamed-router", modules: null }),
    );

    expect(updated).toMatchObject({
      ...router,
      name: "renamed-router",
      modules: null,
      updatedAt: expect.any(Date),
    });
    expect(await asBeta((client) => updateRouter(client, router.id, {}))).toBeUndefined();
    expect(await asBeta((client) => deleteRouter(client, router.id))).toBe(false);
  });

  it("are listed in pages and narrowed by filters", async () => {
    const tenant = await storage.newTenant("listing");
    const made = [];
    for (const site of ["north", "north", "south"]) {
      made.push(await storage.newRouter(tenant, { labels: { site } }));
    }
    const list = (page: Parameters<typeof listRouters>[1]) =>
      withTenant(storage.app, tenant.id, (client) => listRouters(client, page));

    expect(await list({ limit: 2 })).toEqual(made.slice(0, 2));
    expect(await list({ limit: 2, after: made[1]?.id })).toEqual(made.slice(2));
    expect(await list({ limit: 9, filters: { labels: { site: "south" } } })).toEqual(made.slice(2));
    expect(await list({ limit: 9, filters: { search: made[0]?.address } })).toContainEqual(made[0]);
    expect(await list({ limit: 9, filters: { enabled: false } })).toEqual([]);
    expect(await list({ limit: 9, filters: { address: made[1]?.address, port: 161 } })).toEqual([
      made[1],
    ]);
  });

  it("are planned by zone and tenant while enabled and their tenant is active", async () => {
    const tenant = await storage.newTenant("planned");
    await withTenant(storage.app, tenant.id, (client) => createZone(client, { name: "edge" }));
    const router = await storage.newRouter(tenant, { zone: "edge", intervalSeconds: 90 });
    await storage.newRouter(tenant, { zone: "edge", enabled: false });
    const requestedAt = new Date("2030-01-01T00:00:00Z");
    await withTenant(storage.app, tenant.id, (client) =>
      requestPoll(client, router.id, requestedAt),
    );
    const planned = [
      {
        id: router.id,
        tenantId: tenant.id,
        zoneKey: "planned.edge",
        intervalSeconds: 90,
        pollRequestedAtMs: requestedAt.getTime(),
      },
    ];

    expect(await routersOfZone(storage.scheduler, "planned.edge")).toEqual(planned);
    expect(await routersOfTenant(storage.scheduler, tenant.id)).toEqual(planned);
    expect(await zoneKeys(storage.scheduler)).toContain("planned.edge");

    await setTenantState(storage.platform, tenant.id, "suspended");
    expect(await routersOfTenant(storage.scheduler, tenant.id)).toEqual([]);
    expect(await zoneKeys(storage.scheduler)).not.toContain("planned.edge");
    const pollable = await routersForPolling(storage.app, storage.masterKey, tenant.id, [
      router.id,
    ]);
    expect(pollable.size).toBe(0);
  });
});
