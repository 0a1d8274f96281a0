import type { Config } from "../config/load.ts";
import type { Log } from "../lib/log.ts";
import { forgetFlushes } from "../storage/copy.ts";
import {
  dropExpiredPartitions,
  makePartitionsAhead,
  type PartitionUpkeep,
} from "../storage/partitions.ts";
import type { Pool } from "../storage/pool.ts";
import { TIERS, type Tier } from "../tenants/tenant.ts";
import type { Stoppable } from "./stoppable.ts";

/**
 * What the database needs now and then: leaves made ahead of need, leaves past their retention dropped, ids of old
 * flushes forgotten. Every scheduler does it, leader or not: each part is harmless when another does it at the same time.
 */

/** Leaves are made days ahead, so an hour missed costs nothing. */
const EVERY_MS = 60 * 60 * 1_000;

/** Far longer than any worker keeps a flush to repeat. */
const FLUSH_IDS_KEPT_MS = 7 * 24 * 60 * 60 * 1_000;

/** Runs once now and then hourly. Rejects when the first run cannot make partitions: without them no sample is stored. */
export async function startMaintenance(pool: Pool, config: Config, log: Log): Promise<Stoppable> {
  const retentionDays = Object.fromEntries(
    TIERS.map((tier) => [tier, config.tiers[tier].retentionDays]),
  ) as Record<Tier, number>; // One entry a tier, by construction.

  const report = (what: string, { leaves, failures }: PartitionUpkeep): void => {
    if (leaves > 0) log.info({ leaves }, `partitions ${what}`);
    for (const { tenantId, error } of failures) {
      log.error({ tenant: tenantId, error: (error as Error).message }, `partitions not ${what}`);
    }
  };
  const run = async (): Promise<void> => {
    const now = new Date();
    report("made", await makePartitionsAhead(pool, now));
    report("dropped", await dropExpiredPartitions(pool, now, retentionDays));
    await forgetFlushes(pool, new Date(now.getTime() - FLUSH_IDS_KEPT_MS));
  };

  await run();
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = run().catch((error: Error) => {
      log.error({ error: error.message }, "maintenance failed, trying again in an hour");
    });
  }, EVERY_MS);
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
