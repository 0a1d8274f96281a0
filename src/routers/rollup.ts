import {
  GAP_MS_MAX,
  type Halves,
  increaseOf,
  isSameEpoch,
  type MetricKind,
  mayGoAround,
  routerAgeMs,
  uptimePastEnd,
  wholeOf,
} from "./counters.ts";
import { agesIn, type SaidRow, speedsIn, uptimeIn } from "./poll-circumstances.ts";

/**
 * Rollups: what a router's samples sum up to, series by series, in buckets of time.
 *
 * The increase of a counter from one sample to the next belongs to the bucket of the later one, whole: nothing is spread
 * or interpolated, so increases add up to exactly what was counted, and `coveredMs` says over what time. Across an epoch
 * (see counters.ts) there is no increase; the reset is counted instead. Of a counter that may have gone around more than
 * once there is neither. A series goes on through changes of its shape: it is known by module, metric and instance.
 *
 * What a bucket holds depends on its samples, on the one before each series' first, up to GAP_MS_MAX back, and on what
 * sysUpTime was before, and on nothing else: so buckets may be computed in any order and again, and come out the same.
 *
 * Pure: no clock, no I/O.
 */

/** What the roll-up needs of a stored block; rows of one poll may be parts of one block. */
export interface RollupRow extends SaidRow {
  readonly shapeId: string;
}

/** What one poll of the router brought. */
export interface RollupPoll {
  readonly atMs: number;
  readonly rows: readonly RollupRow[];
}

export type KindOf = (module: string, metric: string) => MetricKind;

/** One bucket of one shape; arrays as those of its samples, metric by metric. NaN and a `coveredMs` of 0 stand for null. */
export interface Rollup {
  readonly shapeId: string;
  readonly bucketMs: number;
  readonly lastAtMs: number;
  readonly counts: Int32Array;
  /** The time that the increase was measured over; 0 where there is none. */
  readonly coveredMs: Float64Array;
  readonly resets: Int32Array;
  readonly increases: BigUint64Array | Float64Array;
  readonly minima: Float64Array;
  readonly maxima: Float64Array;
  readonly lasts: Float64Array;
  readonly sums: Float64Array;
}

/**
 * Rolls one router up. Say first which polls are to come (`expect`), then hand over older ones, newest first, until
 * nothing is `unresolved` or GAP_MS_MAX is reached (`seed`); then the polls themselves in the order of time (`add`).
 */
export class RouterRollup {
  readonly #kindOf: KindOf;
  readonly #stepMs: number;
  readonly #columns = new Map<string, Column>();
  readonly #layouts = new Map<string, Layout>();
  readonly #open = new Map<string, Accumulator>();
  #unresolved = 0;
  /** What sysUpTime said last, and when. */
  #uptime: { readonly ticks: number; readonly atMs: number } | undefined;

  constructor(kindOf: KindOf, stepMs: number) {
    this.#kindOf = kindOf;
    this.#stepMs = stepMs;
  }

  /** Counters that are to come and whose sample before is not known. */
  get unresolved(): number {
    return this.#unresolved;
  }

  expect(poll: RollupPoll): void {
    this.#eachCounter(poll, (column, slot) => {
      if (column.state[slot] !== Expected.no) return 0;
      column.state[slot] = Expected.unresolved;
      this.#unresolved++;
      return 1;
    });
  }

  /** Answers how many counters the poll resolved. */
  seed(poll: RollupPoll): number {
    if (this.#uptime === undefined) this.#rememberUptime(poll, uptimeIn(poll.rows));
    return this.#eachCounter(poll, (column, slot, row, cell) => {
      if (column.state[slot] !== Expected.unresolved) return 0;
      column.state[slot] = Expected.resolved;
      this.#unresolved--;
      column.remember(slot, poll.atMs, row, cell);
      return 1;
    });
  }

  add(poll: RollupPoll): void {
    const uptime = uptimeIn(poll.rows);
    const { ticks, atMs = 0 } = this.#uptime ?? {};
    const ofRouterMs = routerAgeMs(uptimePastEnd(uptime, ticks, poll.atMs - atMs));
    this.#rememberUptime(poll, uptime);
    const bucketMs = Math.floor(poll.atMs / this.#stepMs) * this.#stepMs;
    for (const row of poll.rows) {
      const layout = this.#layoutOf(row);
      const key = `${row.shapeId}/${bucketMs}`;
      let sums = this.#open.get(key);
      if (sums === undefined) {
        sums = new Accumulator(row, bucketMs);
        this.#open.set(key, sums);
      }
      sums.lastAtMs = Math.max(sums.lastAtMs, poll.atMs);
      const ages = agesIn(poll.rows, row, ofRouterMs);
      let speeds: Float64Array | undefined;
      layout.forEach(({ kind, column, slots }, m) => {
        const first = m * row.instances.length;
        if (kind === "gauge") addGauge(sums, row, first);
        else {
          const metric = row.metrics[m] ?? "";
          if (kind === "counter32") speeds ??= speedsIn(poll.rows, row);
          const cells = { row, metric, first, kind, column, slots, ages, atMs: poll.atMs };
          addCounter(sums, { ...cells, speeds: kind === "counter32" ? speeds : undefined });
        }
      });
    }
  }

  #rememberUptime({ atMs }: RollupPoll, ticks: number | undefined): void {
    if (ticks !== undefined) this.#uptime = { ticks, atMs };
  }

  /** What was added, bucket by bucket. */
  finish(): Rollup[] {
    return [...this.#open.values()].map((sums) => sums.finish());
  }

  #eachCounter(
    poll: RollupPoll,
    visit: (column: Column, slot: number, row: RollupRow, cell: number) => number,
  ): number {
    let visited = 0;
    for (const row of poll.rows) {
      this.#layoutOf(row).forEach(({ kind, column, slots }, m) => {
        if (kind === "gauge") return;
        const first = m * row.instances.length;
        for (let i = 0; i < slots.length; i++) {
          if (isSaid(row, first + i)) visited += visit(column, slots[i] ?? 0, row, first + i);
        }
      });
    }
    return visited;
  }

  /** For each metric of a shape where its series' last samples are kept. */
  #layoutOf(row: RollupRow): Layout {
    const known = this.#layouts.get(row.shapeId);
    if (known !== undefined) return known;
    const layout = row.metrics.map((metric) => {
      const key = `${row.module}/${metric}`;
      let column = this.#columns.get(key);
      if (column === undefined) {
        column = new Column();
        this.#columns.set(key, column);
      }
      return {
        kind: this.#kindOf(row.module, metric),
        column,
        slots: column.slotsOf(row.instances),
      };
    });
    this.#layouts.set(row.shapeId, layout);
    return layout;
  }
}

type Layout = readonly {
  readonly kind: MetricKind;
  readonly column: Column;
  readonly slots: Int32Array;
}[];

const Expected = { no: 0, unresolved: 1, resolved: 2 } as const;

/** The last sample of each series of one metric. */
class Column {
  readonly #slotOf = new Map<string, number>();
  /** One of Expected. */
  readonly state: number[] = [];
  readonly atMs: number[] = [];
  readonly high: number[] = [];
  /** The lower half of an integer, or a float. */
  readonly low: number[] = [];

  slotsOf(instances: readonly string[]): Int32Array {
    return Int32Array.from(instances, (instance) => {
      const known = this.#slotOf.get(instance);
      if (known !== undefined) return known;
      const slot = this.#slotOf.size;
      this.#slotOf.set(instance, slot);
      this.state.push(Expected.no);
      this.atMs.push(Number.NEGATIVE_INFINITY);
      this.high.push(0);
      this.low.push(0);
      return slot;
    });
  }

  remember(slot: number, atMs: number, { values }: RollupRow, cell: number): void {
    this.atMs[slot] = atMs;
    if (values instanceof BigInt64Array) {
      const words = wordsOf(values);
      this.high[slot] = words[2 * cell + HIGH_WORD] ?? 0;
      this.low[slot] = words[2 * cell + 1 - HIGH_WORD] ?? 0;
    } else {
      this.low[slot] = values[cell] ?? 0;
    }
  }
}

/** What is no number (a float may be none) is no sample. */
function isSaid({ values, present }: RollupRow, cell: number): boolean {
  return present[cell] === 1 && (values instanceof BigInt64Array || Number.isFinite(values[cell]));
}

/** Which of a 64-bit value's two 32-bit words holds the high bits, in this machine's memory. */
const HIGH_WORD = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;

function wordsOf(values: BigInt64Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
}

/** A bucket of one shape while it is filled. */
class Accumulator {
  readonly #row: RollupRow;
  readonly #bucketMs: number;
  lastAtMs = Number.NEGATIVE_INFINITY;
  readonly counts: Int32Array;
  readonly coveredMs: Float64Array;
  readonly resets: Int32Array;
  /** Increases as sums of halves; floats in `low` alone. */
  readonly high: Float64Array;
  readonly low: Float64Array;
  readonly minima: Float64Array;
  readonly maxima: Float64Array;
  readonly lasts: Float64Array;
  readonly sums: Float64Array;

  constructor(row: RollupRow, bucketMs: number) {
    this.#row = row;
    this.#bucketMs = bucketMs;
    const cells = row.metrics.length * row.instances.length;
    this.counts = new Int32Array(cells);
    this.coveredMs = new Float64Array(cells);
    this.resets = new Int32Array(cells);
    this.high = new Float64Array(cells);
    this.low = new Float64Array(cells);
    this.minima = new Float64Array(cells).fill(Number.NaN);
    this.maxima = new Float64Array(cells).fill(Number.NaN);
    this.lasts = new Float64Array(cells).fill(Number.NaN);
    this.sums = new Float64Array(cells).fill(Number.NaN);
  }

  finish(): Rollup {
    const { counts, coveredMs, resets, high, low, minima, maxima, lasts, sums, lastAtMs } = this;
    const increases =
      this.#row.values instanceof BigInt64Array
        ? BigUint64Array.from(high, (half, cell) => wholeOf(half, low[cell] ?? 0))
        : low;
    const { shapeId } = this.#row;
    const bucketMs = this.#bucketMs;
    return {
      shapeId,
      bucketMs,
      lastAtMs,
      counts,
      coveredMs,
      resets,
      increases,
      minima,
      maxima,
      lasts,
      sums,
    };
  }
}

/** The gauges of one metric. */
function addGauge(sums: Accumulator, row: RollupRow, first: number): void {
  for (let cell = first; cell < first + row.instances.length; cell++) {
    if (!isSaid(row, cell)) continue;
    const value = Number(row.values[cell]);
    const count = sums.counts[cell] ?? 0;
    sums.counts[cell] = count + 1;
    sums.minima[cell] = count === 0 ? value : Math.min(sums.minima[cell] ?? value, value);
    sums.maxima[cell] = count === 0 ? value : Math.max(sums.maxima[cell] ?? value, value);
    sums.sums[cell] = count === 0 ? value : (sums.sums[cell] ?? 0) + value;
    sums.lasts[cell] = value;
  }
}

interface CounterCells {
  readonly row: RollupRow;
  readonly metric: string;
  readonly first: number;
  readonly kind: MetricKind;
  readonly column: Column;
  readonly slots: Int32Array;
  readonly ages: Float64Array;
  /** Undefined for counters that cannot go around unseen. */
  readonly speeds: Float64Array | undefined;
  readonly atMs: number;
}

function addCounter(sums: Accumulator, cells: CounterCells): void {
  const { row, metric, first, kind, column, slots, ages, speeds, atMs } = cells;
  const words = row.values instanceof BigInt64Array ? wordsOf(row.values) : undefined;
  const before: Halves = { high: 0, low: 0 };
  const after: Halves = { high: 0, low: 0 };
  const increase: Halves = { high: 0, low: 0 };
  for (let i = 0; i < slots.length; i++) {
    const cell = first + i;
    const slot = slots[i] ?? 0;
    if (!isSaid(row, cell)) continue;
    if (words === undefined) {
      after.low = Number(row.values[cell]);
    } else {
      after.high = words[2 * cell + HIGH_WORD] ?? 0;
      after.low = words[2 * cell + 1 - HIGH_WORD] ?? 0;
    }
    before.high = column.high[slot] ?? 0;
    before.low = column.low[slot] ?? 0;
    const elapsedMs = atMs - (column.atMs[slot] ?? Number.NEGATIVE_INFINITY);
    column.atMs[slot] = atMs;
    column.high[slot] = after.high;
    column.low[slot] = after.low;
    sums.counts[cell] = (sums.counts[cell] ?? 0) + 1;
    if (elapsedMs <= 0 || elapsedMs > GAP_MS_MAX) continue;
    if (speeds !== undefined && mayGoAround(metric, speeds[i], elapsedMs)) continue;
    const goesOn =
      isSameEpoch(ages[i] ?? Number.POSITIVE_INFINITY, elapsedMs) &&
      (words === undefined
        ? floatIncrease(before.low, after.low, increase)
        : increaseOf(kind, before, after, increase));
    if (!goesOn) {
      sums.resets[cell] = (sums.resets[cell] ?? 0) + 1;
      continue;
    }
    sums.coveredMs[cell] = (sums.coveredMs[cell] ?? 0) + elapsedMs;
    sums.high[cell] = (sums.high[cell] ?? 0) + increase.high;
    sums.low[cell] = (sums.low[cell] ?? 0) + increase.low;
  }
}

function floatIncrease(before: number, after: number, increase: Halves): boolean {
  increase.low = after - before;
  return after >= before;
}
