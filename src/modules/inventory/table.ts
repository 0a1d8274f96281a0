/** A MIB's table as the inventory asks for it, and its rows as they were answered: values by column name. */

import { type FetchedColumn, type FetchedTable, VALUE_TAG } from "../fetched-table.ts";
import { dottedOid, IS_INTEGER_TAG, inventoryMac, inventoryText } from "../value-text.ts";

/** Columns of one conceptual row, by name. */
export interface MibTable<Column extends string = string> {
  /** OID of the conceptual row: an agent with rows answers below it. */
  readonly entry: string;
  readonly columns: Readonly<Record<Column, number>>;
  /** The columns' OIDs: always the same array, so that its encoding is made once. */
  readonly oids: readonly string[];
}

export function mibTable<Column extends string>(
  entry: string,
  columns: Readonly<Record<Column, number>>,
): MibTable<Column> {
  return {
    entry,
    columns,
    oids: Object.values<number>(columns).map((number) => `${entry}.${number}`),
  };
}

/** The rows a walk brought. */
export function rowsOf<Column extends string>(
  table: MibTable<Column>,
  fetched: FetchedTable,
): MibRows<Column> {
  const columns = new Map<string, FetchedColumn>();
  for (const [name, number] of Object.entries<number>(table.columns)) {
    const column = fetched.columns.get(`${table.entry}.${number}`);
    if (column !== undefined) columns.set(name, column);
  }
  return new MibRows<Column>(fetched.instances, columns);
}

/** Rows of a table. A value of another type than the column's is no value. */
export class MibRows<Column extends string = string> {
  /** The index of each row as dotted decimals, in OID order. */
  readonly instances: readonly string[];
  readonly #columns: ReadonlyMap<string, FetchedColumn>;
  #rows: ReadonlyMap<string, number> | undefined;

  constructor(instances: readonly string[], columns: ReadonlyMap<string, FetchedColumn>) {
    this.instances = instances;
    this.#columns = columns;
  }

  /** The row of an instance; -1 when there is none. */
  rowOf(instance: string): number {
    this.#rows ??= new Map(this.instances.map((known, row) => [known, row]));
    return this.#rows.get(instance) ?? -1;
  }

  /** UTF-8 where it is, else Latin-1, up to the first NUL. */
  text(column: Column, row: number): string | undefined {
    const octets = this.octets(column, row);
    return octets === undefined ? undefined : inventoryText(octets);
  }

  octets(column: Column, row: number): Uint8Array | undefined {
    return this.#bytesOf(column, row, VALUE_TAG.octetString);
  }

  /** aa:bb:cc:dd:ee:ff; "" for no octets. */
  mac(column: Column, row: number): string | undefined {
    const octets = this.octets(column, row);
    return octets === undefined ? undefined : inventoryMac(octets);
  }

  oid(column: Column, row: number): string | undefined {
    const octets = this.#bytesOf(column, row, VALUE_TAG.oid);
    return octets === undefined ? undefined : dottedOid(octets);
  }

  /** An IpAddress as dotted decimals. */
  address(column: Column, row: number): string | undefined {
    return this.#bytesOf(column, row, VALUE_TAG.ipAddress)?.join(".");
  }

  /** An INTEGER as it is; of the unsigned types what their octets mean without a sign. */
  number(column: Column, row: number): number | undefined {
    const value = this.#integer(column, row);
    return value === undefined ? undefined : Number(value);
  }

  /** The value of an unsigned type, though the agent may have sent it as a negative INTEGER. */
  unsigned(column: Column, row: number): number | undefined {
    const value = this.#integer(column, row);
    if (value === undefined) return undefined;
    return Number(value < 0n ? BigInt.asUintN(32, value) : value);
  }

  /** A counter as a decimal string. */
  counter(column: Column, row: number): string | undefined {
    const value = this.#integer(column, row);
    if (value === undefined) return undefined;
    return (value < 0n ? BigInt.asUintN(32, value) : value).toString();
  }

  #integer(column: Column, row: number): bigint | undefined {
    const found = this.#columns.get(column);
    const tag = found?.tags[row] ?? 0;
    if (found === undefined || IS_INTEGER_TAG[tag] !== 1) return undefined;
    const value = found.numbers[row] ?? 0n;
    if (tag === VALUE_TAG.integer) return value;
    return BigInt.asUintN(tag === VALUE_TAG.counter64 ? 64 : 32, value);
  }

  #bytesOf(column: Column, row: number, tag: number): Uint8Array | undefined {
    const found = this.#columns.get(column);
    return found?.tags[row] === tag ? (found.bytes[row] ?? undefined) : undefined;
  }
}

/** The parts of an index as numbers. */
export function indexParts(instance: string): readonly number[] {
  return instance === "" ? [] : instance.split(".").map(Number);
}

/** The index of a table with one positive number as its index, or undefined. */
export function singleIndex(instance: string): number | undefined {
  return /^[1-9]\d{0,9}$/.test(instance) ? Number(instance) : undefined;
}

/** `{ key: value }`, or nothing where there is no value: what a router did not say is absent. */
export function said<K extends string, V>(key: K, value: V | undefined): { [key in K]?: V } {
  // The cast: TypeScript widens a computed key to string.
  return value === undefined ? {} : ({ [key]: value } as { [key in K]: V });
}
