import { expect, it } from "vitest";
import { NEW_ROUTER, ROUTER_CHANGES } from "../../../src/api/router-schemas.ts";
import { fieldChecker } from "../../../src/api/validation.ts";

const checkRouter = fieldChecker(NEW_ROUTER);
const ROUTER = {
  name: "r1",
  address: "192.0.2.1",
  credentialId: "0198c0de-0000-7000-8000-000000000001",
};

function check(change: Record<string, unknown>, expected: readonly (readonly [string, RegExp])[]) {
  const given = Object.entries({ ...ROUTER, ...change }).filter(([, value]) => value !== undefined);
  const errors = checkRouter(Object.fromEntries(given));
  expect(errors.map(({ pointer }) => pointer).sort()).toEqual(expected.map(([it]) => it).sort());
  for (const [pointer, detail] of expected) {
    expect(errors.find((it) => it.pointer === pointer)?.detail).toMatch(detail);
  }
}

it("a router that says only what it must is fine", () => {
  check({}, []);
});

it("a missing field is named, each by itself", () => {
  check({ name: undefined, address: undefined }, [
    ["/name", /^name is required: 1 to 200 characters/],
    ["/address", /^address is required: An IPv4 or IPv6 address/],
  ]);
});

it("an unknown field is refused with the list of known ones", () => {
  check({ adress: "x" }, [["/adress", /^adress is not a field here; known are name, address/]]);
});

it("every message says what would be right", () => {
  check({ port: 0 }, [["/port", /^port must be >= 1: UDP port, 1 to 65535/]]);
  check({ port: "161" }, [["/port", /^port must be integer/]]);
  check({ name: "" }, [["/name", /^name must have at least 1 character/]]);
  check({ name: "two\nlines" }, [["/name", /^name is not well formed: .*on one line/]]);
  check({ credentialId: "core" }, [
    ["/credentialId", /^credentialId is not well formed: the id of/],
  ]);
  check({ modules: "if_mib" }, [["/modules", /^modules must be one of array, null/]]);
  check({ modules: [] }, [["/modules", /^modules must have at least 1 item/]]);
  check({ modules: ["a", "a"] }, [["/modules", /^modules .*each once/]]);
  check({ zone: "Berlin" }, [["/zone", /^zone is not well formed: .*lower-case/]]);
});

it("labels are Prometheus label names", () => {
  check({ labels: { "site name": "x" } }, [
    [
      "/labels/site name",
      /^labels.site name is not a field here; up to 32 labels; a name is letters/,
    ],
  ]);
  check({ labels: { site: 5 } }, [["/labels/site", /^labels.site must be string/]]);
});

it("text that Postgres cannot hold is refused by field", () => {
  check({ context: "a\u0000b" }, [["/context", /^context must not hold U\+0000/]]);
  check({ labels: { site: "\ud800" } }, [["/labels/site", /surrogate/]]);
  check({ labels: { site: "😀" } }, []);
});

it("a change must change something", () => {
  expect(fieldChecker(ROUTER_CHANGES)({})).toMatchObject([{ pointer: "" }]);
  expect(fieldChecker(ROUTER_CHANGES)({ enabled: false })).toEqual([]);
});
