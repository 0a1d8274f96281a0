/**
 * Everything one agent can say, in the order GETNEXT walks it: varbinds encoded beforehand, back to back in one array,
 * sorted by OID numerically. Many simulated routers share one view; only values that move or differ from router to
 * router are left open (`moving`) and written by the router when asked.
 *
 * A walk asks for what follows the OID it was last given, so a hash table finds that entry in one step; the binary
 * search is for OIDs that are not in the view, such as the column a walk begins with.
 */
import {
  compareOidBytes,
  compareOidRanges,
  decodeOid,
  lengthOctets,
  TAG,
  writeLength,
} from "../snmp/ber.ts";

export interface MibRow {
  /** Content octets of the OID. */
  readonly oid: Uint8Array;
  readonly tag: number;
  /** Content octets of the value; of a moving row they are ignored. */
  readonly value: Uint8Array;
  /** 0 = the value is always as given; anything else is the key by which a router writes it. */
  readonly moving: number;
}

/** What a router says for a moving row: tag, length and content, less than 100 octets, written at `at`; returns the end. */
export type WriteMoving = (moving: number, out: Uint8Array, at: number, nowMs: number) => number;

export class MibView {
  readonly count: number;
  /** Entry i is [starts[i], starts[i + 1]): a whole varbind, except that a moving entry's ends after its OID. */
  readonly bytes: Uint8Array;
  /** The same octets, and three more, to be read as words. */
  readonly words: DataView;
  readonly starts: Uint32Array;
  /** Where the content octets of each entry's OID begin and end. */
  readonly oidStarts: Uint32Array;
  readonly oidEnds: Uint32Array;
  readonly tags: Uint8Array;
  readonly moving: Int32Array;
  readonly #slots: Int32Array;

  /** Sorts the rows. Throws when two have the same OID. */
  constructor(rows: readonly MibRow[]) {
    const sorted = isSorted(rows) ? rows : rows.toSorted((a, b) => compareOidBytes(a.oid, b.oid));
    this.count = sorted.length;
    const octets = sorted.reduce((sum, row) => sum + encodedOctets(row), 0);
    const buffer = new ArrayBuffer(octets + 3);
    this.bytes = new Uint8Array(buffer, 0, octets);
    this.words = new DataView(buffer);
    this.starts = new Uint32Array(this.count + 1);
    this.oidStarts = new Uint32Array(this.count);
    this.oidEnds = new Uint32Array(this.count);
    this.tags = new Uint8Array(this.count);
    this.moving = new Int32Array(this.count);
    // At most half full, so that a search for an absent OID ends soon.
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(this.count * 2 + 2))).fill(-1);

    let at = 0;
    sorted.forEach((row, entry) => {
      const before = sorted[entry - 1];
      if (before !== undefined && compareOidBytes(before.oid, row.oid) === 0) {
        throw new Error(`Cannot serve OID ${decodeOid(row.oid)} twice`);
      }
      at = this.#append(entry, row, at);
      this.#insert(entry);
    });
  }

  /** The entry whose OID lies in [start, end) of `bytes`; -1 when there is none. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hashOid(bytes, start, end) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] as number;
      if (entry < 0 || this.#isOid(entry, bytes, start, end)) return entry;
    }
  }

  /** The first entry whose OID comes after [start, end) of `bytes`; `count` when none does. */
  firstAfter(bytes: Uint8Array, start: number, end: number): number {
    const known = this.find(bytes, start, end);
    if (known >= 0) return known + 1;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const from = this.oidStarts[middle] as number;
      const to = this.oidEnds[middle] as number;
      if (compareOidRanges(this.bytes, from, to, bytes, start, end) > 0) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Whether some entry's OID lies below [start, end) of `bytes`: the object exists, if not the instance asked for. */
  hasBelow(bytes: Uint8Array, start: number, end: number): boolean {
    const entry = this.firstAfter(bytes, start, end);
    if (entry === this.count) return false;
    const from = this.oidStarts[entry] as number;
    if ((this.oidEnds[entry] as number) - from <= end - start) return false;
    for (let i = start; i < end; i++) if (this.bytes[from + i - start] !== bytes[i]) return false;
    return true;
  }

  #append(entry: number, row: MibRow, start: number): number {
    const { bytes } = this;
    this.starts[entry] = start;
    this.tags[entry] = row.tag;
    this.moving[entry] = row.moving;
    let at = start;
    if (row.moving === 0) {
      bytes[at] = TAG.sequence;
      at = writeLength(bytes, at + 1, elementOctets(row.oid) + elementOctets(row.value));
    }
    at = this.#element(TAG.oid, row.oid, at);
    this.oidEnds[entry] = at;
    this.oidStarts[entry] = at - row.oid.length;
    if (row.moving === 0) at = this.#element(row.tag, row.value, at);
    this.starts[entry + 1] = at;
    return at;
  }

  #element(tag: number, content: Uint8Array, at: number): number {
    this.bytes[at] = tag;
    const start = writeLength(this.bytes, at + 1, content.length);
    this.bytes.set(content, start);
    return start + content.length;
  }

  #insert(entry: number): void {
    const mask = this.#slots.length - 1;
    let slot =
      hashOid(this.bytes, this.oidStarts[entry] as number, this.oidEnds[entry] as number) & mask;
    while (this.#slots[slot] !== -1) slot = (slot + 1) & mask;
    this.#slots[slot] = entry;
  }

  #isOid(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    const own = this.bytes;
    const shift = (this.oidStarts[entry] as number) - start;
    if ((this.oidEnds[entry] as number) - shift !== end) return false;
    // The last octets tell neighbours apart.
    for (let i = end - 1; i >= start; i--) if (own[i + shift] !== bytes[i]) return false;
    return true;
  }
}

function isSorted(rows: readonly MibRow[]): boolean {
  return rows.every((row, i) => {
    const before = rows[i - 1];
    return before === undefined || compareOidBytes(before.oid, row.oid) < 0;
  });
}

function encodedOctets(row: MibRow): number {
  if (row.moving !== 0) return elementOctets(row.oid);
  const inside = elementOctets(row.oid) + elementOctets(row.value);
  return 1 + lengthOctets(inside) + inside;
}

function elementOctets(content: Uint8Array): number {
  return 1 + lengthOctets(content.length) + content.length;
}

/** FNV-1a over octets. */
function hashOid(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash ^ (hash >>> 15);
}
