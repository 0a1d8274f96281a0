/**
 * How much to ask for at once: columns × repetitions of a GETBULK. Fewer packets are the one lever on a poll's cost, but
 * an answer that does not fit is worse than a small one: fragments are lost on the way, agents time out or say tooBig. So
 * requests start small, grow while answers fit, are halved when one does not, and never go back to a size that failed
 * while that is remembered.
 *
 * Answers grow from walk to walk: first what crosses any path whole, then an Ethernet frame, then twice as much each time
 * until the agent cuts them off, which tells its own message size, or none comes, which tells that fragments do not
 * arrive here. Pure.
 */

import type { AnswerLimits } from "../routers/router.ts";

/** What a walk has learnt about one table of one router, for the next walk of it. Plain JSON. */
export interface WalkMemory extends AnswerLimits {
  /** Rows of each column, in the order the columns were asked for. */
  readonly rows: readonly number[];
  /** Octets of one varbind of each column, on average. */
  readonly bytesEach: readonly number[];
}

/** Nothing about rows, only how much may be asked. */
export function memoryOfLimits(limits: AnswerLimits): WalkMemory {
  return { ...limits, rows: [], bytesEach: [] };
}

/**
 * What is worth writing down of `now`: undefined while sizes still grow or nothing is special about them, and while it
 * is what was known `before`, to the hour.
 */
export function limitsWorthKeeping(
  { rows: _rows, bytesEach: _bytesEach, ...now }: WalkMemory,
  before: AnswerLimits | undefined,
): AnswerLimits | undefined {
  const isSettled =
    now.why !== undefined ||
    now.answerBytesCeiling !== undefined ||
    now.answerBytesMax === ANSWER_BYTES_MAX ||
    now.repetitionsMax < REPETITIONS_MAX;
  if (!isSettled) return undefined;
  const isKnown =
    before !== undefined &&
    now.answerBytesMax === before.answerBytesMax &&
    now.answerBytesCeiling === before.answerBytesCeiling &&
    now.repetitionsMax === before.repetitionsMax &&
    now.why === before.why &&
    now.varbindsMax >= before.varbindsMax &&
    now.limitsSinceMs - before.limitsSinceMs < KEPT_AGAIN_MS;
  return isKnown ? undefined : now;
}

/** A request that was made: so many columns, so many rows of each. */
export interface Batch {
  readonly columns: number;
  readonly repetitions: number;
}

/** How to ask for all rows that are left. */
export interface Rounds {
  /** At a time. */
  readonly repetitions: number;
  /** Whether to ask for one row more than there are, which finds each column at its end. */
  readonly findEnds: boolean;
}

/** What the choice of a size has to know of a column. */
export interface Weighed {
  readonly bytesEach: number;
}

/** A varbind of a counter or a short string, before any of its column was seen. */
export const BYTES_EACH_AT_FIRST = 28;

/** An answer that crosses any path unfragmented: 1,500 octets less what tunnels take. */
const ANSWER_BYTES = 1_400;
/** What an Ethernet frame holds. */
const FRAME_BYTES = 1_472;
/** Beyond this one lost fragment costs more than all the requests saved. */
const ANSWER_BYTES_MAX = 8_000;
/** An answer this full would have been larger if it could. */
const FULL_SHARE = 0.75;
/** Octets around the varbinds of an answer: headers and community, or the security parameters of v3. */
const OVERHEAD_BYTES = { community: 45, usm: 160 };
const REPETITIONS_START = 10;
const REPETITIONS_MAX = 100;
/** Columns in one request: some agents have small tables for them. */
const COLUMNS_MAX = 25;
/** More than any answer holds. */
const NO_LIMIT_VARBINDS = 10_000;
/** What every agent can answer that can answer anything. */
const LAST_RESORT_VARBINDS = 4;
/** What it is worth in packets that two requests can be under way: half as many round trips. */
const LONELY_ANSWERS = 2;
/** How long a failure is held against a router: finding it out anew may cost a poll a timeout. */
const MEMORY_MS = 6 * 3_600_000;
/** An answer smaller than this is not what an agent's message size looks like. */
const ANSWER_BYTES_MIN = 200;
/** Limits that were found out anew and are the same are written again after this long. */
const KEPT_AGAIN_MS = 3_600_000;
/** Of the octets an agent cut an answer off at, what is asked for from then on: rows differ in length. */
const CUT_SHARE = 0.97;
const REMARKS_MAX = 8;

export class Sizing {
  /** What happened, in order: the first few, for a reader. */
  readonly remarks: string[] = [];
  readonly #overheadBytes: number;
  readonly #nowMs: number;
  readonly #limitsSinceMs: number;
  #answerBytesMax = ANSWER_BYTES;
  #answerBytesCeiling = ANSWER_BYTES_MAX;
  /** Whether larger answers would have meant fewer of them, and nothing spoke against it. */
  #mayGrow = false;
  #hasFailed = false;
  #repetitionsMax: number;
  #varbindsMax = NO_LIMIT_VARBINDS;
  /** Failed already: not asked for again. */
  #varbindsCeiling = NO_LIMIT_VARBINDS;
  #reach = REPETITIONS_START;
  #why: string | undefined;

  constructor(options: {
    readonly memory: WalkMemory | undefined;
    readonly nowMs: number;
    readonly framing: "community" | "usm";
    readonly repetitionsMax?: number | undefined;
  }) {
    const { memory, nowMs, framing, repetitionsMax = REPETITIONS_MAX } = options;
    this.#overheadBytes = OVERHEAD_BYTES[framing];
    this.#repetitionsMax = repetitionsMax;
    this.#nowMs = nowMs;
    this.#limitsSinceMs = nowMs;
    if (memory === undefined || nowMs - memory.limitsSinceMs > MEMORY_MS) return;
    this.#limitsSinceMs = memory.limitsSinceMs;
    this.#answerBytesMax = memory.answerBytesMax;
    this.#answerBytesCeiling = memory.answerBytesCeiling ?? ANSWER_BYTES_MAX;
    this.#repetitionsMax = Math.min(memory.repetitionsMax, repetitionsMax);
    this.#varbindsMax = memory.varbindsMax;
    this.#varbindsCeiling = memory.varbindsMax + 1;
    this.#why = memory.why;
  }

  /** Octets of varbinds that one answer has room for. */
  get roomBytes(): number {
    return this.#answerBytesMax - this.#overheadBytes;
  }

  /** Columns of which one request may ask `repetitions` rows, whatever their octets. */
  columnsMax(repetitions: number): number {
    const mostVarbinds = Math.max(Math.floor(this.#varbindsMax / repetitions), 1);
    return repetitions === 1
      ? Math.min(mostVarbinds, 2 * COLUMNS_MAX)
      : Math.min(mostVarbinds, COLUMNS_MAX);
  }

  /** Rows to ask for first of a table never seen: few of every column, which finds the empty ones for little. */
  first(columns: readonly Weighed[]): number {
    const wide = Math.min(columns.length, COLUMNS_MAX, this.#varbindsMax);
    const fitting = Math.floor(this.roomBytes / bytesOf(columns.slice(0, wide)));
    return this.#bounded(
      Math.min(fitting, Math.floor(this.#varbindsMax / wide), REPETITIONS_START),
    );
  }

  /** Rows to ask for next when nobody knows how many are left. */
  onwards(columns: readonly Weighed[]): number {
    const fitting = Math.floor(this.roomBytes / bytesOf(columns));
    return this.#bounded(Math.min(this.#reach, Math.max(fitting, REPETITIONS_START)));
  }

  /**
   * How to ask for the `rows` rows each column has left in the fewest answers, counting what it takes to find each column
   * at its end: a row more of every column, or a request of its own.
   */
  remaining(columns: readonly Weighed[], rows: number): Rounds {
    const checks = Math.ceil(columns.length / this.columnsMax(1));
    const apart = this.#fewest(columns, rows);
    const along = this.#fewest(columns, rows + 1);
    return along.answers <= apart.answers + checks
      ? { repetitions: along.repetitions, findEnds: true }
      : { repetitions: apart.repetitions, findEnds: false };
  }

  #fewest(columns: readonly Weighed[], rows: number) {
    let best = { repetitions: 1, answers: Number.POSITIVE_INFINITY };
    let bytes = 0;
    for (let wide = 1; wide <= Math.min(columns.length, COLUMNS_MAX); wide++) {
      bytes += (columns[wide - 1] as Weighed).bytesEach;
      const fitting = this.#bounded(Math.min(rows, Math.floor(this.roomBytes / bytes)));
      const rounds = Math.ceil(rows / fitting);
      const repetitions = Math.ceil(rows / rounds);
      const groups = this.#groups(columns, repetitions);
      const answers = rounds * groups + (groups === 1 && columns.length > 1 ? LONELY_ANSWERS : 0);
      if (answers < best.answers) best = { repetitions, answers };
    }
    return best;
  }

  /** Into how many requests `columns` fall when each asks for `repetitions` rows. */
  #groups(columns: readonly Weighed[], repetitions: number): number {
    const wideMax = this.columnsMax(repetitions);
    const room = this.roomBytes / repetitions;
    let groups = 0;
    let wide = wideMax;
    let bytes = 0;
    for (const { bytesEach } of columns) {
      if (wide === wideMax || bytes + bytesEach > room) {
        groups++;
        wide = 0;
        bytes = 0;
      }
      wide++;
      bytes += bytesEach;
    }
    return groups;
  }

  /** `varbinds` varbinds in `bytes` octets came to a request for `asked`; `isAll`: there were no more to give. */
  answered(asked: Batch, varbinds: number, bytes: number, isAll: boolean): void {
    const wanted = asked.columns * asked.repetitions;
    if (bytes > this.roomBytes * FULL_SHARE) this.#mayGrow = true;
    if (varbinds >= wanted || isAll) {
      this.#reach = Math.min(this.#reach * 2, REPETITIONS_MAX);
      const larger = Math.ceil(this.#varbindsMax * 1.5);
      this.#varbindsMax = Math.max(Math.min(larger, this.#varbindsCeiling - 1), 1);
      return;
    }
    // A varbind or two that are missing say nothing of sizes.
    if (varbinds === 0 || varbinds > wanted * 0.9) return;
    // Fewer than asked for: the agent's own limit, on rows when it stops between two, else on octets.
    const isFull = bytes + this.#overheadBytes > ANSWER_BYTES * FULL_SHARE;
    if (varbinds % asked.columns === 0 && asked.repetitions > 1 && !isFull) {
      this.#repetitionsMax = Math.min(this.#repetitionsMax, varbinds / asked.columns);
    } else {
      const whole = Math.floor(bytes * CUT_SHARE) + this.#overheadBytes;
      this.#limitAnswers(Math.max(whole, ANSWER_BYTES_MIN));
    }
  }

  /** Rows to ask for once more of as many columns, after the last time went unanswered. */
  afterSilence(asked: Batch): number {
    const share = Math.min(0.5, ANSWER_BYTES / this.#answerBytesMax);
    return Math.max(Math.floor(asked.repetitions * share), 1);
  }

  /** A request for `asked` brought nothing usable: from now on at most half as much, and no fragments. */
  tooMuch(asked: Batch, why: string): void {
    const failed = asked.columns * asked.repetitions;
    this.#hasFailed = true;
    const what = `${asked.columns} columns × ${asked.repetitions} rows: ${why}`;
    this.#why = `${what} at ${new Date(this.#nowMs).toISOString()}`;
    this.remark(what);
    this.#reach = Math.max(Math.floor(asked.repetitions / 2), 1);
    this.#varbindsCeiling = Math.min(this.#varbindsCeiling, Math.max(failed, 2));
    this.#varbindsMax = Math.max(Math.floor(Math.min(this.#varbindsMax, failed) / 2), 1);
    if (this.#answerBytesMax > ANSWER_BYTES) this.#limitAnswers(ANSWER_BYTES);
  }

  #limitAnswers(bytes: number): void {
    this.#answerBytesMax = Math.min(this.#answerBytesMax, bytes);
    this.#answerBytesCeiling = Math.min(this.#answerBytesCeiling, bytes);
  }

  /** A router that answers other requests never answers this one, however few rows it asks for. */
  crumble(asked: Batch): void {
    this.tooMuch(asked, "never answered");
    this.#varbindsMax = Math.min(this.#varbindsMax, LAST_RESORT_VARBINDS);
    // Another silence would cost another round of timeouts: no growing until this is forgotten.
    this.#varbindsCeiling = this.#varbindsMax + 1;
  }

  /** Why no more is asked for at once than is, for a reader; undefined while nothing stands in the way. */
  get explanation(): string | undefined {
    if (this.#why === undefined) return undefined;
    const rows = this.#repetitionsMax < REPETITIONS_MAX ? `, ${this.#repetitionsMax} rows` : "";
    const most = `${this.#varbindsMax} varbinds${rows}, ${this.#answerBytesMax} octets`;
    return `Asks for at most ${most} at once because of ${this.#why}`;
  }

  remark(what: string): void {
    if (this.remarks.length < REMARKS_MAX) this.remarks.push(what);
  }

  memory(rows: readonly number[], bytesEach: readonly number[]): WalkMemory {
    const mayGrow = this.#mayGrow && !this.#hasFailed;
    return {
      rows,
      bytesEach,
      answerBytesMax: mayGrow
        ? Math.min(nextAnswerBytes(this.#answerBytesMax), this.#answerBytesCeiling)
        : this.#answerBytesMax,
      ...(this.#answerBytesCeiling < ANSWER_BYTES_MAX && {
        answerBytesCeiling: this.#answerBytesCeiling,
      }),
      repetitionsMax: this.#repetitionsMax,
      varbindsMax: this.#varbindsMax,
      ...(this.#why === undefined ? {} : { why: this.#why }),
      limitsSinceMs: this.#limitsSinceMs,
    };
  }

  #bounded(repetitions: number): number {
    return Math.max(Math.min(repetitions, this.#repetitionsMax, this.#varbindsMax), 1);
  }
}

/** The next size to try, once answers of `bytes` arrive. */
function nextAnswerBytes(bytes: number): number {
  return bytes < FRAME_BYTES ? FRAME_BYTES : bytes * 2;
}

function bytesOf(columns: readonly Weighed[]): number {
  let bytes = 0;
  for (const { bytesEach } of columns) bytes += bytesEach;
  return bytes;
}
