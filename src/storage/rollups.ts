import type { Rollup } from "../routers/rollup.ts";
import type { RollupPoint } from "../routers/rollup-points.ts";
import type { RouterId } from "../routers/router.ts";
import type { Labels } from "../routers/samples.ts";
import type { TenantClient } from "./pool.ts";
import { ROLLUP_TABLE, type RollupStep } from "./rollup-due.ts";
import { decodeRollup, ROLLUP_COLUMNS, type RollupText } from "./rollup-encoding.ts";
import {
  rowsInBatches,
  type SeriesRequest,
  SeriesTooLongError,
  type SeriesWindow,
  ShapeCache,
  windowsIn,
  windowsOf,
} from "./samples.ts";

/** Reading rollups, under the tenant's policy; every statement names its tenant besides (see samples.ts). */

/** In the order of time; two points of one bucket where the shape changed in it. */
export interface RollupSeries {
  readonly module: string;
  readonly metric: string;
  readonly instance: string;
  /** As of the last point. */
  readonly labels: Labels;
  readonly points: readonly RollupPoint[];
}

/** Points one request may return before they are merged into its steps. */
const POINTS_MAX = 1_000_000;

/** The series of some metrics of one router. Rejects with SeriesTooLongError. */
export async function rollupSeries(
  client: TenantClient,
  step: RollupStep,
  request: SeriesRequest & Pick<RollupRange, "withGauges">,
): Promise<RollupSeries[]> {
  const windows = await windowsOf(client, ROLLUP_TABLE[step], request);
  const series = new Map<
    string,
    Omit<RollupSeries, "labels"> & { labels: Labels; points: RollupPoint[] }
  >();
  let points = 0;
  for await (const { window, rollup } of rollupsIn(client, step, windows, request)) {
    points += window.instances.length;
    if (points > POINTS_MAX) {
      throw new SeriesTooLongError(
        `Cannot return more than ${POINTS_MAX} points; ask for a shorter time, fewer metrics or fewer interfaces`,
      );
    }
    window.instances.forEach((instance, cell) => {
      if ((rollup.counts[cell] ?? 0) === 0) return;
      const { module, metric } = window;
      const key = `${module}/${metric}/${instance}`;
      const one = series.get(key) ?? { module, metric, instance, labels: {}, points: [] };
      one.labels = window.labels[cell] ?? {};
      one.points.push(pointOf(rollup, cell));
      series.set(key, one);
    });
  }
  return [...series.values()];
}

export interface WindowRollup {
  readonly routerId: RouterId;
  readonly window: SeriesWindow;
  /** Its arrays have a cell for each of the window's instances. */
  readonly rollup: Rollup;
}

export interface RollupRange {
  /** Undefined: all of the tenant's. */
  readonly routerId?: RouterId;
  readonly from: Date;
  /** Not included. */
  readonly to: Date;
  /** False: the windows are of counters. Reading the other columns, just to find them empty there, takes as long again. */
  readonly withGauges: boolean;
}

/** The rollups of some windows in the order of time. */
export async function* rollupsIn(
  client: TenantClient,
  step: RollupStep,
  windows: readonly SeriesWindow[],
  { routerId, from, to, withGauges }: RollupRange,
): AsyncGenerator<WindowRollup> {
  if (windows.length === 0) return;
  const table = ROLLUP_TABLE[step];
  const batches = rowsInBatches<RollupText & { window: number; router_id: RouterId }>(
    client,
    `select w.ordinality::integer - 1 as window, r.router_id, r.shape_id, r.bucket, r.last_at, ${withGauges ? ALL_SLICES : COUNTER_SLICES}
     from unnest($3::bigint[], $4::integer[], $5::integer[]) with ordinality as w (shape_id, first, last)
     join ${table} r on r.shape_id = w.shape_id
     where r.tenant_id = $1 and ($2::uuid is null or r.router_id = $2) and r.bucket >= $6 and r.bucket < $7
     order by r.bucket`,
    [
      client.tenantId,
      routerId ?? null,
      windows.map(({ shapeId }) => shapeId),
      windows.map(({ first }) => first),
      windows.map(({ first, instances }) => first + instances.length - 1),
      from,
      to,
    ],
  );
  for await (const rows of batches) {
    for (const row of rows) {
      const window = windows[row.window];
      if (window === undefined) continue;
      const rollup = decodeRollup(row, window.instances.length);
      yield { routerId: row.router_id, window, rollup };
    }
  }
}

const COMPACT: readonly string[] = ["counts", "covered_ms", "resets"];
const OF_GAUGES: readonly string[] = ["minima", "maxima", "lasts", "sums"];

/** The window's part of an array; one that has one element for all has none. */
function sliceOf(name: string): string {
  const slice = `r.${name}[w.first:w.last]`;
  return COMPACT.includes(name)
    ? `(case when cardinality(r.${name}) = 1 then r.${name} else ${slice} end)::text as ${name}`
    : `(${slice})::text as ${name}`;
}

const ALL_SLICES = ROLLUP_COLUMNS.map(sliceOf).join(", ");
const COUNTER_SLICES = ROLLUP_COLUMNS.map((name) =>
  OF_GAUGES.includes(name) ? `null as ${name}` : sliceOf(name),
).join(", ");

function pointOf(rollup: Rollup, cell: number): RollupPoint {
  const { bucketMs, lastAtMs, counts, resets, increases, coveredMs } = rollup;
  const covered = coveredMs[cell] ?? 0;
  const last = rollup.lasts[cell] ?? Number.NaN;
  return {
    bucketMs,
    lastAtMs,
    count: counts[cell] ?? 0,
    resets: resets[cell] ?? 0,
    increase: covered > 0 ? increases[cell] : undefined,
    coveredMs: covered,
    gauge: Number.isNaN(last)
      ? undefined
      : {
          min: rollup.minima[cell] ?? last,
          max: rollup.maxima[cell] ?? last,
          last,
          sum: rollup.sums[cell] ?? last,
        },
  };
}

/** The windows of some metrics in everything the tenant's routers have in that time. */
export async function windowsOfTenant(
  client: TenantClient,
  step: RollupStep,
  { metrics, from, to }: Pick<SeriesRequest, "metrics" | "from" | "to">,
): Promise<SeriesWindow[]> {
  const table = ROLLUP_TABLE[step];
  const { rows } = await client.query<{ shape_id: string }>(
    `select distinct r.shape_id from ${table} r
     where r.tenant_id = $1 and r.bucket >= $2 and r.bucket < $3`,
    [client.tenantId, from, to],
  );
  const ids = rows.map(({ shape_id }) => shape_id);
  const shapes = new ShapeCache();
  await shapes.learn(client, client.tenantId, ids);
  return ids.flatMap((id) => windowsIn(id, shapes.find(client.tenantId, id), { metrics }));
}
