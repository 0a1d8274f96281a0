/** What was fetched, as assembling reads it: one view for each planned table and group of rows, by column and instance. */

import type { CollectionPlan, Fallback, PlannedTable } from "./collection-plan.ts";
import {
  compareInstances,
  emptyTable,
  type FetchedColumn,
  type FetchedTable,
} from "./fetched-table.ts";
import { matchText } from "./go-regex.ts";
import type { RowFilter } from "./module.ts";
import { IS_INTEGER_TAG, textAt } from "./value-text.ts";

/** Rows of one conceptual table, their instances whole and their columns without a prefix. */
export class TableView {
  readonly instances: readonly string[];
  readonly columns: ReadonlyMap<string, FetchedColumn>;
  #rows: Map<string, number> | undefined;

  constructor(table: FetchedTable) {
    this.instances = table.instances;
    this.columns = table.columns;
  }

  /** The row of an instance, or -1. `guess` is tried first: lookups mostly stay in their row. */
  rowOf(instance: string, guess: number): number {
    if (this.instances[guess] === instance) return guess;
    this.#rows ??= new Map(this.instances.map((known, row) => [known, row]));
    return this.#rows.get(instance) ?? -1;
  }
}

/** Views in the order of `plan.tables`, then `plan.rows`. A table that was not fetched is empty. */
export function tableViews(
  plan: CollectionPlan,
  filters: readonly RowFilter[],
  fetched: { readonly scalars: FetchedTable; readonly tables: readonly FetchedTable[] },
): readonly TableView[] {
  const tables = plan.tables.map((planned, i) =>
    withoutPrefix(fetched.tables[i] ?? emptyTable(), planned.prefix),
  );
  const rows = plan.rows.map(({ cells }) => tableOfCells(cells, fetched.scalars));
  const all = [...tables, ...rows];
  return filters.reduce(keepRows, all).map((table) => new TableView(table));
}

/** The columns a second pass must walk: fallbacks of metrics that some row of the first pass lacks. */
export function neededFallbacks(
  planned: Pick<PlannedTable, "fallbacks">,
  fetched: FetchedTable,
): readonly string[] {
  return planned.fallbacks
    .filter((fallback) => isNeeded(fallback, fetched))
    .map(({ column }) => column);
}

function isNeeded({ whereMissing }: Fallback, fetched: FetchedTable): boolean {
  if (fetched.instances.length === 0) return false;
  const preferred = fetched.columns.get(whereMissing);
  if (preferred === undefined) return true;
  for (let row = 0; row < fetched.instances.length; row++) {
    if (IS_INTEGER_TAG[preferred.tags[row] ?? 0] !== 1) return true;
  }
  return false;
}

function withoutPrefix(table: FetchedTable, prefix: string): FetchedTable {
  if (prefix === "") return table;
  const end = prefix.length + 1;
  return {
    instances: table.instances.map((rest) => (rest === "" ? prefix : `${prefix}.${rest}`)),
    columns: new Map([...table.columns].map(([oid, column]) => [oid.slice(0, -end), column])),
  };
}

function tableOfCells(
  cells: CollectionPlan["rows"][number]["cells"],
  scalars: FetchedTable,
): FetchedTable {
  const instances = [...new Set(cells.map(({ instance }) => instance))].sort(compareInstances);
  const columns = new Map<string, FetchedColumn & { readonly bytes: (Uint8Array | null)[] }>();
  for (const { oid, column, instance } of cells) {
    const got = scalars.columns.get(oid);
    if (got === undefined) continue;
    const row = instances.indexOf(instance);
    const cellsOf = columns.get(column) ?? emptyColumn(instances.length);
    cellsOf.tags[row] = got.tags[0] ?? 0;
    cellsOf.numbers[row] = got.numbers[0] ?? 0n;
    cellsOf.bytes[row] = got.bytes[0] ?? null;
    columns.set(column, cellsOf);
  }
  return { instances, columns };
}

function emptyColumn(length: number): FetchedColumn & { readonly bytes: (Uint8Array | null)[] } {
  return {
    tags: new Uint8Array(length),
    numbers: new BigInt64Array(length),
    bytes: new Array<Uint8Array | null>(length).fill(null),
  };
}

/** Removes the values of filtered columns in rows the filter does not let through. */
function keepRows(tables: readonly FetchedTable[], filter: RowFilter): FetchedTable[] {
  const keeps = filter.kind === "static" ? staticRule(filter.indices) : dynamicRule(tables, filter);
  return tables.map((table) => {
    const columns = new Map(table.columns);
    for (const [oid, column] of table.columns) {
      const isTarget = filter.targets.some(
        (target) => oid === target || oid.startsWith(`${target}.`),
      );
      if (!isTarget) continue;
      const tags = column.tags.map((tag, row) => (keeps(table.instances[row] ?? "") ? tag : 0));
      const bytes = column.bytes.map((value, row) => (tags[row] === 0 ? null : value));
      columns.set(oid, { tags, numbers: column.numbers, bytes });
    }
    return { instances: table.instances, columns };
  });
}

function staticRule(indices: readonly string[]): (instance: string) => boolean {
  return (instance) =>
    indices.some((index) => instance === index || instance.startsWith(`${index}.`));
}

/** As snmp_exporter: rows are told apart by the last part of their index. */
function dynamicRule(
  tables: readonly FetchedTable[],
  filter: Extract<RowFilter, { readonly kind: "dynamic" }>,
): (instance: string) => boolean {
  const lastPart = (instance: string) => instance.slice(instance.lastIndexOf(".") + 1);
  const allowed = new Set<string>();
  for (const table of tables) {
    const column = table.columns.get(filter.oid);
    if (column === undefined) continue;
    table.instances.forEach((instance, row) => {
      const text = textAt(column, row, "DisplayString", "");
      if (text !== undefined && filter.values.some((value) => matchText(value, text) !== null)) {
        allowed.add(lastPart(instance));
      }
    });
  }
  return (instance) => allowed.has(lastPart(instance));
}
