import { setImmediate as nextTurn } from "node:timers/promises";
import { invariant } from "../lib/invariant.ts";
import { GAP_MS_MAX } from "../routers/counters.ts";
import {
  type KindOf,
  mergeRollups,
  type Rollup,
  type RollupPoll,
  type RollupRow,
  RouterRollup,
} from "../routers/rollup.ts";
import type { RouterId } from "../routers/router.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { type Pool, type TenantClient, withTenant } from "./pool.ts";
import { type DueBucket, ROLLUP_BUCKET_MS, ROLLUP_HOUR_MS } from "./rollup-due.ts";
import {
  decodeRollup,
  encodeRollup,
  ROLLUP_COLUMNS,
  type RollupColumns,
  type RollupText,
} from "./rollup-encoding.ts";
import { type ArrayColumns, parseColumns, type ShapeCache } from "./samples.ts";

/**
 * Computes a tenant's rollups from its samples, as fairwalk_rollup. What is due is computed whole from what is stored and
 * written over what was there: computing a bucket again changes nothing, and a crash in between repeats it.
 *
 * A bucket that is late (later ones were computed already) changes what follows it: the increase of a counter's next
 * sample. So the buckets those samples fall into are computed again with it.
 */

export interface RollUpContext {
  /** Acts as fairwalk_rollup. */
  readonly pool: Pool;
  readonly kindOf: KindOf;
  readonly shapes: ShapeCache;
}

/** Buckets computed in one go where they follow each other. */
const WINDOW_BUCKETS_MAX = 12;

/** Polls whose samples are in memory at once: about 10 MB of a router of 48 interfaces. */
const CHUNK_POLLS_MAX = 500;

/** How far back to look for the sample before, step by step: most are in the first, an outage takes the last. */
const LOOK_MS = [3_600_000, 6 * 3_600_000, GAP_MS_MAX];

/**
 * Begins a tenant's rollups: everything stored up to now becomes due. To be called once a tenant; again does no harm.
 */
export async function beginRollups({ pool }: RollUpContext, tenantId: TenantId): Promise<void> {
  await withTenant(pool, tenantId, async (client) => {
    await client.query(
      `insert into rollup_due (tenant_id, step_seconds, bucket)
       select distinct $1::uuid, 300, date_bin('5 minutes', p.polled_at, timestamptz '2000-01-01 00:00:00Z')
       from polls p where p.tenant_id = $1
       on conflict (tenant_id, step_seconds, bucket) do update set marks = rollup_due.marks + 1`,
      [tenantId],
    );
    await client.query(
      `insert into rollup_state (tenant_id, rolled_until) values ($1, '-infinity') on conflict do nothing`,
      [tenantId],
    );
  });
}

/** Computes the due buckets of 5 minutes, in the order of time. Answers the rows written. */
export async function rollUpBuckets(
  context: RollUpContext,
  tenantId: TenantId,
  due: readonly DueBucket[],
): Promise<number> {
  let written = 0;
  for (const run of runsOf(due)) {
    const window = {
      fromMs: run[0].startMs,
      toMs: (run.at(-1) ?? run[0]).startMs + ROLLUP_BUCKET_MS,
    };
    const { isLate, chunks } = await withTenant(context.pool, tenantId, async (client) => ({
      isLate: await isBefore(client, window.toMs),
      chunks: chunksOf(await routersPolled(client, window)),
    }));
    for (const routerIds of chunks) {
      written += await withTenant(context.pool, tenantId, async (client) => {
        const rollups = await rolledWindow(client, context, routerIds, window, isLate);
        await writeRollups(client, "rollups_5m", rollups);
        await markHours(client, rollups);
        return rollups.length;
      });
    }
    await withTenant(context.pool, tenantId, async (client) => {
      await settle(client, 300, run);
      await client.query(
        `insert into rollup_state as s (tenant_id, rolled_until) values ($1, $2)
         on conflict (tenant_id) do update set rolled_until = greatest(s.rolled_until, excluded.rolled_until)`,
        [tenantId, new Date(window.toMs)],
      );
    });
  }
  return written;
}

/** Computes the due hours, from the buckets of 5 minutes. Answers the rows written. */
export async function rollUpHours(
  context: RollUpContext,
  tenantId: TenantId,
  due: readonly DueBucket[],
): Promise<number> {
  let written = 0;
  for (const hour of due) {
    const times = [new Date(hour.startMs), new Date(hour.startMs + ROLLUP_HOUR_MS)];
    const routers = await withTenant(context.pool, tenantId, (client) =>
      client.query<{ router_id: RouterId; rows: number }>(
        `select r.router_id, count(*)::integer as rows from rollups_5m r
         where r.tenant_id = $1 and r.bucket >= $2 and r.bucket < $3 group by r.router_id order by r.router_id`,
        [tenantId, ...times],
      ),
    );
    const polled = routers.rows.map(({ router_id, rows }) => ({
      routerId: router_id,
      polls: rows,
    }));
    for (const routerIds of chunksOf(polled)) {
      written += await withTenant(context.pool, tenantId, async (client) => {
        const rollups = await mergedHour(client, context, routerIds, hour.startMs);
        await writeRollups(client, "rollups_1h", rollups);
        return rollups.length;
      });
    }
    await withTenant(context.pool, tenantId, (client) => settle(client, 3_600, [hour]));
  }
  return written;
}

interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Buckets that follow each other without a gap, together. */
function runsOf(due: readonly DueBucket[]): [DueBucket, ...DueBucket[]][] {
  const runs: [DueBucket, ...DueBucket[]][] = [];
  for (const bucket of [...due].sort((a, b) => a.startMs - b.startMs)) {
    const run = runs.at(-1);
    const isNext = run?.at(-1)?.startMs === bucket.startMs - ROLLUP_BUCKET_MS;
    if (run !== undefined && isNext && run.length < WINDOW_BUCKETS_MAX) run.push(bucket);
    else runs.push([bucket]);
  }
  return runs;
}

async function isBefore(client: TenantClient, timeMs: number): Promise<boolean> {
  const { rowCount } = await client.query(
    "select from rollup_state where tenant_id = $1 and rolled_until > $2",
    [client.tenantId, new Date(timeMs)],
  );
  return rowCount === 1;
}

async function routersPolled(
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

function chunksOf(routers: readonly { routerId: RouterId; polls: number }[]): RouterId[][] {
  const chunks: RouterId[][] = [];
  let room = 0;
  for (const { routerId, polls } of routers) {
    if (polls > room) {
      chunks.push([]);
      room = CHUNK_POLLS_MAX;
    }
    chunks.at(-1)?.push(routerId);
    room -= polls;
  }
  return chunks;
}

interface RouterRollups {
  readonly routerId: RouterId;
  readonly rollup: Rollup;
}

async function rolledWindow(
  client: TenantClient,
  context: RollUpContext,
  routerIds: readonly RouterId[],
  window: Window,
  isLate: boolean,
): Promise<RouterRollups[]> {
  const polls = await pollsIn(client, context.shapes, routerIds, window);
  const before = await pollsJustBefore(client, context.shapes, polls, window);
  const rollups: RouterRollups[] = [];
  for (const [routerId, ofRouter] of polls) {
    const router = new RouterRollup(context.kindOf, ROLLUP_BUCKET_MS);
    for (const poll of ofRouter) router.expect(poll);
    for (const poll of before.get(routerId) ?? []) router.seed(poll);
    await lookBack(client, context, router, routerId, window.fromMs);
    for (const poll of ofRouter) router.add(poll);
    rollups.push(...router.finish().map((rollup) => ({ routerId, rollup })));
    if (isLate) {
      for (const followingMs of await followingBuckets(
        client,
        context,
        routerId,
        ofRouter,
        window,
      )) {
        const following = { fromMs: followingMs, toMs: followingMs + ROLLUP_BUCKET_MS };
        rollups.push(...(await rolledWindow(client, context, [routerId], following, false)));
      }
    }
    await nextTurn(); // A chunk takes tens of milliseconds, and this process has others to serve.
  }
  return rollups;
}

/** Seeds what the poll just before did not say, from further back. */
async function lookBack(
  client: TenantClient,
  { shapes }: RollUpContext,
  router: RouterRollup,
  routerId: RouterId,
  fromMs: number,
): Promise<void> {
  let toMs = fromMs;
  for (const lookMs of LOOK_MS) {
    if (router.unresolved === 0) return;
    const window = { fromMs: fromMs - lookMs, toMs };
    const polls = await pollsIn(client, shapes, [routerId], window);
    for (const poll of (polls.get(routerId) ?? []).reverse()) router.seed(poll);
    toMs = window.fromMs;
  }
}

/** The buckets after the window that hold the next sample of one of its counters. */
async function followingBuckets(
  client: TenantClient,
  { kindOf, shapes }: RollUpContext,
  routerId: RouterId,
  polls: readonly RollupPoll[],
  window: Window,
): Promise<Set<number>> {
  const awaited = new RouterRollup(kindOf, ROLLUP_BUCKET_MS);
  for (const poll of polls) awaited.expect(poll);
  const buckets = new Set<number>();
  let fromMs = window.toMs;
  for (const lookMs of LOOK_MS) {
    if (awaited.unresolved === 0) break;
    const toMs = window.toMs + lookMs;
    const following = await pollsIn(client, shapes, [routerId], { fromMs, toMs });
    for (const poll of following.get(routerId) ?? []) {
      if (awaited.seed(poll) > 0) {
        buckets.add(Math.floor(poll.atMs / ROLLUP_BUCKET_MS) * ROLLUP_BUCKET_MS);
      }
    }
    fromMs = toMs;
  }
  return buckets;
}

interface SampleColumns extends ArrayColumns {
  router_id: RouterId;
  shape_id: string;
  polled_at: Date;
}

/** The samples of a time, as polls in its order. */
async function pollsIn(
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
async function pollsJustBefore(
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

async function mergedHour(
  client: TenantClient,
  { shapes }: RollUpContext,
  routerIds: readonly RouterId[],
  hourMs: number,
): Promise<RouterRollups[]> {
  const { rows } = await client.query<RollupText & { router_id: RouterId }>(
    `select r.router_id, r.shape_id, r.bucket, r.last_at, ${ROLLUP_COLUMNS.map((name) => `r.${name}::text`).join(", ")}
     from rollups_5m r
     where r.tenant_id = $1 and r.router_id = any ($2) and r.bucket >= $3 and r.bucket < $4
     order by r.router_id, r.shape_id, r.bucket`,
    [client.tenantId, routerIds, new Date(hourMs), new Date(hourMs + ROLLUP_HOUR_MS)],
  );
  await shapes.learn(
    client,
    client.tenantId,
    rows.map(({ shape_id }) => shape_id),
  );
  const groups = new Map<string, { routerId: RouterId; parts: [Rollup, ...Rollup[]] }>();
  for (const row of rows) {
    const { metrics, instances } = shapes.find(client.tenantId, row.shape_id);
    const part = decodeRollup(row, metrics.length * instances.length);
    const key = `${row.router_id}/${row.shape_id}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { routerId: row.router_id, parts: [part] });
    else group.parts.push(part);
  }
  return [...groups.values()].map(({ routerId, parts }) => ({
    routerId,
    rollup: mergeRollups(parts, hourMs),
  }));
}

/** Rows of one statement: about 3 MB of a router of 48 interfaces. */
const WRITE_ROWS_MAX = 200;

async function writeRollups(
  client: TenantClient,
  table: "rollups_5m" | "rollups_1h",
  rollups: readonly RouterRollups[],
): Promise<void> {
  // A following bucket may have been computed for several windows: the last one counts, and no row is written twice.
  const byKey = new Map(
    rollups.map((it) => [`${it.routerId}/${it.rollup.shapeId}/${it.rollup.bucketMs}`, it]),
  );
  const distinct = [...byKey.values()];
  for (let first = 0; first < distinct.length; first += WRITE_ROWS_MAX) {
    const some = distinct.slice(first, first + WRITE_ROWS_MAX);
    const encoded = some.map(({ rollup }) => encodeRollup(rollup));
    await client.query(WRITE_STATEMENT[table], [
      client.tenantId,
      some.map(({ routerId }) => routerId),
      some.map(({ rollup }) => rollup.shapeId),
      some.map(({ rollup }) => new Date(rollup.bucketMs)),
      some.map(({ rollup }) => new Date(rollup.lastAtMs)),
      ...ROLLUP_COLUMNS.map((name) => encoded.map((columns) => columns[name])),
    ]);
  }
}

const COLUMN_TYPES = {
  counts: "integer[]",
  covered_ms: "bigint[]",
  resets: "integer[]",
  increases: "bigint[]",
  float_increases: "float8[]",
  minima: "float8[]",
  maxima: "float8[]",
  lasts: "float8[]",
  sums: "float8[]",
} satisfies Record<keyof RollupColumns, string>;

const WRITE_STATEMENT = {
  rollups_5m: writeStatement("rollups_5m"),
  rollups_1h: writeStatement("rollups_1h"),
};

/** A row that says the same already is left alone: computing again makes no bloat. */
function writeStatement(table: string): string {
  const columns = ["last_at", ...ROLLUP_COLUMNS];
  const casts = ROLLUP_COLUMNS.map((name) => `b.${name}::${COLUMN_TYPES[name]}`);
  const parameters = ROLLUP_COLUMNS.map((_, i) => `$${i + 6}::text[]`);
  return `insert into ${table} as r (tenant_id, router_id, shape_id, bucket, ${columns.join(", ")})
    select $1, b.router_id, b.shape_id, b.bucket, b.last_at, ${casts.join(", ")}
    from unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], ${parameters.join(", ")})
      as b (router_id, shape_id, bucket, ${columns.join(", ")})
    on conflict (tenant_id, router_id, shape_id, bucket) do update
    set ${columns.map((name) => `${name} = excluded.${name}`).join(", ")}
    where (${columns.map((name) => `r.${name}`).join(", ")})
      is distinct from (${columns.map((name) => `excluded.${name}`).join(", ")})`;
}

async function markHours(client: TenantClient, rollups: readonly RouterRollups[]): Promise<void> {
  const hours = new Set(
    rollups.map(({ rollup }) => Math.floor(rollup.bucketMs / ROLLUP_HOUR_MS) * ROLLUP_HOUR_MS),
  );
  await client.query(
    `insert into rollup_due (tenant_id, step_seconds, bucket)
     select $1, 3600, b.hour from unnest($2::timestamptz[]) b (hour)
     on conflict (tenant_id, step_seconds, bucket) do update set marks = rollup_due.marks + 1`,
    [client.tenantId, [...hours].map((hourMs) => new Date(hourMs))],
  );
}

/** The buckets are computed, unless they were marked again meanwhile. */
async function settle(
  client: TenantClient,
  stepSeconds: number,
  buckets: readonly DueBucket[],
): Promise<void> {
  invariant(buckets.length > 0, "something was computed");
  await client.query(
    `delete from rollup_due d using unnest($3::timestamptz[], $4::bigint[]) b (bucket, marks)
     where d.tenant_id = $1 and d.step_seconds = $2 and d.bucket = b.bucket and d.marks = b.marks`,
    [
      client.tenantId,
      stepSeconds,
      buckets.map(({ startMs }) => new Date(startMs)),
      buckets.map(({ marks }) => marks),
    ],
  );
}
