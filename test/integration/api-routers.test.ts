import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import {
  type ApiFixture,
  newCredential,
  openApiFixture,
  routerBodies,
  type TenantCaller,
} from "./api-fixture.ts";

let api: ApiFixture;
let tenant: TenantCaller;
let credentialId: string;
let body: (changes?: object) => Record<string, unknown>;

beforeAll(async () => {
  api = await openApiFixture(inject("databaseUrl"), {
    targetGuard: { allowLoopback: false, ownAddresses: ["198.51.100.7"], allow: [] },
  });
  tenant = await api.newTenant("north");
  credentialId = await newCredential(tenant.call);
  body = routerBodies(credentialId);
});

afterAll(() => api.close());

const UNKNOWN = "01900000-0000-7000-8000-0000000000ff";

function pointersOf(answer: { body: { errors: { pointer: string }[] } }): string[] {
  return answer.body.errors.map(({ pointer }) => pointer);
}

describe("credentials", () => {
  const V3 = {
    name: "user",
    version: "3",
    username: "poller",
    securityLevel: "authPriv",
    authProtocol: "SHA256",
    authPassword: "auth-secret-1",
    privProtocol: "AES",
    privPassword: "priv-secret-1",
  };

  it("secrets go in and never come out", async () => {
    const made = await tenant.call("POST", "/v1/credentials", V3);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      name: "user",
      version: "3",
      username: "poller",
      hasCommunity: false,
      hasAuthPassword: true,
      hasPrivPassword: true,
    });

    const changed = await tenant.call("PATCH", `/v1/credentials/${made.body.id}`, {
      privPassword: "priv-secret-2",
    });
    expect(changed.status).toBe(200);
    const list = await tenant.call("GET", "/v1/credentials");
    expect(list.body.items).toHaveLength(2);
    for (const { text } of [made, changed, list]) expect(text).not.toMatch(/secret|not-public/);
  });

  it("one is found by its name", async () => {
    const list = await tenant.call("GET", "/v1/credentials?name=core");

    expect(list.body.items).toMatchObject([{ id: credentialId, hasCommunity: true }]);
  });

  it("a name belongs to one credential", async () => {
    const answer = await tenant.call("POST", "/v1/credentials", { ...V3, name: "core" });

    expect([answer.status, answer.body.code]).toEqual([409, "name-taken"]);
  });

  it("fields are judged by version and level", async () => {
    const answer = await tenant.call("POST", "/v1/credentials", {
      ...V3,
      name: "x",
      version: "2c",
    });

    expect(answer.status).toBe(400);
    expect(pointersOf(answer)).toContain("/community");
    expect(answer.text).not.toContain("secret-1");
  });

  it("one that a router uses stays, an unused one goes", async () => {
    const used = await newCredential(tenant.call, "used");
    const router = await tenant.call("POST", "/v1/routers", body({ credentialId: used }));

    const refused = await tenant.call("DELETE", `/v1/credentials/${used}`);
    expect([refused.status, refused.body.code]).toEqual([409, "credential-in-use"]);

    await tenant.call("DELETE", `/v1/routers/${router.body.id}`);
    expect((await tenant.call("DELETE", `/v1/credentials/${used}`)).status).toBe(204);
    expect((await tenant.call("GET", `/v1/credentials/${used}`)).status).toBe(404);
    expect((await tenant.call("DELETE", `/v1/credentials/${used}`)).status).toBe(404);
  });
});

describe("zones", () => {
  it("the shared zone is there, own ones are made and removed", async () => {
    const made = await tenant.call("POST", "/v1/zones", { name: "berlin" });
    expect(made.status).toBe(201);

    const list = await tenant.call("GET", "/v1/zones");
    expect(list.body).toEqual({
      items: [
        { id: made.body.id, name: "berlin", shared: false },
        { id: null, name: "default", shared: true },
      ],
      next: null,
    });
    const page = await tenant.call("GET", "/v1/zones?limit=1");
    const rest = await tenant.call("GET", `/v1/zones?cursor=${page.body.next}`);
    expect([...page.body.items, ...rest.body.items]).toEqual(list.body.items);

    expect((await tenant.call("POST", "/v1/zones", { name: "berlin" })).body.code).toBe(
      "name-taken",
    );
    expect((await tenant.call("POST", "/v1/zones", { name: "default" })).body.code).toBe(
      "name-taken",
    );
    expect((await tenant.call("DELETE", `/v1/zones/${made.body.id}`)).status).toBe(204);
    expect((await tenant.call("DELETE", `/v1/zones/${made.body.id}`)).status).toBe(404);
  });

  it("one with routers in it stays", async () => {
    const zone = await tenant.call("POST", "/v1/zones", { name: "busy" });
    await tenant.call("POST", "/v1/routers", body({ zone: "busy" }));

    const answer = await tenant.call("DELETE", `/v1/zones/${zone.body.id}`);

    expect([answer.status, answer.body.code]).toEqual([409, "zone-in-use"]);
  });
});

describe("routers", () => {
  it("one is registered with defaults, read, changed and removed", async () => {
    const made = await tenant.call("POST", "/v1/routers", {
      name: "edge 1",
      address: "2001:DB8:0::1",
      credentialId,
    });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      name: "edge 1",
      address: "2001:db8::1",
      port: 161,
      zone: "default",
      credentialId,
      intervalSeconds: 60,
      modules: null,
      context: "",
      labels: {},
      enabled: true,
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
      admission: expect.objectContaining({ zone: "default", verdict: "unknown" }),
    });
    const path = made.headers["location"] as string;
    const { admission: _, ...registered } = made.body;
    expect((await tenant.call("GET", path)).body).toEqual({
      ...registered,
      polling: expect.objectContaining({ state: "pending" }),
    });

    const changed = await tenant.call("PATCH", path, {
      modules: ["if_mib", "system"],
      labels: { site: "berlin" },
      enabled: false,
    });
    expect(changed.body).toMatchObject({
      name: "edge 1",
      modules: ["if_mib", "system"],
      labels: { site: "berlin" },
      enabled: false,
    });
    expect((await tenant.call("PATCH", path, { modules: null })).body.modules).toBeNull();

    expect((await tenant.call("DELETE", path)).status).toBe(204);
    expect((await tenant.call("GET", path)).status).toBe(404);
    expect((await tenant.call("DELETE", path)).status).toBe(404);
  });

  it("an address, port, zone and context make one router, a name too", async () => {
    const first = body();
    await tenant.call("POST", "/v1/routers", first);

    const sameAddress = await tenant.call("POST", "/v1/routers", {
      ...body(),
      address: first["address"],
    });
    const sameName = await tenant.call("POST", "/v1/routers", { ...body(), name: first["name"] });
    const otherPort = await tenant.call("POST", "/v1/routers", {
      ...body(),
      address: first["address"],
      port: 1161,
    });

    expect([sameAddress.status, sameAddress.body.code]).toEqual([409, "router-exists"]);
    expect([sameName.status, sameName.body.code]).toEqual([409, "name-taken"]);
    expect(otherPort.status).toBe(201);
  });

  it("two tenants may have the same address and name", async () => {
    const other = await api.newTenant("south");
    const mine = body();
    const theirs = { ...mine, credentialId: await newCredential(other.call) };

    expect((await tenant.call("POST", "/v1/routers", mine)).status).toBe(201);
    expect((await other.call("POST", "/v1/routers", theirs)).status).toBe(201);
  });

  it.each([
    ["/address", { address: "router.example" }, "not a host name"],
    ["/address", { address: "127.0.0.1" }, "loopback"],
    ["/address", { address: "::ffff:127.0.0.1" }, "loopback"],
    ["/address", { address: "198.51.100.7" }, "platform"],
    ["/port", { port: 0 }, "1 to 65535"],
    ["/port", { port: 65_536 }, "1 to 65535"],
    ["/intervalSeconds", { intervalSeconds: 10 }, "60 to 86400 in this tenant's tier"],
    ["/intervalSeconds", { intervalSeconds: 86_401 }, "86400"],
    ["/modules/0", { modules: ["if_mbi"] }, "known are bgp4,"],
    ["/zone", { zone: "moon" }, "default"],
    ["/labels/__x", { labels: { __x: "1" } }, "__"],
    ["/labels/router_id", { labels: { router_id: "1" } }, "set by Fairwalk"],
    ["/labels/ifName", { labels: { ifName: "1" } }, "set by Fairwalk"],
    ["/labels/a-b", { labels: { "a-b": "1" } }, "letters, digits and _"],
    ["/credentialId", { credentialId: UNKNOWN }, "GET /v1/credentials"],
    ["/name", { name: "" }, "at least 1"],
    ["/context", { context: "a\u0000" }, "U+0000"],
    ["/adress", { adress: "x" }, "known are"],
  ])("%s is named when it is wrong: %j", async (pointer, changes, remedy) => {
    const answer = await tenant.call("POST", "/v1/routers", body(changes));

    expect(answer.status).toBe(400);
    expect(answer.body.code).toBe("validation-failed");
    expect(pointersOf(answer)).toEqual([pointer]);
    expect(answer.body.errors[0].detail).toContain(remedy);
  });

  it("a change is judged like a new router, and a move judges the address again", async () => {
    await tenant.call("POST", "/v1/zones", { name: "lab" });
    const inLab = await tenant.call(
      "POST",
      "/v1/routers",
      body({ zone: "lab", address: "127.0.0.9" }),
    );
    expect(inLab.status).toBe(201);
    const path = `/v1/routers/${inLab.body.id}`;

    expect(pointersOf(await tenant.call("PATCH", path, { zone: "default" }))).toEqual(["/address"]);
    expect(pointersOf(await tenant.call("PATCH", path, { intervalSeconds: 5 }))).toEqual([
      "/intervalSeconds",
    ]);
    expect(pointersOf(await tenant.call("PATCH", path, {}))).toEqual([""]);
    expect(pointersOf(await tenant.call("PATCH", path, { id: UNKNOWN }))).toEqual(["/id"]);
  });

  it("a list is narrowed by what is asked, and addresses are compared as addresses", async () => {
    const other = await api.newTenant("lists");
    const make = routerBodies(await newCredential(other.call));
    await other.call("POST", "/v1/zones", { name: "lab" });
    for (const changes of [
      { name: "alpha", address: "2001:db8::5" },
      { name: "beta", enabled: false },
      { name: "gamma", zone: "lab" },
    ]) {
      expect((await other.call("POST", "/v1/routers", make(changes))).status).toBe(201);
    }
    const names = async (query: string) => {
      const answer = await other.call("GET", `/v1/routers?${query}`);
      return answer.body.items.map((it: { name: string }) => it.name);
    };

    expect(await names("")).toEqual(["alpha", "beta", "gamma"]);
    expect(await names("name=beta")).toEqual(["beta"]);
    expect(await names("enabled=false")).toEqual(["beta"]);
    expect(await names("zone=lab")).toEqual(["gamma"]);
    expect(await names("address=2001:DB8:0:0::5")).toEqual(["alpha"]);
    expect(await names("search=ALPH")).toEqual(["alpha"]);
    expect(await names("enabled=true&zone=default")).toEqual(["alpha"]);

    const page = await other.call("GET", "/v1/routers?limit=2");
    expect(await names(`limit=2&cursor=${page.body.next}`)).toEqual(["gamma"]);
    for (const query of [
      "address=host",
      "enabled=maybe",
      "limit=0",
      "limit=1001",
      "zone=a&colour=red",
    ]) {
      expect([query, (await other.call("GET", `/v1/routers?${query}`)).status]).toEqual([
        query,
        400,
      ]);
    }
  });

  it("a poll is asked for, of an enabled router only", async () => {
    const router = await tenant.call("POST", "/v1/routers", body());
    const path = `/v1/routers/${router.body.id}`;

    const asked = await tenant.call("POST", `${path}/poll`);
    expect(asked.status).toBe(202);
    expect(asked.body).toEqual({
      routerId: router.body.id,
      requestedAt: expect.stringMatching(/Z$/),
    });

    await tenant.call("PATCH", path, { enabled: false });
    const refused = await tenant.call("POST", `${path}/poll`);
    expect([refused.status, refused.body.code]).toEqual([409, "router-disabled"]);
    expect((await tenant.call("POST", `/v1/routers/${UNKNOWN}/poll`)).status).toBe(404);
  });
});

describe("the quota", () => {
  it("holds under parallel requests: at one below the limit, one of fifty gets in", async () => {
    const racer = await api.newTenant("racer", "free");
    const make = routerBodies(await newCredential(racer.call));
    for (let n = 1; n < 10; n++) await racer.call("POST", "/v1/routers", make());

    const answers = await Promise.all(
      Array.from({ length: 50 }, () => racer.call("POST", "/v1/routers", make())),
    );

    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    const refused = answers.filter(({ status }) => status === 409);
    expect(refused).toHaveLength(49);
    for (const { body: problem } of refused) {
      expect(problem).toMatchObject({
        code: "quota-exceeded",
        resource: "routers",
        limit: 10,
        used: 10,
      });
    }
    expect((await racer.call("GET", "/v1/tenant")).body.usage).toEqual({ routers: 10 });
  });

  it("after a downgrade nothing is lost and nothing is added", async () => {
    const shrunk = await api.newTenant("shrunk", "professional");
    const make = routerBodies(await newCredential(shrunk.call));
    for (let n = 1; n <= 11; n++) await shrunk.call("POST", "/v1/routers", make());
    await api.admin("PATCH", `/v1/tenants/${shrunk.id}`, { tier: "free" });

    const refused = await shrunk.call("POST", "/v1/routers", make());

    expect(refused.body).toMatchObject({ code: "quota-exceeded", limit: 10, used: 11 });
    expect((await shrunk.call("GET", "/v1/routers")).body.items).toHaveLength(11);
  });
});
