import fc from "fast-check";
import {
  COUNTER_MAX,
  counterAgeMs,
  GAP_MS_MAX,
  isSameEpoch,
  type MetricKind,
  routerAgeMs,
  saturated,
} from "../src/routers/counters.ts";
import type { Rollup, RollupPoll, RollupRow } from "../src/routers/rollup.ts";

/** Random histories of a router, and what they sum up to by brute force: what rollups are compared with. */

export const STEP_MS = 300_000;
const KINDS: Readonly<Record<string, MetricKind>> = {
  ifHCInOctets: "counter",
  ifInOctets: "counter32",
  load: "counter",
};
export const kindOf = (_module: string, metric: string) => KINDS[metric] ?? "gauge";

/** A row of integers or floats: metric by metric, a value each instance; undefined = not said. */
export function rowOf(
  module: string,
  instances: readonly string[],
  metrics: Readonly<Record<string, readonly (bigint | number | undefined)[]>>,
): RollupRow {
  const cells = Object.values(metrics).flat();
  const isFloat = cells.some((value) => typeof value === "number");
  const names = Object.keys(metrics);
  return {
    shapeId: `${module}:${names}:${instances}`,
    module,
    metrics: names,
    instances,
    values: isFloat
      ? Float64Array.from(cells, (value) => Number(value ?? 0))
      : BigInt64Array.from(cells, (value) => BigInt(value ?? 0)),
    present: Uint8Array.from(cells, (value) => (value === undefined ? 0 : 1)),
  };
}

interface Sum {
  count: number;
  resets: number;
  coveredMs: number;
  increase: bigint;
  values: number[];
}

/**
 * The same by brute force: every series apart, every sample with the one before it, in BigInts, by the definition.
 * Keyed by shape, bucket, metric and instance.
 */
export function bruteForce(polls: readonly RollupPoll[]): Map<string, Sum> {
  const sums = new Map<string, Sum>();
  const last = new Map<string, { atMs: number; value: bigint }>();
  for (const { atMs, rows } of polls) {
    const said = (metric: string, instance: string): bigint | undefined => {
      for (const row of rows) {
        const [m, i] = [row.metrics.indexOf(metric), row.instances.indexOf(instance)];
        const cell = m * row.instances.length + i;
        if (m !== -1 && i !== -1 && row.present[cell] === 1) return BigInt(row.values[cell] ?? 0);
      }
      return undefined;
    };
    const uptime = said("sysUpTime", "");
    for (const row of rows) {
      row.metrics.forEach((metric, m) => {
        row.instances.forEach((instance, i) => {
          const cell = m * row.instances.length + i;
          const raw = row.values[cell];
          if (row.present[cell] !== 1 || raw === undefined) return;
          const key = [row.shapeId, Math.floor(atMs / STEP_MS) * STEP_MS, metric, instance].join();
          const sum = sums.get(key) ?? {
            count: 0,
            resets: 0,
            coveredMs: 0,
            increase: 0n,
            values: [],
          };
          sums.set(key, sum);
          sum.count++;
          const kind = kindOf(row.module, metric);
          if (kind === "gauge") {
            sum.values.push(Number(raw));
            return;
          }
          const value = BigInt.asUintN(64, BigInt(raw));
          const series = `${row.module}/${metric}/${instance}`;
          const before = last.get(series);
          last.set(series, { atMs, value });
          const elapsedMs = atMs - (before?.atMs ?? 0);
          if (before === undefined || elapsedMs > GAP_MS_MAX) return;
          const age = counterAgeMs(
            routerAgeMs(uptime === undefined ? undefined : Number(uptime)),
            uptime === undefined || row.module !== "if_mib"
              ? undefined
              : numberOf(said("ifCounterDiscontinuityTime", instance)),
          );
          let increase = value - before.value;
          const wrapped = increase + 2n ** 32n;
          if (
            kind === "counter32" &&
            increase < 0n &&
            before.value < 2n ** 32n &&
            wrapped < 2n ** 31n
          ) {
            increase = wrapped;
          }
          if (!isSameEpoch(age, elapsedMs) || increase < 0n) {
            sum.resets++;
            return;
          }
          sum.coveredMs += elapsedMs;
          sum.increase = saturated(sum.increase + increase);
        });
      });
    }
  }
  return sums;
}

const numberOf = (value: bigint | undefined) => (value === undefined ? undefined : Number(value));

/** Rollups in the form of the brute force, without what no sample fell into. */
export function asSums(rollups: readonly Rollup[], rows: ReadonlyMap<string, RollupRow>) {
  const cells = new Map<string, unknown>();
  for (const it of rollups) {
    const row = rows.get(it.shapeId);
    row?.metrics.forEach((metric, m) => {
      row.instances.forEach((instance, i) => {
        const cell = m * row.instances.length + i;
        if (it.counts[cell] === 0) return;
        cells.set([it.shapeId, it.bucketMs, metric, instance].join(), {
          count: it.counts[cell],
          resets: it.resets[cell],
          coveredMs: it.coveredMs[cell],
          increase: BigInt(it.increases[cell] ?? 0),
          gauge: [it.minima[cell], it.maxima[cell], it.lasts[cell], it.sums[cell]],
        });
      });
    });
  }
  return cells;
}

export function shownSums(sums: ReadonlyMap<string, Sum>) {
  return new Map(
    [...sums].map(([key, { values, ...rest }]) => {
      const [none] = values.length === 0 ? [Number.NaN] : [];
      const gauge = [
        none ?? Math.min(...values),
        none ?? Math.max(...values),
        none ?? values.at(-1),
        none ?? values.reduce((a, b) => a + b),
      ];
      return [key, { ...rest, gauge }];
    }),
  );
}

export interface RouterEvent {
  readonly gapMs: number;
  readonly kind: "counts" | "restarts" | "jumps" | "goes-down";
  readonly interfaces: number;
  readonly silent: number;
  readonly saysUptime: boolean;
  readonly amount: bigint;
}

export const eventsOfRouter = fc.array(
  fc.record<RouterEvent>({
    gapMs: fc.oneof(
      fc.integer({ min: 1, max: 200_000 }),
      fc.integer({ min: 1, max: 2 * GAP_MS_MAX }),
      fc.constantFrom(STEP_MS, GAP_MS_MAX, GAP_MS_MAX + 1),
    ),
    kind: fc.constantFrom("counts", "counts", "counts", "counts", "restarts", "jumps", "goes-down"),
    interfaces: fc.integer({ min: 1, max: 3 }),
    silent: fc.integer({ min: 0, max: 31 }),
    saysUptime: fc.boolean(),
    amount: fc.oneof(fc.bigInt(0n, 2n ** 33n), fc.bigInt(0n, COUNTER_MAX)),
  }),
  { minLength: 1, maxLength: 40 },
);

/** A router's polls: counters that count, restart, jump and go down; interfaces that come and go; values left out. */
export function historyOf(events: readonly RouterEvent[]): RollupPoll[] {
  let atMs = Date.parse("2020-02-03T04:05:06Z");
  let bootMs = atMs - 5_000_000;
  let jumpedMs = bootMs;
  let counter = 2n ** 64n - 7n;
  return events.map(({ gapMs, kind, interfaces, silent, saysUptime, amount }) => {
    atMs += gapMs;
    if (kind === "restarts") {
      bootMs = atMs - Math.floor(gapMs / 2);
      jumpedMs = bootMs;
      counter = amount % 1_000n;
    } else if (kind === "jumps") {
      jumpedMs = atMs - Math.floor(gapMs / 3);
      counter = amount;
    } else if (kind === "goes-down") {
      counter = counter / 2n;
    } else {
      counter = counter + amount > COUNTER_MAX ? counter : counter + amount;
    }
    const instances = Array.from({ length: interfaces }, (_, i) => String(i + 1));
    const unlessSilent = (value: bigint, bit: number) => ((silent >> bit) & 1 ? undefined : value);
    const uptime = BigInt(Math.floor((atMs - bootMs) / 10));
    const jumped = BigInt(Math.floor((jumpedMs - bootMs) / 10));
    const rows = [
      rowOf("if_mib", instances, {
        ifHCInOctets: instances.map((_, i) =>
          unlessSilent(BigInt.asIntN(64, counter - (counter % BigInt(i + 1))), i),
        ),
        ifInOctets: instances.map((_, i) => unlessSilent(counter % 2n ** 32n, i + 1)),
        ifOperStatus: instances.map((_, i) => unlessSilent(BigInt(i) - 1n, 4)),
        ifCounterDiscontinuityTime: instances.map(() => jumped),
      }),
    ];
    if (saysUptime) rows.push(rowOf("system", [""], { sysUpTime: [uptime], sysServices: [78n] }));
    return { atMs, rows };
  });
}
