/** Steps through the varbinds of an answer, as positions in its octets. Never throws, never leaves [at, end). */
import { TAG } from "./ber.ts";

export class Varbinds {
  readonly bytes: Uint8Array;
  oidStart = 0;
  oidEnd = 0;
  tag = 0;
  valueStart = 0;
  valueEnd = 0;
  /** What came after the last good varbind was not a varbind. */
  isFlawed = false;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  /** Goes to the next varbind; false when there is none. */
  next(): boolean {
    const { bytes } = this;
    let p = this.#at;
    if (p >= this.#end) return false;
    if (bytes[p] !== TAG.sequence) return this.#flaw();
    p = this.#length(p + 1, this.#end);
    if (p < 0) return this.#flaw();
    const end = p + this.#lengthRead;
    if (bytes[p] !== TAG.oid || end > this.#end) return this.#flaw();
    p = this.#length(p + 1, end);
    if (p < 0) return this.#flaw();
    this.oidStart = p;
    p += this.#lengthRead;
    this.oidEnd = p;
    if (p + 2 > end) return this.#flaw();
    this.tag = bytes[p] as number;
    p = this.#length(p + 1, end);
    if (p < 0) return this.#flaw();
    this.valueStart = p;
    p += this.#lengthRead;
    this.valueEnd = p;
    if (p > end) return this.#flaw();
    this.#at = end;
    return true;
  }

  #lengthRead = 0;

  /** Reads a length into `#lengthRead` and returns where the content begins; -1 when it is no length. */
  #length(at: number, end: number): number {
    if (at >= end) return -1;
    const first = this.bytes[at] as number;
    if (first < 0x80) {
      this.#lengthRead = first;
      return at + 1;
    }
    const octets = first & 0x7f;
    if (octets < 1 || octets > 4 || at + 1 + octets > end) return -1;
    let length = 0;
    for (let i = 1; i <= octets; i++) length = length * 256 + (this.bytes[at + i] as number);
    this.#lengthRead = length;
    return at + 1 + octets;
  }

  #flaw(): false {
    this.isFlawed = true;
    this.#at = this.#end;
    return false;
  }
}
