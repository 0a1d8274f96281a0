/**
 * What generated routers have in common: the system group, all of ifTable and ifXTable, of a few makers' shapes. Ten
 * thousand of them fit in one process because routers of one maker and size share one view; what differs from router to
 * router is left open in it, for generated-values.ts.
 */
import {
  encodeOid,
  encodeSubIds,
  integerValue,
  TAG,
  textValue,
  unsignedValue,
} from "../snmp/ber.ts";
import { COUNTER_COLUMNS, FLOWS, routerKey, SALT, unit } from "./counters.ts";
import { type MibRow, MibView } from "./mib-view.ts";

interface Maker {
  readonly sysDescr: string;
  readonly sysObjectId: string;
  /** Of interface n, from 1; `fast` on its uplinks. */
  readonly ifDescr: (n: number, fast: boolean) => string;
  readonly ifName: (n: number, fast: boolean) => string;
}

const MAKERS: readonly Maker[] = [
  {
    sysDescr: "Cisco IOS XR Software (ASR9K), Version 7.5.2",
    sysObjectId: "1.3.6.1.4.1.9.1.1639",
    ifDescr: (n, fast) => `${fast ? "TenGigE" : "GigabitEthernet"}0/0/0/${n - 1}`,
    ifName: (n, fast) => `${fast ? "Te" : "Gi"}0/0/0/${n - 1}`,
  },
  {
    sysDescr: "Juniper Networks, Inc. mx480 internet router, kernel JUNOS 21.4R3",
    sysObjectId: "1.3.6.1.4.1.2636.1.1.1.2.25",
    ifDescr: (n, fast) => `${fast ? "xe" : "ge"}-0/${Math.floor((n - 1) / 24)}/${(n - 1) % 24}`,
    ifName: (n, fast) => `${fast ? "xe" : "ge"}-0/${Math.floor((n - 1) / 24)}/${(n - 1) % 24}`,
  },
  {
    sysDescr: "Huawei Versatile Routing Platform Software VRP (R) software, Version 8.210 (NE40E)",
    sysObjectId: "1.3.6.1.4.1.2011.2.62.2.5",
    ifDescr: (n, fast) => `${fast ? "XGigabitEthernet" : "GigabitEthernet"}0/1/${n - 1}`,
    ifName: (n, fast) => `${fast ? "XGigabitEthernet" : "GigabitEthernet"}0/1/${n - 1}`,
  },
  {
    sysDescr: "RouterOS CCR2116-12G-4S+",
    sysObjectId: "1.3.6.1.4.1.14988.1",
    ifDescr: (n, fast) => `${fast ? "sfp-sfpplus" : "ether"}${n}`,
    ifName: (n, fast) => `${fast ? "sfp-sfpplus" : "ether"}${n}`,
  },
  {
    sysDescr: "TiMOS-C-22.10.R4 cpm/hops64 Nokia 7750 SR",
    sysObjectId: "1.3.6.1.4.1.6527.1.3.3",
    ifDescr: (n, fast) => `1/1/${n}, ${fast ? "10-Gig" : "10/100/Gig"} Ethernet`,
    ifName: (n) => `1/1/${n}`,
  },
];

const SYSTEM = "1.3.6.1.2.1.1";
const IF_NUMBER = "1.3.6.1.2.1.2.1.0";
const IF_ENTRY = "1.3.6.1.2.1.2.2.1";
const IF_X_ENTRY = "1.3.6.1.2.1.31.1.1.1";
const IF_TABLE_LAST_CHANGE = "1.3.6.1.2.1.31.1.5.0";

const SPEED_BPS = 1_000_000_000;
const FAST_MBPS = 10_000;
/** One interface in this many is a fast uplink. */
const FAST_EVERY = 12;

/**
 * What a moving row is: the low 8 bits of its key; the bits above are the ifIndex.
 * Counters follow from COUNTER: one a flow for 32 bits, then one a flow for 64.
 */
export const FIELD = {
  sysUpTime: 1,
  sysName: 2,
  sysLocation: 3,
  ifTableLastChange: 4,
  ifPhysAddress: 5,
  ifAdminStatus: 6,
  ifOperStatus: 7,
  ifLastChange: 8,
  inNUcast: 9,
  outNUcast: 10,
  faults: 11,
  ifAlias: 12,
} as const;
export const COUNTER = 16;
/** What fits into a key, with bits to spare. */
const IF_INDEX_MAX = 2 ** 20 - 1;

/** One family of generated routers: how many interfaces each has, and whether their values move. */
export interface GeneratedFamily {
  readonly seed: number;
  /** 1 to 1,048,575. */
  readonly interfaces: number;
  /** When live, counters and sysUpTime move from here (ms since the Unix epoch); absent = nothing moves. */
  readonly liveSinceMs?: number;
}

/** The view of router number `router` (from 0): the same object for every router of its maker. */
export function openGeneratedViews(family: GeneratedFamily): (router: number) => MibView {
  if (!(family.interfaces >= 1 && family.interfaces <= IF_INDEX_MAX)) {
    throw new Error(`Cannot give a router ${family.interfaces} interfaces: 1 to ${IF_INDEX_MAX}`);
  }
  const views = new Map<number, MibView>();
  return (router) => {
    const maker = makerOf(family.seed, router);
    let view = views.get(maker);
    if (view === undefined) {
      view = new MibView(rowsOf(MAKERS[maker] as Maker, family.interfaces));
      views.set(maker, view);
    }
    return view;
  };
}

function makerOf(seed: number, router: number): number {
  return Math.floor(unit(routerKey(seed, router), 0, SALT.maker) * MAKERS.length);
}

/** Column by column, so in the order of their OIDs: tens of thousands of interfaces need no sorting. */
function rowsOf(maker: Maker, interfaces: number): MibRow[] {
  const ifIndexes = Array.from({ length: interfaces }, (_, i) => i + 1);
  const instances = ifIndexes.map((n) => encodeSubIds(`${n}`));
  const table = (columns: readonly Column[]): MibRow[] =>
    columns.flatMap(({ oid, tag, value, field = 0 }) => {
      const column = encodeOid(oid);
      return ifIndexes.map((n, i) => ({
        oid: below(column, instances[i] as Uint8Array),
        tag,
        value: value?.(n, isFast(n)) ?? NOTHING,
        moving: field === 0 ? 0 : (n << 8) | field,
      }));
    });
  return [
    constant(`${SYSTEM}.1.0`, TAG.octetString, textValue(maker.sysDescr)),
    constant(`${SYSTEM}.2.0`, TAG.oid, encodeOid(maker.sysObjectId)),
    open(`${SYSTEM}.3.0`, TAG.timeTicks, FIELD.sysUpTime),
    constant(`${SYSTEM}.4.0`, TAG.octetString, textValue("noc@isp.example")),
    open(`${SYSTEM}.5.0`, TAG.octetString, FIELD.sysName),
    open(`${SYSTEM}.6.0`, TAG.octetString, FIELD.sysLocation),
    // Datalink, internet and end-to-end layers (RFC 3418).
    constant(`${SYSTEM}.7.0`, TAG.integer, integerValue(78)),
    constant(IF_NUMBER, TAG.integer, integerValue(interfaces)),
    ...table(columnsOf(IF_ENTRY, 22, ifColumns(maker))),
    ...table(columnsOf(IF_X_ENTRY, 19, ifXColumns(maker))),
    open(IF_TABLE_LAST_CHANGE, TAG.timeTicks, FIELD.ifTableLastChange),
  ];
}

/** A column whose values either follow from the interface alone or are left open. */
interface Column {
  readonly oid: string;
  readonly tag: number;
  readonly value?: (n: number, fast: boolean) => Uint8Array;
  readonly field?: number;
}

type ColumnValue = Omit<Column, "oid">;

/** Columns 1 to `last` of a table: those given, and the counters. */
function columnsOf(
  entry: string,
  last: number,
  given: Readonly<Record<number, ColumnValue>>,
): Column[] {
  return Array.from({ length: last }, (_, i) => {
    const oid = `${entry}.${i + 1}`;
    const column = given[i + 1] ?? counterColumn(oid);
    if (column === undefined) throw new Error(`No generated router has column ${oid}`);
    return { oid, ...column };
  });
}

function counterColumn(oid: string): ColumnValue | undefined {
  const counter = COUNTER_COLUMNS.find((column) => column.oid === oid);
  if (counter === undefined) return undefined;
  const isWide = counter.bits === 64;
  return {
    tag: isWide ? TAG.counter64 : TAG.counter32,
    field: COUNTER + FLOWS.indexOf(counter.flow) + (isWide ? FLOWS.length : 0),
  };
}

function ifColumns(maker: Maker): Readonly<Record<number, ColumnValue>> {
  return {
    1: { tag: TAG.integer, value: (n) => integerValue(n) },
    2: { tag: TAG.octetString, value: (n, fast) => textValue(maker.ifDescr(n, fast)) },
    // ethernetCsmacd
    3: always(TAG.integer, integerValue(6)),
    4: always(TAG.integer, integerValue(1_500)),
    5: { tag: TAG.gauge32, value: (_, fast) => unsignedValue(fast ? 2 ** 32 - 1 : SPEED_BPS) },
    6: { tag: TAG.octetString, field: FIELD.ifPhysAddress },
    7: { tag: TAG.integer, field: FIELD.ifAdminStatus },
    8: { tag: TAG.integer, field: FIELD.ifOperStatus },
    9: { tag: TAG.timeTicks, field: FIELD.ifLastChange },
    12: { tag: TAG.counter32, field: FIELD.inNUcast },
    13: { tag: TAG.counter32, field: FIELD.faults },
    14: always(TAG.counter32, unsignedValue(0)),
    15: always(TAG.counter32, unsignedValue(0)),
    18: { tag: TAG.counter32, field: FIELD.outNUcast },
    19: { tag: TAG.counter32, field: FIELD.faults },
    20: always(TAG.counter32, unsignedValue(0)),
    21: always(TAG.gauge32, unsignedValue(0)),
    22: always(TAG.oid, encodeOid("0.0")),
  };
}

function ifXColumns(maker: Maker): Readonly<Record<number, ColumnValue>> {
  return {
    1: { tag: TAG.octetString, value: (n, fast) => textValue(maker.ifName(n, fast)) },
    14: always(TAG.integer, integerValue(1)),
    15: {
      tag: TAG.gauge32,
      value: (_, fast) => unsignedValue(fast ? FAST_MBPS : SPEED_BPS / 1_000_000),
    },
    16: always(TAG.integer, integerValue(2)),
    17: always(TAG.integer, integerValue(1)),
    18: { tag: TAG.octetString, field: FIELD.ifAlias },
    19: always(TAG.timeTicks, unsignedValue(0)),
  };
}

const NOTHING = new Uint8Array(0);

function isFast(n: number): boolean {
  return n % FAST_EVERY === 0;
}

function always(tag: number, value: Uint8Array): ColumnValue {
  return { tag, value: () => value };
}

function constant(oid: string, tag: number, value: Uint8Array): MibRow {
  return { oid: encodeOid(oid), tag, value, moving: 0 };
}

function open(oid: string, tag: number, moving: number): MibRow {
  return { oid: encodeOid(oid), tag, value: NOTHING, moving };
}

function below(column: Uint8Array, instance: Uint8Array): Uint8Array {
  const oid = new Uint8Array(column.length + instance.length);
  oid.set(column);
  oid.set(instance, column.length);
  return oid;
}
