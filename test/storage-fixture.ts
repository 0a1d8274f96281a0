import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createCredential } from "../src/storage/credentials.ts";
import { migrate } from "../src/storage/migrate.ts";
import { openPool, type Pool, type Role, withTenant } from "../src/storage/pool.ts";
import { insertRouters, type RouterBody, type StoredRouter } from "../src/storage/routers.ts";
import { tenantDataKey } from "../src/storage/tenant-keys.ts";
import {
  TENANT_PARTITIONED_TABLES,
  TENANT_ROW_TABLES,
  TENANTS_TABLE,
} from "../src/storage/tenant-tables.ts";
import { createTenant } from "../src/storage/tenants.ts";
import type { Tenant, Tier } from "../src/tenants/tenant.ts";
import { createTestDatabase } from "./database.ts";

export const MIGRATIONS = join(import.meta.dirname, "..", "migrations");

export const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

/** A migrated database with a pool for each role, and short ways to fill it. */
export interface StorageFixture {
  readonly url: string;
  readonly masterKey: Uint8Array;
  readonly app: Pool;
  readonly ingest: Pool;
  readonly scheduler: Pool;
  readonly rollup: Pool;
  readonly platform: Pool;
  /** Owns every table, and here may look into all tenants' rows. */
  readonly owner: Pool;
  /** The login user itself: the database's owner, member of all roles, no superuser. */
  readonly login: Pool;
  newTenant(slug: string, tier?: Tier): Promise<Tenant>;
  /** Registers a router with a credential of its own. */
  newRouter(tenant: Tenant, body?: Partial<RouterBody>): Promise<StoredRouter>;
  close(): Promise<void>;
}

/**
 * `ownerSeesAll` adds a policy to each table of tenants, so that tests can count rows whoever's they are; without it the
 * schema is exactly what the migrations make.
 */
export async function openStorageFixture(
  adminUrl: string,
  { ownerSeesAll = true }: { readonly ownerSeesAll?: boolean } = {},
): Promise<StorageFixture> {
  const database = await createTestDatabase(adminUrl);
  await migrate({ url: database.url, directory: MIGRATIONS, log: silentLog });
  const masterKey = randomBytes(32);
  const pool = (role: Role | undefined) =>
    openPool({ url: database.url, role, max: 4, applicationName: "fairwalk test" });
  const pools = {
    app: pool("fairwalk_app"),
    ingest: pool("fairwalk_ingest"),
    scheduler: pool("fairwalk_scheduler"),
    rollup: pool("fairwalk_rollup"),
    platform: pool("fairwalk_platform"),
    owner: pool("fairwalk_owner"),
    login: pool(undefined),
  };
  if (ownerSeesAll) {
    for (const table of [...TENANT_ROW_TABLES, ...TENANT_PARTITIONED_TABLES, TENANTS_TABLE]) {
      await pools.owner.query(
        `create policy test_sees_all on ${table} to fairwalk_owner using (true) with check (true)`,
      );
    }
  }
  let routers = 0;
  return {
    url: database.url,
    masterKey,
    ...pools,
    newTenant: (slug, tier = "free") =>
      createTenant(pools.platform, { name: slug, slug, tier }, masterKey, new Date()),
    newRouter: (tenant, body = {}) =>
      withTenant(pools.app, tenant.id, async (client) => {
        const n = ++routers;
        const credentialId =
          body.credentialId ??
          (
            await createCredential(client, await tenantDataKey(client, masterKey), {
              name: `credential ${n}`,
              version: "2c",
              community: `community-${n}`,
            })
          ).id;
        const [router] = await insertRouters(client, [
          {
            name: `router-${n}`,
            address: `10.0.${n >> 8}.${n & 255}`,
            port: 161,
            zone: "default",
            intervalSeconds: 60,
            modules: null,
            context: "",
            labels: {},
            enabled: true,
            ...body,
            credentialId,
          },
        ]);
        if (router === undefined) throw new Error("no router came back");
        return router;
      }),
    close: async () => {
      for (const open of Object.values(pools)) await open.end();
      await database.drop();
    },
  };
}
