import { isolationFindings } from "../storage/isolation.ts";
import { schemaState } from "../storage/migrate.ts";
import { openPool } from "../storage/pool.ts";
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
    const schema = options.isolation
      ? []
      : pending.map((name) => `migration "${name}" is not applied: run "fairwalk migrate"`);
    const isolation = pending.length > 0 ? [] : await isolationFindings(pool);
    for (const finding of [...schema, ...isolation]) console.log(finding);
    if (schema.length + isolation.length > 0) return false;
    console.log(options.isolation ? "tenants are isolated" : "schema current, tenants isolated");
    return true;
  } finally {
    await pool.end();
  }
}
