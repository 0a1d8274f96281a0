import type { TenantId } from "../tenants/tenant.ts";
import type { Queryable } from "./pool.ts";

/**
 * Which rollups are to be computed. A flush marks the buckets it touches in its own transaction (rollup_marks, see
 * copy.ts); here marks become due buckets, and due buckets are handed out once they are over. As fairwalk_scheduler,
 * which sees whose work there is, and no sample.
 */

export const ROLLUP_BUCKET_MS = 300_000;
export const ROLLUP_HOUR_MS = 3_600_000;

export type RollupStep = "5m" | "1h";

export const STEP_MS: Readonly<Record<RollupStep, number>> = {
  "5m": ROLLUP_BUCKET_MS,
  "1h": ROLLUP_HOUR_MS,
};

export const ROLLUP_TABLE = { "5m": "rollups_5m", "1h": "rollups_1h" } as const satisfies Record<
  RollupStep,
  string
>;

/** `marks` as it was read: a bucket that is marked again meanwhile stays due. */
export interface DueBucket {
  readonly startMs: number;
  readonly marks: string;
}

export interface DueTenant {
  readonly tenantId: TenantId;
  /** In the order of time. */
  readonly buckets: readonly DueBucket[];
}

/** Turns the marks of committed flushes into due buckets, all or nothing. */
export async function gatherRollupMarks(pool: Queryable): Promise<void> {
  await pool.query(
    `with taken as (delete from rollup_marks returning bucket, tenant_ids)
     insert into rollup_due (tenant_id, step_seconds, bucket)
     select distinct t.id, 300, taken.bucket
     from taken cross join unnest(taken.tenant_ids) m (id)
     join tenants t on t.id = m.id and t.state not in ('erasing', 'erased')
     on conflict (tenant_id, step_seconds, bucket) do update set marks = rollup_due.marks + 1`,
  );
}

/** Buckets handed out at once; what remains is still there the next time. */
const DUE_BUCKETS_MAX = 20_000;

/** Buckets that ended at or before `endedBy`, the oldest first. */
export async function dueRollups(
  pool: Queryable,
  step: RollupStep,
  endedBy: Date,
): Promise<DueTenant[]> {
  const { rows } = await pool.query<{ tenant_id: TenantId; bucket: Date; marks: string }>(
    `select d.tenant_id, d.bucket, d.marks from rollup_due d
     join tenants t on t.id = d.tenant_id and t.state not in ('erasing', 'erased')
     where d.step_seconds = $1 and d.bucket <= $2
     order by d.bucket limit ${DUE_BUCKETS_MAX}`,
    [STEP_MS[step] / 1_000, new Date(endedBy.getTime() - STEP_MS[step])],
  );
  const due = new Map<TenantId, DueBucket[]>();
  for (const { tenant_id, bucket, marks } of rows) {
    const buckets = due.get(tenant_id) ?? [];
    due.set(tenant_id, buckets);
    buckets.push({ startMs: bucket.getTime(), marks });
  }
  return [...due].map(([tenantId, buckets]) => ({ tenantId, buckets }));
}

/** Tenants that nothing was rolled up of yet, not even that there is nothing. */
export async function tenantsWithoutRollups(pool: Queryable): Promise<TenantId[]> {
  const { rows } = await pool.query<{ id: TenantId }>(
    `select t.id from tenants t
     where t.state not in ('erasing', 'erased')
       and not exists (select from rollup_state s where s.tenant_id = t.id)`,
  );
  return rows.map(({ id }) => id);
}

/** When the oldest bucket ended that is still to be computed; undefined when none is. Also as fairwalk_platform. */
export async function oldestDueRollup(pool: Queryable): Promise<Date | undefined> {
  const { rows } = await pool.query<{ ended: Date | null }>(
    `select least(
       (select min(d.bucket + make_interval(secs => d.step_seconds)) from rollup_due d),
       (select min(m.bucket) + interval '5 minutes' from rollup_marks m)
     ) as ended`,
  );
  return rows[0]?.ended ?? undefined;
}
