/** Interfaces of the inventory: rows of ifTable and ifXTable (RFC 2863), whichever of the two a router has them in. */

import type { Interface } from "../routers/router.ts";
import { type CollectionPlan, IF_ENTRY, INTERFACE_COLUMNS } from "./collection-plan.ts";
import { type FetchedColumn, VALUE_TAG } from "./fetched-table.ts";
import type { TableView } from "./table-views.ts";
import { inventoryMac, inventoryText, numberAt } from "./value-text.ts";

/** Position of the planned table whose rows are the router's interfaces, or -1: a module that only borrows ifName lists none. */
export function interfaceTableOf(plan: CollectionPlan): number {
  return plan.tables.findIndex(
    ({ entry, prefix, schemes }) => entry === IF_ENTRY && prefix === "" && schemes.length > 0,
  );
}

/** One interface for each row that is named by one positive number, as ifIndex is. */
export function interfacesOf(view: TableView): readonly Interface[] {
  const columns = INTERFACE_COLUMNS.map((oid) => view.columns.get(oid));
  const [descr, type, physAddress, name, alias] = columns;
  const interfaces: Interface[] = [];
  view.instances.forEach((instance, row) => {
    if (!/^[1-9]\d*$/.test(instance)) return;
    interfaces.push({
      ifIndex: Number(instance),
      ...present("ifName", textOf(name, row)),
      ...present("ifDescr", textOf(descr, row)),
      ...present("ifAlias", textOf(alias, row)),
      ...present("ifType", type === undefined ? undefined : numberAt(type, row)),
      ...present("ifPhysAddress", octetsOf(physAddress, row, inventoryMac)),
    });
  });
  return interfaces;
}

function textOf(column: FetchedColumn | undefined, row: number): string | undefined {
  return octetsOf(column, row, inventoryText);
}

function octetsOf(
  column: FetchedColumn | undefined,
  row: number,
  write: (bytes: Uint8Array) => string,
): string | undefined {
  const bytes = column?.bytes[row] ?? null;
  return bytes === null || column?.tags[row] !== VALUE_TAG.octetString ? undefined : write(bytes);
}

function present<K extends string, V>(key: K, value: V | undefined): { [key in K]?: V } {
  // The cast: TypeScript widens a computed key to string.
  return value === undefined ? {} : ({ [key]: value } as { [key in K]: V });
}
