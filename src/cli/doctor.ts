import { isolationFindings } from "../storage/isolation.ts";
import { schemaState } from "../storage/migrate.ts";
import { openPool } from "../storage/pool.ts";
import { upkeepFindings } from "../storage/upkeep.ts";
import { MIGRATIONS_DIRECTORY } from "./migrate.ts";
import type { Platform } from "./platform.ts";

/** Prints what is wrong with the database, a line each, and resolves to whether nothing is. */
export async function doctor(
  platform: Platform,
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
    const findings = [...schema, ...isolation, ...upkeep];
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
