import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../lib/log.ts";
import { sqlStateOf } from "../storage/errors.ts";
import { MigrationError, schemaState } from "../storage/migrate.ts";
import { openPool } from "../storage/pool.ts";
import { MIGRATIONS_DIRECTORY } from "./migrate.ts";
import type { Platform } from "./platform.ts";

const RETRY_MS = 1_000;

/** What Postgres answers a session that asks for a role the first migration has not made yet. */
const NO_SUCH_ROLE = "22023";

/**
 * Waits until Postgres answers and has this version's schema, saying what it waits for. Daemons are often started
 * before their database, or beside the migration. Rejects with a MigrationError when waiting cannot help.
 */
export async function requireSchema(
  platform: Platform,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  const pool = openPool({
    url: platform.databaseUrl,
    role: "fairwalk_app",
    max: 1,
    applicationName: "fairwalk schema check",
  });
  try {
    for (let said = ""; ; ) {
      const obstacle = await obstacleOf(pool);
      if (obstacle === undefined) return;
      if (obstacle !== said) log.warn({ obstacle }, "waiting for Postgres");
      said = obstacle;
      await delay(RETRY_MS, undefined, { signal });
    }
  } finally {
    await pool.end();
  }
}

async function obstacleOf(pool: ReturnType<typeof openPool>): Promise<string | undefined> {
  try {
    const { pending } = await schemaState(pool, MIGRATIONS_DIRECTORY);
    if (pending.length === 0) return undefined;
    return `the database lacks ${pending.join(", ")}: run "fairwalk migrate"`;
  } catch (error) {
    if (error instanceof MigrationError) throw error;
    if (sqlStateOf(error) === NO_SUCH_ROLE) {
      return 'the database was never migrated: run "fairwalk migrate"';
    }
    return `Postgres cannot be reached: ${(error as Error).message}; start it, or correct DATABASE_URL`;
  }
}
