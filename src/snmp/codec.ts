/**
 * The poller's hot path through BER: requests written straight into a datagram, answers read as positions in the one
 * that arrived. Nothing here throws and nothing is copied: what a router sends decides only which numbers come out.
 * 81 % of a poll's CPU is the kernel's send, so what is left has to stay small: 24 ns a varbind against the 331 of a
 * decoder that builds objects.
 */
import type { Answer } from "./arrival.ts";
import { lengthOctets, TAG, writeLength } from "./ber.ts";

/** A name asked for: a cached prefix and what follows it in [suffixStart, suffixEnd) of its request's `suffixes`. */
export interface RequestName {
  readonly octets: Uint8Array;
  readonly suffixStart: number;
  readonly suffixEnd: number;
}

/** A request but for its id. */
export interface Request {
  readonly pduType: number;
  /** non-repeaters of a GETBULK; 0 otherwise. */
  readonly a: number;
  /** max-repetitions of a GETBULK; 0 otherwise. May be lowered between two attempts. */
  b: number;
  readonly names: readonly RequestName[];
  readonly suffixes: Uint8Array;
  /** About how long the answer will be, in octets; 1,400 when absent. */
  readonly answerBytes?: number;
}

/** The octets `encodePdu` will write. */
export function pduLength(request: Request): number {
  const content = pduContentLength(request, varbindsLength(request));
  return 1 + lengthOctets(content) + content;
}

/** Writes the PDU at `at` and returns where it ends. `requestId` has 25 to 31 significant bits, so always four octets. */
export function encodePdu(
  out: Uint8Array,
  at: number,
  requestId: number,
  request: Request,
): number {
  const varbinds = varbindsLength(request);
  let p = at;
  out[p++] = request.pduType;
  p = writeLength(out, p, pduContentLength(request, varbinds));
  out[p++] = TAG.integer;
  out[p++] = 4;
  out[p++] = requestId >>> 24;
  out[p++] = requestId >>> 16;
  out[p++] = requestId >>> 8;
  out[p++] = requestId;
  p = writeSmallInteger(out, p, request.a);
  p = writeSmallInteger(out, p, request.b);
  out[p++] = TAG.sequence;
  p = writeLength(out, p, varbinds);
  const { names, suffixes } = request;
  for (let k = 0; k < names.length; k++) {
    const { octets: prefix, suffixStart: start, suffixEnd: end } = names[k] as RequestName;
    const oid = prefix.length + end - start;
    out[p++] = TAG.sequence;
    p = writeLength(out, p, 1 + lengthOctets(oid) + oid + 2);
    out[p++] = TAG.oid;
    p = writeLength(out, p, oid);
    for (let i = 0; i < prefix.length; i++) out[p++] = prefix[i] as number;
    for (let i = start; i < end; i++) out[p++] = suffixes[i] as number;
    out[p++] = TAG.null;
    out[p++] = 0;
  }
  return p;
}

function pduContentLength(request: Request, varbinds: number): number {
  const integers = 6 + smallIntegerLength(request.a) + smallIntegerLength(request.b);
  return integers + 1 + lengthOctets(varbinds) + varbinds;
}

function varbindsLength(request: Request): number {
  const { names } = request;
  let total = 0;
  for (let k = 0; k < names.length; k++) {
    const { octets, suffixStart, suffixEnd } = names[k] as RequestName;
    const oid = octets.length + suffixEnd - suffixStart;
    const content = 1 + lengthOctets(oid) + oid + 2;
    total += 1 + lengthOctets(content) + content;
  }
  return total;
}

/** An integer from 0 to 32,767. */
function writeSmallInteger(out: Uint8Array, at: number, value: number): number {
  let p = at;
  out[p++] = TAG.integer;
  if (value < 0x80) {
    out[p++] = 1;
  } else {
    out[p++] = 2;
    out[p++] = value >>> 8;
  }
  out[p++] = value;
  return p;
}

function smallIntegerLength(value: number): number {
  return value < 0x80 ? 3 : 4;
}

/** What can be said of a datagram before it is known whom it answers. Reused from datagram to datagram. */
export interface Envelope {
  /** 0 is v1, 1 is v2c, 3 is v3. */
  version: number;
  /** The request-id of v1 and v2c, the msgID of v3. */
  id: number;
  communityStart: number;
  communityEnd: number;
  /** Where the PDU (v3: the rest of the message) begins. */
  at: number;
  /** Where the message ends, or where the datagram does if that is sooner. */
  end: number;
}

export function newEnvelope(): Envelope {
  return { version: 0, id: 0, communityStart: 0, communityEnd: 0, at: 0, end: 0 };
}

/** Reads the envelope of a message; false when it is not an SNMP message with an id. */
export function readEnvelope(bytes: Uint8Array, envelope: Envelope): boolean {
  const cursor = new Cursor(bytes, 0, bytes.length);
  if (!cursor.enter(TAG.sequence)) return false;
  if (!cursor.integer()) return false;
  envelope.version = cursor.value;
  if (cursor.value === 3) {
    envelope.at = cursor.at;
    envelope.end = cursor.end;
    if (!cursor.enter(TAG.sequence) || !cursor.integer()) return false;
    envelope.id = cursor.value;
    return true;
  }
  if (cursor.value !== 0 && cursor.value !== 1) return false;
  if (!cursor.primitive(TAG.octetString)) return false;
  envelope.communityStart = cursor.start;
  envelope.communityEnd = cursor.at;
  envelope.at = cursor.at;
  envelope.end = cursor.end;
  cursor.enter(bytes[cursor.at] as number);
  if (!cursor.integer()) return false;
  envelope.id = cursor.value;
  return true;
}

/**
 * Reads the PDU in [at, end) up to its varbinds; undefined when there is none. One that is cut off is read as far as it
 * goes.
 */
export function readPdu(bytes: Uint8Array, at: number, end: number): Answer | undefined {
  const cursor = new Cursor(bytes, at, end);
  const pduType = at < end ? (bytes[at] as number) : 0;
  if (!cursor.enter(pduType) || !cursor.integer()) return undefined;
  const requestId = cursor.value;
  if (!cursor.integer()) return undefined;
  const errorStatus = cursor.value;
  if (!cursor.integer()) return undefined;
  const errorIndex = cursor.value;
  if (!cursor.enter(TAG.sequence)) return undefined;
  return {
    kind: "answer",
    bytes,
    pduType,
    requestId,
    errorStatus,
    errorIndex,
    at: cursor.at,
    end: cursor.end,
    cut: cursor.cut,
    rttMs: 0,
    retries: 0,
  };
}

/** Steps through elements. A constructed one that claims more than is there is entered as far as it goes. */
class Cursor {
  readonly #bytes: Uint8Array;
  at: number;
  end: number;
  /** Where the content of the last primitive begins; it ends at `at`. */
  start = 0;
  /** The last integer. */
  value = 0;
  cut = false;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** Goes into a constructed element; the cursor then ends where that does. */
  enter(tag: number): boolean {
    const length = this.#header(tag);
    if (length < 0) return false;
    if (this.at + length > this.end) this.cut = true;
    else this.end = this.at + length;
    return true;
  }

  /** Goes past a primitive element, which must be there whole. */
  primitive(tag: number): boolean {
    const length = this.#header(tag);
    if (length < 0 || this.at + length > this.end) return false;
    this.start = this.at;
    this.at += length;
    return true;
  }

  integer(): boolean {
    if (!this.primitive(TAG.integer) || this.at === this.start) return false;
    let value = ((this.#bytes[this.start] as number) << 24) >> 24;
    for (let i = this.start + 1; i < this.at; i++)
      value = (value << 8) | (this.#bytes[i] as number);
    this.value = value;
    return true;
  }

  #header(tag: number): number {
    const bytes = this.#bytes;
    if (this.at + 2 > this.end || bytes[this.at] !== tag) return -1;
    let length = bytes[this.at + 1] as number;
    this.at += 2;
    if (length < 0x80) return length;
    const octets = length & 0x7f;
    if (octets < 1 || octets > 4 || this.at + octets > this.end) return -1;
    length = 0;
    for (let i = 0; i < octets; i++) length = length * 256 + (bytes[this.at + i] as number);
    this.at += octets;
    return length;
  }
}
