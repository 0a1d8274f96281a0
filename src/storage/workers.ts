import type { Queryable } from "./pool.ts";

/** Workers as they report themselves: what the scheduler sizes its window by, and administrators look at. */

export interface WorkerHeartbeat {
  readonly workerId: string;
  readonly hostname: string;
  readonly version: string;
  /** Keys of the zones it serves. */
  readonly zones: readonly string[];
  readonly concurrency: number;
  readonly busy: number;
  /** Slots it offers now: fewer than `concurrency - busy` while its writer fills. */
  readonly free: number;
  readonly startedAt: Date;
}

export interface LiveWorker extends WorkerHeartbeat {
  /** Asked for by an administrator; null: the worker's own configuration. */
  readonly desiredConcurrency: number | null;
  readonly heartbeatAt: Date;
}

interface WorkerRow {
  worker_id: string;
  hostname: string;
  version: string;
  zones: string[];
  concurrency: number;
  busy: number;
  free: number;
  desired_concurrency: number | null;
  started_at: Date;
  heartbeat_at: Date;
}

/** Workers silent for this long are taken off the list by the next one's heartbeat. */
const FORGOTTEN_AFTER_HOURS = 24;

/** Notes that the worker lives and what it can take; answers what is asked of it. As fairwalk_scheduler. */
export async function heartbeat(
  pool: Queryable,
  beat: WorkerHeartbeat,
): Promise<{ desiredConcurrency: number | null }> {
  const { rows } = await pool.query<{ desired_concurrency: number | null; is_new: boolean }>(
    `insert into workers as w (worker_id, hostname, version, zones, concurrency, busy, free, started_at, heartbeat_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, now())
     on conflict (worker_id) do update set
       hostname = excluded.hostname, version = excluded.version, zones = excluded.zones,
       concurrency = excluded.concurrency, busy = excluded.busy, free = excluded.free,
       started_at = excluded.started_at, heartbeat_at = excluded.heartbeat_at
     returning w.desired_concurrency, w.xmax = 0 as is_new`,
    [
      beat.workerId,
      beat.hostname,
      beat.version,
      beat.zones,
      beat.concurrency,
      beat.busy,
      beat.free,
      beat.startedAt,
    ],
  );
  if (rows[0]?.is_new) {
    await pool.query(
      "delete from workers where heartbeat_at < now() - make_interval(hours => $1)",
      [FORGOTTEN_AFTER_HOURS],
    );
  }
  return { desiredConcurrency: rows[0]?.desired_concurrency ?? null };
}

/** Workers heard of within `maxAgeMs`, by the database's clock. As fairwalk_scheduler or fairwalk_platform. */
export async function liveWorkers(pool: Queryable, maxAgeMs: number): Promise<LiveWorker[]> {
  const { rows } = await pool.query<WorkerRow>(
    `select worker_id, hostname, version, zones, concurrency, busy, free, desired_concurrency, started_at, heartbeat_at
     from workers where heartbeat_at > now() - $1 * interval '1 millisecond' order by worker_id`,
    [maxAgeMs],
  );
  return rows.map((row) => ({
    workerId: row.worker_id,
    hostname: row.hostname,
    version: row.version,
    zones: row.zones,
    concurrency: row.concurrency,
    busy: row.busy,
    free: row.free,
    desiredConcurrency: row.desired_concurrency,
    startedAt: row.started_at,
    heartbeatAt: row.heartbeat_at,
  }));
}

/**
 * Asks one worker (or all there are: null) to run with another number of slots; null gives it back its own. Resolves to
 * how many workers were asked. As fairwalk_platform.
 */
export async function setDesiredConcurrency(
  pool: Queryable,
  workerId: string | null,
  concurrency: number | null,
): Promise<number> {
  const { rowCount } = await pool.query(
    "update workers set desired_concurrency = $2 where $1::text is null or worker_id = $1",
    [workerId, concurrency],
  );
  return rowCount ?? 0;
}

/** A worker that stops takes itself off the list. As fairwalk_scheduler. */
export async function removeWorker(pool: Queryable, workerId: string): Promise<void> {
  await pool.query("delete from workers where worker_id = $1", [workerId]);
}
