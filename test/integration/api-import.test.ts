import { afterAll, beforeAll, expect, inject, it } from "vitest";
import {
  type Answer,
  type ApiFixture,
  newCredential,
  openApiFixture,
  type TenantCaller,
} from "./api-fixture.ts";

let api: ApiFixture;
let tenants = 0;

beforeAll(async () => {
  api = await openApiFixture(inject("databaseUrl"));
});

afterAll(() => api.close());

/** A tenant with a credential named "core". */
async function newTenant(
  tier: "free" | "professional" | "msp" = "professional",
): Promise<TenantCaller> {
  const tenant = await api.newTenant(`importer-${++tenants}`, tier);
  await newCredential(tenant.call);
  return tenant;
}

function importCsv(tenant: TenantCaller, csv: string, query = ""): Promise<Answer> {
  return tenant.call("POST", `/v1/routers/import${query}`, csv, { "content-type": "text/csv" });
}

const TWO_ROUTERS =
  "name;address;credential;intervalSeconds;labels\r\n" +
  "r1;192.0.2.1;core;60;site=berlin\r\n" +
  "r2;2001:db8::2;core;;\r\n";

it("CSV registers routers, and again changes nothing", async () => {
  const tenant = await newTenant();

  const first = await importCsv(tenant, `\uFEFF${TWO_ROUTERS}`);
  expect(first.status).toBe(200);
  expect(first.body).toMatchObject({ dryRun: false, created: 2, updated: 0, unchanged: 0 });

  const second = await importCsv(tenant, TWO_ROUTERS);
  expect(second.body).toMatchObject({ created: 0, updated: 0, unchanged: 2 });
  expect(second.body.routers.map((it: { id: string }) => it.id)).toEqual(
    first.body.routers.map((it: { id: string }) => it.id),
  );
  const list = await tenant.call("GET", "/v1/routers");
  expect(list.body.items).toMatchObject([
    { name: "r1", address: "192.0.2.1", intervalSeconds: 60, labels: { site: "berlin" } },
    { name: "r2", address: "2001:db8::2", intervalSeconds: 60, labels: {} },
  ]);
});

it("JSON does the same, by the credential's name or id", async () => {
  const tenant = await newTenant();
  const { body } = await tenant.call("GET", "/v1/credentials");
  const routers = [
    { name: "r1", address: "192.0.2.1", credential: "core" },
    { name: "r2", address: "192.0.2.2", credentialId: body.items[0].id, modules: ["system"] },
  ];

  expect((await tenant.call("POST", "/v1/routers/import", { routers })).body).toMatchObject({
    created: 2,
  });
  const changed = [{ ...routers[0], name: "renamed" }, routers[1]];
  const again = await tenant.call("POST", "/v1/routers/import", { routers: changed });
  expect(again.body).toMatchObject({ created: 0, updated: 1, unchanged: 1 });
});

it("a dry run says what would happen, and does nothing", async () => {
  const tenant = await newTenant();

  const dry = await importCsv(tenant, TWO_ROUTERS, "?dry_run=true");

  expect(dry.body).toMatchObject({
    dryRun: true,
    created: 2,
    routers: [
      { row: 1, id: null, action: "created" },
      { row: 2, id: null, action: "created" },
    ],
  });
  expect((await tenant.call("GET", "/v1/routers")).body.items).toEqual([]);
});

it("one wrong row keeps all out, and every wrong row is named with its line", async () => {
  const tenant = await newTenant();

  const answer = await importCsv(
    tenant,
    "name,address,credential,intervalSeconds\n" +
      "r1,192.0.2.1,core,60\n" +
      "r2,127.0.0.1,core,60\n" +
      "r3,192.0.2.3,corr,60\n" +
      "r4,192.0.2.4,core,5\n",
  );

  expect(answer.status).toBe(400);
  expect(answer.body).toMatchObject({
    code: "validation-failed",
    errors_total: 3,
    errors: [
      {
        row: 2,
        line: 3,
        pointer: "/routers/1/address",
        detail: expect.stringContaining("loopback"),
      },
      {
        row: 3,
        line: 4,
        pointer: "/routers/2/credential",
        detail: expect.stringContaining('"corr"'),
      },
      { row: 4, line: 5, pointer: "/routers/3/intervalSeconds" },
    ],
  });
  expect(answer.body.detail).toContain("line 3");
  expect((await tenant.call("GET", "/v1/routers")).body.items).toEqual([]);
});

it("unreadable files are refused with what to do", async () => {
  const tenant = await newTenant();
  const latin1 = Buffer.from("name,address,credential\nM\xfcnchen,192.0.2.1,core\n", "latin1");

  const notUtf8 = await tenant.call("POST", "/v1/routers/import", latin1, {
    "content-type": "text/csv",
  });
  expect([notUtf8.status, notUtf8.body.code]).toEqual([400, "malformed-request"]);
  expect(notUtf8.body.detail).toContain("UTF-8");
  expect((await importCsv(tenant, "")).status).toBe(400);
  expect((await importCsv(tenant, "name,address\n")).status).toBe(400);
  expect((await tenant.call("POST", "/v1/routers/import")).status).toBe(400);
  expect((await tenant.call("POST", "/v1/routers/import", { router: [] })).status).toBe(400);
  const xml = await tenant.call("POST", "/v1/routers/import", "<a/>", {
    "content-type": "text/xml",
  });
  expect(xml.status).toBe(415);
});

it("CSV is for imports alone", async () => {
  const tenant = await newTenant();

  const answer = await tenant.call("POST", "/v1/routers", "a,b", { "content-type": "text/csv" });

  expect(answer.status).toBe(415);
});

it("the quota counts the whole import", async () => {
  const tenant = await newTenant("free");
  const rows = (count: number) =>
    Array.from({ length: count }, (_, n) => ({
      name: `r${n}`,
      address: `192.0.2.${n + 1}`,
      credential: "core",
      intervalSeconds: 300,
    }));

  const tooMany = await tenant.call("POST", "/v1/routers/import", { routers: rows(11) });
  expect(tooMany.status).toBe(409);
  expect(tooMany.body).toMatchObject({ code: "quota-exceeded", limit: 10, used: 0 });
  expect((await tenant.call("GET", "/v1/tenant")).body.usage.routers).toBe(0);

  expect((await tenant.call("POST", "/v1/routers/import", { routers: rows(10) })).status).toBe(200);
  const again = await tenant.call("POST", "/v1/routers/import", { routers: rows(10) });
  expect(again.body).toMatchObject({ created: 0, unchanged: 10 });
});

it("two imports of the same file at once make each router once", async () => {
  const tenant = await newTenant();

  const answers = await Promise.all([1, 2, 3].map(() => importCsv(tenant, TWO_ROUTERS)));

  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(answers.reduce((sum, { body }) => sum + body.created, 0)).toBe(2);
});

it("ten thousand rows are one request", async () => {
  const tenant = await newTenant("msp");
  const lines = Array.from(
    { length: 10_000 },
    (_, n) => `router-${n},10.${n >> 16}.${(n >> 8) & 255}.${n & 255},core,rack=${n % 40}`,
  );
  const csv = `name,address,credential,labels\n${lines.join("\n")}\n`;

  expect((await importCsv(tenant, csv)).body).toMatchObject({ created: 10_000 });
  expect((await importCsv(tenant, csv)).body).toMatchObject({ unchanged: 10_000 });
});
