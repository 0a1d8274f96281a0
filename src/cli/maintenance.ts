import type { Config } from "../config/load.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { KindOf } from "../routers/rollup.ts";
import { forgetFlushes } from "../storage/copy.ts";
import type { Leadership } from "../storage/leadership.ts";
import {
  dropExpiredPartitions,
  makePartitionsAhead,
  type PartitionUpkeep,
  type Progress,
  type RetentionDays,
} from "../storage/partitions.ts";
import type { Pool } from "../storage/pool.ts";
import {
  beginRollups,
  type RollUpContext,
  rollUpBuckets,
  rollUpHours,
} from "../storage/roll-up.ts";
import {
  type DueTenant,
  dueRollups,
  gatherRollupMarks,
  oldestDueRollup,
  tenantsWithoutRollups,
} from "../storage/rollup-due.ts";
import { ShapeCache } from "../storage/samples.ts";
import { forgetShapes } from "../storage/shapes.ts";
import { tenantSchedules } from "../storage/tenants.ts";
import { type TenantId, TIERS, type Tier } from "../tenants/tenant.ts";
import type { Stoppable } from "./stoppable.ts";

/**
 * What the database needs now and then: leaves made ahead of need, leaves past their retention dropped, samples rolled
 * up, ids of old flushes and shapes nothing refers to forgotten. One scheduler of all does it, whoever has the lock; each
 * part is harmless all the same when another does it at the same time, and goes on where it stopped after a crash.
 */

export interface MaintenanceParts {
  /** As fairwalk_scheduler: whose work there is, and the partitions. */
  readonly pool: Pool;
  /** As fairwalk_rollup: the work on one tenant's samples. */
  readonly rollupPool: Pool;
  readonly tryLead: () => Promise<Leadership | undefined>;
  readonly kindOf: KindOf;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** No zone has a key with spaces in it: this is nobody's but ours. */
export const MAINTENANCE_LOCK = "maintenance of the database";

/** How often due work is looked for, and how long another scheduler waits to take over. */
const TICK_MS = 20_000;

const HOUR_MS = 3_600_000;

/** Samples are committed within moments; what comes later than this is computed again. */
const ROLLUP_SETTLE_MS = 30_000;

/** Far longer than any worker keeps a flush to repeat. */
const FLUSH_IDS_KEPT_MS = 7 * 24 * HOUR_MS;

interface Task {
  readonly name: string;
  readonly everyMs: number;
  readonly run: (now: Date, progress: Progress) => Promise<void>;
}

/**
 * Makes partitions at once, whoever leads: without them no sample is stored, so it rejects when it cannot. The rest
 * follows while this process has the lock.
 */
export async function startMaintenance(
  parts: MaintenanceParts,
  config: Pick<Config, "tiers">,
): Promise<Stoppable> {
  const { metrics, clock, log } = parts;
  reportUpkeep(log, "made", await makePartitionsAhead(parts.pool, new Date(clock.now())));

  const tasks = tasksOf(parts, config);
  const lastRunMs = new Map<string, number>();
  const stopping = new AbortController();
  let leadership: Leadership | undefined;

  const runTask = async ({ name, run }: Task): Promise<void> => {
    const startedMs = clock.now();
    lastRunMs.set(name, startedMs);
    try {
      await run(new Date(startedMs), (done, of) => {
        metrics.maintenanceProgress.set({ task: name }, of === 0 ? 1 : done / of);
      });
      metrics.maintenanceLastSuccess.set({ task: name }, clock.now() / 1_000);
    } catch (error) {
      metrics.maintenanceFailures.inc({ task: name });
      log.error(
        { task: name, error: (error as Error).message },
        "maintenance failed, trying again",
      );
    }
    metrics.maintenanceDuration.set({ task: name }, (clock.now() - startedMs) / 1_000);
  };
  const tick = async (): Promise<void> => {
    if (leadership === undefined || leadership.lost.aborted) leadership = await parts.tryLead();
    for (const task of tasks) {
      if (leadership === undefined || leadership.lost.aborted || stopping.signal.aborted) return;
      const dueMs = (lastRunMs.get(task.name) ?? Number.NEGATIVE_INFINITY) + task.everyMs;
      if (clock.now() >= dueMs) await runTask(task);
    }
  };

  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const turn = (): void => {
    running = tick()
      .catch((error: Error) =>
        log.warn({ error: error.message }, "maintenance cannot reach Postgres"),
      )
      .then(() => {
        if (!stopping.signal.aborted) timer = setTimeout(turn, TICK_MS);
      });
  };
  turn();
  return {
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      await running;
      await leadership?.stop();
    },
  };
}

function tasksOf(parts: MaintenanceParts, config: Pick<Config, "tiers">): Task[] {
  const { pool, rollupPool, log } = parts;
  const retentionDays = retentionOf(config);
  const shapes = new ShapeCache();
  return [
    {
      name: "partitions_made",
      everyMs: HOUR_MS,
      run: async (now, progress) =>
        reportUpkeep(log, "made", await makePartitionsAhead(pool, now, progress)),
    },
    {
      name: "rollups",
      everyMs: 0,
      run: (now, progress) =>
        rollUp(parts, { pool: rollupPool, kindOf: parts.kindOf, shapes }, now, progress),
    },
    {
      name: "partitions_dropped",
      everyMs: HOUR_MS,
      run: async (now, progress) =>
        reportUpkeep(
          log,
          "dropped",
          await dropExpiredPartitions(pool, now, retentionDays, progress),
        ),
    },
    {
      name: "flush_ids",
      everyMs: HOUR_MS,
      run: async (now) => {
        await forgetFlushes(pool, new Date(now.getTime() - FLUSH_IDS_KEPT_MS));
      },
    },
    {
      name: "shapes",
      everyMs: 24 * HOUR_MS,
      run: async (_now, progress) => {
        const tenants = await tenantSchedules(pool);
        for (const [index, { tenantId }] of tenants.entries()) {
          await forgetShapes(rollupPool, tenantId);
          progress(index + 1, tenants.length);
        }
      },
    },
  ];
}

function retentionOf({ tiers }: Pick<Config, "tiers">): RetentionDays {
  const days = (key: "retentionDays" | "rollups5mDays" | "rollups1hDays") =>
    Object.fromEntries(TIERS.map((tier) => [tier, tiers[tier][key]])) as Record<Tier, number>; // One entry a tier.
  return {
    samples: days("retentionDays"),
    polls: days("retentionDays"),
    rollups_5m: days("rollups5mDays"),
    rollups_1h: days("rollups1hDays"),
  };
}

async function rollUp(
  { pool, metrics, log }: MaintenanceParts,
  context: RollUpContext,
  now: Date,
  progress: Progress,
): Promise<void> {
  await gatherRollupMarks(pool);
  for (const tenantId of await tenantsWithoutRollups(pool)) await beginRollups(context, tenantId);

  const endedBy = new Date(now.getTime() - ROLLUP_SETTLE_MS);
  let failed: unknown;
  const eachTenant = async (
    due: readonly DueTenant[],
    work: (tenantId: TenantId, buckets: DueTenant["buckets"]) => Promise<number>,
  ): Promise<number> => {
    let rows = 0;
    for (const [index, { tenantId, buckets }] of due.entries()) {
      try {
        rows += await work(tenantId, buckets);
      } catch (error) {
        failed = error;
        log.error({ tenant: tenantId, error: (error as Error).message }, "tenant not rolled up");
      }
      progress(index + 1, due.length);
    }
    return rows;
  };
  const buckets = await eachTenant(await dueRollups(pool, "5m", endedBy), (tenantId, due) =>
    rollUpBuckets(context, tenantId, due),
  );
  metrics.rollupRows.inc({ step: "5m" }, buckets);
  const hours = await eachTenant(await dueRollups(pool, "1h", endedBy), (tenantId, due) =>
    rollUpHours(context, tenantId, due),
  );
  metrics.rollupRows.inc({ step: "1h" }, hours);

  const oldest = await oldestDueRollup(pool);
  metrics.rollupLag.set(
    oldest === undefined ? 0 : Math.max(0, (now.getTime() - oldest.getTime()) / 1_000),
  );
  if (failed !== undefined) throw failed;
}

function reportUpkeep(log: Log, what: string, { leaves, failures }: PartitionUpkeep): void {
  if (leaves > 0) log.info({ leaves }, `partitions ${what}`);
  for (const { tenantId, error } of failures) {
    log.error({ tenant: tenantId, error: (error as Error).message }, `partitions not ${what}`);
  }
}
