/**
 * Recorded routers: a `.snmprec` file served as it is or, live, with the counters of IF-MIB and sysUpTime moving on from
 * where they stood. Several routers may serve one recording; live, each moves at rates of its own.
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { compareOidRanges, decodeSubIds, encodeOid, TAG } from "../snmp/ber.ts";
import {
  COUNTER_COLUMNS,
  type Flow,
  flowed,
  flowRate,
  writeUnsigned32,
  writeUnsigned64,
} from "./counters.ts";
import { type MibRow, MibView } from "./mib-view.ts";
import { parseSnmprec, type RecordedRow } from "./snmprec.ts";

const EXTENSION = ".snmprec";
const SYS_NAME = encodeOid("1.3.6.1.2.1.1.5.0");
const SYS_UP_TIME = encodeOid("1.3.6.1.2.1.1.3.0");

/** The columns that move live, by their octets, in the order of COUNTER_COLUMNS. */
const COLUMN_OCTETS = COUNTER_COLUMNS.map(({ oid }) => encodeOid(oid));

/** A row that moves live: a counter of an interface, or sysUpTime (no flow). */
export interface MovingRow {
  readonly tag: number;
  /** The recorded value: high × 2^32 + low. */
  readonly high: number;
  readonly low: number;
  readonly counter?: { readonly name: string; readonly flow: Flow; readonly ifIndex: number };
}

export interface Recording {
  /** The file's name without ".snmprec". */
  readonly name: string;
  readonly view: MibView;
  /** What the recording says for sysName; absent when it says nothing. */
  readonly sysName?: string;
  /** By moving key − 1; empty unless live. */
  readonly movingRows: readonly MovingRow[];
}

/** Every `.snmprec` of a directory, by name. Throws when there is none, and for the first line that cannot be served. */
export async function readRecordings(directory: string, live: boolean): Promise<Recording[]> {
  const files = (await filesOf(directory)).filter((file) => file.endsWith(EXTENSION)).sort();
  if (files.length === 0) {
    throw new Error(`Cannot serve recordings of "${directory}": it has no *${EXTENSION} file`);
  }
  const recordings: Recording[] = [];
  for (const file of files) {
    const path = join(directory, file);
    const rows = parseSnmprec(await readFile(path), path);
    recordings.push(recordingOf(basename(file, EXTENSION), rows, live));
  }
  return recordings;
}

async function filesOf(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    throw new Error(`Cannot serve recordings of "${directory}": it is not a readable folder`, {
      cause,
    });
  }
}

export function recordingOf(name: string, rows: readonly RecordedRow[], live: boolean): Recording {
  const movingRows: MovingRow[] = [];
  const view = new MibView(
    rows.map((row): MibRow => {
      const moving = live ? movingRowOf(row) : undefined;
      return { ...row, moving: moving === undefined ? 0 : movingRows.push(moving) };
    }),
  );
  const sysName = rows.find((row) => row.tag === TAG.octetString && equal(row.oid, SYS_NAME));
  return {
    name,
    view,
    movingRows,
    ...(sysName === undefined ? {} : { sysName: Buffer.from(sysName.value).toString("utf8") }),
  };
}

/** What a moving row shows `elapsedMs` after the router went live. */
export function recordedValueAt(
  row: MovingRow,
  seed: number,
  router: number,
  elapsedMs: number,
): { readonly high: number; readonly low: number } {
  const moved =
    row.counter === undefined
      ? Math.floor(elapsedMs / 10)
      : flowed(flowRate(seed, router, row.counter.ifIndex, row.counter.flow), elapsedMs);
  const low = row.low + (moved % 4_294_967_296);
  const carry = Math.floor(low / 4_294_967_296);
  return { high: (row.high + Math.floor(moved / 4_294_967_296) + carry) >>> 0, low: low >>> 0 };
}

/** Writes what one live router says for a recording's moving rows. */
export class RecordedValues {
  readonly #recording: Recording;
  readonly #seed: number;
  readonly #router: number;
  readonly #liveSinceMs: number;

  constructor(
    recording: Recording,
    router: number,
    live: { readonly seed: number; readonly sinceMs: number },
  ) {
    this.#recording = recording;
    this.#seed = live.seed;
    this.#router = router;
    this.#liveSinceMs = live.sinceMs;
  }

  readonly write = (moving: number, out: Uint8Array, at: number, nowMs: number): number => {
    const row = this.#recording.movingRows[moving - 1] as MovingRow;
    const elapsedMs = Math.max(0, nowMs - this.#liveSinceMs);
    const { high, low } = recordedValueAt(row, this.#seed, this.#router, elapsedMs);
    return row.tag === TAG.counter64
      ? writeUnsigned64(out, at, row.tag, high, low)
      : writeUnsigned32(out, at, row.tag, low);
  };
}

function movingRowOf(row: RecordedRow): MovingRow | undefined {
  if (row.tag === TAG.timeTicks && equal(row.oid, SYS_UP_TIME)) {
    return { tag: row.tag, ...halvesOf(row.value) };
  }
  const column = COLUMN_OCTETS.findIndex((octets) => isBelow(row.oid, octets));
  const counter = COUNTER_COLUMNS[column];
  if (counter === undefined || row.tag !== (counter.bits === 64 ? TAG.counter64 : TAG.counter32)) {
    return undefined;
  }
  const index = decodeSubIds(row.oid, (COLUMN_OCTETS[column] as Uint8Array).length);
  if (index.includes(".")) return undefined;
  return {
    tag: row.tag,
    ...halvesOf(row.value),
    counter: { name: counter.name, flow: counter.flow, ifIndex: Number(index) },
  };
}

function halvesOf(value: Uint8Array): { readonly high: number; readonly low: number } {
  let whole = 0n;
  for (const octet of value) whole = (whole << 8n) | BigInt(octet);
  return {
    high: Number(BigInt.asUintN(32, whole >> 32n)),
    low: Number(BigInt.asUintN(32, whole)),
  };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return compareOidRanges(a, 0, a.length, b, 0, b.length) === 0;
}

function isBelow(oid: Uint8Array, column: Uint8Array): boolean {
  return oid.length > column.length && equal(oid.subarray(0, column.length), column);
}
