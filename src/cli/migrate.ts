import { join } from "node:path";
import type { Config } from "../config/load.ts";
import type { Log } from "../lib/log.ts";
import { migrateQueue } from "../queue/backend.ts";
import { migrate } from "../storage/migrate.ts";
import { openPool } from "../storage/pool.ts";
import { saveSharedZones } from "../storage/zones.ts";
import type { Platform } from "./platform.ts";
import { PROGRAM_ROOT } from "./version.ts";

export const MIGRATIONS_DIRECTORY = join(PROGRAM_ROOT, "migrations");

/** Brings the database's and the queue's schemas to this version, and the shared zones to what the configuration says. */
export async function migrateAll(config: Config, platform: Platform, log: Log): Promise<string[]> {
  const applied = await migrate({
    url: platform.databaseUrl,
    directory: MIGRATIONS_DIRECTORY,
    log,
  });
  await migrateQueue(platform.queueBackend);
  const pool = openPool({
    url: platform.databaseUrl,
    role: "fairwalk_platform",
    max: 1,
    applicationName: "fairwalk migrate",
  });
  try {
    await saveSharedZones(pool, config.zones.shared);
  } finally {
    await pool.end();
  }
  return applied;
}
