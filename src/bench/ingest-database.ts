import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../embedded/postgres.ts";
import { migrate } from "../storage/migrate.ts";
import { openPool, type Pool, type Role } from "../storage/pool.ts";
import { createTenant } from "../storage/tenants.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { progress } from "./report.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "./temporary-directory.ts";

/** A database to write into, with tenants and nothing else. */
export interface IngestDatabase {
  readonly url: string;
  readonly app: Pool;
  readonly ingest: Pool;
  /** Owns every table. */
  readonly owner: Pool;
  readonly tenants: readonly TenantId[];
  /** A folder for files to copy from. */
  readonly folder: string;
  close(): Promise<void>;
}

const QUIET = { debug() {}, info() {}, warn() {}, error: console.error };

/** Tenants made at once. */
const TENANTS_AT_ONCE = 4;

export async function openIngestDatabase(tenants: number): Promise<IngestDatabase> {
  const folder = await makeTemporaryDirectory("bench");
  const stops: (() => Promise<unknown>)[] = [() => removeTemporaryDirectory(folder)];
  const close = async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  };
  try {
    const postgres = await startEmbeddedPostgres({ dataDir: join(folder, "data"), log: QUIET });
    stops.push(() => postgres.stop());
    const directory = join(import.meta.dirname, "..", "..", "migrations");
    await migrate({ url: postgres.url, directory, log: QUIET });
    const pool = (role: Role, max: number) => {
      const opened = openPool({ url: postgres.url, role, max, applicationName: "fairwalk bench" });
      stops.push(() => opened.end());
      return opened;
    };
    const platform = pool("fairwalk_platform", TENANTS_AT_ONCE);
    return {
      url: postgres.url,
      app: pool("fairwalk_app", 1),
      ingest: pool("fairwalk_ingest", 1),
      owner: pool("fairwalk_owner", 1),
      tenants: await makeTenants(platform, tenants),
      folder,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function makeTenants(platform: Pool, count: number): Promise<TenantId[]> {
  progress(`making ${count} tenants`);
  const masterKey = randomBytes(32);
  const ids: TenantId[] = [];
  while (ids.length < count) {
    const first = ids.length;
    const made = await Promise.all(
      Array.from({ length: Math.min(TENANTS_AT_ONCE, count - first) }, (_, i) => {
        const slug = `tenant-${first + i}`;
        return createTenant(platform, { name: slug, slug, tier: "free" }, masterKey, new Date());
      }),
    );
    ids.push(...made.map(({ id }) => id));
  }
  return ids;
}
