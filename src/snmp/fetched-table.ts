/**
 * Where decoded answers go: one typed array a column, rows shared by all columns of a table. No object is made for a
 * varbind; numbers go through 32-bit halves, so that a Counter64 is exact without a BigInt being made on the way.
 */
import { BerError, compareOidRanges, decodeSubIds, TAG } from "./ber.ts";

/** One column of a table. Value i belongs to instance i. */
export interface FetchedColumn {
  /** BER tag of each value; 0 = the router did not say. */
  readonly tags: Uint8Array;
  /** Integers and counters in two's complement, a Counter64 as its 64 bits; 0 where the value is not a number. */
  readonly numbers: BigInt64Array;
  /**
   * Content octets where the value is not a number: OCTET STRING, OID, IpAddress, Opaque; null elsewhere. Views of one
   * piece of memory for the whole table: copy what is to be kept longer than a poll.
   */
  readonly bytes: readonly (Uint8Array | null)[];
}

export interface FetchedTable {
  /** What follows the column's OID, "48" or "48.1", in OID order; "" for a scalar asked by its whole OID. */
  readonly instances: readonly string[];
  /** By the column's OID in dotted form. */
  readonly columns: ReadonlyMap<string, FetchedColumn>;
}

/** Which half of a 64-bit number comes first in memory. */
const LOW = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;

/** UInteger32 of RFC 1442, obsolete but still sent. */
const TAG_UINTEGER32 = 0x47;

/** What `findRow` says besides a row. */
export const NOT_INCREASING = -1;
export const NO_INDEX = -2;
export const TABLE_FULL = -3;

const FIRST = -1;
/** Room for texts that a table begins with, and the least it grows by. */
const TEXT_BYTES_MIN = 512;
const NO_OCTETS = new Uint8Array(0);

/**
 * Collects values of `columns` columns, each column's in increasing OID order unless `anyOrder`. Columns may have
 * different instances; a row is made by the first column that has it.
 */
export class TableBuilder {
  /** Rows so far. */
  rows = 0;
  /** The tails of all rows' OIDs, one after another. */
  suffixes: Uint8Array = NO_OCTETS;
  readonly #columns: number;
  readonly #rowsMax: number;
  readonly #anyOrder: boolean;
  #arrays: Arrays;
  /** The contents of all values that are not numbers, one after another. A datagram is not kept for a name in it. */
  #texts: Uint8Array = NO_OCTETS;
  #textsEnd = 0;
  /** Of each column that has such values where they are: at 2r the start, at 2r + 1 the end plus one; 0 = none. */
  readonly #textsAt: (Uint32Array | undefined)[];
  readonly #instances: string[] = [];
  /** The row with the greatest OID. */
  #greatest = -1;
  #isSorted = true;
  #rowOf: Map<string, number> | undefined;

  constructor(columns: number, rowsMax: number, rowsExpected: number, anyOrder = false) {
    this.#columns = columns;
    this.#rowsMax = rowsMax;
    this.#anyOrder = anyOrder;
    this.#arrays = newArrays(columns, Math.max(Math.min(rowsExpected, rowsMax), 1));
    this.#textsAt = new Array<Uint32Array | undefined>(columns).fill(undefined);
  }

  suffixStart(row: number): number {
    return row === FIRST ? 0 : (this.#arrays.starts[row] as number);
  }

  suffixEnd(row: number): number {
    return row === FIRST ? 0 : (this.#arrays.starts[row + 1] as number);
  }

  /**
   * The row whose OID ends in the octets [start, end), made if there is none; `last` is the row this column had before
   * (-1 = none). One of the negative constants when the OID does not come after that one, is no OID, or is one too many.
   */
  findRow(bytes: Uint8Array, start: number, end: number, last: number): number {
    const guess = (this.#arrays.next[last + 1] as number) - 1;
    if (guess >= 0 && this.#isRow(guess, bytes, start, end)) return guess;
    const isNext = last === FIRST || this.#anyOrder || this.#compare(last, bytes, start, end) < 0;
    if (start === end || !isNext) return NOT_INCREASING;
    const row = this.#lookUp(bytes, start, end);
    // Rows that followed each other in one column mostly do in the next one too.
    if (row >= 0) this.#arrays.next[last + 1] = row + 1;
    return row;
  }

  /** Whether the column has a value in that row. */
  isSaid(column: number, row: number): boolean {
    const { capacity, tags } = this.#arrays;
    return tags[column * capacity + row] !== 0;
  }

  /** The one row of a table of scalars, each asked by its whole OID: row 0, instance "". */
  addScalarRow(): void {
    this.rows = 1;
    this.#instances.push("");
  }

  /**
   * Keeps a value whose content octets are [start, end). False when it cannot be one of its type: a number of no or of
   * more than nine octets.
   */
  put(
    column: number,
    row: number,
    tag: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const { capacity, halves, tags } = this.#arrays;
    const at = column * capacity + row;
    switch (tag) {
      case TAG.integer:
      case TAG.counter32:
      case TAG.gauge32:
      case TAG.timeTicks:
      case TAG_UINTEGER32:
      case TAG.counter64: {
        const length = end - start;
        if (length < 1 || length > 9) return false;
        // Two's complement: a counter that a sloppy agent sends as a negative number is the bits it was before.
        let low = ((bytes[start] as number) << 24) >> 24;
        let high = low >> 31;
        let i = start + 1;
        if (length <= 4) {
          for (; i < end; i++) low = (low << 8) | (bytes[i] as number);
        }
        for (; i < end; i++) {
          high = (high << 8) | (low >>> 24);
          low = (low << 8) | (bytes[i] as number);
        }
        if (tag !== TAG.counter64 && tag !== TAG.integer) high = 0;
        halves[at * 2 + LOW] = low;
        halves[at * 2 + HIGH] = high;
        break;
      }
      case TAG.null:
      case TAG.noSuchObject:
      case TAG.noSuchInstance:
      case TAG.endOfMibView:
        return true;
      default:
        this.#putText(column, row, bytes, start, end);
    }
    tags[at] = tag;
    return true;
  }

  #putText(column: number, row: number, bytes: Uint8Array, start: number, end: number): void {
    let places = this.#textsAt[column];
    if (places === undefined) {
      places = new Uint32Array(this.#arrays.capacity * 2);
      this.#textsAt[column] = places;
    }
    const length = end - start;
    let at = this.#textsEnd;
    if (at + length > this.#texts.length) {
      const grown = new Uint8Array(Math.max(this.#texts.length * 2, at + length + TEXT_BYTES_MIN));
      grown.set(this.#texts);
      this.#texts = grown;
    }
    places[row * 2] = at;
    for (let i = start; i < end; i++) this.#texts[at++] = bytes[i] as number;
    places[row * 2 + 1] = at + 1;
    this.#textsEnd = at;
  }

  /** The table, rows in OID order. The builder must not be used afterwards. */
  finish(names: readonly string[]): FetchedTable {
    const order = this.#isSorted ? undefined : this.#order();
    const nulls = new Array<null>(this.rows).fill(null);
    const { buffer, capacity, tagsAt } = this.#arrays;
    const columns = new Map<string, FetchedColumn>();
    for (let c = 0; c < this.#columns; c++) {
      const from = c * capacity;
      const column: FetchedColumn = {
        tags: new Uint8Array(buffer, tagsAt + from, this.rows),
        numbers: new BigInt64Array(buffer, from * 8, this.rows),
        bytes: this.#textsOf(c) ?? nulls,
      };
      columns.set(names[c] as string, order === undefined ? column : reordered(column, order));
    }
    const instances = this.#instances;
    return {
      instances: order === undefined ? instances : Array.from(order, (r) => instances[r] as string),
      columns,
    };
  }

  #textsOf(column: number): (Uint8Array | null)[] | undefined {
    const places = this.#textsAt[column];
    if (places === undefined) return undefined;
    const { buffer } = this.#texts;
    const texts = new Array<Uint8Array | null>(this.rows).fill(null);
    for (let row = 0; row < texts.length; row++) {
      const start = places[row * 2] as number;
      const end = (places[row * 2 + 1] as number) - 1;
      if (end >= 0) texts[row] = new Uint8Array(buffer, start, end - start);
    }
    return texts;
  }

  #order(): Uint32Array {
    return Uint32Array.from({ length: this.rows }, (_, row) => row).sort((a, b) =>
      compareOidRanges(
        this.suffixes,
        this.suffixStart(a),
        this.suffixEnd(a),
        this.suffixes,
        this.suffixStart(b),
        this.suffixEnd(b),
      ),
    );
  }

  #isRow(row: number, bytes: Uint8Array, start: number, end: number): boolean {
    const at = this.suffixStart(row);
    const length = this.suffixEnd(row) - at;
    if (length !== end - start) return false;
    for (let i = 0; i < length; i++) if (this.suffixes[at + i] !== bytes[start + i]) return false;
    return true;
  }

  #compare(row: number, bytes: Uint8Array, start: number, end: number): number {
    const from = this.suffixStart(row);
    const to = this.suffixEnd(row);
    return compareOidRanges(this.suffixes, from, to, bytes, start, end);
  }

  #lookUp(bytes: Uint8Array, start: number, end: number): number {
    const isGreatest = this.#greatest < 0 || this.#compare(this.#greatest, bytes, start, end) < 0;
    if (!isGreatest) {
      const known = this.#rowsBySuffix().get(latin1(bytes, start, end));
      if (known !== undefined) return known;
    }
    return this.#append(bytes, start, end, isGreatest);
  }

  /** Built when a column first has a row that is neither the expected one nor a new last one. */
  #rowsBySuffix(): Map<string, number> {
    if (this.#rowOf === undefined) {
      this.#rowOf = new Map();
      for (let row = 0; row < this.rows; row++) {
        this.#rowOf.set(latin1(this.suffixes, this.suffixStart(row), this.suffixEnd(row)), row);
      }
    }
    return this.#rowOf;
  }

  #append(bytes: Uint8Array, start: number, end: number, isGreatest: boolean): number {
    if (this.rows >= this.#rowsMax) return TABLE_FULL;
    const instance = instanceOf(bytes, start, end);
    if (instance === undefined) return NO_INDEX;
    if (this.rows === this.#arrays.capacity) this.#grow();
    const { capacity, starts } = this.#arrays;
    const row = this.rows++;
    const at = starts[row] as number;
    const length = end - start;
    if (at + length > this.suffixes.length) {
      const grown = new Uint8Array(Math.max(this.suffixes.length * 2, capacity * length));
      grown.set(this.suffixes);
      this.suffixes = grown;
    }
    for (let i = 0; i < length; i++) this.suffixes[at + i] = bytes[start + i] as number;
    starts[row + 1] = at + length;
    this.#instances.push(instance);
    this.#rowOf?.set(latin1(bytes, start, end), row);
    if (isGreatest) this.#greatest = row;
    else this.#isSorted = false;
    return row;
  }

  #grow(): void {
    const old = this.#arrays;
    const from = old.capacity;
    const grown = newArrays(this.#columns, Math.min(from * 2, this.#rowsMax));
    for (let c = 0; c < this.#columns; c++) {
      const { capacity: to } = grown;
      grown.tags.set(old.tags.subarray(c * from, (c + 1) * from), c * to);
      grown.halves.set(old.halves.subarray(c * from * 2, (c + 1) * from * 2), c * to * 2);
    }
    this.#textsAt.forEach((places, c) => {
      if (places === undefined) return;
      const more = new Uint32Array(grown.capacity * 2);
      more.set(places);
      this.#textsAt[c] = more;
    });
    grown.starts.set(old.starts);
    grown.next.set(old.next);
    this.#arrays = grown;
  }
}

/** The arrays of a table with room for `capacity` rows, all zero, in one piece of memory: each piece costs the collector. */
interface Arrays {
  readonly capacity: number;
  readonly buffer: ArrayBuffer;
  /** Two halves a number, column by column. */
  readonly halves: Int32Array;
  /** Row r's tail is in [starts[r], starts[r + 1]). */
  readonly starts: Uint32Array;
  /** At r + 1 the row, plus one, that a column was seen to have after row r; at 0 the first one; 0 = not known. */
  readonly next: Uint32Array;
  readonly tags: Uint8Array;
  readonly tagsAt: number;
}

function newArrays(columns: number, capacity: number): Arrays {
  const startsAt = columns * capacity * 8;
  const nextAt = startsAt + (capacity + 1) * 4;
  const tagsAt = nextAt + (capacity + 1) * 4;
  const buffer = new ArrayBuffer(tagsAt + columns * capacity);
  return {
    capacity,
    buffer,
    halves: new Int32Array(buffer, 0, columns * capacity * 2),
    starts: new Uint32Array(buffer, startsAt, capacity + 1),
    next: new Uint32Array(buffer, nextAt, capacity + 1),
    tags: new Uint8Array(buffer, tagsAt, columns * capacity),
    tagsAt,
  };
}

/** The tail of an OID in dotted form; undefined when the octets are none. */
function instanceOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  const only = bytes[start] as number;
  if (end - start === 1 && only < 0x80) return `${only}`;
  try {
    return decodeSubIds(bytes, start, end);
  } catch (error) {
    if (error instanceof BerError) return undefined;
    throw error;
  }
}

function reordered(column: FetchedColumn, order: Uint32Array): FetchedColumn {
  const { tags, numbers, bytes } = column;
  return {
    tags: Uint8Array.from(order, (row) => tags[row] as number),
    numbers: BigInt64Array.from(Array.from(order, (row) => numbers[row] as bigint)),
    bytes: Array.from(order, (row) => bytes[row] ?? null),
  };
}

/** Octets as a map's key. */
function latin1(bytes: Uint8Array, start: number, end: number): string {
  let key = "";
  for (let i = start; i < end; i++) key += String.fromCharCode(bytes[i] as number);
  return key;
}
