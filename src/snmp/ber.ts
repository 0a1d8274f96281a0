/**
 * The Basic Encoding Rules as SNMP uses them (RFC 3417, section 8; ITU-T X.690): definite lengths, single-octet tags.
 *
 * Readers are strict where laxity would be dangerous (every length is checked against the octets that are really there)
 * and tolerant where agents are known to be sloppy (integers with superfluous or missing leading octets, lengths encoded
 * longer than they need to be). Writers produce the shortest form.
 */

export const TAG = {
  integer: 0x02,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  sequence: 0x30,
  ipAddress: 0x40,
  counter32: 0x41,
  gauge32: 0x42,
  timeTicks: 0x43,
  opaque: 0x44,
  counter64: 0x46,
  noSuchObject: 0x80,
  noSuchInstance: 0x81,
  endOfMibView: 0x82,
  getRequest: 0xa0,
  getNextRequest: 0xa1,
  response: 0xa2,
  setRequest: 0xa3,
  getBulkRequest: 0xa5,
  trapV2: 0xa7,
  report: 0xa8,
} as const;

/** What was read is not the BER it should be. The reader has touched nothing outside its octets. */
export class BerError extends Error {
  override readonly name = "BerError";
}

/** The largest sub-identifier of an OID (RFC 2578, section 3.5). */
const SUB_ID_MAX = 0xffff_ffff;
/** The most sub-identifiers an OID may have (RFC 2578, section 3.5). */
const SUB_IDS_MAX = 128;

/** The content octets of an OID written as "1.3.6.1", a leading dot allowed. Throws BerError on anything else. */
export function encodeOid(dotted: string): Uint8Array {
  const subIds = (dotted.startsWith(".") ? dotted.slice(1) : dotted).split(".").map(parseSubId);
  const [first, second] = subIds;
  if (first === undefined || second === undefined || subIds.length > SUB_IDS_MAX) {
    throw new BerError(`Cannot encode OID "${dotted}": it must have 2 to ${SUB_IDS_MAX} numbers`);
  }
  if (first > 2 || (first < 2 && second > 39)) {
    throw new BerError(`Cannot encode OID "${dotted}": its first two numbers are out of range`);
  }
  const octets: number[] = [];
  pushSubId(octets, first * 40 + second);
  for (const subId of subIds.slice(2)) pushSubId(octets, subId);
  return Uint8Array.from(octets);
}

/** The content octets of the tail of an OID, "48.1" or "": what follows a column in the OID of one of its instances. */
export function encodeSubIds(dotted: string): Uint8Array {
  const octets: number[] = [];
  if (dotted !== "") for (const subId of dotted.split(".")) pushSubId(octets, parseSubId(subId));
  return Uint8Array.from(octets);
}

/** The OID whose content octets lie in [start, end), as "1.3.6.1". Throws BerError when they are not an OID. */
export function decodeOid(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const tail = decodeSubIds(bytes, start, end);
  const dot = tail.indexOf(".");
  const head = Number(dot < 0 ? tail : tail.slice(0, dot));
  if (tail === "") throw new BerError("An OID is empty");
  const first = head < 80 ? Math.floor(head / 40) : 2;
  return `${first}.${head - first * 40}${dot < 0 ? "" : tail.slice(dot)}`;
}

/**
 * The sub-identifiers whose octets lie in [start, end), as "48.1"; "" when there are none. Throws BerError when the last
 * one is cut off or one is above 2^32 - 1 or padded (padding would give one OID many encodings, endlessly increasing).
 */
export function decodeSubIds(bytes: Uint8Array, start = 0, end = bytes.length): string {
  if (start < 0 || end > bytes.length || end - start > SUB_IDS_MAX * 5) {
    throw new BerError("An OID is longer than any OID");
  }
  let text = "";
  let subId = 0;
  let fresh = true;
  for (let i = start; i < end; i++) {
    const octet = bytes[i] as number;
    if (fresh && octet === 0x80) throw new BerError("A sub-identifier is padded");
    subId = subId * 128 + (octet & 0x7f);
    if (subId > SUB_ID_MAX) throw new BerError("A sub-identifier exceeds 32 bits");
    fresh = octet < 0x80;
    if (!fresh) continue;
    text = text === "" ? `${subId}` : `${text}.${subId}`;
    subId = 0;
  }
  if (!fresh) throw new BerError("An OID ends within a sub-identifier");
  return text;
}

/**
 * Orders two OIDs (or tails of OIDs) by their content octets as the MIB tree does: negative when [aStart, aEnd) of `a`
 * comes first, 0 when equal. Octets alone do not order: 16383 is ff 7f, 16384 is 81 80 00.
 */
export function compareOidRanges(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const shared = Math.min(aEnd - aStart, bEnd - bStart);
  let at = 0;
  while (at < shared && a[aStart + at] === b[bStart + at]) at++;
  if (at === shared) return aEnd - aStart - (bEnd - bStart);
  const aLeft = octetsLeft(a, aStart + at, aEnd);
  const bLeft = octetsLeft(b, bStart + at, bEnd);
  if (aLeft !== bLeft) return aLeft - bLeft;
  return (a[aStart + at] as number) - (b[bStart + at] as number);
}

/** `compareOidRanges` of two whole arrays. */
export function compareOidBytes(a: Uint8Array, b: Uint8Array): number {
  return compareOidRanges(a, 0, a.length, b, 0, b.length);
}

/** How many octets of the sub-identifier at `at` are still to come: of two that differ first here, the longer is larger. */
function octetsLeft(bytes: Uint8Array, at: number, end: number): number {
  let last = at;
  while (last < end && (bytes[last] as number) >= 0x80) last++;
  return last - at;
}

function parseSubId(text: string): number {
  const subId = Number(text);
  if (!/^\d{1,10}$/.test(text) || subId > SUB_ID_MAX) {
    throw new BerError(`Cannot encode OID: "${text}" is not a number from 0 to ${SUB_ID_MAX}`);
  }
  return subId;
}

function pushSubId(octets: number[], subId: number): void {
  for (let bits = 28; bits > 0; bits -= 7) {
    if (subId >= 2 ** bits) octets.push((Math.floor(subId / 2 ** bits) & 0x7f) | 0x80);
  }
  octets.push(subId & 0x7f);
}

/** Reads elements one after another from octets it never leaves. Every method throws BerError when they do not fit. */
export class BerReader {
  readonly bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
  }

  /** Where the next element begins, in `bytes`. */
  get at(): number {
    return this.#at;
  }

  get atEnd(): boolean {
    return this.#at >= this.#end;
  }

  /** The tag of the next element; -1 at the end. */
  peekTag(): number {
    return this.atEnd ? -1 : (this.bytes[this.#at] as number);
  }

  /** The next element, which must be constructed and tagged `tag`, as a reader of what is inside. */
  enter(tag: number): BerReader {
    const [start, end] = this.#element(tag);
    return new BerReader(this.bytes, start, end);
  }

  /** The content octets of the next element, which must be tagged `tag`; a view, not a copy. */
  octets(tag: number): Uint8Array {
    const [start, end] = this.#element(tag);
    return this.bytes.subarray(start, end);
  }

  /** The next element as a signed integer; one of more than 32 bits loses its upper bits, as in every C implementation. */
  integer(tag: number = TAG.integer): number {
    const [start, end] = this.#element(tag);
    return readInteger(this.bytes, start, end);
  }

  /** The next element whatever its tag; `value` is a view of its content octets. */
  any(): { readonly tag: number; readonly value: Uint8Array } {
    const tag = this.peekTag();
    const [start, end] = this.#element(tag);
    return { tag, value: this.bytes.subarray(start, end) };
  }

  #element(tag: number): [start: number, end: number] {
    const { bytes } = this;
    let at = this.#at;
    if (at + 2 > this.#end) throw new BerError("The message ends where an element should begin");
    if (bytes[at] !== tag) throw new BerError(`Expected tag ${tag}, got ${bytes[at]}`);
    let length = bytes[at + 1] as number;
    at += 2;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets < 1 || octets > 4 || at + octets > this.#end) {
        throw new BerError("A length is indefinite, cut off or absurd");
      }
      length = 0;
      for (let i = 0; i < octets; i++) length = length * 256 + (bytes[at + i] as number);
      at += octets;
    }
    const end = at + length;
    if (end > this.#end) throw new BerError(`A length of ${length} runs past the end`);
    this.#at = end;
    return [at, end];
  }
}

/** Content octets as a signed 32-bit integer: short ones are sign-extended, of long ones the low 32 bits count. */
export function readInteger(bytes: Uint8Array, start = 0, end = bytes.length): number {
  if (start >= end) throw new BerError("An integer is empty");
  let value = ((bytes[start] as number) << 24) >> 24;
  for (let i = start + 1; i < end; i++) value = (value << 8) | (bytes[i] as number);
  return value;
}

/**
 * Content octets as an unsigned integer: Counter64 of 64 bits, the others of 32. Sloppy agents send large counters as
 * negative integers; as in the C implementations, those are the bits they were before.
 */
export function readUnsigned(bytes: Uint8Array, tag: number): bigint {
  if (bytes.length === 0 || bytes.length > 9) {
    throw new BerError("An unsigned integer has no or too many octets");
  }
  let value = 0n;
  for (const octet of bytes) value = (value << 8n) | BigInt(octet);
  value = BigInt.asIntN(bytes.length * 8, value);
  return BigInt.asUintN(tag === TAG.counter64 ? 64 : 32, value);
}

/**
 * Writes elements one after another into octets that grow as needed. Constructed elements are opened by `begin` and
 * closed by `end`, innermost first. What `bytes` returns is a view that the next write may overwrite.
 */
export class BerWriter {
  #buffer: Uint8Array;
  #length = 0;

  constructor(capacity = 1_500) {
    this.#buffer = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Takes back everything written after the writer was `length` long. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** Opens a constructed element and returns the mark that closes it. */
  begin(tag: number): number {
    this.#reserve(2);
    this.#buffer[this.#length] = tag;
    this.#length += 2;
    return this.#length;
  }

  end(mark: number): void {
    const length = this.#length - mark;
    const octets = lengthOctets(length);
    this.#reserve(octets);
    this.#buffer.copyWithin(mark + octets - 1, mark, this.#length);
    this.#length += octets - 1;
    writeLength(this.#buffer, mark - 1, length);
  }

  /** One element of `content`, under any tag. */
  octets(tag: number, content: Uint8Array): void {
    const header = 1 + lengthOctets(content.length);
    this.#reserve(header + content.length);
    this.#buffer[this.#length] = tag;
    writeLength(this.#buffer, this.#length + 1, content.length);
    this.#buffer.set(content, this.#length + header);
    this.#length += header + content.length;
  }

  integer(value: number, tag: number = TAG.integer): void {
    this.octets(tag, integerValue(value));
  }

  null(): void {
    this.octets(TAG.null, NOTHING);
  }

  /** Octets that are BER already. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(this.#length + more, this.#buffer.length * 2));
    grown.set(this.bytes());
    this.#buffer = grown;
  }
}

const NOTHING = new Uint8Array(0);

/** How many octets a length takes. */
export function lengthOctets(length: number): number {
  if (length < 0x80) return 1;
  if (length < 0x100) return 2;
  return length < 0x1_0000 ? 3 : 4;
}

/** Writes a length in its shortest form and returns where the content begins. Lengths stay below 2^24. */
export function writeLength(bytes: Uint8Array, at: number, length: number): number {
  const octets = lengthOctets(length);
  if (octets === 1) {
    bytes[at] = length;
    return at + 1;
  }
  bytes[at] = 0x80 | (octets - 1);
  for (let i = octets - 1; i > 0; i--) bytes[at + i] = length >>> (8 * (octets - 1 - i));
  return at + octets;
}

// Content octets of a value, by its type: what a varbind carries.

/** An INTEGER, -2^31 to 2^31 - 1. */
export function integerValue(value: number): Uint8Array {
  return value >= 0 && value < 0x80 ? Uint8Array.of(value) : twosComplement(BigInt(value));
}

/** A Counter32, Gauge32 or TimeTicks, 0 to 2^32 - 1. */
export function unsignedValue(value: number): Uint8Array {
  return twosComplement(BigInt(value));
}

/** A Counter64, 0 to 2^64 - 1. */
export function counter64Value(value: bigint): Uint8Array {
  return twosComplement(value);
}

/** An OCTET STRING of UTF-8 text. */
export function textValue(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** An IpAddress from "192.0.2.1". Throws BerError on anything else. */
export function ipAddressValue(text: string): Uint8Array {
  const octets = text.split(".").map(Number);
  if (octets.length !== 4 || !octets.every((o) => Number.isInteger(o) && o >= 0 && o <= 255)) {
    throw new BerError(`Cannot encode IpAddress "${text}"`);
  }
  return Uint8Array.from(octets);
}

/** The fewest octets that hold `value` with its sign (X.690, section 8.3.2). */
function twosComplement(value: bigint): Uint8Array {
  const octets: number[] = [];
  let rest = value;
  do {
    octets.unshift(Number(BigInt.asUintN(8, rest)));
    rest >>= 8n;
  } while (rest !== 0n && rest !== -1n);
  if (rest === 0n && (octets[0] as number) >= 0x80) octets.unshift(0);
  if (rest === -1n && (octets[0] as number) < 0x80) octets.unshift(0xff);
  return Uint8Array.from(octets);
}
