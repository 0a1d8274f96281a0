/** Interfaces by IF-MIB (RFC 2863): rows of ifTable and ifXTable, whichever of the two a router has them in. */

import {
  INTERFACE_COUNTERS,
  type InterfaceCounter,
  type InterfaceCounters,
  type InventoryInterface,
} from "../../routers/inventory.ts";
import { IF_ENTRY, IF_X_ENTRY } from "../collection-plan.ts";
import type { Answers, SectionPlan } from "./section.ts";
import { type MibRows, mibTable, said, singleIndex } from "./table.ts";

const IF_TABLE = mibTable(IF_ENTRY, {
  ifIndex: 1,
  ifDescr: 2,
  ifType: 3,
  ifMtu: 4,
  ifSpeed: 5,
  ifPhysAddress: 6,
  ifAdminStatus: 7,
  ifOperStatus: 8,
  ifLastChange: 9,
  ifInOctets: 10,
  ifInUcastPkts: 11,
  ifInNUcastPkts: 12,
  ifInDiscards: 13,
  ifInErrors: 14,
  ifInUnknownProtos: 15,
  ifOutOctets: 16,
  ifOutUcastPkts: 17,
  ifOutNUcastPkts: 18,
  ifOutDiscards: 19,
  ifOutErrors: 20,
});

const IF_X_TABLE = mibTable(IF_X_ENTRY, {
  ifName: 1,
  ifInMulticastPkts: 2,
  ifInBroadcastPkts: 3,
  ifOutMulticastPkts: 4,
  ifOutBroadcastPkts: 5,
  ifHCInOctets: 6,
  ifHCInUcastPkts: 7,
  ifHCInMulticastPkts: 8,
  ifHCInBroadcastPkts: 9,
  ifHCOutOctets: 10,
  ifHCOutUcastPkts: 11,
  ifHCOutMulticastPkts: 12,
  ifHCOutBroadcastPkts: 13,
  ifHighSpeed: 15,
  ifPromiscuousMode: 16,
  ifConnectorPresent: 17,
  ifAlias: 18,
  // Not shown; but some rows have nothing else.
  ifCounterDiscontinuityTime: 19,
});

export const INTERFACES_SECTION: SectionPlan = {
  name: "interfaces",
  rate: "slow",
  scalars: {},
  tables: [IF_TABLE, IF_X_TABLE],
  read: (answers) => {
    const places = placesOf(answers);
    return {
      interfaces: places.map(interfaceOf),
      interfaceCounters: countersOf(places),
    };
  },
};

/** One interface's rows in the two tables; -1 where it has none. */
interface Place {
  readonly ifIndex: number;
  readonly table: IfRows;
  readonly row: number;
  readonly xTable: IfXRows;
  readonly xRow: number;
}
type IfRows = MibRows<keyof (typeof IF_TABLE)["columns"]>;
type IfXRows = MibRows<keyof (typeof IF_X_TABLE)["columns"]>;

function placesOf(answers: Answers): readonly Place[] {
  const table = answers.rows(IF_TABLE);
  const xTable = answers.rows(IF_X_TABLE);
  const indexes = new Set(
    [...table.instances, ...xTable.instances].flatMap((i) => singleIndex(i) ?? []),
  );
  return [...indexes]
    .sort((a, b) => a - b)
    .map((ifIndex) => {
      const instance = String(ifIndex);
      return { ifIndex, table, row: table.rowOf(instance), xTable, xRow: xTable.rowOf(instance) };
    });
}

function interfaceOf({ ifIndex, table, row, xTable, xRow }: Place): InventoryInterface {
  const ifSpeed = table.unsigned("ifSpeed", row);
  const ifHighSpeed = xTable.unsigned("ifHighSpeed", xRow);
  return {
    ifIndex,
    rows: row < 0 ? "ifXTable" : xRow < 0 ? "ifTable" : "both",
    ...said("ifName", xTable.text("ifName", xRow)),
    ...said("ifDescr", table.text("ifDescr", row)),
    ...said("ifAlias", xTable.text("ifAlias", xRow)),
    ...said("ifType", table.number("ifType", row)),
    ...said("ifMtu", table.number("ifMtu", row)),
    ...said("ifPhysAddress", table.mac("ifPhysAddress", row)),
    ...said("ifAdminStatus", table.number("ifAdminStatus", row)),
    ...said("ifOperStatus", table.number("ifOperStatus", row)),
    ...said("ifLastChange", table.unsigned("ifLastChange", row)),
    ...said("ifSpeed", ifSpeed),
    ...said("ifHighSpeed", ifHighSpeed),
    ...speedOf(ifSpeed, ifHighSpeed),
    ...said("ifPromiscuousMode", xTable.number("ifPromiscuousMode", xRow)),
    ...said("ifConnectorPresent", xTable.number("ifConnectorPresent", xRow)),
  };
}

/** ifSpeed says 2^32 − 1 where the speed does not fit (RFC 2863, section 3.1.4), and some agents 0. */
const IF_SPEED_UNFIT = 0xffff_ffff;

function speedOf(
  ifSpeed: number | undefined,
  ifHighSpeed: number | undefined,
): Pick<InventoryInterface, "speedBps" | "speedAmbiguous"> {
  if (ifHighSpeed === undefined) return said("speedBps", ifSpeed?.toString());
  const high = ifHighSpeed * 1_000_000;
  if (ifSpeed === undefined || ifSpeed === IF_SPEED_UNFIT) return { speedBps: String(high) };
  // ifHighSpeed is rounded to a million bits a second.
  const isAmbiguous = Math.abs(ifSpeed - high) > 500_000;
  return {
    speedBps: String(ifSpeed === 0 ? high : ifSpeed),
    ...(isAmbiguous ? { speedAmbiguous: true } : {}),
  };
}

function countersOf(places: readonly Place[]): InterfaceCounters {
  const columns: Partial<Record<InterfaceCounter, readonly (string | null)[]>> = {};
  for (const counter of INTERFACE_COUNTERS) {
    const column = places.map((place) => counterOf(place, counter) ?? null);
    if (column.some((value) => value !== null)) columns[counter] = column;
  }
  return { ifIndex: places.map(({ ifIndex }) => ifIndex), columns };
}

function counterOf(place: Place, counter: InterfaceCounter): string | undefined {
  return isOfIfTable(counter)
    ? place.table.counter(counter, place.row)
    : place.xTable.counter(counter, place.xRow);
}

function isOfIfTable(
  counter: InterfaceCounter,
): counter is InterfaceCounter & keyof (typeof IF_TABLE)["columns"] {
  return counter in IF_TABLE.columns;
}

/** Interfaces with their counters, as they are shown: absent where the router did not say. */
export function interfaceRows(
  interfaces: readonly InventoryInterface[],
  counters: InterfaceCounters | undefined,
): (InventoryInterface & Readonly<Partial<Record<InterfaceCounter, string>>>)[] {
  const placeOf = new Map(counters?.ifIndex.map((ifIndex, place) => [ifIndex, place]));
  return interfaces.map((one) => {
    const place = placeOf.get(one.ifIndex);
    if (counters === undefined || place === undefined) return one;
    const values: Partial<Record<InterfaceCounter, string>> = {};
    for (const counter of INTERFACE_COUNTERS) {
      const value = counters.columns[counter]?.[place] ?? null;
      if (value !== null) values[counter] = value;
    }
    return { ...one, ...values };
  });
}
