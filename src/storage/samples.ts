import { randomBytes } from "node:crypto";
import { invariant } from "../lib/invariant.ts";
import { LruCache } from "../lib/lru-cache.ts";
import type { RouterId } from "../routers/router.ts";
import type { Labels, SampleBlock } from "../routers/samples.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { type ParsedArray, parseFloats, parseIntegers } from "./array-text.ts";
import type { TenantClient } from "./pool.ts";
import type { Shape } from "./shapes.ts";

/**
 * Reading samples, under the tenant's policy. Every statement here names its tenant besides: without that, planning takes
 * 500 ms at 10,000 partitions, with it 0.04 ms. Times are parameters for the same reason.
 */

/** A row of samples: a block, or the part of one that a row holds, as a router's poll said it. */
export interface SampleRow extends SampleBlock {
  readonly routerId: RouterId;
  readonly polledAt: Date;
}

export interface LatestRequest {
  /** Polls before this are too old to be shown. */
  readonly since: Date;
  readonly routerId?: RouterId | undefined;
  /** Shapes read before; without one every call reads those it needs. */
  readonly shapes?: ShapeCache | undefined;
}

/**
 * The rows of each router's and module's newest poll since `since`: a block that poll did not bring is gone, whatever an
 * older one said. In no order; of routers that still exist. The transaction stays open until the last row was taken.
 */
export async function* latestSamples(
  client: TenantClient,
  tenantId: TenantId,
  request: LatestRequest,
): AsyncGenerator<SampleRow> {
  const shapes = request.shapes ?? new ShapeCache();
  const batches = rowsInBatches<LatestRow>(
    client,
    `with newest as materialized (
       select s.router_id, h.module, max(s.polled_at) as polled_at
       from samples s join sample_shapes h on h.tenant_id = $1 and h.id = s.shape_id
       where s.tenant_id = $1 and s.polled_at >= $2 and ($3::uuid is null or s.router_id = $3)
       group by s.router_id, h.module
     )
     select s.router_id, s.shape_id, s.polled_at, s.values::text as values, s.floats::text as floats
     from newest n
     join samples s on s.router_id = n.router_id and s.polled_at = n.polled_at
     join sample_shapes h on h.tenant_id = $1 and h.id = s.shape_id and h.module = n.module
     where s.tenant_id = $1 and s.polled_at >= $2 and ($3::uuid is null or s.router_id = $3)
       and exists (select from routers r where r.tenant_id = $1 and r.id = s.router_id)`,
    [tenantId, request.since, request.routerId ?? null],
  );
  for await (const rows of batches) {
    await shapes.learn(
      client,
      tenantId,
      rows.map(({ shape_id }) => shape_id),
    );
    for (const row of rows) {
      const shape = shapes.find(tenantId, row.shape_id);
      const parsed = parseColumns(row, shape.metrics.length * shape.instances.length);
      yield { ...shape, ...parsed, routerId: row.router_id, polledAt: row.polled_at };
    }
  }
}

interface LatestRow extends ArrayColumns {
  router_id: RouterId;
  shape_id: string;
  polled_at: Date;
}

/** The text of either array column of samples: one is always null. */
export interface ArrayColumns {
  values: string | null;
  floats: string | null;
}

export function parseColumns(
  row: ArrayColumns,
  length: number,
): ParsedArray<BigInt64Array | Float64Array> {
  if (row.values !== null) return parseIntegers(row.values, length);
  invariant(row.floats !== null, "a row of samples has integers or floats");
  return parseFloats(row.floats, length);
}

/** Shapes kept in memory; 5 to 20 kB each. */
const SHAPES_MAX = 20_000;

/** Shapes as they were read. They never change, so one cache serves all requests of a process. */
export class ShapeCache {
  readonly #shapes = new LruCache<string, Shape>(SHAPES_MAX);

  /** Reads those of the ids that are not known yet. */
  async learn(client: TenantClient, tenantId: TenantId, ids: readonly string[]): Promise<void> {
    const unknown = [...new Set(ids)].filter(
      (id) => this.#shapes.get(keyOf(tenantId, id)) === undefined,
    );
    if (unknown.length === 0) return;
    const { rows } = await client.query<Shape & { id: string }>(
      `select id, module, metrics, instances, labels from sample_shapes
       where tenant_id = $1 and id = any ($2::bigint[])`,
      [tenantId, unknown],
    );
    for (const { id, ...shape } of rows) this.#shapes.set(keyOf(tenantId, id), shape);
  }

  /** A shape that was learnt just before. */
  find(tenantId: TenantId, id: string): Shape {
    const shape = this.#shapes.get(keyOf(tenantId, id));
    invariant(shape !== undefined, "a shape is stored before the samples that refer to it");
    return shape;
  }
}

function keyOf(tenantId: TenantId, id: string): string {
  return `${tenantId}/${id}`;
}

export interface SeriesRequest {
  readonly routerId: RouterId;
  readonly metrics: readonly string[];
  /** Dotted; undefined: all instances. */
  readonly instances?: readonly string[] | undefined;
  readonly from: Date;
  /** Not included. */
  readonly to: Date;
}

/** One metric of one instance over time. Where the router did not say, there is no point. */
export interface SampleSeries {
  readonly module: string;
  readonly metric: string;
  readonly instance: string;
  /** As of the last point. */
  readonly labels: Labels;
  /** In order of time. Integers are 64 bits in two's complement: `BigInt.asUintN(64, value)` where they are a counter's. */
  readonly points: readonly { readonly at: Date; readonly value: bigint | number }[];
}

/** Points one request may return; a year of one interface at one a minute is 525,600. */
const SERIES_POINTS_MAX = 1_000_000;

/** Thrown when a request asks for more points than one answer holds: a shorter time or one instance is the remedy. */
export class SeriesTooLongError extends Error {}

/** The series of some metrics of one router, in the order of modules. Rejects with SeriesTooLongError. */
export async function sampleSeries(
  client: TenantClient,
  tenantId: TenantId,
  request: SeriesRequest,
): Promise<SampleSeries[]> {
  const windows = await windowsOf(client, "samples", request);
  const series = new Map<string, OpenSeries>();
  let points = 0;
  const batches = rowsInBatches<ArrayColumns & { window: number; polled_at: Date }>(
    client,
    `select w.ordinality::integer - 1 as window, s.polled_at,
       s.values[w.first:w.last]::text as values, s.floats[w.first:w.last]::text as floats
     from unnest($5::bigint[], $6::integer[], $7::integer[]) with ordinality as w (shape_id, first, last)
     join samples s on s.shape_id = w.shape_id
     where s.tenant_id = $1 and s.router_id = $2 and s.polled_at >= $3 and s.polled_at < $4
     order by s.polled_at`,
    [
      tenantId,
      request.routerId,
      request.from,
      request.to,
      windows.map(({ shapeId }) => shapeId),
      windows.map(({ first }) => first),
      windows.map(({ first, instances }) => first + instances.length - 1),
    ],
  );
  for await (const rows of batches) {
    for (const row of rows) {
      const window = windows[row.window];
      invariant(window !== undefined, "a row belongs to a window that was asked for");
      points += window.instances.length;
      if (points > SERIES_POINTS_MAX) {
        throw new SeriesTooLongError(
          `Cannot return more than ${SERIES_POINTS_MAX} points; ask for a shorter time, fewer metrics or fewer interfaces`,
        );
      }
      appendPoints(series, window, row.polled_at, parseColumns(row, window.instances.length));
    }
  }
  return [...series.values()];
}

/** Where a metric stands in the rows of one shape: `instances.length` values from `first`, which counts from 1. */
export interface SeriesWindow {
  readonly shapeId: string;
  readonly module: string;
  readonly metric: string;
  readonly first: number;
  readonly instances: readonly string[];
  readonly labels: readonly Labels[];
}

interface OpenSeries {
  readonly module: string;
  readonly metric: string;
  readonly instance: string;
  labels: Labels;
  readonly points: { at: Date; value: bigint | number }[];
}

const TIME_COLUMN = { samples: "polled_at", rollups_5m: "bucket", rollups_1h: "bucket" } as const;

/** Where the metrics (of the instances) stand in the router's rows of that time. */
export async function windowsOf(
  client: TenantClient,
  table: keyof typeof TIME_COLUMN,
  request: SeriesRequest,
): Promise<SeriesWindow[]> {
  const time = TIME_COLUMN[table];
  const { rows } = await client.query<Shape & { id: string }>(
    // Each step looks up the next shape in the index (router_id, shape_id, time): a handful of look-ups, where
    // "select distinct" would read every row of the time.
    `with recursive used (shape_id) as (
       (select s.shape_id from ${table} s
        where s.tenant_id = $1 and s.router_id = $2 and s.${time} >= $3 and s.${time} < $4
        order by s.shape_id limit 1)
       union all
       select (select s.shape_id from ${table} s
               where s.tenant_id = $1 and s.router_id = $2 and s.${time} >= $3 and s.${time} < $4
                 and s.shape_id > u.shape_id
               order by s.shape_id limit 1)
       from used u where u.shape_id is not null
     )
     select h.id, h.module, h.metrics, h.instances, h.labels
     from used u join sample_shapes h on h.tenant_id = $1 and h.id = u.shape_id
     where h.metrics && $5::text[]
     order by h.module, h.id`,
    [client.tenantId, request.routerId, request.from, request.to, request.metrics],
  );
  return rows.flatMap(({ id, ...shape }) => windowsIn(id, shape, request));
}

/** Pure. */
export function windowsIn(
  shapeId: string,
  { module, metrics, instances, labels }: Shape,
  wanted: Pick<SeriesRequest, "metrics" | "instances">,
): SeriesWindow[] {
  return wanted.metrics.flatMap((metric) => {
    const m = metrics.indexOf(metric);
    if (m === -1) return [];
    const first = m * instances.length + 1;
    if (wanted.instances === undefined) {
      return [{ shapeId, module, metric, first, instances, labels }];
    }
    return wanted.instances.flatMap((instance) => {
      const i = instances.indexOf(instance);
      const one = { instances: instances.slice(i, i + 1), labels: labels.slice(i, i + 1) };
      return i === -1 ? [] : [{ shapeId, module, metric, first: first + i, ...one }];
    });
  });
}

function appendPoints(
  series: Map<string, OpenSeries>,
  window: SeriesWindow,
  at: Date,
  { values, present }: ParsedArray<BigInt64Array | Float64Array>,
): void {
  window.instances.forEach((instance, i) => {
    const value = values[i];
    if (present[i] !== 1 || value === undefined) return;
    const { module, metric } = window;
    const key = `${module}/${metric}/${instance}`;
    const one = series.get(key) ?? { module, metric, instance, labels: {}, points: [] };
    one.labels = window.labels[i] ?? {};
    one.points.push({ at, value });
    series.set(key, one);
  });
}

/** Rows fetched at once: at most 7 MB of samples. */
const BATCH_ROWS = 500;

/** The rows of a query, some at a time, so that an answer of any size takes little memory. */
export async function* rowsInBatches<Row extends object>(
  client: TenantClient,
  text: string,
  values: readonly unknown[],
): AsyncGenerator<Row[]> {
  const cursor = `rows_${randomBytes(6).toString("hex")}`;
  // All rows are fetched as a rule: plan for the last one, not for the first.
  await client.query("set local cursor_tuple_fraction = 1");
  await client.query(`declare ${cursor} no scroll cursor for ${text}`, values);
  for (;;) {
    const { rows } = await client.query<Row>(`fetch ${BATCH_ROWS} from ${cursor}`);
    yield rows;
    if (rows.length < BATCH_ROWS) break;
  }
  await client.query(`close ${cursor}`);
}
