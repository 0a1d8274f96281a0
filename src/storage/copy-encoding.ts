import { invariant } from "../lib/invariant.ts";
import type { PollDetail, PollRecord, PollResult } from "../routers/samples.ts";
import { ROW_VALUES_MAX, type ShapePart, shapeParts } from "./shapes.ts";
import { storableJson } from "./storable-text.ts";

/**
 * Rows of samples and polls in COPY's binary format, written by hand straight from the typed arrays of the decoder: a
 * 64-bit value is copied as two 32-bit words with their bytes swapped, never as a BigInt. About 6 ns a value; the text
 * format costs many times that. (Swapping a row's bytes all at once and laying the words between the lengths was tried:
 * no faster.)
 *
 * The format (PostgreSQL, "COPY", Binary Format): a header; a row = the number of fields (int16), then each field's
 * length (int32, -1 = null) and bytes; a trailer of int16 -1. Everything big-endian.
 */

export const SAMPLES_COLUMNS = "tenant_id, router_id, shape_id, polled_at, values, floats";
export const POLLS_COLUMNS =
  "tenant_id, router_id, polled_at, due_at, started_at, duration_ms, outcome, cost_ms, requests, retries, bytes_in, detail";

const SAMPLES_FIELDS = 6;
const POLLS_FIELDS = 12;

const SIGNATURE = Buffer.from("PGCOPY\n\xff\r\n\0", "latin1");
const HEADER_BYTES = SIGNATURE.length + 8;

const COPY_DATA = 0x64; // 'd'
const COPY_DONE = 0x63; // 'c'

const INT8_OID = 20;
const FLOAT8_OID = 701;

/** Postgres counts time from 2000-01-01. */
const POSTGRES_EPOCH_MS = 946_684_800_000;

const INT4_MAX = 2_147_483_647;

/** Everything of a samples row but its values: 6 fields, of which an array has a head of 20 bytes. */
const SAMPLES_ROW_FIXED_BYTES = 2 + SAMPLES_FIELDS * 4 + 16 + 16 + 8 + 8 + 20;

/** Bytes of a value: its length and itself. */
const VALUE_BYTES = 12;

/** Everything of a polls row but its outcome and detail. */
const POLLS_ROW_FIXED_BYTES = 2 + POLLS_FIELDS * 4 + 16 + 16 + 3 * 8 + 4 * 4 + 8 + 1;

const BYTES_MIN = 65_536;

/** Which of a 64-bit value's two 32-bit words holds the high bits, in this machine's memory. */
const HIGH_WORD = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;
const LOW_WORD = 1 - HIGH_WORD;

/** COPY messages for any number of tables, one after the other, in one buffer that grows and is used again. */
export class CopyEncoder {
  #bytes = Buffer.allocUnsafeSlow(BYTES_MIN);
  #view = viewOf(this.#bytes);
  #at = 0;
  #copyStart = -1;
  #takenTo = 0;

  /** Bytes encoded since they were last taken. */
  get untaken(): number {
    return this.#at - this.#takenTo;
  }

  /**
   * What was encoded since `reset` or the last call, not to be changed before the next `reset`. In the middle of a COPY it
   * ends with a whole message; the COPY goes on in another one.
   */
  take(): Buffer {
    const isInCopy = this.#copyStart !== -1;
    if (isInCopy) this.#endMessage();
    const taken = this.#bytes.subarray(this.#takenTo, this.#at);
    this.#takenTo = this.#at;
    if (isInCopy) this.#beginMessage();
    return taken;
  }

  /** Bytes held, used or not. */
  get capacity(): number {
    return this.#bytes.length;
  }

  reset(): void {
    this.#at = 0;
    this.#takenTo = 0;
    this.#copyStart = -1;
  }

  /** Opens the data of the next COPY. */
  beginCopy(): void {
    invariant(this.#copyStart === -1, "one COPY at a time");
    this.#beginMessage();
    this.#reserve(HEADER_BYTES);
    SIGNATURE.copy(this.#bytes, this.#at);
    this.#at += SIGNATURE.length;
    this.#int32(0); // No flags,
    this.#int32(0); // no extension.
  }

  endCopy(): void {
    invariant(this.#copyStart !== -1, "a COPY ends after it began");
    this.#reserve(2 + 5);
    this.#int16(-1);
    this.#endMessage();
    this.#view.setUint8(this.#at, COPY_DONE);
    this.#at += 1;
    this.#int32(4);
  }

  /** One row of samples for each part of each block. */
  addSamples({ poll, blocks }: PollResult): void {
    for (const block of blocks) {
      const { length } = block.values;
      invariant(
        length === block.metrics.length * block.instances.length && block.present.length === length,
        "a block has a value for each metric and instance",
      );
      const words = new Int32Array(block.values.buffer, block.values.byteOffset, length * 2);
      const isFloat = block.values instanceof Float64Array;
      for (const part of shapeParts(block)) {
        this.#samplesRow(poll, part, words, block.present, block.instances.length, isFloat);
      }
    }
  }

  addPoll(poll: PollRecord): void {
    const { releasedAtMs, takenAtMs, scalars, modules } = poll;
    const detail = storableJson({ releasedAtMs, takenAtMs, scalars, modules } satisfies PollDetail);
    const detailBytes = Buffer.byteLength(detail);
    this.#reserve(POLLS_ROW_FIXED_BYTES + poll.outcome.length * 3 + detailBytes);
    this.#int16(POLLS_FIELDS);
    this.#uuid(poll.tenantId);
    this.#uuid(poll.routerId);
    this.#timestamp(poll.polledAtMs);
    this.#timestamp(poll.dueAtMs);
    this.#timestamp(poll.startedAtMs);
    this.#int4(poll.durationMs);
    this.#int32(Buffer.byteLength(poll.outcome));
    this.#at += this.#bytes.write(poll.outcome, this.#at);
    this.#int4(poll.costMs);
    this.#int4(poll.requests);
    this.#int4(poll.retries);
    this.#int8(poll.bytesIn);
    this.#int32(1 + detailBytes);
    this.#view.setUint8(this.#at++, 1); // The version of jsonb's binary form.
    this.#at += this.#bytes.write(detail, this.#at);
  }

  #beginMessage(): void {
    this.#reserve(5);
    this.#copyStart = this.#at;
    this.#view.setUint8(this.#at, COPY_DATA);
    this.#at += 5; // The length follows when it is known.
  }

  #endMessage(): void {
    this.#view.setInt32(this.#copyStart + 1, this.#at - this.#copyStart - 1);
    this.#copyStart = -1;
  }

  #samplesRow(
    poll: PollRecord,
    part: ShapePart,
    words: Int32Array,
    present: Uint8Array,
    instancesOfBlock: number,
    isFloat: boolean,
  ): void {
    const metrics = part.shape.metrics.length;
    const instances = part.shape.instances.length;
    invariant(metrics * instances <= ROW_VALUES_MAX, "a row stays inside a page");
    this.#reserve(SAMPLES_ROW_FIXED_BYTES + metrics * instances * VALUE_BYTES);
    this.#int16(SAMPLES_FIELDS);
    this.#uuid(poll.tenantId);
    this.#uuid(poll.routerId);
    this.#int32(8);
    this.#view.setBigUint64(this.#at, part.id);
    this.#at += 8;
    this.#timestamp(poll.polledAtMs);
    if (isFloat) this.#int32(-1);
    const lengthAt = this.#at;
    this.#at += 4;
    this.#int32(1); // One dimension,
    const hasNullAt = this.#at;
    this.#at += 4;
    this.#int32(isFloat ? FLOAT8_OID : INT8_OID);
    this.#int32(metrics * instances);
    this.#int32(1); // counted from 1.
    let hasNull = false;
    for (let m = 0; m < metrics; m++) {
      const from = (part.firstMetric + m) * instancesOfBlock + part.firstInstance;
      const nulls = this.#values(words, present, from, from + instances);
      hasNull ||= nulls > 0;
    }
    this.#view.setInt32(hasNullAt, hasNull ? 1 : 0);
    this.#view.setInt32(lengthAt, this.#at - lengthAt - 4);
    if (!isFloat) this.#int32(-1);
  }

  /** Writes values [from, to) of a block; answers how many of them are null. The hot loop: no call, no allocation. */
  #values(words: Int32Array, present: Uint8Array, from: number, to: number): number {
    const view = this.#view;
    let at = this.#at;
    let nulls = 0;
    for (let i = from; i < to; i++) {
      if (present[i] === 1) {
        view.setInt32(at, 8);
        view.setInt32(at + 4, words[2 * i + HIGH_WORD] as number); // Inside: checked by addSamples.
        view.setInt32(at + 8, words[2 * i + LOW_WORD] as number);
        at += 12;
      } else {
        view.setInt32(at, -1);
        at += 4;
        nulls++;
      }
    }
    this.#at = at;
    return nulls;
  }

  #uuid(uuid: string): void {
    this.#int32(16);
    let at = this.#at;
    for (let i = 0; i < 36; i += 2) {
      if (i === 8 || i === 13 || i === 18 || i === 23) i++; // A hyphen.
      this.#view.setUint8(at++, (nibble(uuid.charCodeAt(i)) << 4) | nibble(uuid.charCodeAt(i + 1)));
    }
    this.#at = at;
  }

  #timestamp(ms: number): void {
    this.#int8((ms - POSTGRES_EPOCH_MS) * 1_000);
  }

  /** An int8 field of a whole number below 2^53. */
  #int8(value: number): void {
    const whole = Math.round(value);
    this.#int32(8);
    this.#view.setInt32(this.#at, Math.floor(whole / 4_294_967_296));
    this.#view.setUint32(this.#at + 4, whole >>> 0);
    this.#at += 8;
  }

  /** An int4 field; what does not fit is cut to the largest that does. */
  #int4(value: number): void {
    this.#int32(4);
    this.#int32(Math.min(Math.max(Math.round(value), 0), INT4_MAX));
  }

  #int32(value: number): void {
    this.#view.setInt32(this.#at, value);
    this.#at += 4;
  }

  #int16(value: number): void {
    this.#view.setInt16(this.#at, value);
    this.#at += 2;
  }

  /** Makes room for `bytes` more; the writing methods themselves never check. */
  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
    this.#view = viewOf(grown);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The value of a lower-case hexadecimal digit. */
function nibble(code: number): number {
  return code < 58 ? code - 48 : code - 87;
}
