import { setTimeout as delay } from "node:timers/promises";
import type { Tenant, TenantId, Tier } from "../tenants/tenant.ts";
import { sqlStateOf } from "./errors.ts";
import { type Pool, type Queryable, withTransaction } from "./pool.ts";
import { TENANT_PARTITIONED_TABLES } from "./tenant-tables.ts";

/**
 * Which leaves the tenants' partitioned tables need, made ahead of need; retention, which drops whole leaves; and the end
 * of a tenant, which drops them all.
 *
 * Leaves are aligned to days since the epoch (UTC) and follow each other without a gap. A change of tier changes the
 * width of leaves to come, from the end of the last one there is.
 *
 * Nothing here waits for a lock longer than LOCK_WAIT_MS, because whoever comes after a waiting drop waits with it: it
 * gives way and tries again. DETACH CONCURRENTLY would not make others wait either, but only the tables' owner may do it,
 * and as a statement of its own: no daemon acts as the owner.
 */

export type PartitionedTable = (typeof TENANT_PARTITIONED_TABLES)[number];

const SAMPLE_DAYS = { free: 2, professional: 7, business: 28, enterprise: 28, msp: 28 };

/**
 * Days in a leaf, so that a tier's retention makes 5 to 26 leaves: fewer, and retention is coarse; more, and planning
 * pays. Those of rollups are multiples of those of samples.
 */
export const LEAF_DAYS: Readonly<Record<PartitionedTable, Readonly<Record<Tier, number>>>> = {
  samples: SAMPLE_DAYS,
  polls: SAMPLE_DAYS,
  rollups_5m: { free: 14, professional: 56, business: 84, enterprise: 84, msp: 84 },
  rollups_1h: { free: 56, professional: 112, business: 168, enterprise: 336, msp: 336 },
};

/** Leaves reach at least this far ahead, so that polling outlives a scheduler that cannot make them for days. */
const AHEAD_DAYS = 3;

/** A new tenant's first leaf reaches this far back: a worker's clock may be behind ours. */
const BEHIND_DAYS = 1;

const DAY_MS = 86_400_000;

/** Times in milliseconds since the Unix epoch: [lowerMs, upperMs). */
export interface LeafBounds {
  readonly lowerMs: number;
  readonly upperMs: number;
}

/** The name of the leaf of `table` that begins at `lowerMs`: "samples_<32 hex>_<yyyymmdd>". */
export function leafName(table: PartitionedTable, tenantId: TenantId, lowerMs: number): string {
  const day = new Date(lowerMs).toISOString().slice(0, 10).replaceAll("-", "");
  return `${table}_${tenantId.replaceAll("-", "")}_${day}`;
}

/**
 * The leaves a tenant lacks at `nowMs`. `coveredUntilMs` is the end of its last leaf, undefined when it has none. Pure;
 * empty when enough lies ahead. With `sinceMs` a first leaf holds that time too.
 */
export function missingLeaves(
  { table, tier }: { readonly table: PartitionedTable; readonly tier: Tier },
  nowMs: number,
  coveredUntilMs: number | undefined,
  sinceMs = nowMs,
): LeafBounds[] {
  const widthMs = LEAF_DAYS[table][tier] * DAY_MS;
  const until = nowMs + AHEAD_DAYS * DAY_MS;
  const leaves: LeafBounds[] = [];
  const from = Math.floor((nowMs - BEHIND_DAYS * DAY_MS) / widthMs) * widthMs;
  // After an outage longer than what lay ahead, the days nobody polled get no leaves.
  let lowerMs =
    coveredUntilMs === undefined
      ? Math.min(from, Math.floor(sinceMs / widthMs) * widthMs)
      : Math.max(coveredUntilMs, from);
  while (lowerMs < until) {
    const upperMs = (Math.floor(lowerMs / widthMs) + 1) * widthMs;
    leaves.push({ lowerMs, upperMs });
    lowerMs = upperMs;
  }
  return leaves;
}

/** Makes the leaves a new tenant begins with. */
export async function makeFirstLeaves(
  client: Queryable,
  { id, tier }: Pick<Tenant, "id" | "tier">,
  now: Date,
): Promise<void> {
  for (const table of TENANT_PARTITIONED_TABLES) {
    await makeLeaves(client, id, table, missingLeaves({ table, tier }, now.getTime(), undefined));
  }
}

/** Makes the given leaves; those that exist stay. */
export async function makeLeaves(
  client: Queryable,
  tenantId: TenantId,
  table: PartitionedTable,
  leaves: readonly LeafBounds[],
): Promise<void> {
  await client.query("select fairwalk_make_leaves($1, $2, $3, $4)", [
    tenantId,
    table,
    leaves.map(({ lowerMs }) => new Date(lowerMs)),
    leaves.map(({ upperMs }) => new Date(upperMs)),
  ]);
}

export interface PartitionUpkeep {
  /** Leaves made or dropped. */
  readonly leaves: number;
  /** Tenants left for the next time, and why; the others were seen to. */
  readonly failures: readonly { readonly tenantId: TenantId; readonly error: unknown }[];
}

/** Called after each tenant. */
export type Progress = (done: number, of: number) => void;

/** Makes every tenant's leaves to come. Run hourly; by any number of processes at once. As scheduler or platform. */
export async function makePartitionsAhead(
  pool: Pool,
  now: Date,
  progress: Progress = () => undefined,
): Promise<PartitionUpkeep> {
  const { rows } = await pool.query<{
    id: TenantId;
    tier: Tier;
    covered_until: Partial<Record<PartitionedTable, string>>;
    samples_since: Date | null;
  }>(
    `select t.id, t.tier,
       (select jsonb_object_agg(p.name, last.upper)
        from unnest($1::text[]) p (name)
        cross join lateral (select max(l.upper) as upper from fairwalk_table_leaves(t.id, p.name) l) last
        where last.upper is not null) as covered_until,
       (select min(l.lower) from fairwalk_table_leaves(t.id, 'samples') l) as samples_since
     from tenants t
     where t.state not in ('erasing', 'erased')`,
    [TENANT_PARTITIONED_TABLES],
  );
  return forEachTenant(rows, progress, async ({ id, tier, covered_until, samples_since }) => {
    let made = 0;
    for (const table of TENANT_PARTITIONED_TABLES) {
      const until = covered_until?.[table];
      const leaves = missingLeaves(
        { table, tier },
        now.getTime(),
        until === undefined ? undefined : Date.parse(until),
        samples_since?.getTime(),
      );
      if (leaves.length === 0) continue;
      await givingWay(pool, (client) => makeLeaves(client, id, table, leaves));
      made += leaves.length;
    }
    return made;
  });
}

/** How many days each table is kept, by tier. */
export type RetentionDays = Readonly<Record<PartitionedTable, Readonly<Record<Tier, number>>>>;

/** Drops leaves all of whose rows are older than their tenant's tier keeps them. Run hourly, as scheduler or platform. */
export async function dropExpiredPartitions(
  pool: Pool,
  now: Date,
  retentionDays: RetentionDays,
  progress: Progress = () => undefined,
): Promise<PartitionUpkeep> {
  const { rows } = await pool.query<{ id: TenantId; tier: Tier }>(
    "select id, tier from tenants where state not in ('erasing', 'erased')",
  );
  return forEachTenant(rows, progress, async ({ id, tier }) => {
    let dropped = 0;
    for (const table of TENANT_PARTITIONED_TABLES) {
      const before = new Date(now.getTime() - retentionDays[table][tier] * DAY_MS);
      dropped += await dropLeaves(pool, id, table, before);
    }
    return dropped;
  });
}

/**
 * Drops everything the tenant's routers ever said. Leaf by leaf, which locks nothing but the tenant's own; what is left
 * then is empty, and dropping it takes an instant's lock on all tenants' tables. As platform.
 */
export async function dropTenantPartitions(pool: Pool, tenantId: TenantId): Promise<void> {
  for (const table of TENANT_PARTITIONED_TABLES) {
    await dropLeaves(pool, tenantId, table, undefined);
    await givingWay(pool, (client) =>
      client.query("select fairwalk_drop_part($1, $2)", [tenantId, table]),
    );
  }
}

async function dropLeaves(
  pool: Pool,
  tenantId: TenantId,
  table: PartitionedTable,
  before: Date | undefined,
): Promise<number> {
  const { rows } = await pool.query<{ leaf: string }>(
    "select l.leaf from fairwalk_table_leaves($1, $2) l where $3::timestamptz is null or l.upper <= $3 order by l.upper",
    [tenantId, table, before ?? null],
  );
  for (const { leaf } of rows) {
    await givingWay(pool, (client) =>
      client.query("select fairwalk_drop_leaf($1, $2, $3)", [tenantId, table, leaf]),
    );
  }
  return rows.length;
}

/** How long one try may hold up those that queue behind it, and how long they get in between. */
const LOCK_WAIT_MS = 200;
const PAUSE_MS = 300;

/** With a table that someone reads for longer than these take together, we give up for now. */
const ATTEMPTS_MAX = 40;

const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK_DETECTED = "40P01";

/** Changes tables in one transaction, tried again while others use them. Rejects when they do for too long. */
async function givingWay(
  pool: Pool,
  change: (client: Queryable) => Promise<unknown>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await withTransaction(pool, async (client) => {
        await client.query(`set local lock_timeout = ${LOCK_WAIT_MS}`);
        await change(client);
      });
      return;
    } catch (error) {
      const isBusy = [LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED].includes(sqlStateOf(error) ?? "");
      if (!isBusy || attempt === ATTEMPTS_MAX) throw error;
      await delay(PAUSE_MS);
    }
  }
}

/** One tenant after the other: each holds its locks only as long as its own leaves take. */
async function forEachTenant<Row extends Pick<Tenant, "id">>(
  tenants: readonly Row[],
  progress: Progress,
  work: (tenant: Row) => Promise<number>,
): Promise<PartitionUpkeep> {
  const failures: { tenantId: TenantId; error: unknown }[] = [];
  let leaves = 0;
  for (const [index, tenant] of tenants.entries()) {
    try {
      leaves += await work(tenant);
    } catch (error) {
      failures.push({ tenantId: tenant.id, error });
    }
    progress(index + 1, tenants.length);
  }
  return { leaves, failures };
}
