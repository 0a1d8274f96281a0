import { randomInt } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../lib/log.ts";
import type { Flush } from "../routers/flush.ts";
import { flushTimeMs } from "./flush-ids.ts";
import {
  adoptSegments,
  makeOwnFolder,
  newFileName,
  type OwnFolder,
  QUARANTINE,
  SEGMENT_SUFFIX,
  segmentsIn,
  segmentTimeMs,
  sizeOf,
  syncFolder,
} from "./spool-folder.ts";
import {
  type Range,
  SEGMENT_HEAD_BYTES,
  SegmentDecoder,
  SegmentEncoder,
  scanSegment,
  segmentHead,
} from "./spool-format.ts";

/**
 * The spool: flushes on local disk while Postgres cannot take them. What `append` has resolved for survives the end of
 * the process and of the machine's power; it leaves the disk only after `done`, when Postgres has it.
 *
 * Always in one of these modes: nothing is open; one segment is appended to; and, beside either, the oldest segment is
 * read. A segment that is read is not appended to any more. It is removed when its last flush is done: whoever reads it
 * again after a crash repeats flushes Postgres has, which changes nothing.
 */

export interface SpoolOptions {
  /** Bytes of segments at most; what does not fit is not taken. */
  readonly bytesMax: number;
  /** A segment that has reached this is followed by another. */
  readonly segmentBytes?: number;
}

export type SpoolEvent =
  | { readonly kind: "appended" | "replayed" | "quarantined"; readonly polls: number }
  | { readonly kind: "cut"; readonly bytes: number };

/** Larger segments repeat less of what the numbers mean, smaller ones are read into less memory. */
const SEGMENT_BYTES = 33_554_432;

/** Of `bytesMax`, what refused polls may take besides; beyond it the oldest of them are removed. */
const QUARANTINE_SHARE = 0.25;

/**
 * Postgres forgets the ids of flushes after seven days. Whether an older flush was committed before it was spooled cannot
 * be told any more: it is put aside instead of being stored twice.
 */
const FLUSH_AGE_MS_MAX = 6 * 86_400_000;

/** The disk is full, or the spool is: nothing was taken. */
export class SpoolFullError extends Error {}

interface WrittenSegment {
  readonly name: string;
  readonly file: FileHandle;
  readonly encoder: SegmentEncoder;
  bytes: number;
}

interface ReadSegment {
  readonly name: string;
  readonly content: Buffer;
  readonly decoder: SegmentDecoder;
  readonly records: readonly Range[];
  next: number;
}

/** Opens a spool below `folder`, in a folder of this process' own, and takes over what others left behind. */
export async function openSpool(
  folder: string,
  options: SpoolOptions,
  { observe, log }: { readonly observe: (event: SpoolEvent) => void; readonly log: Log },
): Promise<Spool> {
  let own: OwnFolder;
  try {
    own = await makeOwnFolder(folder);
    await mkdir(join(folder, QUARANTINE), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new Error(
      `Cannot keep samples in "${folder}" while Postgres is away: ${(cause as Error).message}; set FAIRWALK_DATA_DIR to a folder on a local disk that this user may write`,
      { cause },
    );
  }
  const spool = new Spool(folder, own, options, observe, log);
  await spool.adopt();
  return spool;
}

export class Spool {
  readonly #folder: string;
  readonly #own: OwnFolder;
  readonly #options: SpoolOptions;
  readonly #observe: (event: SpoolEvent) => void;
  readonly #log: Log;
  /** Bytes of each segment in the own folder, the oldest first. */
  readonly #segments = new Map<string, number>();
  #written: WrittenSegment | undefined;
  #read: ReadSegment | undefined;
  /** Ends when the last change of files that was asked for is over: they happen one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #onAppend: (() => void) | undefined;

  constructor(
    folder: string,
    own: OwnFolder,
    options: SpoolOptions,
    observe: (event: SpoolEvent) => void,
    log: Log,
  ) {
    this.#folder = folder;
    this.#own = own;
    this.#options = options;
    this.#observe = observe;
    this.#log = log;
  }

  /** Bytes that Postgres does not have yet. */
  get bytes(): number {
    let bytes = 0;
    for (const each of this.#segments.values()) bytes += each;
    return bytes;
  }

  /** When the oldest segment was begun, in milliseconds since the Unix epoch; undefined when there is none. */
  get oldestMs(): number | undefined {
    const [oldest] = this.#segments.keys();
    return oldest === undefined ? undefined : segmentTimeMs(oldest);
  }

  /** Resolves when the flush is on disk. Rejects with a SpoolFullError, or as the disk does. */
  append(flush: Flush): Promise<void> {
    return this.#inTurn(async () => {
      const isContinued =
        this.#written !== undefined &&
        this.#written.bytes < (this.#options.segmentBytes ?? SEGMENT_BYTES);
      if (!isContinued) await this.#closeWritten();
      try {
        this.#written ??= await this.#beginSegment();
        await this.#write(this.#written, flush);
      } catch (error) {
        // What is in the file now is not known; what was in it before is. Nothing is appended to it any more.
        await this.#closeWritten();
        throw error;
      }
      this.#observe({ kind: "appended", polls: flush.results.length });
      this.#onAppend?.();
    });
  }

  /** The oldest flush that is not done; undefined when there is none. The same until it is `done`. */
  next(): Promise<Flush | undefined> {
    return this.#inTurn(async () => {
      for (;;) {
        this.#read ??= await this.#readOldest();
        if (this.#read === undefined) return undefined;
        const { content, decoder, records, next } = this.#read;
        const record = records[next];
        if (record === undefined) {
          await this.#removeRead();
          continue;
        }
        const flush = await this.#decoded(decoder, content.subarray(record.from, record.to));
        if (flush !== undefined) return flush;
        this.#read.next++;
      }
    });
  }

  /** The flush that `next` gave need not be kept any longer. */
  done(polls: number): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#read === undefined) return;
      this.#read.next++;
      this.#observe({ kind: "replayed", polls });
      if (this.#read.next === this.#read.records.length) await this.#removeRead();
    });
  }

  /** Puts flushes aside, where people find them; to be called before the flush they are of is done. */
  async quarantine(flushes: readonly Flush[]): Promise<void> {
    if (flushes.length === 0) return;
    const seed = randomInt(2 ** 32);
    const encoder = new SegmentEncoder(seed);
    const records = flushes.map((flush) => encoder.encode(flush));
    await this.#putAside(Buffer.concat([segmentHead(seed), ...records]), SEGMENT_SUFFIX);
    const polls = flushes.reduce((sum, { results }) => sum + results.length, 0);
    this.#observe({ kind: "quarantined", polls });
  }

  /** Takes over what processes left behind that are gone. */
  adopt(): Promise<void> {
    return this.#inTurn(async () => {
      const adopted = await adoptSegments(this.#folder, this.#own);
      if (adopted === 0) return;
      for (const name of await segmentsIn(this.#own.path)) {
        if (!this.#segments.has(name)) {
          this.#segments.set(name, await sizeOf(join(this.#own.path, name)));
        }
      }
      const sorted = [...this.#segments].sort(([a], [b]) => (a < b ? -1 : 1));
      this.#segments.clear();
      for (const [name, bytes] of sorted) this.#segments.set(name, bytes);
      this.#log.info({ segments: adopted, bytes: this.bytes }, "spool of an ended process found");
      this.#onAppend?.();
    });
  }

  /** Calls `listener` after each append from now on. */
  onAppend(listener: () => void): void {
    this.#onAppend = listener;
  }

  /** What is not done stays on disk, for the next process. */
  async stop(): Promise<void> {
    await this.#inTurn(() => this.#closeWritten());
    await this.#own.release();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #beginSegment(): Promise<WrittenSegment> {
    const name = newFileName(SEGMENT_SUFFIX);
    const seed = randomInt(2 ** 32);
    const file = await open(join(this.#own.path, name), "wx", 0o600);
    this.#segments.set(name, 0);
    const segment = { name, file, encoder: new SegmentEncoder(seed), bytes: 0 };
    this.#written = segment; // From here on it is closed whatever happens.
    await writeWhole(file, segmentHead(seed), 0);
    segment.bytes = SEGMENT_HEAD_BYTES;
    this.#segments.set(name, segment.bytes);
    await syncFolder(this.#own.path);
    return segment;
  }

  async #write(segment: WrittenSegment, flush: Flush): Promise<void> {
    const record = segment.encoder.encode(flush);
    if (this.bytes + record.length > this.#options.bytesMax) {
      throw new SpoolFullError(`the spool holds ${this.bytes} of ${this.#options.bytesMax} bytes`);
    }
    await writeWhole(segment.file, record, segment.bytes);
    await segment.file.datasync();
    segment.bytes += record.length;
    this.#segments.set(segment.name, segment.bytes);
  }

  async #closeWritten(): Promise<void> {
    const segment = this.#written;
    if (segment === undefined) return;
    this.#written = undefined;
    try {
      // A record that was begun and not finished is no record; it is cut here, or else when the segment is read.
      await segment.file.truncate(segment.bytes).catch(() => undefined);
      await segment.file.close();
    } finally {
      if (segment.bytes <= SEGMENT_HEAD_BYTES) await this.#remove(segment.name);
    }
  }

  async #readOldest(): Promise<ReadSegment | undefined> {
    const [name] = this.#segments.keys();
    if (name === undefined) return undefined;
    if (name === this.#written?.name) await this.#closeWritten();
    if (!this.#segments.has(name)) return this.#readOldest();
    const content = await readFile(join(this.#own.path, name));
    const { records, damaged } = scanSegment(content);
    for (const { from, to } of damaged) await this.#cut(name, content.subarray(from, to));
    return { name, content, decoder: new SegmentDecoder(), records, next: 0 };
  }

  /** What is damaged may be the tail that was being written at the end of a process: nobody was told it was stored. */
  async #cut(segment: string, bytes: Buffer): Promise<void> {
    this.#log.error(
      { segment, bytes: bytes.length },
      "damaged bytes in the spool cut off and put aside",
    );
    this.#observe({ kind: "cut", bytes: bytes.length });
    await this.#putAside(bytes, ".damaged");
  }

  async #decoded(decoder: SegmentDecoder, payload: Buffer): Promise<Flush | undefined> {
    let flush: Flush;
    try {
      flush = decoder.decode(payload);
    } catch (error) {
      this.#log.error({ error: (error as Error).message }, "a flush in the spool cannot be read");
      await this.#cut(this.#read?.name ?? "", payload);
      return undefined;
    }
    if (flushTimeMs(flush.flushId) >= Date.now() - FLUSH_AGE_MS_MAX) return flush;
    this.#log.error(
      { flush: flush.flushId, polls: flush.results.length },
      "a flush in the spool is too old to tell whether Postgres has it, put aside",
    );
    await this.quarantine([flush]);
    return undefined;
  }

  async #removeRead(): Promise<void> {
    const name = this.#read?.name;
    this.#read = undefined;
    if (name !== undefined) await this.#remove(name);
  }

  async #remove(name: string): Promise<void> {
    this.#segments.delete(name);
    await rm(join(this.#own.path, name), { force: true });
  }

  /** Never rejects: where nothing can be written, what Postgres refused or a disk damaged is not worth holding up the rest. */
  async #putAside(content: Uint8Array, suffix: string): Promise<void> {
    const folder = join(this.#folder, QUARANTINE);
    const name = newFileName(suffix);
    try {
      await this.#makeRoom(folder, content.length);
      await writeFile(join(folder, name), content, { flag: "wx", mode: 0o600, flush: true });
      await syncFolder(folder);
      this.#log.warn({ file: join(folder, name), bytes: content.length }, "put into quarantine");
    } catch (error) {
      this.#log.error(
        { bytes: content.length, error: (error as Error).message },
        "could not be put into quarantine and is lost",
      );
    }
  }

  async #makeRoom(folder: string, bytes: number): Promise<void> {
    const files: { name: string; size: number }[] = [];
    for (const name of (await readdir(folder)).sort()) {
      files.push({ name, size: await sizeOf(join(folder, name)) });
    }
    let used = files.reduce((sum, { size }) => sum + size, bytes);
    for (const { name, size } of files) {
      if (used <= this.#options.bytesMax * QUARANTINE_SHARE) return;
      this.#log.error(
        { file: name, bytes: size },
        "quarantine is full, its oldest file is removed",
      );
      await rm(join(folder, name), { force: true });
      used -= size;
    }
  }
}

/** FileHandle.write may write less than it was given. */
async function writeWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}
