import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, inject, it } from "vitest";
import type { ApiDeps } from "../../src/api/api-deps.ts";
import { startApi, startOpsApi } from "../../src/api/start-api.ts";
import { openPool } from "../../src/storage/pool.ts";
import { createTestDatabase } from "../database.ts";
import { type ApiFixture, openApiFixture } from "./api-fixture.ts";

const ANY_PORT = { host: "127.0.0.1", port: 0 };

const cleanUps: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function openFixture(): Promise<ApiFixture> {
  const fixture = await openApiFixture(inject("databaseUrl"));
  cleanUps.push(() => fixture.close());
  return fixture;
}

it("listens on a port of its choice and answers there", async () => {
  const { deps } = await openFixture();
  const running = await startApi(deps, ANY_PORT);
  cleanUps.push(() => running.stop());

  expect(running.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const answer = await fetch(`${running.url}/v1/tenants`, {
    headers: { authorization: `Bearer ${deps.adminToken}` },
  });
  expect(await answer.json()).toEqual({ items: [], next: null });
});

it("an occupied port is refused with the variable that changes it", async () => {
  const { deps } = await openFixture();
  const other: Server = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  cleanUps.push(() => new Promise((resolve) => other.close(() => resolve())));
  const { port } = other.address() as AddressInfo; // A TCP server's address is no text.

  await expect(startApi(deps, { host: "127.0.0.1", port })).rejects.toThrow(
    `Cannot listen on "127.0.0.1:${port}": another program uses it; stop that program or set FAIRWALK_LISTEN`,
  );
});

it("an address this machine does not have is refused with the variable that changes it", async () => {
  const { deps } = await openFixture();

  await expect(startApi(deps, { host: "192.0.2.1", port: 0 })).rejects.toThrow("FAIRWALK_LISTEN");
});

it("stopping answers what is under way, reports not ready meanwhile, and refuses what is new", async () => {
  const { deps } = await openFixture();
  const asked = signal();
  const released = signal();
  const running = await startApi(
    {
      ...deps,
      platformMetrics: async () => {
        asked.give();
        await released.given;
        return { contentType: "text/plain", body: "late but whole" };
      },
    },
    ANY_PORT,
  );
  const headers = { authorization: `Bearer ${deps.adminToken}` };
  const slow = fetch(`${running.url}/metrics`, { headers });
  await asked.given;

  const stopped = running.stop();
  released.give();

  const answer = await slow;
  expect([answer.status, await answer.text()]).toEqual([200, "late but whole"]);
  await stopped;
  await expect(fetch(`${running.url}/livez`)).rejects.toThrow("fetch failed");
});

it("a process that is stopping is not ready", async () => {
  const { app } = await openFixture();
  const asked = signal();
  const released = signal();
  app.addHook("preClose", async () => {
    asked.give();
    await released.given;
  });
  const url = await app.listen(ANY_PORT);

  const closing = app.close();
  await asked.given;
  const answer = await fetch(`${url}/readyz`);
  const body = await answer.json();
  released.give();
  await closing;

  expect([answer.status, body]).toEqual([503, { status: "stopping" }]);
});

it("while Postgres is away it lives, is not ready, and says so to those who ask", async () => {
  const { deps } = await openFixture();
  const away = await createTestDatabase(inject("databaseUrl"));
  const pool = openPool({ url: away.url, max: 2, applicationName: "test" });
  cleanUps.push(() => pool.end());
  await pool.query("select 1");
  await away.drop();
  const lost: ApiDeps = {
    ...deps,
    pools: { app: pool, platform: pool },
    readinessChecks: {
      postgres: async () => {
        await pool.query("select 1");
      },
    },
  };
  const running = await startApi(lost, ANY_PORT);
  cleanUps.push(() => running.stop());
  const ask = async (path: string, token: string) => {
    const answer = await fetch(running.url + path, {
      headers: { authorization: `Bearer ${token}` },
    });
    return { status: answer.status, body: await answer.json() };
  };

  expect(await ask("/livez", "")).toMatchObject({ status: 200 });
  expect(await ask("/readyz?verbose", "")).toMatchObject({
    status: 503,
    body: { status: "unavailable", checks: { postgres: { status: "failed" } } },
  });
  expect(await ask("/v1/tenants", deps.adminToken)).toMatchObject({
    status: 503,
    body: { code: "database-unavailable", request_id: expect.any(String) },
  });
  const anyKey = `fw_${"0".repeat(32)}_${"A".repeat(43)}`;
  expect(await ask("/v1/routers", anyKey)).toMatchObject({ status: 503 });
});

it("a process without tenants serves health and metrics, and nothing else", async () => {
  const running = await startOpsApi(
    {
      adminToken: "ops",
      readinessChecks: {},
      platformMetrics: async () => ({ contentType: "text/plain", body: "up 1\n" }),
      log: { debug() {}, info() {}, warn() {}, error() {} },
      version: "1.0.0",
    },
    ANY_PORT,
  );
  cleanUps.push(() => running.stop());
  const statusOf = async (path: string) => {
    const answer = await fetch(running.url + path, { headers: { authorization: "Bearer ops" } });
    return answer.status;
  };

  expect(await statusOf("/livez")).toBe(200);
  expect(await statusOf("/readyz")).toBe(200);
  expect(await statusOf("/metrics")).toBe(200);
  expect(await statusOf("/v1/tenants")).toBe(404);
});

/** A moment one side waits for and the other brings about. */
function signal(): { readonly given: Promise<void>; readonly give: () => void } {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}
