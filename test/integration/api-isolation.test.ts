/** One tenant's key against everything another tenant has, on every route the API describes. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import {
  type Answer,
  type ApiFixture,
  newCredential,
  openApiFixture,
  routerBodies,
  type TenantCaller,
} from "./api-fixture.ts";

let api: ApiFixture;
let victim: TenantCaller;
let intruder: TenantCaller;
/** Ids of the victim's things by the route's noun, and one nobody has. */
let ids: Record<string, string>;
let secrets: string[];

const UNKNOWN = "01900000-0000-7000-8000-0000000000ff";

beforeAll(async () => {
  api = await openApiFixture(inject("databaseUrl"));
  victim = await api.newTenant("victim");
  intruder = await api.newTenant("intruder");
  const credential = await newCredential(victim.call, "victims credential");
  const zone = await victim.call("POST", "/v1/zones", { name: "victims-zone" });
  const router = await victim.call(
    "POST",
    "/v1/routers",
    routerBodies(credential)({
      name: "victims router",
      address: "203.0.113.77",
      zone: "victims-zone",
    }),
  );
  const keys = await victim.call("GET", "/v1/api-keys");
  ids = {
    credentials: credential,
    zones: zone.body.id,
    routers: router.body.id,
    "api-keys": keys.body.items[0].id,
    tenants: victim.id,
  };
  secrets = [...Object.values(ids), "victim", "203.0.113.77"];
});

afterAll(() => api.close());

interface Route {
  readonly method: string;
  readonly path: string;
  readonly access: string;
}

async function routes(): Promise<Route[]> {
  const { paths } = (await api.admin("GET", "/openapi.json")).body;
  return Object.entries<Record<string, { "x-required-access": string }>>(paths).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        access: operation["x-required-access"],
      })),
  );
}

/** A body each route takes, so that the id is what decides. */
const BODIES: Readonly<Record<string, object>> = {
  "PATCH /v1/credentials/{id}": { name: "taken over" },
  "PATCH /v1/routers/{id}": { name: "taken over" },
};

function ask(route: Route, id: string): Promise<Answer> {
  const path = route.path.replace("{id}", id).replace(/\/samples$/, "/samples?metric=ifHCInOctets");
  return intruder.call(route.method, path, BODIES[`${route.method} ${route.path}`]);
}

/** The answer without what differs between any two requests. */
function essence({ status, body, headers }: Answer): unknown {
  const { request_id: _id, instance: _path, ...rest } = body ?? {};
  return { status, rest, type: headers["content-type"] };
}

it("another tenant's id is answered exactly as one that nobody has, on every route", async () => {
  const own = (await routes()).filter(
    (it) => it.path.includes("{id}") && it.access !== "platform" && it.access !== "anyone",
  );
  expect(own.length).toBeGreaterThanOrEqual(11);

  for (const route of own) {
    const noun = route.path.split("/")[2] ?? "";
    const foreign = await ask(route, ids[noun] ?? "");
    const unknown = await ask(route, UNKNOWN);
    const at = `${route.method} ${route.path}`;

    expect([at, foreign.status]).toEqual([at, 404]);
    expect([at, essence(foreign)]).toEqual([at, essence(unknown)]);
  }
});

it("no list and no exposition shows anything of another tenant", async () => {
  const lists = (await routes()).filter(
    (it) => it.method === "GET" && !it.path.includes("{id}") && it.access !== "platform",
  );
  expect(lists.length).toBeGreaterThanOrEqual(9);

  const needed: Readonly<Record<string, { readonly query: string; readonly status: number }>> = {
    "/snmp": { query: `?target=${ids["routers"]}`, status: 404 },
    "/v1/billing/p95": { query: "?month=2026-01", status: 200 },
  };
  for (const { path } of lists) {
    const { query, status } = needed[path] ?? { query: "", status: 200 };
    const answer = await intruder.call("GET", path + query);
    expect([path, answer.status]).toEqual([path, status]);
    for (const secret of secrets) expect([path, answer.text]).not.toContain(secret);
  }
});

it("the platform's routes are closed to every tenant", async () => {
  for (const route of (await routes()).filter((it) => it.access === "platform")) {
    const answer = await intruder.call(route.method, route.path.replace("{id}", intruder.id), {});
    expect([route, answer.status]).toEqual([route, 403]);
  }
});

it("without a token, every route but the open ones is closed", async () => {
  for (const route of (await routes()).filter((it) => it.access !== "anyone")) {
    const answer = await api.withToken(undefined)(
      route.method,
      route.path.replace("{id}", UNKNOWN),
    );
    expect([route, answer.status]).toEqual([route, 401]);
  }
});

describe("another tenant's things in what a tenant writes", () => {
  it("its credential cannot be used", async () => {
    const own = await newCredential(intruder.call);
    const body = routerBodies(own);
    const stolen = await intruder.call(
      "POST",
      "/v1/routers",
      body({ credentialId: ids["credentials"] }),
    );
    const unknown = await intruder.call("POST", "/v1/routers", body({ credentialId: UNKNOWN }));
    expect(essence(stolen)).toEqual(essence(unknown));
    expect(stolen.status).toBe(400);

    const mine = await intruder.call("POST", "/v1/routers", body());
    const patched = await intruder.call("PATCH", `/v1/routers/${mine.body.id}`, {
      credentialId: ids["credentials"],
    });
    expect(patched.status).toBe(400);
  });

  it("its credential and zone cannot be named by an import", async () => {
    const answer = await intruder.call("POST", "/v1/routers/import", {
      routers: [
        { name: "a", address: "192.0.2.201", credential: "victims credential" },
        { name: "b", address: "192.0.2.202", credentialId: ids["credentials"] },
        { name: "c", address: "192.0.2.203", credential: "core", zone: "victims-zone" },
      ],
    });

    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([
      { pointer: "/routers/0/credential" },
      { pointer: "/routers/1/credentialId" },
      { pointer: "/routers/2/zone" },
    ]);
  });

  it("its id as a cursor or filter shows nothing", async () => {
    const cursor = Buffer.from(ids["routers"] ?? "").toString("base64url");
    for (const query of [
      `cursor=${cursor}`,
      `credentialId=${ids["credentials"]}`,
      "search=victim",
    ]) {
      const answer = await intruder.call("GET", `/v1/routers?${query}`);
      expect([query, answer.status]).toEqual([query, 200]);
      for (const secret of secrets) expect([query, answer.text]).not.toContain(secret);
    }
  });

  it("headers and parameters that name a tenant are not listened to", async () => {
    const answer = await intruder.call("GET", "/v1/tenant", undefined, {
      "x-scope-orgid": "victim",
      "x-tenant-id": victim.id,
    });
    expect(answer.body.slug).toBe("intruder");
    expect((await intruder.call("GET", `/v1/routers?tenant_id=${victim.id}`)).status).toBe(400);
  });
});

it("after all that, the victim has what it had", async () => {
  expect((await victim.call("GET", `/v1/routers/${ids["routers"]}`)).body.name).toBe(
    "victims router",
  );
  expect((await victim.call("GET", "/v1/credentials")).body.items).toHaveLength(1);
  expect((await victim.call("GET", "/v1/zones")).body.items).toHaveLength(2);
});
