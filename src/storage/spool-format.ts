import { crc32 } from "node:zlib";
import type { Flush } from "../routers/flush.ts";
import type { PollRecord, PollResult, SampleBlock } from "../routers/samples.ts";
import { shapeParts } from "./shapes.ts";

/**
 * Segments of the spool: files that hold flushes until Postgres has them. Pure: bytes in, bytes out.
 *
 * A record is a flush in its logical form, polls and blocks, and depends on nothing that is kept in memory or in
 * Postgres: whoever reads it finds the leaves and stores the shapes anew. What a block's numbers mean is written once a
 * segment and referred to by number, because the same router comes again and its labels take more room than its values.
 *
 * A segment: "FWSPOOL1", a random seed (4 bytes), then records: a mark, the payload's length, its CRC-32 begun with the
 * segment's seed (so that nothing a router says can pass for a record), the payload. A payload: the length of its JSON, the
 * JSON, then for each block its 64-bit values and, unless all are there, a byte each for which are.
 * Numbers are little-endian, values as this machine has them in memory.
 */

const SIGNATURE = Buffer.from("FWSPOOL1", "latin1");
const SEED_BYTES = 4;
export const SEGMENT_HEAD_BYTES = SIGNATURE.length + SEED_BYTES;

const RECORD_MARK = Buffer.from([0xf7, 0x53, 0x50, 0xa1]);
const RECORD_HEAD_BYTES = 12;

/** More than any flush takes; a length above it is no length. */
const PAYLOAD_BYTES_MAX = 536_870_912;

export function segmentHead(seed: number): Buffer {
  const head = Buffer.alloc(SEGMENT_HEAD_BYTES);
  SIGNATURE.copy(head);
  head.writeUInt32LE(seed, SIGNATURE.length);
  return head;
}

type Meaning = Omit<SampleBlock, "values" | "present">;

/** A block in the JSON of a record: the number of its meaning, whether its values are floats, whether all are there. */
type BlockEntry = readonly [meaning: number, isFloat: boolean, isWhole: boolean];

interface RecordJson {
  readonly flushId: string;
  /** Meanings that come first in this record, by their numbers in the segment. */
  readonly meanings: readonly (readonly [number, Meaning])[];
  readonly polls: readonly { readonly poll: PollRecord; readonly blocks: readonly BlockEntry[] }[];
}

/** Encodes the records of one segment, in their order. */
export class SegmentEncoder {
  readonly #seed: number;
  readonly #numbers = new Map<string, number>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** The bytes to append. To be called once for each record that is appended, and only if it is. */
  encode({ flushId, results }: Flush): Buffer {
    const meanings: [number, Meaning][] = [];
    const binary: Uint8Array[] = [];
    const polls = results.map(({ poll, blocks }) => ({
      poll,
      blocks: blocks
        .filter(({ values }) => values.length > 0)
        .map((block): BlockEntry => {
          const { values, present, ...meaning } = block;
          const known = this.#numbers.get(keyOf(block));
          const number = known ?? this.#numbers.size;
          if (known === undefined) {
            this.#numbers.set(keyOf(block), number);
            meanings.push([number, meaning]);
          }
          const isWhole = present.every((isThere) => isThere === 1);
          binary.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
          if (!isWhole) binary.push(present);
          return [number, values instanceof Float64Array, isWhole];
        }),
    }));
    const json = Buffer.from(JSON.stringify({ flushId, meanings, polls } satisfies RecordJson));
    const jsonLength = Buffer.alloc(4);
    jsonLength.writeUInt32LE(json.length);
    const payload = [jsonLength, json, ...binary];
    const head = Buffer.alloc(RECORD_HEAD_BYTES);
    RECORD_MARK.copy(head);
    head.writeUInt32LE(
      payload.reduce((bytes, part) => bytes + part.length, 0),
      4,
    );
    head.writeUInt32LE(
      payload.reduce((sum, part) => crc32(part, sum), this.#seed),
      8,
    );
    return Buffer.concat([head, ...payload]);
  }
}

/** Equal for blocks that mean the same: ids of parts are digests of what they mean. */
function keyOf(block: SampleBlock): string {
  const ids = shapeParts(block).map(({ id }) => id.toString(36));
  return `${block.metrics.length}/${ids.join("/")}`;
}

/** Where something lies in a segment: [from, to). */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface SegmentScan {
  /** Payloads of the good records, in order. */
  readonly records: readonly Range[];
  /** Bytes that are no good record: a tail that was cut off while it was written, or what a disk made of one. */
  readonly damaged: readonly Range[];
}

/**
 * Finds the good records of a segment, also behind damaged ones. A segment without its head is damaged as a whole.
 */
export function scanSegment(segment: Buffer): SegmentScan {
  if (segment.length === 0) return { records: [], damaged: [] };
  if (segment.length < SEGMENT_HEAD_BYTES || !segment.subarray(0, 8).equals(SIGNATURE)) {
    return { records: [], damaged: [{ from: 0, to: segment.length }] };
  }
  const seed = segment.readUInt32LE(SIGNATURE.length);
  const records: Range[] = [];
  const damaged: Range[] = [];
  let at = SEGMENT_HEAD_BYTES;
  while (at < segment.length) {
    const payload = recordAt(segment, at, seed);
    if (payload !== undefined) {
      records.push(payload);
      at = payload.to;
      continue;
    }
    const from = at;
    do {
      const mark = segment.indexOf(RECORD_MARK, at + 1);
      at = mark === -1 ? segment.length : mark;
    } while (at < segment.length && recordAt(segment, at, seed) === undefined);
    damaged.push({ from, to: at });
  }
  return { records, damaged };
}

/** The payload of the record that begins at `at`; undefined when it is not whole. */
function recordAt(segment: Buffer, at: number, seed: number): Range | undefined {
  const from = at + RECORD_HEAD_BYTES;
  if (from > segment.length || !segment.subarray(at, at + 4).equals(RECORD_MARK)) return undefined;
  const length = segment.readUInt32LE(at + 4);
  const to = from + length;
  if (length > PAYLOAD_BYTES_MAX || to > segment.length) return undefined;
  const isGood = crc32(segment.subarray(from, to), seed) === segment.readUInt32LE(at + 8);
  return isGood ? { from, to } : undefined;
}

/** Decodes the records of one segment, in their order. */
export class SegmentDecoder {
  readonly #meanings = new Map<number, Meaning>();

  /** Throws when the record refers to a meaning that was in a damaged one. */
  decode(payload: Buffer): Flush {
    const jsonEnd = 4 + payload.readUInt32LE(0);
    // Ours: its checksum was right.
    const json = JSON.parse(payload.toString("utf8", 4, jsonEnd)) as RecordJson;
    for (const [number, meaning] of json.meanings) this.#meanings.set(number, meaning);
    let at = jsonEnd;
    const take = (length: number): ArrayBuffer => {
      const bytes = new ArrayBuffer(length);
      payload.copy(new Uint8Array(bytes), 0, at, at + length);
      at += length;
      return bytes;
    };
    const results = json.polls.map(
      ({ poll, blocks }): PollResult => ({
        poll,
        blocks: blocks.map(([number, isFloat, isWhole]) => {
          const meaning = this.#meanings.get(number);
          if (meaning === undefined)
            throw new Error("what its values mean was in a damaged record");
          const length = meaning.metrics.length * meaning.instances.length;
          const bytes = take(length * 8);
          const values = isFloat ? new Float64Array(bytes) : new BigInt64Array(bytes);
          const present = isWhole ? new Uint8Array(length).fill(1) : new Uint8Array(take(length));
          return { ...meaning, values, present };
        }),
      }),
    );
    return { flushId: json.flushId, results };
  }
}
