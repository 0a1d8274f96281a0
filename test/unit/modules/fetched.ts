import {
  type FetchedColumn,
  type FetchedTable,
  VALUE_TAG,
} from "../../../src/modules/fetched-table.ts";
import type { SampleBlock } from "../../../src/routers/samples.ts";

/** A value as a router gives it; undefined = it gives none. */
export interface Varbind {
  readonly tag: number;
  readonly number?: bigint;
  readonly bytes?: Uint8Array;
}

export const integer = (value: number | bigint): Varbind => ({
  tag: VALUE_TAG.integer,
  number: BigInt(value),
});
export const counter32 = (value: number | bigint): Varbind => ({
  tag: VALUE_TAG.counter32,
  number: BigInt(value),
});
export const counter64 = (value: number | bigint): Varbind => ({
  tag: VALUE_TAG.counter64,
  number: BigInt.asIntN(64, BigInt(value)),
});
export const text = (value: string): Varbind => octets(...Buffer.from(value));
export const octets = (...bytes: readonly number[]): Varbind => ({
  tag: VALUE_TAG.octetString,
  bytes: Uint8Array.from(bytes),
});
export const opaque = (...bytes: readonly number[]): Varbind => ({
  tag: VALUE_TAG.opaque,
  bytes: Uint8Array.from(bytes),
});
export const tagged = (tag: number, ...bytes: readonly number[]): Varbind => ({
  tag,
  bytes: Uint8Array.from(bytes),
});

export type Cells = Readonly<Record<string, Readonly<Record<string, Varbind | undefined>>>>;

/** A table as a walk hands it over, written as column → instance → value. Rows are in the order of `instances`. */
export function table(instances: readonly string[], cells: Cells): FetchedTable {
  const columns = new Map<string, FetchedColumn>();
  for (const [oid, values] of Object.entries(cells)) {
    columns.set(oid, {
      tags: Uint8Array.from(instances, (instance) => values[instance]?.tag ?? 0),
      numbers: BigInt64Array.from(instances, (instance) => values[instance]?.number ?? 0n),
      bytes: instances.map((instance) => values[instance]?.bytes ?? null),
    });
  }
  return { instances, columns };
}

/** Scalars as a GET hands them over: one row, a column for each full OID. */
export function scalars(values: Readonly<Record<string, Varbind | undefined>> = {}): FetchedTable {
  return table(
    [""],
    Object.fromEntries(Object.entries(values).map(([oid, value]) => [oid, { "": value }])),
  );
}

/** A block as metric → instance → value, absent where the router did not say. */
export function valuesOf(block: SampleBlock | undefined): unknown {
  const result: Record<string, Record<string, bigint | number>> = {};
  block?.metrics.forEach((metric, m) => {
    const row: Record<string, bigint | number> = {};
    block.instances.forEach((instance, i) => {
      const cell = m * block.instances.length + i;
      const value = block.values[cell];
      if (block.present[cell] === 1 && value !== undefined) row[instance] = value;
    });
    result[metric] = row;
  });
  return result;
}
