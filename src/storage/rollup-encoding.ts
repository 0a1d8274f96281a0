import type { Rollup } from "../routers/rollup.ts";
import { type ParsedArray, parseFloats, parseIntegers } from "./array-text.ts";

/** Rollups as rows of rollups_5m and rollups_1h (migrations/0009-rollups.sql), and back. Pure. */

/** The columns of one row as Postgres' text of arrays; null where the column is. */
export interface RollupColumns {
  readonly counts: string;
  readonly covered_ms: string;
  readonly resets: string;
  readonly increases: string | null;
  readonly float_increases: string | null;
  readonly minima: string;
  readonly maxima: string;
  readonly lasts: string;
  readonly sums: string;
}

export const ROLLUP_COLUMNS = [
  "counts",
  "covered_ms",
  "resets",
  "increases",
  "float_increases",
  "minima",
  "maxima",
  "lasts",
  "sums",
] as const satisfies readonly (keyof RollupColumns)[];

export function encodeRollup(rollup: Rollup): RollupColumns {
  const { counts, coveredMs, resets, increases, minima, maxima, lasts, sums } = rollup;
  const isMeasured = (cell: number) => (coveredMs[cell] ?? 0) > 0;
  const integers = increases instanceof BigUint64Array ? increases : undefined;
  return {
    counts: compactText(counts, () => true),
    covered_ms: compactText(coveredMs, isMeasured),
    resets: compactText(resets, () => true),
    increases: integers && textOf(signed(integers), isMeasured),
    float_increases: integers ? null : textOf(increases as Float64Array, isMeasured),
    minima: textOf(minima),
    maxima: textOf(maxima),
    lasts: textOf(lasts),
    sums: textOf(sums),
  } as RollupColumns;
}

function signed(values: BigUint64Array): BigInt64Array {
  return new BigInt64Array(values.buffer, values.byteOffset, values.length);
}

/** One element where all cells that matter have the same value. */
function compactText(
  values: Int32Array | Float64Array,
  matters: (cell: number) => boolean,
): string {
  let common: number | undefined;
  for (let cell = 0; cell < values.length; cell++) {
    if (!matters(cell)) continue;
    if (common === undefined) common = values[cell];
    else if (common !== values[cell]) return `{${values.join(",")}}`;
  }
  return `{${common ?? 0}}`;
}

function textOf(
  values: Float64Array | BigInt64Array,
  isSaid = (cell: number) => !Number.isNaN(Number(values[cell])),
): string {
  const texts: string[] = new Array(values.length);
  for (let cell = 0; cell < values.length; cell++) {
    texts[cell] = isSaid(cell) ? String(values[cell]) : "NULL";
  }
  return `{${texts.join(",")}}`;
}

/** A row as it is read: of gauges or of counters some columns may be left out. */
export interface RollupText extends Omit<RollupColumns, GaugeColumn> {
  readonly shape_id: string;
  readonly bucket: Date;
  readonly last_at: Date;
  readonly minima: string | null;
  readonly maxima: string | null;
  readonly lasts: string | null;
  readonly sums: string | null;
}

type GaugeColumn = "minima" | "maxima" | "lasts" | "sums";

/** `cells` values: those of a row, or of the part of it that was read. */
export function decodeRollup(row: RollupText, cells: number): Rollup {
  const increases =
    row.float_increases === null
      ? parseIntegers(row.increases ?? nothing(cells), cells)
      : parseFloats(row.float_increases, cells);
  const coveredMs = expanded(row.covered_ms, cells);
  for (let cell = 0; cell < cells; cell++) if (increases.present[cell] !== 1) coveredMs[cell] = 0;
  return {
    shapeId: row.shape_id,
    bucketMs: row.bucket.getTime(),
    lastAtMs: row.last_at.getTime(),
    counts: Int32Array.from(expanded(row.counts, cells)),
    coveredMs,
    resets: Int32Array.from(expanded(row.resets, cells)),
    increases: unsigned(increases),
    minima: gaugesOf(row.minima, cells),
    maxima: gaugesOf(row.maxima, cells),
    lasts: gaugesOf(row.lasts, cells),
    sums: gaugesOf(row.sums, cells),
  };
}

function unsigned({ values }: ParsedArray<BigInt64Array | Float64Array>): Rollup["increases"] {
  return values instanceof Float64Array ? values : new BigUint64Array(values.buffer);
}

function nothing(cells: number): string {
  return `{${new Array(cells).fill("NULL").join(",")}}`;
}

function gaugesOf(text: string | null, cells: number): Float64Array {
  if (text === null) return new Float64Array(cells).fill(Number.NaN);
  const { values, present } = parseFloats(text, cells);
  for (let cell = 0; cell < cells; cell++) if (present[cell] !== 1) values[cell] = Number.NaN;
  return values;
}

/** The numbers of an array that may have one element for all. */
function expanded(text: string, cells: number): Float64Array {
  if (text.includes(",")) return parseFloats(text, cells).values;
  return new Float64Array(cells).fill(Number(text.slice(1, -1)));
}
