import { setImmediate as nextTurn } from "node:timers/promises";
import { invariant } from "../lib/invariant.ts";
import { GAP_MS_MAX } from "../routers/counters.ts";
import { mergeRollups } from "../routers/merge-rollups.ts";
import { type KindOf, type Rollup, type RollupPoll, RouterRollup } from "../routers/rollup.ts";
import type { RouterId } from "../routers/router.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { type Pool, type TenantClient, withTenant } from "./pool.ts";
import {
  type DueBucket,
  ROLLUP_BUCKET_MS,
  ROLLUP_HOUR_MS,
  ROLLUP_TABLE,
  type RollupStep,
  STEP_MS,
} from "./rollup-due.ts";
import { decodeRollup, ROLLUP_COLUMNS, type RollupText } from "./rollup-encoding.ts";
import { pollsIn, pollsJustBefore, routersPolled, type Window } from "./rollup-samples.ts";
import { type RouterRollups, writeRollups } from "./rollup-writing.ts";
import type { ShapeCache } from "./samples.ts";

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

/**
 * Computes the due buckets of 5 minutes, in the order of time. Answers the rows written. Those that cannot be computed
 * stay due and keep none of the others from it: it rejects at the end, with the first reason.
 */
export function rollUpBuckets(
  context: RollUpContext,
  tenantId: TenantId,
  due: readonly DueBucket[],
): Promise<number> {
  return eachOf(
    context,
    tenantId,
    "5m",
    due,
    (kept) => runsOf(kept),
    async (run) => {
      const window = { fromMs: run[0].startMs, toMs: lastOf(run).startMs + ROLLUP_BUCKET_MS };
      const { isLate, chunks } = await withTenant(context.pool, tenantId, async (client) => ({
        isLate: await isBefore(client, window.toMs),
        chunks: chunksOf(await routersPolled(client, window)),
      }));
      let written = 0;
      for (const routerIds of chunks) {
        written += await withTenant(context.pool, tenantId, async (client) => {
          const rollups = await rolledWindow(client, context, routerIds, window, isLate);
          await writeRollups(client, "rollups_5m", rollups);
          await markHours(client, rollups);
          return rollups.length;
        });
      }
      await withTenant(context.pool, tenantId, async (client) => {
        await settle(client, "5m", run);
        await client.query(
          `insert into rollup_state as s (tenant_id, rolled_until) values ($1, $2)
         on conflict (tenant_id) do update set rolled_until = greatest(s.rolled_until, excluded.rolled_until)`,
          [tenantId, new Date(window.toMs)],
        );
      });
      return written;
    },
  );
}

/** Computes the due hours, from the buckets of 5 minutes. Answers the rows written; rejects as `rollUpBuckets`. */
export function rollUpHours(
  context: RollUpContext,
  tenantId: TenantId,
  due: readonly DueBucket[],
): Promise<number> {
  return eachOf(
    context,
    tenantId,
    "1h",
    due,
    (kept) => [...kept],
    async (hour) => {
      const routers = await withTenant(context.pool, tenantId, (client) =>
        client.query<{ router_id: RouterId; rows: number }>(
          `select r.router_id, count(*)::integer as rows from rollups_5m r
         where r.tenant_id = $1 and r.bucket >= $2 and r.bucket < $3 group by r.router_id order by r.router_id`,
          [tenantId, new Date(hour.startMs), new Date(hour.startMs + ROLLUP_HOUR_MS)],
        ),
      );
      const polled = routers.rows.map(({ router_id, rows }) => ({
        routerId: router_id,
        polls: rows,
      }));
      let written = 0;
      for (const routerIds of chunksOf(polled)) {
        written += await withTenant(context.pool, tenantId, async (client) => {
          const rollups = await mergedHour(client, context, routerIds, hour.startMs);
          await writeRollups(client, "rollups_1h", rollups);
          return rollups.length;
        });
      }
      await withTenant(context.pool, tenantId, (client) => settle(client, "1h", [hour]));
      return written;
    },
  );
}

/** Does the work part by part; what is due before the oldest leaf is not kept any more, and so not computed. */
async function eachOf<Part>(
  { pool }: RollUpContext,
  tenantId: TenantId,
  step: RollupStep,
  due: readonly DueBucket[],
  partsOf: (kept: readonly DueBucket[]) => Part[],
  work: (part: Part) => Promise<number>,
): Promise<number> {
  const kept = await withTenant(pool, tenantId, async (client) => {
    const { rows } = await client.query<{ oldest: Date | null }>(
      "select min(l.lower) as oldest from fairwalk_table_leaves($1, $2) l",
      [tenantId, ROLLUP_TABLE[step]],
    );
    const oldestMs = rows[0]?.oldest?.getTime() ?? Number.NEGATIVE_INFINITY;
    const expired = due.filter(({ startMs }) => startMs < oldestMs);
    if (expired.length > 0) await settle(client, step, expired);
    return due.filter(({ startMs }) => startMs >= oldestMs);
  });
  let written = 0;
  const failures: unknown[] = [];
  for (const part of partsOf(kept)) {
    try {
      written += await work(part);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return written;
}

function lastOf<T>(items: readonly [T, ...T[]]): T {
  return items.at(-1) ?? items[0];
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
  step: RollupStep,
  buckets: readonly DueBucket[],
): Promise<void> {
  invariant(buckets.length > 0, "something was computed");
  await client.query(
    `delete from rollup_due d using unnest($3::timestamptz[], $4::bigint[]) b (bucket, marks)
     where d.tenant_id = $1 and d.step_seconds = $2 and d.bucket = b.bucket and d.marks = b.marks`,
    [
      client.tenantId,
      STEP_MS[step] / 1_000,
      buckets.map(({ startMs }) => new Date(startMs)),
      buckets.map(({ marks }) => marks),
    ],
  );
}
