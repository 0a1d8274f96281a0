/**
 * Reads requests the way an agent on a hot path must: no object is made, what was read stays in the fields of one
 * `Request` until the next is read, and OIDs are left where they are, in the message.
 */
import { TAG } from "../snmp/ber.ts";

/** The most varbinds of one request that are read; a longer request is no request. A UDP message holds fewer than 8,192. */
const VARBINDS_MAX = 8_192;

export class Request {
  message: Uint8Array = new Uint8Array(0);
  /** 0 is v1, 1 is v2c. */
  version = 0;
  communityStart = 0;
  communityEnd = 0;
  pduType = 0;
  requestId = 0;
  /** The request id's whole element, to be echoed octet by octet. */
  requestIdStart = 0;
  requestIdEnd = 0;
  /** Of a GETBULK non-repeaters; else error-status. */
  a = 0;
  /** Of a GETBULK max-repetitions; else error-index. */
  b = 0;
  /** The octets of all varbinds together. */
  listStart = 0;
  listEnd = 0;
  varbinds = 0;
  readonly oidStarts = new Uint32Array(VARBINDS_MAX);
  readonly oidEnds = new Uint32Array(VARBINDS_MAX);

  #end = 0;

  /** Takes in a v1 or v2c message with one PDU; false when it is not one. Never reads outside it. */
  read(message: Uint8Array): boolean {
    this.message = message;
    this.#end = message.length;
    let at = this.#enter(0, TAG.sequence);
    if (at < 0) return false;
    const whole = this.#end;
    at = this.#enter(at, TAG.integer);
    if (at < 0 || this.#end !== at + 1) return false;
    this.version = message[at] as number;
    if (this.version > 1) return false;

    at = this.#enterWithin(this.#end, whole, TAG.octetString);
    if (at < 0) return false;
    this.communityStart = at;
    this.communityEnd = this.#end;

    this.pduType = message[this.#end] ?? 0;
    at = this.#enterWithin(this.#end, whole, this.pduType);
    if (at < 0 || this.pduType < 0xa0) return false;
    return this.#readPdu(at, this.#end);
  }

  #readPdu(start: number, pduEnd: number): boolean {
    this.requestIdStart = start;
    let at = this.#enterWithin(start, pduEnd, TAG.integer);
    if (at < 0 || this.#end === at || this.#end - at > 4) return false;
    this.requestId = this.#integer(at);
    this.requestIdEnd = this.#end;
    at = this.#enterWithin(this.#end, pduEnd, TAG.integer);
    if (at < 0 || this.#end === at) return false;
    this.a = this.#integer(at);
    at = this.#enterWithin(this.#end, pduEnd, TAG.integer);
    if (at < 0 || this.#end === at) return false;
    this.b = this.#integer(at);
    at = this.#enterWithin(this.#end, pduEnd, TAG.sequence);
    if (at < 0) return false;
    this.listStart = at;
    this.listEnd = this.#end;
    return this.#readVarbinds();
  }

  #readVarbinds(): boolean {
    this.varbinds = 0;
    for (let next = this.listStart; next < this.listEnd; this.varbinds++) {
      let at = this.#enterWithin(next, this.listEnd, TAG.sequence);
      if (at < 0 || this.varbinds === VARBINDS_MAX) return false;
      next = this.#end;
      at = this.#enterWithin(at, next, TAG.oid);
      if (at < 0) return false;
      const oidEnd = this.#end;
      this.oidStarts[this.varbinds] = at;
      this.oidEnds[this.varbinds] = oidEnd;
      if (this.#enterWithin(oidEnd, next, this.message[oidEnd] ?? 0) < 0) return false;
    }
    return true;
  }

  /** Where the content of the element at `at` begins, its end then in #end; -1 when it is not `tag` or passes `limit`. */
  #enterWithin(at: number, limit: number, tag: number): number {
    this.#end = limit;
    return this.#enter(at, tag);
  }

  #enter(at: number, tag: number): number {
    const { message } = this;
    const limit = this.#end;
    if (at + 2 > limit || message[at] !== tag) return -1;
    let length = message[at + 1] as number;
    let start = at + 2;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets < 1 || octets > 4 || start + octets > limit) return -1;
      length = 0;
      for (let i = 0; i < octets; i++) length = length * 256 + (message[start + i] as number);
      start += octets;
    }
    if (start + length > limit) return -1;
    this.#end = start + length;
    return start;
  }

  #integer(at: number): number {
    const { message } = this;
    let value = ((message[at] as number) << 24) >> 24;
    for (let i = at + 1; i < this.#end; i++) value = (value << 8) | (message[i] as number);
    return value;
  }
}
