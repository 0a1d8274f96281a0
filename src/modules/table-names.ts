/**
 * The columns of a table that only name its rows, as last read. Names change once a month, and they are most of a poll's
 * octets: they are asked for again when the router says that its tables changed, when there are rows nobody has named,
 * and once in a while, for what changes without a sign (an operator's ifAlias).
 */

import type { Signals } from "../routers/inventory.ts";
import type { FetchedColumn, FetchedTable } from "./fetched-table.ts";
import { joinTables } from "./fetched-table.ts";
import { sameList } from "./label-memory.ts";

/** How long names are believed without a sign of change. */
const NAMES_KEPT_MS = 3_600_000;

export interface Moment {
  readonly signals: Signals;
  readonly nowMs: number;
}

export class TableNames {
  #names: FetchedTable | undefined;
  /** The rows that had values at the first poll after the names were read, where those are not all. */
  #valued: readonly string[] | undefined;
  #readAt: Moment | undefined;

  areFresh({ signals, nowMs }: Moment): boolean {
    const readAt = this.#readAt;
    if (this.#names === undefined || readAt === undefined) return false;
    if (nowMs - readAt.nowMs >= NAMES_KEPT_MS) return false;
    const before = readAt.signals;
    return (
      signals.ifNumber === before.ifNumber &&
      signals.ifTableLastChange === before.ifTableLastChange &&
      // A router that does not tell its uptime is not known to have restarted or not.
      signals.sysUpTime !== undefined &&
      signals.sysUpTime >= (before.sysUpTime ?? 0)
    );
  }

  remember(names: FetchedTable, readAt: Moment): void {
    this.#names = names;
    this.#valued = undefined;
    this.#readAt = readAt;
  }

  /** The rows with their names; undefined when rows came or went. */
  joined(values: FetchedTable): FetchedTable | undefined {
    const names = this.#names;
    if (names === undefined) return undefined;
    if (sameList(values.instances, names.instances)) {
      const columns = new Map<string, FetchedColumn>(values.columns);
      for (const [oid, column] of names.columns) columns.set(oid, column);
      return { instances: names.instances, columns };
    }
    // Some agents name rows that have no values. It stays at that as long as the same rows have none.
    this.#valued ??= this.#areKnown(values.instances) ? values.instances : undefined;
    return this.#valued !== undefined && sameList(this.#valued, values.instances)
      ? joinTables(values, names)
      : undefined;
  }

  #areKnown(instances: readonly string[]): boolean {
    const known = new Set(this.#names?.instances);
    return instances.every((instance) => known.has(instance));
  }
}

/** The table with some of its columns. */
export function onlyColumns(table: FetchedTable, oids: readonly string[]): FetchedTable {
  const columns = new Map<string, FetchedColumn>();
  for (const oid of oids) {
    const column = table.columns.get(oid);
    if (column !== undefined) columns.set(oid, column);
  }
  return { instances: table.instances, columns };
}
