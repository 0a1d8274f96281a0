/**
 * A block while it is filled. Values go in by metric, for all rows of the table; what is left out at the end are metrics
 * without a value (they never took a place) and rows without one.
 */

import { endianness } from "node:os";
import type { Labels, SampleBlock } from "../routers/samples.ts";
import type { PlannedMetric } from "./collection-plan.ts";
import { type FetchedColumn, VALUE_TAG } from "./fetched-table.ts";
import { type RememberedBlock, sameList } from "./label-memory.ts";
import { extracted, metricText, timeAt } from "./metric-values.ts";
import { isTimeMetric, type Metric } from "./module.ts";
import type { TableView } from "./table-views.ts";
import { IS_INTEGER_TAG, numberAt } from "./value-text.ts";

/** The rows of one table with one set of labels. */
export interface Rows {
  readonly module: string;
  readonly view: TableView;
  readonly labels: readonly Labels[];
}

/** A rectangle while it is filled: all rows of the table, and of the metrics those that have a value so far. */
export class Draft {
  readonly values: BigInt64Array | Float64Array;
  readonly present: Uint8Array;
  readonly metrics: string[] = [];
  readonly rows: number;

  constructor(cells: number, rows: number, kind: "integers" | "floats") {
    this.values = kind === "integers" ? new BigInt64Array(cells) : new Float64Array(cells);
    this.present = new Uint8Array(cells);
    this.rows = rows;
  }

  /** Where the next metric's first row goes. */
  get start(): number {
    return this.metrics.length * this.rows;
  }
}

/** Which 32 bits of 64 are the higher ones, in this machine's order. */
const HIGH = endianness() === "LE" ? 1 : 0;

export function addIntegers(
  { view }: Rows,
  { metric, whereMissing }: PlannedMetric,
  column: FetchedColumn,
  draft: Draft,
): void {
  if (isTimeMetric(metric.type)) {
    addTimes(metric, column, draft);
    return;
  }
  const { start, rows, present } = draft;
  const preferred = whereMissing === "" ? undefined : view.columns.get(whereMissing);
  const { tags } = column;
  let any = 0;
  for (let row = 0; row < rows; row++) {
    let said = IS_INTEGER_TAG[tags[row] ?? 0] ?? 0;
    if (preferred !== undefined && IS_INTEGER_TAG[preferred.tags[row] ?? 0] === 1) said = 0;
    present[start + row] = said;
    any |= said;
  }
  if (any === 0) return;
  const values = draft.values as BigInt64Array;
  values.set(
    column.numbers.length === rows ? column.numbers : column.numbers.subarray(0, rows),
    start,
  );
  makeUnsigned(values, start, tags, rows, metric.type === "counter");
  draft.metrics.push(metric.name);
}

/** Takes the sign from 32-bit values an agent encoded as negative. Counter64 keeps its 64 bits as they are. */
function makeUnsigned(
  values: BigInt64Array,
  start: number,
  tags: Uint8Array,
  rows: number,
  isCounter: boolean,
): void {
  const words = new Int32Array(values.buffer, values.byteOffset + start * 8, rows * 2);
  for (let row = 0; row < rows; row++) {
    const high = row * 2 + HIGH;
    if ((words[high] ?? 0) >= 0) continue;
    const tag = tags[row];
    if (tag === VALUE_TAG.counter64 || (tag === VALUE_TAG.integer && !isCounter)) continue;
    words[high] = 0;
  }
}

function addTimes(metric: Metric, column: FetchedColumn, draft: Draft): void {
  const { start, rows, present } = draft;
  const values = draft.values as BigInt64Array;
  let any = false;
  for (let row = 0; row < rows; row++) {
    const seconds = timeAt(metric, column, row);
    if (seconds === undefined) continue;
    values[start + row] = BigInt(Math.trunc(seconds));
    present[start + row] = 1;
    any = true;
  }
  if (any) draft.metrics.push(metric.name);
}

export function addFloats(
  rows: Rows,
  planned: PlannedMetric,
  column: FetchedColumn,
  draft: Draft,
): void {
  const { metric, whereMissing } = planned;
  const preferred = whereMissing === "" ? undefined : rows.view.columns.get(whereMissing);
  const read = (row: number) => {
    if (preferred !== undefined && numberAt(preferred, row) !== undefined) return undefined;
    return isTimeMetric(metric.type) ? timeAt(metric, column, row) : numberAt(column, row);
  };
  if (metric.regexExtracts.length === 0) {
    fillFloats(draft, metric.name, metric, read);
    return;
  }
  for (const extract of metric.regexExtracts) {
    fillFloats(draft, metric.name + extract.suffix, metric, (row) => {
      const text = metricText(rows.view, planned, column, row);
      return text === undefined ? undefined : extracted(extract, text);
    });
  }
}

function fillFloats(
  draft: Draft,
  name: string,
  { scale, offset }: Metric,
  read: (row: number) => number | undefined,
): void {
  const { start, rows, present } = draft;
  let any = false;
  for (let row = 0; row < rows; row++) {
    const value = read(row);
    if (value === undefined) continue;
    draft.values[start + row] = value * scale + offset;
    present[start + row] = 1;
    any = true;
  }
  if (any) draft.metrics.push(name);
}

/** The finished block, with the arrays of the block before where they hold the same. */
export function blockOf(
  { module, view, labels }: Rows,
  draft: Draft,
  before: RememberedBlock | undefined,
): { readonly block: SampleBlock; readonly remembered: RememberedBlock } {
  const { rows } = draft;
  const used = usedRows(draft);
  const same = before !== undefined && before.allLabels === labels && sameList(before.rows, used);
  const metrics =
    before !== undefined && sameList(before.metrics, draft.metrics)
      ? before.metrics
      : draft.metrics;
  const pick = <T>(list: readonly T[]): readonly T[] =>
    used === "all" ? list : used.flatMap((row) => list.slice(row, row + 1));
  const instances = same ? before.instances : pick(view.instances);
  const blockLabels = same ? before.labels : pick(labels);

  const cells = draft.start;
  const values = draft.values.subarray(0, cells);
  const present = draft.present.subarray(0, cells);
  const rectangle =
    used === "all" ? { values, present } : pickRows({ values, present }, used, rows);
  return {
    block: { module, metrics, instances, labels: blockLabels, ...rectangle },
    remembered: { allLabels: labels, rows: used, instances, labels: blockLabels, metrics },
  };
}

/** The rows with at least one value. */
function usedRows({ present, rows, start: cells }: Draft): readonly number[] | "all" {
  const used = new Uint8Array(rows);
  for (let cell = 0, row = 0; cell < cells; cell++) {
    used[row] = (used[row] ?? 0) | (present[cell] ?? 0);
    if (++row === rows) row = 0;
  }
  if (!used.includes(0)) return "all";
  const list: number[] = [];
  for (let row = 0; row < rows; row++) if (used[row] === 1) list.push(row);
  return list;
}

function pickRows(
  from: { readonly values: BigInt64Array | Float64Array; readonly present: Uint8Array },
  used: readonly number[],
  rows: number,
): { readonly values: BigInt64Array | Float64Array; readonly present: Uint8Array } {
  const metrics = from.present.length / rows;
  const cells = metrics * used.length;
  const present = new Uint8Array(cells);
  const values =
    from.values instanceof BigInt64Array ? new BigInt64Array(cells) : new Float64Array(cells);
  // Cells move as pairs of 32 bits: BigInts would be made and thrown away, and a double may not keep every pattern.
  const source = new Int32Array(from.values.buffer, from.values.byteOffset, from.values.length * 2);
  const target = new Int32Array(values.buffer);
  let to = 0;
  for (let metric = 0; metric < metrics; metric++) {
    for (const row of used) {
      const cell = metric * rows + row;
      present[to] = from.present[cell] ?? 0;
      target[to * 2] = source[cell * 2] ?? 0;
      target[to * 2 + 1] = source[cell * 2 + 1] ?? 0;
      to++;
    }
  }
  return { values, present };
}
