import type { Config } from "../config/load.ts";
import { isolationFindings } from "../storage/isolation.ts";
import { schemaState } from "../storage/migrate.ts";
import { openPool } from "../storage/pool.ts";
import { QUARANTINE, surveySpool } from "../storage/spool-folder.ts";
import { upkeepFindings } from "../storage/upkeep.ts";
import { MIGRATIONS_DIRECTORY } from "./migrate.ts";
import type { Platform } from "./platform.ts";
import { spoolFolder } from "./sample-writer.ts";

/** Longer than samples wait on disk while a worker runs and Postgres takes them. */
const SPOOL_AGE_MS_MAX = 600_000;

/** Prints what is wrong with the database and the spool, a line each, and resolves to whether nothing is. */
export async function doctor(
  platform: Platform,
  config: Config,
  options: { readonly isolation?: boolean },
): Promise<boolean> {
  const pool = openPool({
    url: platform.databaseUrl,
    role: "fairwalk_platform",
    max: 1,
    applicationName: "fairwalk doctor",
  });
  try {
    const { pending } = await schemaState(pool, MIGRATIONS_DIRECTORY);
    const isAll = options.isolation !== true;
    const schema = isAll
      ? pending.map((name) => `migration "${name}" is not applied: run "fairwalk migrate"`)
      : [];
    const isolation = pending.length > 0 ? [] : await isolationFindings(pool);
    const upkeep = isAll && pending.length === 0 ? await upkeepFindings(pool, new Date()) : [];
    const spool = isAll ? await spoolFindings(config) : [];
    const findings = [...schema, ...isolation, ...upkeep, ...spool];
    for (const finding of findings) console.log(finding);
    if (findings.length > 0) return false;
    console.log(
      isAll
        ? "schema current, tenants isolated, partitions and rollups up to date"
        : "tenants are isolated",
    );
    return true;
  } finally {
    await pool.end();
  }
}

/** Of the spools below this machine's data directory. */
async function spoolFindings(config: Config): Promise<string[]> {
  const folder = spoolFolder(config);
  const { bytes, oldestMs, quarantinedFiles } = await surveySpool(folder);
  const findings: string[] = [];
  if (oldestMs !== undefined && Date.now() - oldestMs > SPOOL_AGE_MS_MAX) {
    findings.push(
      `samples wait in "${folder}" since ${new Date(oldestMs).toISOString()} (${bytes} bytes): start a worker with this data directory`,
    );
  }
  if (quarantinedFiles > 0) {
    findings.push(
      `samples that Postgres refused, or that were damaged, lie in "${folder}/${QUARANTINE}" (${quarantinedFiles} files): the worker's log says why`,
    );
  }
  return findings;
}
