/**
 * What a router's rows were called at the poll before. Names change rarely and are dear to decode, so the raw bytes they
 * are made of are compared instead, and what was made of them is handed out again: its identity tells the writer that
 * nothing changed.
 */

import type { Labels } from "../routers/samples.ts";
import type { FetchedColumn } from "./fetched-table.ts";
import type { TableView } from "./table-views.ts";
import { IS_INTEGER_TAG } from "./value-text.ts";

/** Stands for a table's names as they are: another object once a row or a name changed. */
export interface NamesToken {
  readonly instances: readonly string[];
}

/** The rows of one table and the bytes of the columns that name them, as last seen. */
export class RememberedNames {
  #token: NamesToken = { instances: [] };
  #signature: Uint8Array = new Uint8Array(0);

  /** The token of the names in these columns: the one before while nothing changed. */
  tokenOf(view: TableView, columns: readonly string[]): NamesToken {
    const signature = signatureOf(view, columns);
    const unchanged =
      sameList(this.#token.instances, view.instances) &&
      Buffer.compare(this.#signature, signature) === 0;
    if (!unchanged) {
      this.#token = { instances: view.instances };
      this.#signature = Uint8Array.from(signature);
    }
    return this.#token;
  }
}

/** A value made of names: made again when one of their tokens is another. */
export class MadeOfNames<T> {
  #tokens: readonly NamesToken[] = [];
  #made: { readonly value: T } | undefined;

  get(tokens: readonly NamesToken[], make: () => T): T {
    if (this.#made === undefined || !sameList(this.#tokens, tokens)) {
      this.#tokens = tokens;
      this.#made = { value: make() };
    }
    return this.#made.value;
  }
}

/** What a block was made of last time: which rows and metrics it had. */
export interface RememberedBlock {
  readonly allLabels: readonly Labels[];
  readonly rows: readonly number[] | "all";
  readonly instances: readonly string[];
  readonly labels: readonly Labels[];
  readonly metrics: readonly string[];
}

/** Whether two lists hold the same, in the same order. */
export function sameList<T>(a: readonly T[] | "all", b: readonly T[] | "all"): boolean {
  if (a === b) return true;
  if (a === "all" || b === "all" || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Where a signature is put together before it is compared; as large as the largest table's so far. */
let scratch = new Uint8Array(16_384);

/** Tags, lengths and contents of the columns one after the other. Valid until the next call. */
function signatureOf(view: TableView, columns: readonly string[]): Uint8Array {
  const rows = view.instances.length;
  let end = 0;
  for (const oid of columns) {
    const column = view.columns.get(oid);
    if (column === undefined) continue;
    reserve(end + sizeOf(column, rows) + 1);
    end = writeColumn(column, rows, scratch, end);
  }
  return scratch.subarray(0, end);
}

function sizeOf({ bytes }: FetchedColumn, rows: number): number {
  let size = rows * 12;
  for (let row = 0; row < rows; row++) size += bytes[row]?.length ?? 0;
  return size;
}

function reserve(size: number): void {
  if (size <= scratch.length) return;
  const grown = new Uint8Array(Math.max(size, scratch.length * 2));
  grown.set(scratch);
  scratch = grown;
}

function writeColumn(
  { tags, numbers, bytes }: FetchedColumn,
  rows: number,
  target: Uint8Array,
  start: number,
): number {
  let end = start;
  for (let row = 0; row < rows; row++) {
    const tag = tags[row] ?? 0;
    const content = bytes[row] ?? null;
    target[end++] = tag;
    if (IS_INTEGER_TAG[tag] === 1) {
      let value = Number(BigInt.asIntN(53, numbers[row] ?? 0n));
      for (let i = 0; i < 7; i++) {
        target[end++] = value & 0xff;
        value = Math.floor(value / 256);
      }
    } else if (content !== null) {
      const length = content.length;
      target[end++] = length & 0xff;
      target[end++] = length >> 8;
      for (let i = 0; i < length; i++) target[end++] = content[i] ?? 0;
    }
  }
  target[end++] = 0xff;
  return end;
}
