import { uuidv7 } from "../lib/uuid.ts";
import type { Tenant, TenantId, TenantState, Tier } from "../tenants/tenant.ts";
import { refusing } from "./errors.ts";
import { dropTenantPartitions, makeFirstLeaves } from "./partitions.ts";
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
  parent_id: TenantId | null;
  created_at: Date;
}

const COLUMNS = "id, name, slug, tier, state, parent_id, created_at";

function tenantOf(row: TenantRow): Tenant {
  const { created_at: createdAt, parent_id: parentId, ...tenant } = row;
  return { ...tenant, parentId, createdAt };
}

export interface NewTenant {
  readonly name: string;
  readonly slug: string;
  readonly tier: Tier;
  /** The MSP it belongs to; absent or null: nobody's. */
  readonly parentId?: TenantId | null | undefined;
}

/**
 * Makes a tenant with its data key and its first partitions, all or nothing. Rejects with a StorageConflict
 * `duplicate_slug` when the slug is taken, `not_an_msp` when the parent is none that may have tenants of its own.
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
        `insert into tenants (id, name, slug, tier, parent_id, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $6) returning ${COLUMNS}`,
        [id, tenant.name, tenant.slug, tenant.tier, tenant.parentId ?? null, now],
      );
      await createDataKey(client, id, masterKey, now);
      await makeFirstLeaves(client, { id, tier: tenant.tier }, now);
      return tenantOf(onlyRow(rows));
    }),
  );
}

/** A page of tenants, oldest first; with `parentId` those of that MSP alone. */
export async function listTenants(
  pool: Queryable,
  page: PageRequest & { readonly parentId?: TenantId | undefined },
): Promise<Tenant[]> {
  const { rows } = await pool.query<TenantRow>(
    `select ${COLUMNS} from tenants
     where ($1::uuid is null or id > $1) and ($2::uuid is null or parent_id = $2) order by id limit $3`,
    [page.after ?? null, page.parentId ?? null, page.limit],
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

export interface TenantChange {
  readonly name?: string | undefined;
  readonly tier?: Tier | undefined;
  /** Null: it belongs to nobody any more. */
  readonly parentId?: TenantId | null | undefined;
}

/**
 * Changes what is given; the slug never changes. Undefined when there is no such tenant. Rejects with a StorageConflict
 * `not_an_msp` when the parent is none that may have tenants of its own, `has_tenants` when an MSP would stop being one
 * while tenants belong to it.
 */
export function updateTenant(
  pool: Queryable,
  id: TenantId,
  change: TenantChange,
): Promise<Tenant | undefined> {
  return refusing(`Cannot change tenant "${id}"`, async () => {
    const { rows } = await pool.query<TenantRow>(
      `update tenants set name = coalesce($2, name), tier = coalesce($3, tier),
         parent_id = case when $4 then $5 else parent_id end, updated_at = now()
       where id = $1 returning ${COLUMNS}`,
      [
        id,
        change.name ?? null,
        change.tier ?? null,
        change.parentId !== undefined,
        change.parentId ?? null,
      ],
    );
    return rows.map(tenantOf)[0];
  });
}

/** Undefined when there is no such tenant. Rejects as `updateTenant` where an MSP with tenants would be erased. */
export function setTenantState(
  pool: Queryable,
  id: TenantId,
  state: TenantState,
): Promise<Tenant | undefined> {
  return refusing(`Cannot change the state of tenant "${id}" to ${state}`, async () => {
    const { rows } = await pool.query<TenantRow>(
      `update tenants set state = $2, updated_at = now() where id = $1 returning ${COLUMNS}`,
      [id, state],
    );
    return rows.map(tenantOf)[0];
  });
}

/**
 * Erases a tenant: its keys first, so that nobody acts for it any more, then its samples, then every row. Resolves to
 * false when there is no such tenant. After a failure, call it again: it goes on where it stopped. Samples that workers
 * still bring are refused, since their partition is gone. An MSP with tenants is left as it is: StorageConflict
 * `has_tenants`.
 */
export async function deleteTenant(pool: Pool, id: TenantId): Promise<boolean> {
  const tenant = await setTenantState(pool, id, "erasing");
  if (tenant === undefined) return false;
  await pool.query("delete from api_keys where tenant_id = $1", [id]);
  await dropTenantPartitions(pool, id);
  await withTenant(pool, id, async (client) => {
    for (const table of TENANT_ROW_TABLES) {
      await client.query(`delete from ${table} where tenant_id = $1`, [id]);
    }
    await client.query("delete from tenants where id = $1", [id]);
  });
  return true;
}

export interface TenantSchedule {
  readonly tenantId: TenantId;
  readonly slug: string;
  readonly tier: Tier;
  readonly state: TenantState;
  readonly parentId: TenantId | null;
}

/** What the scheduler weighs tenants by; every tenant, whatever its state. As fairwalk_scheduler. */
export async function tenantSchedules(pool: Queryable): Promise<TenantSchedule[]> {
  const { rows } = await pool.query<
    Pick<TenantRow, "id" | "slug" | "tier" | "state" | "parent_id">
  >("select id, slug, tier, state, parent_id from tenants order by id");
  return rows.map(({ id, parent_id: parentId, ...rest }) => ({ tenantId: id, parentId, ...rest }));
}
