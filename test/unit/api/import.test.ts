import { expect, it } from "vitest";
import { planImport } from "../../../src/api/import-plan.ts";
import { csvRows, jsonRows, type ReadRows } from "../../../src/api/import-rows.ts";
import { reservedLabels } from "../../../src/api/router-rules.ts";
import { targetJudge } from "../../../src/api/target-guard.ts";
import type { Router, RouterId } from "../../../src/routers/router.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";

const CREDENTIAL = { id: "0198c0de-0000-7000-8000-000000000001", name: "core" };
const RULES = {
  tier: { intervalSecondsMin: 30 },
  moduleNames: new Set(["system", "if_mib"]),
  reservedLabels: reservedLabels(["ifName"]),
  judgeTarget: targetJudge({ allowLoopback: false, ownAddresses: [], allow: [] }),
  zones: new Map([
    ["default", { shared: true }],
    ["lab", { shared: false }],
  ]),
};

function plan(read: ReadRows, existing: readonly Router[] = []) {
  expect(read.errors).toEqual([]);
  return planImport(read.rows, { rules: RULES, existing, credentials: [CREDENTIAL] });
}

function routersOf(rows: ReadRows): Router[] {
  return plan(rows).planned.map((row, index) => ({
    ...row.values,
    id: `router-${index}` as RouterId,
    tenantId: "tenant" as TenantId,
  }));
}

it("a CSV row becomes the router its JSON would be", () => {
  const csv = csvRows(
    "name,address,port,zone,credential,intervalSeconds,modules,context,labels,enabled\n" +
      'r1,192.0.2.1,1161,lab,core,60,"system if_mib",vrf-a,site=berlin;rack=4,no\n',
  );
  const json = jsonRows({
    routers: [
      {
        name: "r1",
        address: "192.0.2.1",
        port: 1161,
        zone: "lab",
        credential: "core",
        intervalSeconds: 60,
        modules: ["system", "if_mib"],
        context: "vrf-a",
        labels: { site: "berlin", rack: "4" },
        enabled: false,
      },
    ],
  });

  expect(plan(csv).planned.map((it) => it.values)).toEqual(
    plan(json).planned.map((it) => it.values),
  );
});

it("an empty cell says nothing: the router gets its default", () => {
  const [router] = routersOf(csvRows("name,address,port,credential,labels\nr1,192.0.2.1,,core,\n"));

  expect(router).toMatchObject({ port: 161, zone: "default", labels: {}, modules: null });
});

it("a column may hold one label", () => {
  const [router] = routersOf(
    csvRows("name,address,credential,labels,labels.site\nr1,192.0.2.1,core,a=1,berlin\n"),
  );

  expect(router?.labels).toEqual({ a: "1", site: "berlin" });
});

it("importing the same rows again changes nothing", () => {
  const rows = jsonRows({
    routers: [
      { name: "r1", address: "2001:DB8::1", credential: "core", labels: { b: "1", a: "2" } },
      { name: "r2", address: "[2001:db8::2]", credential: "core" },
    ],
  });

  const again = plan(rows, routersOf(rows));

  expect(again.planned.map((it) => it.action)).toEqual(["keep", "keep"]);
});

it("a row with the identity of a router changes only what it says", () => {
  const before = routersOf(
    jsonRows({
      routers: [{ name: "r1", address: "192.0.2.1", credential: "core", labels: { a: "1" } }],
    }),
  );

  const { planned } = plan(csvRows("name,address,credential\nrenamed,192.0.2.1,core\n"), before);

  expect(planned).toMatchObject([
    { action: "update", id: "router-0", values: { name: "renamed", labels: { a: "1" } } },
  ]);
});

it("the same address in another zone, port or context is another router", () => {
  const router = { name: "r1", address: "192.0.2.1", credential: "core" };
  const rows = jsonRows({
    routers: [
      router,
      { ...router, name: "r2", zone: "lab" },
      { ...router, name: "r3", port: 162 },
      { ...router, name: "r4", context: "x" },
    ],
  });

  expect(
    plan(rows, routersOf(jsonRows({ routers: [router] }))).planned.map((it) => it.action),
  ).toEqual(["keep", "create", "create", "create"]);
});

function check(read: ReadRows, expected: readonly object[]) {
  const errors =
    read.errors.length > 0
      ? read.errors
      : planImport(read.rows, { rules: RULES, existing: [], credentials: [CREDENTIAL] }).errors;
  expect(errors).toEqual(expected.map((error) => expect.objectContaining(error)));
}

it("errors of a CSV carry the line of the file, counting quoted line breaks", () => {
  check(
    csvRows(
      'name,address,credential\n"two\nlines",192.0.2.1,core\nr2,host.example,core\nr3,192.0.2.3,\n',
    ),
    [{ row: 1, line: 2, pointer: "/routers/0/name" }],
  );
  check(
    csvRows("name,address,credential\nr1,192.0.2.1,core\nr2,host.example,core\nr3,192.0.2.3,\n"),
    [
      {
        row: 2,
        line: 3,
        pointer: "/routers/1/address",
        detail: expect.stringContaining("IP address"),
      },
      {
        row: 3,
        line: 4,
        pointer: "/routers/2/credential",
        detail: expect.stringContaining("required"),
      },
    ],
  );
});

it("a cell of the wrong kind is named with what it should be", () => {
  check(csvRows("name,address,credential,port,enabled\nr1,192.0.2.1,core,many,perhaps\n"), [
    { pointer: "/routers/0/port", detail: expect.stringContaining("1 to 65535") },
    { pointer: "/routers/0/enabled", detail: expect.stringContaining("true or false") },
  ]);
});

it("an unknown column is refused with the list of known ones", () => {
  check(csvRows("name,adress,credential\nr1,192.0.2.1,core\n"), [
    { line: 1, detail: expect.stringMatching(/"adress" is not known; known are name, address/) },
  ]);
});

it("two rows of one router are refused", () => {
  check(csvRows("name,address,credential\nr1,2001:db8::1,core\nr2,2001:DB8:0::1,core\n"), [
    { row: 2, line: 3, detail: expect.stringContaining("row 1") },
  ]);
});

it("a name belongs to one router, in the import and in what exists", () => {
  const existing = routersOf(
    jsonRows({ routers: [{ name: "r1", address: "192.0.2.1", credential: "core" }] }),
  );
  const { rows } = csvRows(
    "name,address,credential\nr1,192.0.2.9,core\nr3,192.0.2.3,core\nr3,192.0.2.4,core\n",
  );

  const { planned, errors } = planImport(rows, {
    rules: RULES,
    existing,
    credentials: [CREDENTIAL],
  });

  expect(planned).toEqual([]);
  expect(errors).toMatchObject([
    { row: 1, pointer: "/routers/0/name", detail: expect.stringContaining("192.0.2.1, port 161") },
    { row: 3, pointer: "/routers/2/name", detail: expect.stringContaining("row 2") },
  ]);
});

it("a credential is named once, and must exist", () => {
  const router = { name: "r1", address: "192.0.2.1" };
  check(jsonRows({ routers: [{ ...router, credential: "nope" }] }), [
    { row: 1, pointer: "/routers/0/credential", detail: expect.stringContaining('"nope"') },
  ]);
  check(jsonRows({ routers: [{ ...router, credential: "core", credentialId: CREDENTIAL.id }] }), [
    { pointer: "/routers/0/credential", detail: expect.stringContaining("exclude each other") },
  ]);
});

it("rules of the router hold for each row", () => {
  check(
    jsonRows({
      routers: [
        { name: "r1", address: "127.0.0.1", credential: "core", intervalSeconds: 5 },
        { name: "r2", address: "192.0.2.2", credential: "core", modules: ["if_mbi"], zone: "moon" },
        { name: "r3", address: "192.0.2.3", credential: "core", labels: { ifName: "x", __y: "z" } },
      ],
    }),
    [
      { row: 1, pointer: "/routers/0/address", detail: expect.stringContaining("loopback") },
      {
        row: 1,
        pointer: "/routers/0/intervalSeconds",
        detail: expect.stringContaining("30 to 86400"),
      },
      { row: 2, pointer: "/routers/1/zone", detail: expect.stringContaining("default, lab") },
      {
        row: 2,
        pointer: "/routers/1/modules/0",
        detail: expect.stringContaining("if_mib, system"),
      },
      { row: 3, pointer: "/routers/2/labels/ifName" },
      { row: 3, pointer: "/routers/2/labels/__y" },
    ],
  );
});

it("a body that is no list of routers is refused", () => {
  check(jsonRows({}), [{ pointer: "/routers" }]);
  check(jsonRows(null), [{ pointer: "/routers" }]);
  check(jsonRows({ routers: [] }), [{ pointer: "/routers" }]);
  check(jsonRows({ routers: [1], mode: "sync" }), [{ pointer: "/mode" }]);
  check(jsonRows({ routers: [1] }), [{ pointer: "/routers/0", row: 1 }]);
  check(jsonRows({ routers: new Array(10_001).fill(1) }), [
    { detail: expect.stringContaining("10000") },
  ]);
});
