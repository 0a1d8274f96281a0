import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { createApiKey } from "../../src/storage/api-keys.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import { type ApiFixture, openApiFixture } from "./api-fixture.ts";

let api: ApiFixture;

beforeAll(async () => {
  api = await openApiFixture(inject("databaseUrl"));
});

afterAll(() => api.close());

const UNKNOWN = "01900000-0000-7000-8000-0000000000ff";

it("a tenant is made, read, changed and listed", async () => {
  const made = await api.admin("POST", "/v1/tenants", {
    name: "North Net",
    slug: "north",
    tier: "free",
  });

  expect(made.status).toBe(201);
  expect(made.body).toMatchObject({
    name: "North Net",
    slug: "north",
    tier: "free",
    state: "active",
  });
  expect(made.headers["location"]).toBe(`/v1/tenants/${made.body.id}`);
  expect(made.body.createdAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  expect((await api.admin("GET", `/v1/tenants/${made.body.id}`)).body).toEqual(made.body);

  const changed = await api.admin("PATCH", `/v1/tenants/${made.body.id}`, { tier: "business" });
  expect(changed.body).toEqual({ ...made.body, tier: "business" });

  const list = await api.admin("GET", "/v1/tenants");
  expect(list.body.items).toContainEqual(changed.body);
});

it("a merge patch is taken under its own media type as well", async () => {
  const { id } = await api.newTenant("merge");

  const answer = await api.admin("PATCH", `/v1/tenants/${id}`, '{"name":"Merged"}', {
    "content-type": "application/merge-patch+json",
  });

  expect(answer.body).toMatchObject({ name: "Merged" });
});

it("a slug belongs to one tenant", async () => {
  await api.newTenant("taken");

  const answer = await api.admin("POST", "/v1/tenants", { name: "x", slug: "taken", tier: "free" });

  expect(answer.status).toBe(409);
  expect(answer.body).toMatchObject({ code: "slug-taken" });
});

it("unknown tenants are not found, whatever is asked of them", async () => {
  for (const [method, path, body] of [
    ["GET", ""],
    ["PATCH", "", { name: "x" }],
    ["DELETE", ""],
    ["POST", "/suspend"],
    ["POST", "/resume"],
    ["POST", "/api-keys", { name: "x", role: "owner" }],
  ] as const) {
    const answer = await api.admin(method, `/v1/tenants/${UNKNOWN}${path}`, body);
    expect([method, path, answer.status]).toEqual([method, path, 404]);
    expect(answer.body).toMatchObject({ code: "not-found", detail: "No tenant has this id" });
  }
});

it("pages of a list join to the whole, and the last says so", async () => {
  for (const n of [1, 2, 3, 4, 5]) await api.newTenant(`page-${n}`);
  const whole = (await api.admin("GET", "/v1/tenants?limit=1000")).body;
  expect(whole.next).toBeNull();

  const seen: unknown[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const query: string = cursor === "" ? "" : `&cursor=${cursor}`;
    const page = await api.admin("GET", `/v1/tenants?limit=2${query}`);
    expect(page.body.items.length).toBeLessThanOrEqual(2);
    seen.push(...page.body.items);
    cursor = page.body.next;
  }

  expect(seen).toEqual(whole.items);
});

it("a tenant sees itself, its limits and what its key may do", async () => {
  const tenant = await api.newTenant("mirror", "business");

  const answer = await tenant.call("GET", "/v1/tenant");

  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({
    id: tenant.id,
    slug: "mirror",
    limits: { routersMax: 1_000, intervalSecondsMin: 30 },
    usage: { routers: 0 },
    apiKey: { role: "owner" },
  });
});

it("a suspended tenant's keys are refused until it is resumed", async () => {
  const tenant = await api.newTenant("late-payer");

  expect((await api.admin("POST", `/v1/tenants/${tenant.id}/suspend`)).body.state).toBe(
    "suspended",
  );
  const refused = await tenant.call("GET", "/v1/tenant");
  expect([refused.status, refused.body.code]).toEqual([403, "tenant-suspended"]);

  await api.admin("POST", `/v1/tenants/${tenant.id}/resume`);
  expect((await tenant.call("GET", "/v1/tenant")).status).toBe(200);
});

it("a deleted tenant is gone, with its keys", async () => {
  const tenant = await api.newTenant("leaver");

  expect((await api.admin("DELETE", `/v1/tenants/${tenant.id}`)).status).toBe(204);

  expect((await tenant.call("GET", "/v1/tenant")).status).toBe(401);
  expect((await api.admin("GET", `/v1/tenants/${tenant.id}`)).status).toBe(404);
});

it("a tenant's key does not administer the platform", async () => {
  const tenant = await api.newTenant("climber");

  for (const path of ["/v1/tenants", `/v1/tenants/${tenant.id}`, "/metrics"]) {
    const answer = await tenant.call("GET", path);
    expect([path, answer.status, answer.body.code]).toEqual([path, 403, "permission-denied"]);
  }
});

it("a key is shown once, listed without its secret, and revoked at once", async () => {
  const tenant = await api.newTenant("keys");

  const made = await tenant.call("POST", "/v1/api-keys", { name: "prom", role: "viewer" });
  expect(made.status).toBe(201);
  expect(made.headers["cache-control"]).toBe("no-store");
  expect(made.body.key).toMatch(/^fw_/);
  const viewer = api.withToken(made.body.key);
  expect((await viewer("GET", "/v1/routers")).status).toBe(200);

  const list = await tenant.call("GET", "/v1/api-keys");
  expect(list.body.items.map((it: { name: string }) => it.name)).toEqual(["owner", "prom"]);
  expect(list.text).not.toContain(made.body.key.slice("fw__".length + 32));

  expect((await tenant.call("DELETE", `/v1/api-keys/${made.body.id}`)).status).toBe(204);
  expect((await viewer("GET", "/v1/routers")).status).toBe(401);
});

it("a key past its time is refused, and none is made with a time past", async () => {
  const tenant = await api.newTenant("expiry");
  const past = await tenant.call("POST", "/v1/api-keys", {
    name: "x",
    role: "viewer",
    expiresAt: "2020-01-01T00:00:00Z",
  });
  expect(past.body.errors).toMatchObject([{ pointer: "/expiresAt" }]);

  const made = await tenant.call("POST", "/v1/api-keys", {
    name: "x",
    role: "viewer",
    expiresAt: "2099-01-01T00:00:00+01:00",
  });
  expect(made.body.expiresAt).toBe("2098-12-31T23:00:00.000Z");
  expect((await api.withToken(made.body.key)("GET", "/v1/tenant")).status).toBe(200);

  const expired = await createApiKey(api.storage.platform, {
    tenantId: tenant.id as TenantId,
    name: "old",
    role: "viewer",
    scopes: [],
    expiresAt: new Date(Date.now() - 1),
  });
  expect((await api.withToken(expired.key)("GET", "/v1/tenant")).status).toBe(401);
});

it("scopes narrow a role, and a key never makes one that may do more", async () => {
  const tenant = await api.newTenant("scoped");
  const make = async (body: object, call = tenant.call) =>
    call("POST", "/v1/api-keys", { name: "x", ...body });

  const scraper = await make({ role: "viewer", scopes: ["metrics:read"] });
  const refused = await api.withToken(scraper.body.key)("GET", "/v1/routers");
  expect([refused.status, refused.body.code]).toEqual([403, "permission-denied"]);
  expect(refused.body.detail).toContain("routers:read");

  const keyMaker = await make({ role: "owner", scopes: ["api-keys:write", "routers:read"] });
  const call = api.withToken(keyMaker.body.key);
  expect((await make({ role: "owner" }, call)).body).toMatchObject({ code: "permission-denied" });
  expect((await make({ role: "owner", scopes: ["routers:read"] }, call)).status).toBe(201);

  const unknown = await make({ role: "viewer", scopes: ["routers:red"] });
  expect(unknown.body.errors).toMatchObject([
    { pointer: "/scopes/0", detail: expect.stringContaining("routers:read") },
  ]);
});

it("each role does what it is for and no more", async () => {
  const tenant = await api.newTenant("roles");
  const statuses = async (role: string) => {
    const made = await tenant.call("POST", "/v1/api-keys", { name: role, role });
    const call = api.withToken(made.body.key);
    return [
      (await call("GET", "/v1/tenant")).status,
      (await call("GET", "/v1/routers")).status,
      (await call("POST", "/v1/zones", { name: `zone-of-${role}` })).status,
      (await call("GET", "/v1/api-keys")).status,
    ];
  };

  expect(await statuses("admin")).toEqual([200, 200, 201, 200]);
  expect(await statuses("operator")).toEqual([200, 200, 201, 403]);
  expect(await statuses("viewer")).toEqual([200, 200, 403, 403]);
  expect(await statuses("billing")).toEqual([200, 403, 403, 403]);
});

it("a token that is nearly a key opens nothing", async () => {
  const { key } = await api.newTenant("guessed");
  const [, id, secret = ""] = key.split("_");
  const flipped = (secret.startsWith("A") ? "B" : "A") + secret.slice(1);

  for (const token of [`fw_${id}_${flipped}`, `fw_${id}_`, `fw_${id}`, `${key}x`, "fw__", " "]) {
    expect([token, (await api.withToken(token)("GET", "/v1/tenant")).status]).toEqual([token, 401]);
  }
});

it("an MSP's tenants are made, listed, moved and let go", async () => {
  const msp = await api.newTenant("the-msp", "msp");
  const other = await api.newTenant("other-msp", "msp");

  const made = await api.admin("POST", "/v1/tenants", {
    name: "Child",
    slug: "the-child",
    tier: "free",
    parentId: msp.id,
  });
  expect([made.status, made.body.parentId]).toEqual([201, msp.id]);
  const path = `/v1/tenants/${made.body.id}`;
  const childrenOf = async (id: string) =>
    (await api.admin("GET", `/v1/tenants?parentId=${id}`)).body.items;
  expect(await childrenOf(msp.id)).toEqual([made.body]);

  await api.admin("PATCH", path, { parentId: other.id });
  expect(await childrenOf(msp.id)).toEqual([]);
  expect(await childrenOf(other.id)).toHaveLength(1);
  await api.admin("PATCH", path, { name: "Child still" });
  expect((await api.admin("GET", path)).body).toMatchObject({ parentId: other.id });
  await api.admin("PATCH", path, { parentId: null });
  expect((await api.admin("GET", path)).body).toMatchObject({ parentId: null });
});

it("only an MSP has tenants, and it stays one and there while it has", async () => {
  const msp = await api.newTenant("kept-msp", "msp");
  const plain = await api.newTenant("no-msp", "enterprise");
  const change = (id: string, body: object) => api.admin("PATCH", `/v1/tenants/${id}`, body);
  const codeOf = async (asked: ReturnType<typeof change>) => {
    const { status, body } = await asked;
    return [status, body.code];
  };

  for (const parentId of [plain.id, UNKNOWN, msp.id]) {
    expect(await codeOf(change(msp.id, { parentId }))).toEqual([409, "parent-not-msp"]);
  }
  expect((await change(plain.id, { parentId: "nobody" })).status).toBe(400);
  await change(plain.id, { parentId: msp.id });
  expect(await codeOf(change(msp.id, { tier: "business" }))).toEqual([409, "msp-has-tenants"]);
  const erased = await api.admin("DELETE", `/v1/tenants/${msp.id}`);
  expect([erased.status, erased.body.code]).toEqual([409, "msp-has-tenants"]);
  expect(erased.body.detail).toContain("?parentId=");
  expect((await msp.call("GET", "/v1/tenant")).status).toBe(200);
});

it("a tenant of an MSP goes on while the MSP is suspended, and does not see whose it is", async () => {
  const msp = await api.newTenant("gone-msp", "msp");
  const child = await api.newTenant("staying-child");
  await api.admin("PATCH", `/v1/tenants/${child.id}`, { parentId: msp.id });

  await api.admin("POST", `/v1/tenants/${msp.id}/suspend`);

  const own = await child.call("GET", "/v1/tenant");
  expect(own.status).toBe(200);
  expect(own.text).not.toContain(msp.id);
});
