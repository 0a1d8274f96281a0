import { setTimeout as delay } from "node:timers/promises";
import { uuidv7 } from "../lib/uuid.ts";
import type { Tenant, TenantId, TenantState, Tier } from "../tenants/tenant.ts";
import { refusing, sqlStateOf } from "./errors.ts";
import { makeLeaves, missingLeaves } from "./partitions.ts";
import { type Pool, type Queryable, withTenant } from "./pool.ts";
import { onlyRow, type PageRequest } from "./rows.ts";
import { createDataKey } from "./tenant-keys.ts";
import { TENANT_ROW_TABLES } from "./tenant-tables.ts";

/** Tenants, as the platform administers them: pools here act as fairwalk_platform unless a function says otherwise. */

interface TenantRow {
  id: TenantId;
  name: string;
  slug: string;
  tier: Tier;
  state: TenantState;
  created_at: Date;
}

const COLUMNS = "id, name, slug, tier, state, created_at";

function tenantOf(row: TenantRow): Tenant {
  const { created_at: createdAt, ...tenant } = row;
  return { ...tenant, createdAt };
}

export interface NewTenant {
  readonly name: string;
  readonly slug: string;
  readonly tier: Tier;
}

/**
 * Makes a tenant with its data key and its first partitions, all or nothing. Rejects with a StorageConflict
 * `duplicate_slug` when the slug is taken.
 */
export function createTenant(
  pool: Pool,
  tenant: NewTenant,
  masterKey: Uint8Array,
  now: Date,
): Promise<Tenant> {
  const id = uuidv7(now.getTime()) as TenantId; // This is where tenants' ids come from.
  return refusing(`Cannot create tenant "${tenant.slug}"`, () =>
    withTenant(pool, id, async (client) => {
      const { rows } = await client.query<TenantRow>(
        `insert into tenants (id, name, slug, tier, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $5) returning ${COLUMNS}`,
        [id, tenant.name, tenant.slug, tenant.tier, now],
      );
      await createDataKey(client, id, masterKey, now);
      await makeLeaves(client, id, missingLeaves(tenant.tier, now.getTime(), undefined));
      return tenantOf(onlyRow(rows));
    }),
  );
}

/** A page of tenants, oldest first. */
export async function listTenants(pool: Queryable, page: PageRequest): Promise<Tenant[]> {
  const { rows } = await pool.query<TenantRow>(
    `select ${COLUMNS} from tenants where $1::uuid is null or id > $1 order by id limit $2`,
    [page.after ?? null, page.limit],
  );
  return rows.map(tenantOf);
}

export async function tenantById(pool: Queryable, id: TenantId): Promise<Tenant | undefined> {
  const { rows } = await pool.query<TenantRow>(`select ${COLUMNS} from tenants where id = $1`, [
    id,
  ]);
  return rows.map(tenantOf)[0];
}

export async function tenantBySlug(pool: Queryable, slug: string): Promise<Tenant | undefined> {
  const { rows } = await pool.query<TenantRow>(`select ${COLUMNS} from tenants where slug = $1`, [
    slug,
  ]);
  return rows.map(tenantOf)[0];
}

/** Changes what is given; the slug never changes. Undefined when there is no such tenant. */
export function updateTenant(
  pool: Queryable,
  id: TenantId,
  change: { readonly name?: string | undefined; readonly tier?: Tier | undefined },
): Promise<Tenant | undefined> {
  return refusing(`Cannot change tenant "${id}"`, async () => {
    const { rows } = await pool.query<TenantRow>(
      `update tenants set name = coalesce($2, name), tier = coalesce($3, tier), updated_at = now()
       where id = $1 returning ${COLUMNS}`,
      [id, change.name ?? null, change.tier ?? null],
    );
    return rows.map(tenantOf)[0];
  });
}

/** Undefined when there is no such tenant. */
export async function setTenantState(
  pool: Queryable,
  id: TenantId,
  state: TenantState,
): Promise<Tenant | undefined> {
  const { rows } = await pool.query<TenantRow>(
    `update tenants set state = $2, updated_at = now() where id = $1 returning ${COLUMNS}`,
    [id, state],
  );
  return rows.map(tenantOf)[0];
}

/** How often a partition that is being read or written is tried again before erasure gives up. */
const DROP_ATTEMPTS_MAX = 20;

/**
 * How long one try may hold up queries that queue behind it, and how long they get in between. Dropping a tenant's part
 * locks `samples` as a whole for a moment.
 */
const DROP_LOCK_WAIT_MS = 500;
const DROP_PAUSE_MS = 250;

const LOCK_NOT_AVAILABLE = "55P03";

/**
 * Erases a tenant: its keys first, so that nobody acts for it any more, then its samples, then every row. Resolves to
 * false when there is no such tenant. After a failure, call it again: it goes on where it stopped. Samples that workers
 * still bring are refused, since their partition is gone.
 */
export async function deleteTenant(pool: Pool, id: TenantId): Promise<boolean> {
  const tenant = await setTenantState(pool, id, "erasing");
  if (tenant === undefined) return false;
  await pool.query("delete from api_keys where tenant_id = $1", [id]);
  await dropPartitions(pool, id);
  await withTenant(pool, id, async (client) => {
    for (const table of TENANT_ROW_TABLES) {
      await client.query(`delete from ${table} where tenant_id = $1`, [id]);
    }
    await client.query("delete from tenants where id = $1", [id]);
  });
  return true;
}

async function dropPartitions(pool: Pool, id: TenantId): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await withTenant(pool, id, async (client) => {
        await client.query(`set local lock_timeout = ${DROP_LOCK_WAIT_MS}`);
        await client.query("select fairwalk_drop_partitions($1)", [id]);
      });
    } catch (error) {
      if (sqlStateOf(error) !== LOCK_NOT_AVAILABLE || attempt === DROP_ATTEMPTS_MAX) throw error;
      await delay(DROP_PAUSE_MS);
    }
  }
}

export interface TenantSchedule {
  readonly tenantId: TenantId;
  readonly slug: string;
  readonly tier: Tier;
  readonly state: TenantState;
}

/** What the scheduler weighs tenants by; every tenant, whatever its state. As fairwalk_scheduler. */
export async function tenantSchedules(pool: Queryable): Promise<TenantSchedule[]> {
  const { rows } = await pool.query<{ id: TenantId; slug: string; tier: Tier; state: TenantState }>(
    "select id, slug, tier, state from tenants order by id",
  );
  return rows.map(({ id, ...rest }) => ({ tenantId: id, ...rest }));
}
