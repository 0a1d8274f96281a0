import { expect, test } from "vitest";
import { AssemblyMemory, assemble } from "../../../src/modules/assemble.ts";
import { collectionPlan } from "../../../src/modules/collection-plan.ts";
import { emptyTable, type FetchedTable } from "../../../src/modules/fetched-table.ts";
import { loadModules } from "../../../src/modules/load-modules.ts";
import type { Module } from "../../../src/modules/module.ts";
import { parseModules } from "../../../src/modules/parse-modules.ts";
import {
  type Cells,
  counter32,
  counter64,
  integer,
  octets,
  opaque,
  scalars,
  table,
  tagged,
  text,
  valuesOf,
} from "./fetched.ts";

const ours = await loadModules(new URL("../../../config/modules", import.meta.url).pathname);

function moduleNamed(name: string): Module {
  const module = ours.get(name);
  if (module === undefined) throw new Error(`no module ${name}`);
  return module;
}

function moduleOf(yaml: string): Module {
  const [module] = parseModules(yaml, "test.yaml").values();
  if (module === undefined) throw new Error("no module");
  return module;
}

function assembled(
  module: Module,
  tables: readonly FetchedTable[],
  got = scalars(),
  memory = new AssemblyMemory(),
) {
  return assemble(module, collectionPlan(module), { scalars: got, tables }, memory);
}

const IF = "1.3.6.1.2.1.2.2.1";
const IFX = "1.3.6.1.2.1.31.1.1.1";

function twoInterfaces(change: Cells = {}): FetchedTable {
  return table(["1", "7"], {
    [`${IF}.2`]: { 1: text("ethernet 1"), 7: text("ethernet 7") },
    [`${IF}.8`]: { 1: integer(1), 7: integer(2) },
    [`${IFX}.1`]: { 1: text("e1"), 7: text("e7") },
    [`${IFX}.6`]: { 1: counter64(2n ** 64n - 1n), 7: counter64(9) },
    [`${IFX}.18`]: { 1: text("to Oslo"), 7: text("") },
    ...change,
  });
}

test("a table becomes one rectangle of its metrics and instances, with ifAlias, ifDescr and ifName on each instance", () => {
  const { blocks } = assembled(moduleNamed("if_mib"), [twoInterfaces()]);

  expect(blocks).toHaveLength(1);
  expect(valuesOf(blocks[0])).toEqual({
    ifHCInOctets: { 1: -1n, 7: 9n },
    ifOperStatus: { 1: 1n, 7: 2n },
  });
  expect(blocks[0]?.labels).toEqual([
    { ifIndex: "1", ifAlias: "to Oslo", ifDescr: "ethernet 1", ifName: "e1" },
    { ifIndex: "7", ifAlias: "", ifDescr: "ethernet 7", ifName: "e7" },
  ]);
});

test("a lookup that finds nothing gives an empty label", () => {
  const { blocks } = assembled(moduleNamed("if_mib"), [
    twoInterfaces({ [`${IFX}.1`]: { 1: text("e1") }, [`${IFX}.18`]: {} }),
  ]);

  expect(blocks[0]?.labels[1]).toEqual({
    ifIndex: "7",
    ifAlias: "",
    ifDescr: "ethernet 7",
    ifName: "",
  });
});

test("a row known by name alone is an interface and has no samples", () => {
  const { blocks, interfaces } = assembled(moduleNamed("if_mib"), [
    table(["1", "2"], {
      [`${IF}.8`]: { 1: integer(1) },
      [`${IFX}.1`]: { 1: text("e1"), 2: text("e2") },
    }),
  ]);

  expect(blocks[0]?.instances).toEqual(["1"]);
  expect(blocks[0]?.labels).toHaveLength(1);
  expect(interfaces.map(({ ifIndex, ifName }) => [ifIndex, ifName])).toEqual([
    [1, "e1"],
    [2, "e2"],
  ]);
});

test("a row without values between rows that have them leaves no hole, whatever the bits of its neighbours", () => {
  const { blocks } = assembled(moduleNamed("if_mib"), [
    table(["1", "2", "3"], {
      [`${IFX}.1`]: { 2: text("e2") },
      [`${IFX}.6`]: { 1: counter64(2n ** 64n - 1n), 3: counter64(0x7ff4_0000_0000_0001n) },
    }),
  ]);

  expect(blocks[0]?.instances).toEqual(["1", "3"]);
  expect([...(blocks[0]?.values ?? [])]).toEqual([-1n, 0x7ff4_0000_0000_0001n]);
});

test("a 32-bit counter stands in only in rows that lack the 64-bit one", () => {
  const { blocks } = assembled(moduleNamed("if_mib"), [
    twoInterfaces({
      [`${IFX}.6`]: { 1: counter64(100) },
      [`${IF}.10`]: { 1: counter32(5), 7: counter32(6) },
    }),
  ]);

  expect(valuesOf(blocks[0])).toMatchObject({ ifHCInOctets: { 1: 100n }, ifInOctets: { 7: 6n } });
});

test("a metric no row has a value of is not in the rectangle", () => {
  const { blocks } = assembled(moduleNamed("if_mib"), [twoInterfaces()]);

  expect(blocks[0]?.metrics).toEqual(["ifHCInOctets", "ifOperStatus"]);
});

test("a 32-bit counter sent as a negative number is unsigned again, a negative gauge stays negative", () => {
  const module = moduleOf(`
modules:
  m:
    walk: [1.3.9.1]
    metrics:
      - { name: c, oid: 1.3.9.1.1, type: counter, indexes: [{ labelname: i, type: gauge }] }
      - { name: g, oid: 1.3.9.1.2, type: gauge, indexes: [{ labelname: i, type: gauge }] }`);

  const { blocks } = assembled(module, [
    table(["1", "2"], {
      "1.3.9.1.1": { 1: counter32(-1), 2: integer(-94_967_296) },
      "1.3.9.1.2": { 1: integer(-5), 2: tagged(0x42) },
    }),
  ]);

  expect(valuesOf(blocks[0])).toEqual({
    c: { 1: 4_294_967_295n, 2: 4_200_000_000n },
    g: { 1: -5n, 2: 0n },
  });
});

test("a number's column that holds text or nothing has no value", () => {
  const { blocks } = assembled(moduleNamed("if_mib"), [
    twoInterfaces({ [`${IF}.8`]: { 1: text("up"), 7: tagged(0x05) } }),
  ]);

  expect(blocks[0]?.metrics).toEqual(["ifHCInOctets"]);
});

test("scalars are a rectangle of one nameless instance, and texts are facts", () => {
  const { blocks, texts } = assembled(
    moduleNamed("system"),
    [],
    scalars({
      "1.3.6.1.2.1.1.1.0": text("A router"),
      "1.3.6.1.2.1.1.2.0": tagged(0x06, 0x2b, 6, 1, 4, 1, 0xbf, 0x08, 3),
      "1.3.6.1.2.1.1.3.0": { tag: 0x43, number: 4711n },
    }),
  );

  expect(blocks).toHaveLength(1);
  expect(blocks[0]).toMatchObject({ instances: [""], labels: [{}] });
  expect(valuesOf(blocks[0])).toEqual({ sysUpTime: { "": 4711n } });
  expect(texts).toEqual([
    { module: "system", metric: "sysDescr", instance: "", labels: {}, value: "A router" },
    {
      module: "system",
      metric: "sysObjectID",
      instance: "",
      labels: {},
      value: "1.3.6.1.4.1.8072.3",
    },
  ]);
});

test("nothing fetched gives nothing", () => {
  expect(assembled(moduleNamed("if_mib"), [emptyTable()])).toEqual({
    blocks: [],
    texts: [],
    interfaces: [],
  });
  expect(assembled(moduleNamed("if_mib"), [])).toMatchObject({ blocks: [] });
});

test("texts follow snmp_exporter: hexadecimal for octets, padded addresses, U+FFFD for invalid UTF-8", () => {
  const module = moduleOf(`
modules:
  m:
    walk: [1.3.9.1]
    metrics:
      - { name: mac, oid: 1.3.9.1.1, type: PhysAddress48, indexes: [{ labelname: i, type: gauge }] }
      - { name: octets, oid: 1.3.9.1.2, type: OctetString, indexes: [{ labelname: i, type: gauge }] }
      - { name: name, oid: 1.3.9.1.3, type: DisplayString, indexes: [{ labelname: i, type: gauge }] }
      - { name: kind, oid: 1.3.9.1.4, type: gauge, indexes: [{ labelname: i, type: gauge }] }
      - { name: address, oid: 1.3.9.1.5, type: InetAddress, indexes: [{ labelname: i, type: gauge }] }
      - { name: capabilities, oid: 1.3.9.1.6, type: Bits, indexes: [{ labelname: i, type: gauge }] }`);

  const { texts } = assembled(module, [
    table(["1", "2", "3"], {
      "1.3.9.1.1": { 1: octets(0, 0x1a, 0x2b, 3, 4, 0xff), 2: octets(0xab), 3: octets() },
      "1.3.9.1.2": { 1: octets(0xca, 0xfe), 2: octets() },
      "1.3.9.1.3": { 1: octets(0x61, 0xff, 0xfe, 0x62), 2: octets(0x61, 0, 0x62), 3: text("Ærø") },
      "1.3.9.1.4": { 1: integer(1), 2: integer(2), 3: integer(16) },
      "1.3.9.1.5": {
        1: octets(10, 0, 0, 1),
        2: octets(0x20, 1, ...new Array(14).fill(0)),
        3: octets(1),
      },
      "1.3.9.1.6": { 1: octets(0x80, 1), 2: integer(3) },
    }),
  ]);

  const values = texts.map(({ metric, instance, value }) => `${metric} ${instance} ${value}`);
  expect(values).toEqual([
    "mac 1 00:1A:2B:03:04:FF",
    "mac 2 AB:00:00:00:00:00",
    "mac 3 00:00:00:00:00:00",
    "octets 1 0xCAFE",
    "octets 2 ",
    "name 1 a\uFFFDb",
    "name 2 a",
    "name 3 Ærø",
    "address 1 10.0.0.1",
    "address 2 2001:0000:0000:0000:0000:0000:0000:0000",
    "address 3 0x01",
    "capabilities 1 0x8001",
  ]);
});

test("floats, scale and offset, times and regex extracts become numbers", () => {
  const module = moduleOf(`
modules:
  m:
    get: [1.3.9.1.0, 1.3.9.2.0, 1.3.9.3.0, 1.3.9.4.0, 1.3.9.5.0, 1.3.9.6.0, 1.3.9.7.0, 1.3.9.8.0]
    metrics:
      - { name: single, oid: 1.3.9.1, type: Float }
      - { name: wide, oid: 1.3.9.2, type: Double }
      - { name: tenths, oid: 1.3.9.3, type: gauge, scale: 0.1, offset: 1 }
      - { name: since, oid: 1.3.9.4, type: DateAndTime }
      - { name: until, oid: 1.3.9.5, type: ParseDateAndTime, datetime_pattern: "%b %d %Y" }
      - { name: synced, oid: 1.3.9.6, type: NTPTimeStamp }
      - name: power
        oid: 1.3.9.7
        type: DisplayString
        regex_extracts:
          "": [{ regex: '(\\d*?)(\\d{2})', value: '0$1.$2' }, { regex: '^(\\d)', value: '0.0$1' }]
          Watts: [{ regex: '.*: (\\d+) W', value: $1 }]
      - { name: load, oid: 1.3.9.8, type: gauge }`);

  const { blocks } = assembled(
    module,
    [],
    scalars({
      "1.3.9.1.0": opaque(0x9f, 0x78, 4, 0x3f, 0x80, 0, 0),
      "1.3.9.2.0": opaque(0x9f, 0x79, 8, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0),
      "1.3.9.3.0": integer(235),
      "1.3.9.4.0": octets(0x07, 0xe8, 2, 29, 12, 0, 0, 0, 0x2b, 2, 30),
      "1.3.9.5.0": text("Feb 29 2024"),
      "1.3.9.6.0": octets(0x83, 0xaa, 0x7e, 0x81, 0xff, 0, 0, 0),
      "1.3.9.7.0": text("1234"),
      "1.3.9.8.0": opaque(0x9f, 0x78, 4, 0x40, 0x20, 0, 0),
    }),
  );

  expect(valuesOf(blocks[0])).toEqual({
    since: { "": BigInt(Date.UTC(2024, 1, 29, 9, 30) / 1000) },
    until: { "": BigInt(Date.UTC(2024, 1, 29) / 1000) },
    synced: { "": 1n },
  });
  expect(valuesOf(blocks[1])).toEqual({
    single: { "": 1 },
    wide: { "": 1.5 },
    tenths: { "": 24.5 },
    power: { "": 12.34 },
    load: { "": 2.5 },
  });
});

test("an index of several parts is read by type, and missing trailing parts are zero", () => {
  const module = moduleOf(`
modules:
  m:
    walk: [1.3.9.1]
    metrics:
      - name: x
        oid: 1.3.9.1.1
        type: gauge
        indexes:
          - { labelname: mac, type: PhysAddress48, fixed_size: 6 }
          - { labelname: name, type: DisplayString }
          - { labelname: state, type: EnumAsInfo, enum_values: { 1: on, 2: off } }
          - { labelname: address, type: InetAddress }
          - { labelname: rest, type: OctetString, implied: true }`);
  const whole = "0.26.43.60.77.94.2.97.98.2.1.4.10.0.0.1.202.254";
  const short = "0.26.43.60.77.94.2.97.98.7.16.1.9";

  const { blocks } = assembled(module, [
    table([whole, short], { "1.3.9.1.1": { [whole]: integer(1), [short]: integer(2) } }),
  ]);

  expect(blocks[0]?.labels).toEqual([
    { mac: "00:1A:2B:3C:4D:5E", name: "ab", state: "off", address: "10.0.0.1", rest: "0xCAFE" },
    { mac: "00:1A:2B:3C:4D:5E", name: "ab", state: "7", address: "0x100109", rest: "" },
  ]);
});

test("an index that claims an absurd length is read to its end and no further", () => {
  const module = moduleOf(`
modules:
  m:
    walk: [1.3.9.1]
    metrics:
      - { name: x, oid: 1.3.9.1.1, type: gauge, indexes: [{ labelname: i, type: OctetString }] }`);

  const { blocks } = assembled(module, [
    table(["4294967295.1.2"], { "1.3.9.1.1": { "4294967295.1.2": integer(1) } }),
  ]);

  expect(blocks[0]?.labels).toEqual([{ i: "0x0102" }]);
});

const CHAINED = `
modules:
  m:
    walk: [1.3.9.1, 1.3.9.2, 1.3.9.3]
    metrics:
      - name: x
        oid: 1.3.9.1.1
        type: gauge
        indexes: [{ labelname: slot, type: gauge }, { labelname: pool, type: gauge }]
        lookups:
          - { labels: [slot], labelname: card, oid: 1.3.9.2.1, type: gauge }
          - { labels: [card], labelname: cardName, oid: 1.3.9.3.1, type: DisplayString }
          - { labels: [slot, pool], labelname: kind, oid: 1.3.9.1.2, type: EnumAsInfo, enum_values: { 3: fast } }
          - { labels: [], labelname: slot }
          - { labels: [], labelname: card }`;

test("lookups chain through tables, take several labels, and drop the labels they came from", () => {
  const module = moduleOf(CHAINED);

  const { blocks } = assembled(module, [
    table(["1.1", "2.1", "3.1"], {
      "1.3.9.1.1": { "1.1": integer(1), "2.1": integer(2), "3.1": integer(3) },
      "1.3.9.1.2": { "1.1": integer(3), "2.1": integer(4) },
    }),
    table(["1", "2"], { "1.3.9.2.1": { 1: integer(50), 2: integer(51) } }),
    table(["50"], { "1.3.9.3.1": { 50: text("line card") } }),
  ]);

  expect(blocks[0]?.labels).toEqual([
    { pool: "1", cardName: "line card", kind: "fast" },
    { pool: "1", cardName: "", kind: "4" },
    { pool: "1", cardName: "", kind: "" },
  ]);
});

test("rows whose labels are equal are told apart by their index", () => {
  const module = moduleOf(`
modules:
  m:
    walk: [1.3.9.1]
    metrics:
      - name: x
        oid: 1.3.9.1.1
        type: gauge
        indexes: [{ labelname: i, type: gauge }]
        lookups:
          - { labels: [i], labelname: name, oid: 1.3.9.1.2, type: DisplayString, drop_source_indexes: true }`);

  const { blocks } = assembled(module, [
    table(["1", "2"], {
      "1.3.9.1.1": { 1: integer(1), 2: integer(2) },
      "1.3.9.1.2": { 1: text("fan"), 2: text("fan") },
    }),
  ]);

  expect(blocks[0]?.labels).toEqual([{ name: "fan" }, { name: "fan", index: "2" }]);
});

test("rows got one by one, or walked below a part of their index, are rows like any other", () => {
  const module = moduleOf(`
modules:
  m:
    walk: [1.3.9.2.1.5]
    get: [1.3.9.1.1.10, 1.3.9.1.1.9]
    metrics:
      - { name: x, oid: 1.3.9.1.1, type: gauge, indexes: [{ labelname: i, type: gauge }] }
      - name: y
        oid: 1.3.9.2.1
        type: gauge
        indexes: [{ labelname: a, type: gauge }, { labelname: b, type: gauge }]`);
  const plan = collectionPlan(module);

  const { blocks } = assembled(
    module,
    [table(["1", "2"], { "1.3.9.2.1.5": { 1: integer(1), 2: integer(2) } })],
    scalars({ "1.3.9.1.1.9": integer(90), "1.3.9.1.1.10": integer(100) }),
  );

  expect(plan.tables.map(({ columns }) => columns)).toEqual([["1.3.9.2.1.5"]]);
  expect(blocks.map(({ instances }) => instances)).toEqual([
    ["5.1", "5.2"],
    ["9", "10"],
  ]);
  expect(blocks[0]?.labels[1]).toEqual({ a: "5", b: "2" });
  expect(valuesOf(blocks[1])).toEqual({ x: { 9: 90n, 10: 100n } });
});

test("filters keep the rows a fixed list or another column's text names", () => {
  const metrics = `
    walk: [1.3.9.1]
    metrics:
      - { name: x, oid: 1.3.9.1.1, type: gauge, indexes: [{ labelname: i, type: gauge }] }
      - { name: y, oid: 1.3.9.1.3, type: gauge, indexes: [{ labelname: i, type: gauge }] }`;
  const dynamic = moduleOf(`
modules:
  m:
    filters: [{ oid: 1.3.9.1.2, targets: [1.3.9.1.1], values: [^up] }]${metrics}`);
  const fixed = moduleOf(`
modules:
  m:
    filters: { static: [{ targets: [1.3.9.1], indices: ["2"] }] }${metrics}`);
  const rows = table(["1", "2"], {
    "1.3.9.1.1": { 1: integer(1), 2: integer(2) },
    "1.3.9.1.2": { 1: text("uplink"), 2: text("access") },
    "1.3.9.1.3": { 1: integer(3), 2: integer(4) },
  });

  expect(valuesOf(assembled(dynamic, [rows]).blocks[0])).toEqual({
    x: { 1: 1n },
    y: { 1: 3n, 2: 4n },
  });
  expect(valuesOf(assembled(fixed, [rows]).blocks[0])).toEqual({ x: { 2: 2n }, y: { 2: 4n } });
});

test("with a memory, rows called as before get the same arrays", () => {
  const module = moduleNamed("if_mib");
  const memory = new AssemblyMemory();

  const first = assembled(module, [twoInterfaces()], scalars(), memory);
  const second = assembled(
    module,
    [twoInterfaces({ [`${IFX}.6`]: { 1: counter64(4), 7: counter64(5) } })],
    scalars(),
    memory,
  );

  expect(second.blocks[0]?.labels).toBe(first.blocks[0]?.labels);
  expect(second.blocks[0]?.instances).toBe(first.blocks[0]?.instances);
  expect(second.blocks[0]?.metrics).toBe(first.blocks[0]?.metrics);
  expect(second.interfaces).toBe(first.interfaces);
  expect(valuesOf(second.blocks[0])).toMatchObject({ ifHCInOctets: { 1: 4n, 7: 5n } });
});

test("with a memory, a renamed interface, a new row or a row without values is noticed", () => {
  const module = moduleNamed("if_mib");
  const memory = new AssemblyMemory();
  assembled(module, [twoInterfaces()], scalars(), memory);

  const renamed = assembled(
    module,
    [twoInterfaces({ [`${IFX}.1`]: { 1: text("e1"), 7: text("e8") } })],
    scalars(),
    memory,
  );
  const emptied = assembled(
    module,
    [twoInterfaces({ [`${IF}.8`]: { 1: integer(1) }, [`${IFX}.6`]: {} })],
    scalars(),
    memory,
  );

  expect(renamed.blocks[0]?.labels.map(({ ifName }) => ifName)).toEqual(["e1", "e8"]);
  expect(renamed.interfaces[1]?.ifName).toBe("e8");
  expect(emptied.blocks[0]?.instances).toEqual(["1"]);
  expect(emptied.blocks[0]?.labels.map(({ ifName }) => ifName)).toEqual(["e1"]);
});

test("interfaces have their texts up to the first NUL as UTF-8, else Latin-1, and what is absent stays absent", () => {
  const { interfaces } = assembled(moduleNamed("if_mib_full"), [
    table(["1", "2", "3.4"], {
      [`${IF}.2`]: { 1: octets(0x65, 0x31, 0, 0x78), 2: octets(0xe6) },
      [`${IF}.3`]: { 1: integer(6), 2: integer(24), "3.4": integer(6) },
      [`${IF}.6`]: { 1: octets(0, 0x1a, 0xff, 0, 0, 1), 2: octets() },
      [`${IFX}.18`]: { 2: octets(0xc3, 0xa6) },
    }),
  ]);

  expect(interfaces).toEqual([
    { ifIndex: 1, ifDescr: "e1", ifType: 6, ifPhysAddress: "00:1a:ff:00:00:01" },
    { ifIndex: 2, ifDescr: "æ", ifAlias: "æ", ifType: 24, ifPhysAddress: "" },
  ]);
});
