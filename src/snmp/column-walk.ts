/**
 * The state of one walk over columns of a table: which are unfinished, what to ask next, and what an answer means. Every
 * column remembers its own last OID, so columns may have different instances, end early, or be cut off anywhere by an
 * agent that says less than it was asked. Pure: requests out, answers in.
 */
import type { Answer, Fault } from "./arrival.ts";
import { compareOidRanges, TAG } from "./ber.ts";
import type { Request, RequestName } from "./codec.ts";
import {
  type FetchedTable,
  NO_INDEX,
  NOT_INCREASING,
  TABLE_FULL,
  TableBuilder,
} from "./fetched-table.ts";
import type { EncodedOids } from "./oid-cache.ts";
import {
  type Batch,
  BYTES_EACH_AT_FIRST,
  type Rounds,
  type Sizing,
  type WalkMemory,
  type Weighed,
} from "./sizing.ts";
import { Varbinds } from "./varbinds.ts";

interface Column extends RequestName, Weighed {
  readonly name: string;
  /** Its place in the order the caller gave. */
  readonly place: number;
  /** The tail of the last OID it was seen to have, in the request's `suffixes`. */
  suffixStart: number;
  suffixEnd: number;
  /** The row it was last seen to have; -1 = none yet. */
  last: number;
  rows: number;
  /** Rows it is thought to have; -1 = not known. */
  expected: number;
  bytesEach: number;
  /** Octets of its varbinds so far. */
  bytes: number;
  isDone: boolean;
  isAsked: boolean;
  /** What `last` and `rows` were when it was asked, for an answer that turns out to be worth nothing. */
  lastAsked: number;
  rowsAsked: number;
  /** Of the answer being taken in: it ends this column; why it fails; another place proves that it goes on. */
  endsHere: boolean;
  flaw: string | undefined;
  isAlive: boolean;
  /** Rows of it that may be asked for at once, after an agent failed to give more. */
  repetitionsMax: number;
}

/** A request for some columns, and what it asked of them. */
export interface ColumnRequest extends Batch, Request {
  readonly names: readonly Column[];
  repetitions: number;
  /** More varbinds than this answer no request of ours. */
  readonly varbindsMax: number;
}

/** Octets of names in one request. */
const REQUEST_BYTES_MAX = 1_200;
/** Octets of a varbind before its OID: two headers. */
const HEADER_BYTES = 4;
/** Rows there is room for before any is known. */
const ROWS_EXPECTED = 32;

const NO_LIMIT = Number.POSITIVE_INFINITY;
const CUT_OFF = "the answer was cut off";

/** What a varbind means for the column in whose place it stands. */
const TAKEN = 0;
const ENDED = 1;
const DISORDERED = 2;

export class ColumnWalk {
  readonly sizing: Sizing;
  /** What went wrong, oldest first; bounded by the number of columns. */
  readonly failures: Fault[] = [];
  /** Whether an answer has brought anything: rows, or that a column has none. */
  hasBegun = false;
  readonly #columns: readonly Column[];
  readonly #table: TableBuilder;
  readonly #rowsMax: number;
  /** GETNEXT instead of GETBULK: v1. */
  readonly #nextOnly: boolean;
  /** Instances may come in any order: a column ends where one comes again. */
  readonly #anyOrder: boolean;
  /** One column a request: this agent's answers cannot be told apart otherwise. */
  #isSolo = false;
  /** How many rows to ask for at a time while it is known how many are left; undefined = to be worked out. */
  #rounds: Rounds | undefined;
  #hasCrumbled = false;

  constructor(
    columns: EncodedOids,
    options: {
      readonly rowsMax: number;
      readonly nextOnly: boolean;
      readonly anyOrder: boolean;
      readonly sizing: Sizing;
      readonly memory: WalkMemory | undefined;
    },
  ) {
    const { inOidOrder } = columns;
    const { memory } = options;
    const known = memory?.rows.length === inOidOrder.length ? memory : undefined;
    this.sizing = options.sizing;
    this.#rowsMax = options.rowsMax;
    this.#nextOnly = options.nextOnly;
    this.#anyOrder = options.anyOrder;
    // Without an order nothing tells that a varbind stands in another column's place.
    this.#isSolo = options.anyOrder;
    // In OID order one column's end is never taken for another one's beginning (see `#takeVarbinds`).
    this.#columns = inOidOrder.map(({ dotted, octets, place }) => ({
      name: dotted,
      octets,
      place,
      suffixStart: 0,
      suffixEnd: 0,
      last: -1,
      rows: 0,
      expected: known?.rows[place] ?? -1,
      bytesEach: known?.bytesEach[place] ?? BYTES_EACH_AT_FIRST,
      bytes: 0,
      isDone: false,
      isAsked: false,
      lastAsked: -1,
      rowsAsked: 0,
      endsHere: false,
      flaw: undefined,
      isAlive: false,
      repetitionsMax: NO_LIMIT,
    }));
    const rowsExpected = known === undefined ? ROWS_EXPECTED : Math.max(...known.rows, 0) + 1;
    this.#table = new TableBuilder(
      inOidOrder.length,
      options.rowsMax,
      rowsExpected,
      options.anyOrder,
    );
  }

  /** What to ask next, its columns marked as asked; undefined when nothing is left that is not being asked already. */
  next(): ColumnRequest | undefined {
    let isAnyOpen = false;
    let isAnyAsked = false;
    let first: Column | undefined;
    for (const column of this.#columns) {
      if (column.isDone) continue;
      if (column.isAsked) isAnyAsked = true;
      else if (column.rows === column.expected) isAnyOpen = true;
      else first ??= column;
    }
    if (first !== undefined) return this.#requestFor(first, this.#repetitionsFor(first));
    // All rows expected are there. One varbind a column checks that there is no more, in as few packets as can be.
    return isAnyOpen && !isAnyAsked ? this.#requestFor(undefined, 1) : undefined;
  }

  #repetitionsFor(first: Column): number {
    if (this.#nextOnly) return 1;
    const { sizing } = this;
    const live = (): Column[] => this.#columns.filter(isLive);
    if (first.repetitionsMax < NO_LIMIT) {
      return Math.min(first.repetitionsMax, sizing.onwards([first]));
    }
    const left = first.expected - first.rows;
    if (left < 0) return this.hasBegun ? sizing.onwards(live()) : sizing.first(live());
    // Worked out once and kept while it fits, so that the groups of columns it was worked out for come about.
    this.#rounds ??= sizing.remaining(live(), left);
    const { repetitions, findEnds } = this.#rounds;
    return Math.min(repetitions, findEnds ? left + 1 : left);
  }

  /** A request for `first` and the live columns after it, or for all columns that only need their last check. */
  #requestFor(first: Column | undefined, repetitions: number): ColumnRequest {
    const table = this.#table;
    const isAlone = this.#isSolo || (first?.repetitionsMax ?? NO_LIMIT) < NO_LIMIT;
    const columnsMax = isAlone ? 1 : this.sizing.columnsMax(repetitions);
    const room = this.sizing.roomBytes / repetitions;
    const names: Column[] = [];
    let bytes = 0;
    let bytesAsked = 0;
    for (const column of this.#columns) {
      if (names.length === columnsMax) break;
      if (column.isDone || column.isAsked) continue;
      if (first !== undefined && column.rows === column.expected) continue;
      if (column !== first && column.repetitionsMax < repetitions) continue;
      column.suffixStart = table.suffixStart(column.last);
      column.suffixEnd = table.suffixEnd(column.last);
      bytes += column.bytesEach;
      bytesAsked += column.octets.length + column.suffixEnd - column.suffixStart + 8;
      if (names.length > 0 && (bytes > room || bytesAsked > REQUEST_BYTES_MAX)) break;
      column.isAsked = true;
      column.lastAsked = column.last;
      column.rowsAsked = column.rows;
      names.push(column);
    }
    return {
      pduType: this.#nextOnly ? TAG.getNextRequest : TAG.getBulkRequest,
      a: 0,
      b: this.#nextOnly ? 0 : repetitions,
      names,
      suffixes: table.suffixes,
      answerBytes: Math.min(Math.ceil(bytes * repetitions), this.sizing.roomBytes),
      columns: names.length,
      repetitions,
      varbindsMax: names.length * repetitions,
    };
  }

  /** The last request went unanswered: the next time fewer rows are asked of the same columns. */
  shrink(asked: ColumnRequest): void {
    const repetitions = this.sizing.afterSilence(asked);
    this.#tooMuch(asked, "no answer in time");
    asked.repetitions = repetitions;
    if (!this.#nextOnly) asked.b = asked.repetitions;
  }

  /** Whether what was asked, and never answered, may be asked once more in crumbs. */
  mayCrumble(asked: ColumnRequest): boolean {
    if (this.#hasCrumbled || asked.columns * asked.repetitions === 1) return false;
    this.#hasCrumbled = true;
    for (const column of asked.names) column.isAsked = false;
    this.sizing.crumble(asked);
    this.#rounds = undefined;
    return true;
  }

  /** Takes in the answer to `asked`. */
  take(asked: ColumnRequest, answer: Answer): void {
    for (const column of asked.names) column.isAsked = false;
    if (answer.errorStatus !== 0) this.#takeError(asked, answer);
    else this.#takeVarbinds(asked, answer);
  }

  #takeVarbinds(asked: ColumnRequest, answer: Answer): void {
    const columns = asked.names;
    const varbinds = new Varbinds(answer.bytes, answer.at, answer.end);
    let isDisordered = false;
    let count = 0;
    let taken = 0;
    let k = 0;
    for (; count < asked.varbindsMax && varbinds.next(); count++) {
      const column = columns[k] as Column;
      k = k + 1 === columns.length ? 0 : k + 1;
      if (column.isDone) continue;
      const verdict = this.#takeVarbind(column, varbinds, columns);
      if (verdict === DISORDERED) {
        isDisordered = true;
        break;
      }
      if (verdict === TAKEN) taken++;
      else column.isDone = true;
    }

    isDisordered ||= columns.some((column) => column.isAlive && column.endsHere);
    const settled = this.#settle(columns, isDisordered);
    if (isDisordered) {
      this.#distrust(asked);
      return;
    }
    if (taken > 0) this.hasBegun = true;
    if (taken + settled === 0) {
      const isEmpty = count === 0 && !varbinds.isFlawed;
      this.#bringsNothing(asked, "malformed", isEmpty ? "the answer was empty" : CUT_OFF);
      return;
    }
    const isAll = columns.every((column) => column.isDone);
    this.sizing.answered(asked, count, answer.end - answer.at, isAll);
    if (count < asked.varbindsMax) this.#rounds = undefined;
    if (varbinds.isFlawed || answer.cut) this.#tooMuch(asked, CUT_OFF);
  }

  /** Takes one varbind in at the place of `column`, and says what it means for that column. */
  #takeVarbind(column: Column, varbinds: Varbinds, columns: readonly Column[]): number {
    const { bytes, oidStart, oidEnd, tag } = varbinds;
    if (tag >= TAG.noSuchObject && tag <= TAG.endOfMibView) {
      column.endsHere = true;
      return ENDED;
    }
    if (!hasPrefix(bytes, oidStart, oidEnd, column.octets)) {
      const isDisordered = isBefore(bytes, oidStart, oidEnd, column.octets) && !this.#anyOrder;
      if (isDisordered) return DISORDERED;
      // Past the column's last instance: an agent answers with what comes next in its MIB.
      column.endsHere = true;
      this.#noteAlive(columns, column, bytes, oidStart, oidEnd);
      return ENDED;
    }
    const suffix = oidStart + column.octets.length;
    const row = this.#table.findRow(bytes, suffix, oidEnd, column.last);
    if (row < 0) {
      if (row === NOT_INCREASING && columns.length > 1) return DISORDERED;
      column.flaw = this.#whyNot(row, column);
      return ENDED;
    }
    if (this.#anyOrder && this.#goesAround(column, row)) return ENDED;
    const { valueStart, valueEnd } = varbinds;
    if (!this.#table.put(column.place, row, tag, bytes, valueStart, valueEnd)) {
      this.sizing.remark(`A number of ${column.name} has ${valueEnd - valueStart} octets`);
    }
    column.last = row;
    column.rows++;
    column.bytes += valueEnd - oidStart + HEADER_BYTES;
    return TAKEN;
  }

  /** An agent without an order has come back to where it was: the column ends, with what there is of it. */
  #goesAround(column: Column, row: number): boolean {
    const isAround = column.rows >= this.#rowsMax || this.#table.isSaid(column.place, row);
    if (isAround) {
      column.endsHere = true;
      this.sizing.remark(`${column.name} comes around to an instance it had before`);
    }
    return isAround;
  }

  /** Draws the conclusions of an answer for each column, and returns for how many there were some. */
  #settle(columns: readonly Column[], isDisordered: boolean): number {
    let settled = 0;
    for (const column of columns) {
      column.bytesEach = weightOf(column);
      if (column.flaw !== undefined) {
        this.#fail(column, "malformed", column.flaw);
        settled++;
      } else if (column.endsHere) {
        if (!isDisordered) this.#end(column);
        settled++;
      }
      if (isDisordered && column.flaw === undefined) {
        // Values in wrong places may have skipped others: all of them are asked for again.
        column.last = column.lastAsked;
        column.rows = column.rowsAsked;
        column.isDone = false;
      }
      column.flaw = undefined;
      column.endsHere = false;
      column.isAlive = false;
    }
    return settled;
  }

  /**
   * A varbind stands where `expected`'s next one should. If it belongs to another column, further on than that one has
   * been read, then that column has not ended, whatever its own place in this answer seems to say. Agents that leave out
   * varbinds or sort them are recognised by this.
   */
  #noteAlive(
    columns: readonly Column[],
    expected: Column,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    for (const column of columns) {
      if (column === expected || !hasPrefix(bytes, start, end, column.octets)) continue;
      const table = this.#table;
      const from = table.suffixStart(column.last);
      const to = table.suffixEnd(column.last);
      const at = start + column.octets.length;
      if (compareOidRanges(bytes, at, end, table.suffixes, from, to) > 0) column.isAlive = true;
      return;
    }
  }

  /** Answers whose varbinds cannot be matched with the columns asked for: from now on one column at a time. */
  #distrust(asked: ColumnRequest): void {
    if (asked.columns > 1) {
      this.#isSolo = true;
      this.sizing.remark("Varbinds are out of order: columns are asked one by one");
      return;
    }
    for (const column of asked.names) {
      this.#fail(column, "malformed", `The OIDs of ${column.name} do not increase`);
    }
  }

  #whyNot(row: number, column: Column): string {
    switch (row) {
      case TABLE_FULL:
        return `${column.name} has more than ${this.#rowsMax} rows`;
      case NO_INDEX:
        return `An instance of ${column.name} is not an OID`;
      default:
        return `The OIDs of ${column.name} do not increase`;
    }
  }

  #takeError(asked: ColumnRequest, answer: Answer): void {
    const { errorStatus, errorIndex } = answer;
    const named = asked.names[asked.columns === 1 ? 0 : errorIndex - 1];
    switch (errorStatus) {
      case ERROR.tooBig:
        this.#bringsNothing(asked, "refused", "tooBig");
        return;
      case ERROR.noSuchName:
        // v1's way to say that nothing follows (RFC 1157, section 4.1.3).
        if (named === undefined) this.#distrust(asked);
        else this.#end(named);
        return;
      default: {
        const name = errorName(errorStatus);
        if (named === undefined) {
          this.#isSolo = true;
          this.sizing.remark(`${name} that names no column: columns are asked one by one`);
        } else if (asked.repetitions > 1) {
          named.repetitionsMax = Math.floor(asked.repetitions / 2);
        } else {
          this.#fail(named, "refused", `${name} at ${named.name}`);
        }
      }
    }
  }

  #bringsNothing(asked: ColumnRequest, outcome: Fault["outcome"], why: string): void {
    this.#tooMuch(asked, why);
    if (asked.columns * asked.repetitions > 1) return;
    for (const column of asked.names)
      this.#fail(column, outcome, `${why} for ${column.name} alone`);
  }

  #tooMuch(asked: ColumnRequest, why: string): void {
    this.sizing.tooMuch(asked, why);
    this.#rounds = undefined;
  }

  #end(column: Column): void {
    column.isDone = true;
    this.hasBegun = true;
    // Columns of a table mostly have the same rows: what one had, the others are expected to have.
    if (column.rows === 0) return;
    for (const other of this.#columns) {
      if (other.expected < other.rows || (other.expected < 0 && !other.isDone)) {
        other.expected = Math.max(other.expected, column.rows);
      }
    }
  }

  #fail(column: Column, outcome: Fault["outcome"], reason: string): void {
    column.isDone = true;
    this.failures.push({ outcome, reason });
  }

  memory(): WalkMemory {
    const rows = new Array<number>(this.#columns.length).fill(0);
    const bytesEach = new Array<number>(this.#columns.length).fill(0);
    for (const column of this.#columns) {
      rows[column.place] = column.rows;
      bytesEach[column.place] = weightOf(column);
    }
    return this.sizing.memory(rows, bytesEach);
  }

  /** The table, its columns in the order of `names`, the caller's. */
  finish(names: readonly string[]): FetchedTable {
    return this.#table.finish(names);
  }
}

function isLive(column: Column): boolean {
  return !column.isDone && !column.isAsked && column.rows !== column.expected;
}

/** Octets of one of its varbinds: as seen, or as thought while none was. */
function weightOf(column: Column): number {
  return column.rows === 0 ? column.bytesEach : Math.round((10 * column.bytes) / column.rows) / 10;
}

/** error-status (RFC 3416, section 3). */
const ERROR = { tooBig: 1, noSuchName: 2 } as const;

const ERROR_NAMES = [
  "noError",
  "tooBig",
  "noSuchName",
  "badValue",
  "readOnly",
  "genErr",
  "noAccess",
  "wrongType",
  "wrongLength",
  "wrongEncoding",
  "wrongValue",
  "noCreation",
  "inconsistentValue",
  "resourceUnavailable",
  "commitFailed",
  "undoFailed",
  "authorizationError",
  "notWritable",
  "inconsistentName",
] as const;

/** The name of an error-status, or its number. */
export function errorName(status: number): string {
  return ERROR_NAMES[status] ?? `error ${status}`;
}

function hasPrefix(bytes: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  const length = prefix.length;
  if (end - start < length) return false;
  // Columns of one table differ in their last octet: look there first.
  for (let i = length - 1; i >= 0; i--) if (bytes[start + i] !== prefix[i]) return false;
  return true;
}

function isBefore(bytes: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  return compareOidRanges(bytes, start, end, prefix, 0, prefix.length) < 0;
}
