import type { Queryable } from "./pool.ts";
import { oldestDueRollup } from "./rollup-due.ts";
import { TENANT_PARTITIONED_TABLES } from "./tenant-tables.ts";

/**
 * What the database's upkeep has left undone: `fairwalk doctor` prints it. One sentence for each finding, with its
 * remedy. As fairwalk_platform.
 */
export async function upkeepFindings(pool: Queryable, now: Date): Promise<string[]> {
  return [
    ...(await missingPartitions(pool, now)),
    ...(await laggingRollups(pool, now)),
    ...(await bloatedTables(pool)),
  ];
}

/** Leaves are made three days ahead: one missing for tomorrow was missed for two days. */
const AHEAD_MS = 86_400_000;

async function missingPartitions(pool: Queryable, now: Date): Promise<string[]> {
  const { rows } = await pool.query<{ slug: string; name: string }>(
    `select t.slug, p.name
     from tenants t cross join unnest($1::text[]) p (name)
     where t.state not in ('erasing', 'erased')
       and exists (
         select from unnest($2::timestamptz[]) needed (at)
         where not exists (
           select from fairwalk_table_leaves(t.id, p.name) l where l.lower <= needed.at and needed.at < l.upper))
     order by t.slug, p.name`,
    [TENANT_PARTITIONED_TABLES, [now, new Date(now.getTime() + AHEAD_MS)]],
  );
  return rows.map(
    ({ slug, name }) =>
      `tenant "${slug}" has no partition of ${name} for today and tomorrow: is a scheduler running?`,
  );
}

/** Rollups follow their bucket's end by a minute or two. */
const LAG_MS_MAX = 15 * 60_000;

async function laggingRollups(pool: Queryable, now: Date): Promise<string[]> {
  const oldest = await oldestDueRollup(pool);
  if (oldest === undefined || now.getTime() - oldest.getTime() <= LAG_MS_MAX) return [];
  const minutes = Math.round((now.getTime() - oldest.getTime()) / 60_000);
  return [
    `rollups are ${minutes} minutes behind: is a scheduler running, and what does its log say?`,
  ];
}

/** Fewer dead rows are not worth a word. */
const DEAD_ROWS_MIN = 10_000;
const DEAD_SHARE_MAX = 0.3;

/** Samples are never changed, so only the other tables can hold many dead rows: autovacuum is off, late, or held up. */
async function bloatedTables(pool: Queryable): Promise<string[]> {
  const { rows } = await pool.query<{ relname: string; n_dead_tup: string; share: number }>(
    `select relname, n_dead_tup, n_dead_tup::float8 / (n_live_tup + n_dead_tup) as share from pg_stat_user_tables
     where schemaname = 'public' and n_dead_tup >= $1::bigint and n_dead_tup > $2::float8 * (n_live_tup + n_dead_tup)
     order by n_dead_tup desc`,
    [DEAD_ROWS_MIN, DEAD_SHARE_MAX],
  );
  return rows.map(
    ({ relname, n_dead_tup, share }) =>
      `table ${relname} is bloated: ${n_dead_tup} dead rows, ${Math.round(share * 100)} % of it; look for long transactions, and at autovacuum`,
  );
}
