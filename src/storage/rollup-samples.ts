import { GAP_MS_MAX } from "../routers/counters.ts";
import type { RollupPoll, RollupRow } from "../routers/rollup.ts";
import type { RouterId } from "../routers/router.ts";
import type { TenantClient } from "./pool.ts";
import { type ArrayColumns, parseColumns, type ShapeCache } from "./samples.ts";

/** Reading the samples that rollups are computed from, as fairwalk_rollup. */

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Who was polled in that time, and how often. */
export async function routersPolled(
  client: TenantClient,
  { fromMs, toMs }: Window,
): Promise<{ routerId: RouterId; polls: number }[]> {
  const { rows } = await client.query<{ router_id: RouterId; polls: number }>(
    `select p.router_id, count(*)::integer as polls from polls p
     where p.tenant_id = $1 and p.polled_at >= $2 and p.polled_at < $3 group by p.router_id order by p.router_id`,
    [client.tenantId, new Date(fromMs), new Date(toMs)],
  );
  return rows.map(({ router_id, polls }) => ({ routerId: router_id, polls }));
}

interface SampleColumns extends ArrayColumns {
  router_id: RouterId;
  shape_id: string;
  polled_at: Date;
}

/** The samples of a time, as polls in its order. */
export async function pollsIn(
  client: TenantClient,
  shapes: ShapeCache,
  routerIds: readonly RouterId[],
  { fromMs, toMs }: Window,
): Promise<Map<RouterId, RollupPoll[]>> {
  const { rows } = await client.query<SampleColumns>(
    `select s.router_id, s.shape_id, s.polled_at, s.values::text as values, s.floats::text as floats from samples s
     where s.tenant_id = $1 and s.router_id = any ($2) and s.polled_at >= $3 and s.polled_at < $4`,
    [client.tenantId, routerIds, new Date(fromMs), new Date(toMs)],
  );
  return asPolls(client, shapes, rows);
}

/**
 * Of each router the samples of its newest poll before the window, as far as they have the window's shapes. Usually that
 * is all there is to know: by the index, without reading what lies between.
 */
export async function pollsJustBefore(
  client: TenantClient,
  shapes: ShapeCache,
  polls: ReadonlyMap<RouterId, readonly RollupPoll[]>,
  { fromMs }: Window,
): Promise<Map<RouterId, RollupPoll[]>> {
  const sinceMs = fromMs - GAP_MS_MAX;
  const { rows: newest } = await client.query<{ router_id: RouterId; polled_at: Date }>(
    `select r.id as router_id, l.polled_at from unnest($2::uuid[]) r (id)
     cross join lateral (
       select p.polled_at from polls p
       where p.tenant_id = $1 and p.router_id = r.id and p.polled_at >= $3 and p.polled_at < $4
         and p.outcome in ('answered', 'partial')
       order by p.polled_at desc limit 1
     ) l`,
    [client.tenantId, [...polls.keys()], new Date(sinceMs), new Date(fromMs)],
  );
  const wanted = newest.flatMap(({ router_id, polled_at }) => {
    const ofRouter = polls.get(router_id) ?? [];
    const shapeIds = new Set(ofRouter.flatMap(({ rows }) => rows.map(({ shapeId }) => shapeId)));
    return [...shapeIds].map((shapeId) => ({ router_id, shapeId, polled_at }));
  });
  const { rows } = await client.query<SampleColumns>(
    `select s.router_id, s.shape_id, s.polled_at, s.values::text as values, s.floats::text as floats
     from unnest($2::uuid[], $3::bigint[], $4::timestamptz[]) w (router_id, shape_id, polled_at)
     join samples s on s.router_id = w.router_id and s.shape_id = w.shape_id and s.polled_at = w.polled_at
     where s.tenant_id = $1 and s.polled_at >= $5 and s.polled_at < $6`,
    [
      client.tenantId,
      wanted.map(({ router_id }) => router_id),
      wanted.map(({ shapeId }) => shapeId),
      wanted.map(({ polled_at }) => polled_at),
      new Date(sinceMs),
      new Date(fromMs),
    ],
  );
  return asPolls(client, shapes, rows);
}

async function asPolls(
  client: TenantClient,
  shapes: ShapeCache,
  rows: readonly SampleColumns[],
): Promise<Map<RouterId, RollupPoll[]>> {
  await shapes.learn(
    client,
    client.tenantId,
    rows.map(({ shape_id }) => shape_id),
  );
  const polls = new Map<RouterId, Map<number, RollupRow[]>>();
  for (const row of rows) {
    const shape = shapes.find(client.tenantId, row.shape_id);
    const parsed = parseColumns(row, shape.metrics.length * shape.instances.length);
    const ofRouter = polls.get(row.router_id) ?? new Map<number, RollupRow[]>();
    polls.set(row.router_id, ofRouter);
    const ofPoll = ofRouter.get(row.polled_at.getTime()) ?? [];
    ofRouter.set(row.polled_at.getTime(), ofPoll);
    ofPoll.push({ ...shape, ...parsed, shapeId: row.shape_id });
  }
  return new Map(
    [...polls].map(([routerId, ofRouter]) => [
      routerId,
      [...ofRouter].map(([atMs, its]) => ({ atMs, rows: its })).sort((a, b) => a.atMs - b.atMs),
    ]),
  );
}
