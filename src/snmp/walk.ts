/**
 * What a poll reads from a router: single values, and the columns of tables. Whatever the router does ends in a table of
 * what was read, an outcome and a reason; a partial table is kept.
 */
import type { Answer, Fault, FetchOutcome } from "./arrival.ts";
import { TAG } from "./ber.ts";
import type { Request } from "./codec.ts";
import { type ColumnRequest, ColumnWalk, errorName } from "./column-walk.ts";
import { type FetchedTable, TableBuilder } from "./fetched-table.ts";
import type { EncodedOid } from "./oid-cache.ts";
import type { Session, Unanswered } from "./session.ts";
import { Sizing, type WalkMemory } from "./sizing.ts";
import { Varbinds } from "./varbinds.ts";

export type { FetchOutcome } from "./arrival.ts";
export type { FetchedColumn, FetchedTable } from "./fetched-table.ts";
export type { WalkMemory } from "./sizing.ts";

/** What it took, for a poll's timeline. */
export interface Effort {
  readonly requests: number;
  readonly retries: number;
  readonly bytesIn: number;
  /** Values that were read. */
  readonly varbinds: number;
  readonly durationMs: number;
  readonly rttMsMedian: number;
  readonly rttMsMax: number;
  /** The most that a walk asked for at once: so many columns, so many rows of each. */
  readonly columnsMost: number;
  readonly repetitionsMost: number;
  /** What was tolerated or adapted to, in the order it happened; the first few. */
  readonly remarks: readonly string[];
  /** Why no more was asked for at once than was; absent while nothing stands in the way. */
  readonly sizing?: string;
}

export interface Fetched {
  /** `answered`: all that was asked for; `partial`: some of it is in the table; the others say why nothing is. */
  readonly outcome: FetchOutcome;
  /** Absent when answered. One sentence without secrets. */
  readonly reason?: string;
  readonly table: FetchedTable;
  readonly effort: Effort;
}

/** What one walk may receive: a bound on what an endless table can cost. */
const WALK_BYTES_MAX = 64 << 20;
/** Requests of one walk at a time: their round trips overlap, and a router never has more than two to answer. */
const LANES = 2;

/**
 * Reads single values, each by its whole OID ("1.3.6.1.2.1.1.3.0"). The table has one instance, "", and a column for every
 * OID; the tag of one the router does not have is 0. Never rejects for what the router does; throws BerError when an OID
 * is none. `oids` must not change afterwards.
 */
export async function getScalars(session: Session, oids: readonly string[]): Promise<Fetched> {
  const effort = new EffortMeter();
  const table = new TableBuilder(oids.length, 1, 1);
  table.addScalarRow();
  const failures: Fault[] = [];
  let hasAnswered = false;
  let chunks = session.oids.encoded(oids).chunks;
  while (chunks.length > 0) {
    const [chunk = [], ...others] = chunks;
    const reply = await session.request(getRequestFor(chunk));
    effort.add(reply);
    if (reply.kind === "failure") {
      failures.push(reply);
      break;
    }
    const taken = takeScalars(chunk, reply, table);
    hasAnswered ||= taken.hasAnswered;
    if (taken.failure !== undefined) failures.push(taken.failure);
    chunks = [...taken.askAgain, ...others];
  }
  const read = table.finish(oids);
  for (const { tags } of read.columns.values()) if (tags[0] !== 0) effort.varbinds++;
  return fetched(read, failures, hasAnswered, effort, []);
}

type ScalarChunk = readonly EncodedOid[];

const NO_SUFFIXES = new Uint8Array(0);
/** What the answer for a scalar is thought to take, in octets. */
const SCALAR_BYTES = 60;

function getRequestFor(names: ScalarChunk): Request {
  const answerBytes = names.length * SCALAR_BYTES;
  return { pduType: TAG.getRequest, a: 0, b: 0, names, suffixes: NO_SUFFIXES, answerBytes };
}

interface ScalarsTaken {
  /** Whether anything was said of any of them, be it that there is no such thing. */
  readonly hasAnswered: boolean;
  /** What has to be asked once more: always fewer names at once than before, so this ends. */
  readonly askAgain: readonly ScalarChunk[];
  readonly failure?: Fault;
}

const ALL_TAKEN: ScalarsTaken = { hasAnswered: true, askAgain: [] };
const NOT_ASKED: Fault = {
  outcome: "malformed",
  reason: "Its answer to a GET is not to what was asked",
};

/** Puts an answer's values into the table, matching each by its OID, and says what is still to be asked. */
function takeScalars(chunk: ScalarChunk, answer: Answer, table: TableBuilder): ScalarsTaken {
  if (answer.errorStatus !== 0) return afterError(chunk, answer.errorStatus, answer.errorIndex);
  const varbinds = new Varbinds(answer.bytes, answer.at, answer.end);
  let inPlace = 0;
  let isAtVarbind = varbinds.next();
  while (isAtVarbind && inPlace < chunk.length) {
    const scalar = chunk[inPlace] as EncodedOid;
    if (!takeScalar(scalar, varbinds, table)) break;
    inPlace++;
    isAtVarbind = varbinds.next();
  }
  if (inPlace === chunk.length) return ALL_TAKEN;
  // Short, out of order or of other names: each of the rest is looked for by its OID.
  const missing = new Set(chunk.slice(inPlace));
  while (isAtVarbind && missing.size > 0) {
    for (const scalar of missing) {
      if (takeScalar(scalar, varbinds, table)) missing.delete(scalar);
    }
    isAtVarbind = varbinds.next();
  }
  if (missing.size === 0) return ALL_TAKEN;
  if (missing.size === chunk.length) return inHalves(chunk, NOT_ASKED);
  return { hasAnswered: true, askAgain: [[...missing]] };
}

function takeScalar(scalar: EncodedOid, varbinds: Varbinds, table: TableBuilder): boolean {
  const { bytes, oidStart, oidEnd, tag, valueStart, valueEnd } = varbinds;
  if (!equals(bytes, oidStart, oidEnd, scalar.octets)) return false;
  table.put(scalar.place, 0, tag, bytes, valueStart, valueEnd);
  return true;
}

/** tooBig: half as much; a named varbind is left out and the others asked again (RFC 1157, section 4.1.2). */
function afterError(chunk: ScalarChunk, status: number, index: number): ScalarsTaken {
  const named = chunk[index - 1];
  const failure: Fault = { outcome: "refused", reason: `${errorName(status)} to a GET` };
  if (status === 1 || (named === undefined && chunk.length > 1)) return inHalves(chunk, failure);
  const others = chunk.filter((scalar) => scalar !== (named ?? chunk[0]));
  const askAgain = others.length > 0 ? [others] : [];
  // noSuchName is v1's way to say that it does not have this.
  const isAbsent = status === 2;
  return { hasAnswered: isAbsent, askAgain, ...(isAbsent ? {} : { failure }) };
}

function inHalves(chunk: ScalarChunk, failure: Fault): ScalarsTaken {
  if (chunk.length <= 1) return { hasAnswered: false, askAgain: [], failure };
  const half = Math.ceil(chunk.length / 2);
  return { hasAnswered: false, askAgain: [chunk.slice(0, half), chunk.slice(half)] };
}

export interface WalkLimits {
  /** Rows after which a table is cut. */
  readonly rowsMax: number;
  /** Whether an agent may give a column's instances in any order; each counts once. */
  readonly anyOrder?: boolean;
  /** Rows asked for at once at most; 100 when absent. */
  readonly repetitions?: number;
  /** Octets received after which a walk is cut; 64 MiB when absent. */
  readonly bytesMax?: number;
  /** What the last walk of these columns of this router learnt; this process's own memory when absent. */
  readonly memory?: WalkMemory;
}

export interface FetchedColumns extends Fetched {
  /** For the next walk of the same columns of the same router. */
  readonly memory: WalkMemory;
}

/**
 * Reads columns of tables with one index ("1.3.6.1.2.1.2.2.1.10"), side by side by GETBULK, in v1 by GETNEXT. Columns may
 * have different instances; rows come in OID order. Never rejects for what the router does; throws BerError when an OID
 * is none. `columns` must not change afterwards.
 */
export async function walkColumns(
  session: Session,
  columns: readonly string[],
  limits: WalkLimits,
): Promise<FetchedColumns> {
  const effort = new EffortMeter();
  const encoded = session.oids.encoded(columns);
  const memory = limits.memory ?? session.recall(encoded);
  const walk = new ColumnWalk(encoded, {
    rowsMax: limits.rowsMax,
    nextOnly: session.version === "1",
    anyOrder: limits.anyOrder ?? false,
    sizing: new Sizing({
      memory,
      nowMs: session.clock.now(),
      framing: session.version === "3" ? "usm" : "community",
      repetitionsMax: limits.repetitions,
    }),
    memory,
  });
  const failed = await askUntilDone(session, walk, effort, limits.bytesMax ?? WALK_BYTES_MAX);

  const failures = failed === undefined ? walk.failures : [failed, ...walk.failures];
  const learnt = walk.memory();
  if (failed === undefined) session.remember(encoded, learnt);
  for (const rows of learnt.rows) effort.varbinds += rows;
  const { remarks, explanation } = walk.sizing;
  const table = walk.finish(columns);
  const result = fetched(table, failures, walk.hasBegun, effort, remarks);
  if (explanation === undefined) return { ...result, memory: learnt };
  return { ...result, effort: { ...result.effort, sizing: explanation }, memory: learnt };
}

/** Asks on in as many lanes as there may be; resolves with what cut the walk short, if anything did. */
function askUntilDone(
  session: Session,
  walk: ColumnWalk,
  effort: EffortMeter,
  bytesMax: number,
): Promise<Fault | undefined> {
  return new Promise((resolve) => {
    let failed: Fault | undefined;
    let lanes = 0;
    let isSpread = false;
    const openLane = (): void => {
      lanes++;
      askNext();
    };
    const askNext = (): void => {
      const asked = failed === undefined ? walk.next() : undefined;
      if (asked !== undefined) {
        effort.ask(asked);
        session.ask(
          asked,
          () => walk.shrink(asked),
          (reply) => take(asked, reply),
        );
        return;
      }
      lanes--;
      if (lanes === 0) resolve(failed);
    };
    const take = (asked: ColumnRequest, reply: Answer | Unanswered): void => {
      effort.add(reply);
      if (reply.kind === "answer") {
        walk.take(asked, reply);
        if (effort.bytesIn > bytesMax) failed ??= tooManyBytes(bytesMax);
      } else {
        const isAlive = reply.outcome === "silent" && session.stats.bytesIn > 0;
        if (!isAlive || !walk.mayCrumble(asked)) failed ??= reply;
      }
      // The first answer tells whether the router is there at all: only then do the other lanes open.
      if (!isSpread && walk.hasBegun) {
        isSpread = true;
        for (let lane = 1; lane < LANES; lane++) openLane();
      }
      askNext();
    };
    openLane();
  });
}

function tooManyBytes(bytesMax: number): Fault {
  return { outcome: "malformed", reason: `The table takes more than ${bytesMax} octets` };
}

function fetched(
  table: FetchedTable,
  failures: readonly Fault[],
  hasAnswered: boolean,
  meter: EffortMeter,
  remarks: readonly string[],
): Fetched {
  const [first] = failures;
  const effort = meter.total(remarks);
  if (first === undefined) return { outcome: "answered", table, effort };
  return { outcome: hasAnswered ? "partial" : first.outcome, reason: first.reason, table, effort };
}

/** Round trips kept for the median: the first of a walk stand for the rest. */
const ROUND_TRIPS_MAX = 256;

class EffortMeter {
  bytesIn = 0;
  varbinds = 0;
  readonly #begunAtMs = performance.now();
  #requests = 0;
  #retries = 0;
  #rttMsMax = 0;
  #columnsMost = 0;
  #repetitionsMost = 0;
  /** In ascending order: sorting a typed array for one number cost as much as decoding an answer. */
  readonly #rttsMs: number[] = [];

  ask({ columns, repetitions }: ColumnRequest): void {
    if (columns * repetitions <= this.#columnsMost * this.#repetitionsMost) return;
    this.#columnsMost = columns;
    this.#repetitionsMost = repetitions;
  }

  add(reply: Answer | Unanswered): void {
    this.#requests += 1 + reply.retries;
    this.#retries += reply.retries;
    if (reply.kind === "failure") return;
    this.bytesIn += reply.bytes.length;
    const { rttMs } = reply;
    this.#rttMsMax = Math.max(this.#rttMsMax, rttMs);
    const rtts = this.#rttsMs;
    if (rtts.length === ROUND_TRIPS_MAX) return;
    let at = rtts.length;
    for (; at > 0 && (rtts[at - 1] as number) > rttMs; at--) rtts[at] = rtts[at - 1] as number;
    rtts[at] = rttMs;
  }

  total(remarks: readonly string[]): Effort {
    const rtts = this.#rttsMs;
    return {
      requests: this.#requests,
      retries: this.#retries,
      bytesIn: this.bytesIn,
      varbinds: this.varbinds,
      durationMs: performance.now() - this.#begunAtMs,
      rttMsMedian: rtts[rtts.length >> 1] ?? 0,
      rttMsMax: this.#rttMsMax,
      columnsMost: this.#columnsMost,
      repetitionsMost: this.#repetitionsMost,
      remarks,
    };
  }
}

function equals(bytes: Uint8Array, start: number, end: number, other: Uint8Array): boolean {
  if (end - start !== other.length) return false;
  for (let i = 0; i < other.length; i++) if (bytes[start + i] !== other[i]) return false;
  return true;
}
