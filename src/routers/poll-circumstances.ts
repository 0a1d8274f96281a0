import {
  counterAgeMs,
  DISCONTINUITY_METRIC,
  SLOW_SPEED_METRIC,
  SPEED_METRIC,
  speedOf,
  UPTIME_METRIC,
} from "./counters.ts";
import type { SampleBlock } from "./samples.ts";

/** What the rows of one poll say of the counters in them: how long ago they began, and how fast they may count. Pure. */

export type SaidRow = Pick<SampleBlock, "module" | "metrics" | "instances" | "values" | "present">;

/** Ticks of the poll's sysUpTime; undefined where the router did not say. */
export function uptimeIn(rows: readonly SaidRow[]): number | undefined {
  for (const row of rows) {
    const m = row.metrics.indexOf(UPTIME_METRIC);
    const i = m === -1 ? -1 : row.instances.indexOf("");
    if (i !== -1) return numberAt(row, m * row.instances.length + i);
  }
  return undefined;
}

function numberAt({ values, present }: SaidRow, cell: number): number | undefined {
  return present[cell] === 1 ? Number(values[cell]) : undefined;
}

/** How long ago the counters of each of the row's instances began. */
export function agesIn(rows: readonly SaidRow[], row: SaidRow, ofRouterMs: number): Float64Array {
  const ages = new Float64Array(row.instances.length).fill(ofRouterMs);
  if (ofRouterMs === Number.POSITIVE_INFINITY) return ages; // Discontinuities are times of sysUpTime.
  eachSaid(rows, row, DISCONTINUITY_METRIC, (i, ticks) => {
    ages[i] = counterAgeMs(ofRouterMs, ticks);
  });
  return ages;
}

/** Bits a second of each of the row's interfaces; 0 where the router did not say. */
export function speedsIn(rows: readonly SaidRow[], row: SaidRow): Float64Array {
  const speeds = new Float64Array(row.instances.length);
  eachSaid(rows, row, SLOW_SPEED_METRIC, (i, speed) => {
    speeds[i] = speedOf(undefined, speed) ?? 0;
  });
  eachSaid(rows, row, SPEED_METRIC, (i, speed) => {
    speeds[i] = speedOf(speed, undefined) ?? speeds[i] ?? 0;
  });
  return speeds;
}

/** What the module said of each of the row's instances by another of its metrics, which may be in another row. */
function eachSaid(
  rows: readonly SaidRow[],
  row: SaidRow,
  metric: string,
  visit: (i: number, value: number | undefined) => void,
): void {
  for (const other of rows) {
    if (other.module !== row.module) continue;
    const m = other.metrics.indexOf(metric);
    if (m === -1) continue;
    const first = m * other.instances.length;
    const places =
      other.instances === row.instances
        ? undefined
        : new Map(other.instances.map((instance, place) => [instance, place]));
    row.instances.forEach((instance, i) => {
      const at = places === undefined ? i : places.get(instance);
      if (at !== undefined) visit(i, numberAt(other, first + at));
    });
  }
}
