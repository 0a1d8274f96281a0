import { type AddressInfo, connect } from "node:net";
import { expect, it, vi } from "vitest";
import type { ApiDeps } from "../../../src/api/api-deps.ts";
import { buildApi } from "../../../src/api/app.ts";
import { depsWithoutDatabase } from "./fake-deps.ts";

function api(deps: Partial<ApiDeps> = {}) {
  return buildApi({ ...depsWithoutDatabase(), ...deps });
}

const ADMIN = { authorization: "Bearer the-admin-token" };

it("anyone may ask whether it lives and is ready", async () => {
  const app = api();

  expect((await app.inject("/livez")).json()).toEqual({ status: "ok" });
  expect((await app.inject("/readyz")).json()).toEqual({ status: "ok" });
});

it("a failed readiness check answers 503, names the check and hides the reason", async () => {
  const warn = vi.fn();
  const app = api({
    log: { ...depsWithoutDatabase().log, warn },
    readinessChecks: {
      database: async () => Promise.reject(new Error("password of db-7.internal is wrong")),
      queue: async () => {},
    },
  });

  const answer = await app.inject("/readyz?verbose");

  expect(answer.statusCode).toBe(503);
  expect(answer.json()).toMatchObject({
    status: "unavailable",
    checks: { database: { status: "failed" }, queue: { status: "ok" } },
  });
  expect(answer.body).not.toContain("db-7");
  expect(warn).toHaveBeenCalledWith(
    expect.objectContaining({ check: "database" }),
    expect.any(String),
  );
});

it("the platform's metrics need the administrator's token", async () => {
  const app = api();

  expect((await app.inject("/metrics")).statusCode).toBe(401);
  const answer = await app.inject({ url: "/metrics", headers: ADMIN });
  expect(answer.headers["content-type"]).toBe("text/plain; version=0.0.4");
  expect(answer.body).toBe("up 1\n");
});

it.each([
  ["no header", {}, 'Bearer realm="fairwalk"'],
  ["another scheme", { authorization: "Basic Zm9vOmJhcg==" }, "invalid_request"],
  ["an empty token", { authorization: "Bearer " }, "invalid_request"],
  ["a token of no known form", { authorization: "Bearer wrong" }, "invalid_token"],
])("%s is answered 401 with how to authenticate", async (_name, headers, challenge) => {
  const answer = await api().inject({ url: "/v1/tenant", headers });

  expect(answer.statusCode).toBe(401);
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  expect(answer.headers["www-authenticate"]).toContain(challenge);
  expect(answer.json()).toMatchObject({
    code: "unauthenticated",
    status: 401,
    instance: "/v1/tenant",
  });
});

it("an empty administrator's token lets nobody in", async () => {
  const answer = await api({ adminToken: "" }).inject({
    url: "/metrics",
    headers: { authorization: "Bearer " },
  });

  expect(answer.statusCode).toBe(401);
});

it("the administrator's token does not act inside a tenant, and the answer says what does", async () => {
  const answer = await api().inject({ url: "/v1/routers", headers: ADMIN });

  expect(answer.statusCode).toBe(403);
  expect(answer.json()).toMatchObject({ code: "permission-denied" });
  expect(answer.json().detail).toContain("/api-keys");
});

it("an unknown address is a problem document", async () => {
  const answer = await api().inject("/v1/rooters?secret=1");

  expect(answer.statusCode).toBe(404);
  expect(answer.json()).toMatchObject({ code: "not-found", instance: "/v1/rooters" });
});

it("a known address with another method is answered 405 with the methods it takes", async () => {
  const answer = await api().inject({ url: "/v1/tenants/some-id", method: "PUT" });

  expect(answer.statusCode).toBe(405);
  expect(answer.headers["allow"]).toBe("GET, HEAD, PATCH, DELETE");
  expect(answer.json()).toMatchObject({ code: "method-not-allowed" });
});

it("a request id is taken over where it is harmless, and made up where it is not", async () => {
  const app = api();
  const ask = async (id: string) => {
    const answer = await app.inject({ url: "/nowhere", headers: { "x-request-id": id } });
    return [answer.headers["x-request-id"], answer.json().request_id];
  };

  expect(await ask("abc-1.2:3")).toEqual(["abc-1.2:3", "abc-1.2:3"]);
  const [header, body] = await ask("<script>");
  expect(header).toMatch(/^[0-9a-f-]{36}$/);
  expect(body).toBe(header);
});

it("a lost database is answered 503 with the request id alone, and logged under it", async () => {
  const error = vi.fn();
  const app = api({ log: { ...depsWithoutDatabase().log, error } });

  const answer = await app.inject({ url: "/v1/tenants", headers: ADMIN });

  expect(answer.statusCode).toBe(503);
  expect(answer.headers["retry-after"]).toBe("5");
  expect(answer.json()).toMatchObject({ code: "database-unavailable" });
  expect(answer.body).not.toContain("127.0.0.1");
  expect(error).toHaveBeenCalledWith(
    expect.objectContaining({ requestId: answer.json().request_id }),
    expect.any(String),
  );
});

it("a fault of ours is answered 500 with the request id alone", async () => {
  const app = api({ platformMetrics: async () => Promise.reject(new Error("secret detail")) });

  const answer = await app.inject({ url: "/metrics", headers: ADMIN });

  expect(answer.statusCode).toBe(500);
  expect(answer.json()).toMatchObject({ code: "internal-error" });
  expect(answer.body).not.toContain("secret detail");
});

async function post(payload: string | undefined, contentType?: string) {
  const answer = await api().inject({
    method: "POST",
    url: "/v1/tenants",
    headers: { ...ADMIN, ...(contentType ? { "content-type": contentType } : {}) },
    ...(payload === undefined ? {} : { payload }),
  });
  return { status: answer.statusCode, ...answer.json() };
}

it("bodies that cannot be read are explained", async () => {
  const json = "application/json";
  expect(await post("{", json)).toMatchObject({ status: 400, code: "malformed-request" });
  expect(await post("", json)).toMatchObject({ status: 400, code: "malformed-request" });
  expect(await post(undefined)).toMatchObject({ status: 400, code: "malformed-request" });
  expect(await post("null", json)).toMatchObject({ status: 400 });
  expect(await post("[]", json)).toMatchObject({ status: 400, code: "validation-failed" });
  expect(await post("a=b", "application/x-www-form-urlencoded")).toMatchObject({
    status: 415,
    code: "unsupported-media-type",
  });
  expect(await post('{"__proto__":{}}', json)).toMatchObject({ status: 400 });
  expect(await post(`{"name":"${"x".repeat(300_000)}"}`, json)).toMatchObject({
    status: 413,
    code: "body-too-large",
  });
  expect(await post("[".repeat(100_000), json)).toMatchObject({ status: 400 });
});

it("every wrong field is named with its remedy", async () => {
  const answer = await post(
    JSON.stringify({ name: "a\u0000b", slug: "-x", tier: "gold", plan: 1 }),
    "application/json",
  );

  expect(answer).toMatchObject({ status: 400, code: "validation-failed" });
  expect(answer.errors.map((it: { pointer: string }) => it.pointer).sort()).toEqual([
    "/name",
    "/plan",
    "/slug",
    "/tier",
  ]);
  expect(JSON.stringify(answer.errors)).toContain("one of free, professional, business");
});

it("an unknown query parameter is refused", async () => {
  const answer = await api().inject({ url: "/v1/tenants?limmit=5", headers: ADMIN });

  expect(answer.statusCode).toBe(400);
  expect(answer.json().errors).toEqual([
    { in: "query", pointer: "/limmit", detail: expect.stringContaining("limit, cursor") },
  ]);
});

it("a cursor that is none of ours is refused", async () => {
  const answer = await api().inject({ url: "/v1/tenants?cursor=zzz", headers: ADMIN });

  expect(answer.json().errors).toMatchObject([{ in: "query", pointer: "/cursor" }]);
});

it("an id may be written in capitals", async () => {
  const answer = await api().inject({
    url: "/v1/tenants/01900000-0000-7000-8000-0000000000FF",
    method: "DELETE",
    headers: ADMIN,
  });

  expect(answer.json()).toMatchObject({ code: "database-unavailable" });
});

it("bytes that are no HTTP are answered with a problem document", async () => {
  const app = api();
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo; // A TCP server's address is no text.

  const socket = connect(port, "127.0.0.1");
  socket.end("GET / HTTP/9.9\r\n\r\n");
  const answer = (await socket.setEncoding("utf8").toArray()).join("");
  await app.close();

  expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  expect(answer).toContain("content-type: application/problem+json");
  expect(answer).toContain('"code":"malformed-request"');
});

it("a path that is no id is an unknown id", async () => {
  const answer = await api().inject({ url: "/v1/tenants/robert'); drop", headers: ADMIN });

  expect(answer.statusCode).toBe(404);
});
