/**
 * A section of the inventory: which scalars and tables it is made of, how often it is worth reading, and what its
 * documents look like. Sections are read one by one, so that what does not fit into one poll waits for the next.
 */

import type { InventoryDocuments } from "../../routers/inventory.ts";
import { emptyTable, type FetchedTable } from "../fetched-table.ts";
import { MibRows, type MibTable, rowsOf } from "./table.ts";

export interface SectionPlan {
  readonly name: string;
  /** `slow`: what changes when someone works on the router; `fast`: what changes by itself. */
  readonly rate: "slow" | "fast";
  /** Full OIDs of instances, by name. */
  readonly scalars: Readonly<Record<string, string>>;
  readonly tables: readonly MibTable[];
  /** The documents made of what was read. Never throws for what a router sent. */
  readonly read: (answers: Answers) => Partial<InventoryDocuments>;
}

/** What a router answered to what the sections ask. */
export class Answers {
  readonly #tables: ReadonlyMap<MibTable, FetchedTable>;
  readonly #scalars: FetchedTable;

  /** `tables` lacks those the router does not have. */
  constructor(tables: ReadonlyMap<MibTable, FetchedTable>, scalars: FetchedTable) {
    this.#tables = tables;
    this.#scalars = scalars;
  }

  rows<Column extends string>(table: MibTable<Column>): MibRows<Column> {
    return rowsOf(table, this.#tables.get(table) ?? emptyTable());
  }

  /** Scalars as the cells of row 0. */
  scalars<Name extends string>(oids: Readonly<Record<Name, string>>): MibRows<Name> {
    const columns = new Map(
      Object.entries<string>(oids).flatMap(([name, oid]) => {
        const column = this.#scalars.columns.get(oid);
        return column === undefined ? [] : [[name, column] as const];
      }),
    );
    return new MibRows<Name>([""], columns);
  }
}
