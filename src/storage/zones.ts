import { uuidv7 } from "../lib/uuid.ts";
import { refusing, StorageConflict } from "./errors.ts";
import type { Queryable, TenantClient } from "./pool.ts";
import { onlyRow, type PageRequest } from "./rows.ts";

/** Zones: the platform's shared ones, which every tenant may use, and each tenant's own. */

export interface Zone {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
}

/** A zone a tenant may put routers in. `zoneKey` names it on the whole platform: its queue, its leader. */
export interface UsableZone {
  readonly name: string;
  readonly zoneKey: string;
  /** Null: shared. */
  readonly id: string | null;
}

interface ZoneRow {
  id: string;
  name: string;
  created_at: Date;
}

function zoneOf({ id, name, created_at: createdAt }: ZoneRow): Zone {
  return { id, name, createdAt };
}

/** Rejects with a StorageConflict `duplicate_name` when the tenant or the platform has a zone of that name. */
export function createZone(client: TenantClient, body: { readonly name: string }): Promise<Zone> {
  const action = `Cannot create zone "${body.name}"`;
  return refusing(action, async () => {
    const { rows } = await client.query<ZoneRow>(
      `insert into zones (tenant_id, id, name, created_at)
       select $1, $2, $3, now() where not exists (select from shared_zones where name = $3)
       returning id, name, created_at`,
      [client.tenantId, uuidv7(), body.name],
    );
    if (rows.length === 0) {
      throw new StorageConflict(
        "duplicate_name",
        "shared_zones_pkey",
        `${action}: a shared zone has that name`,
      );
    }
    return zoneOf(onlyRow(rows));
  });
}

/** A page of the tenant's own zones, oldest first. */
export async function listZones(client: TenantClient, page: PageRequest): Promise<Zone[]> {
  const { rows } = await client.query<ZoneRow>(
    `select id, name, created_at from zones
     where tenant_id = $1 and ($2::uuid is null or id > $2) order by id limit $3`,
    [client.tenantId, page.after ?? null, page.limit],
  );
  return rows.map(zoneOf);
}

export async function zoneById(client: TenantClient, id: string): Promise<Zone | undefined> {
  const { rows } = await client.query<ZoneRow>(
    "select id, name, created_at from zones where tenant_id = $1 and id = $2",
    [client.tenantId, id],
  );
  return rows.map(zoneOf)[0];
}

/** False when the tenant has no such zone. Rejects with a StorageConflict `in_use` while a router is in it. */
export function deleteZone(client: TenantClient, id: string): Promise<boolean> {
  return refusing(`Cannot delete zone "${id}"`, async () => {
    const { rowCount } = await client.query("delete from zones where tenant_id = $1 and id = $2", [
      client.tenantId,
      id,
    ]);
    return rowCount === 1;
  });
}

/** Every zone the tenant may put routers in: its own and the shared ones. */
export async function usableZones(client: TenantClient): Promise<UsableZone[]> {
  const { rows } = await client.query<{ id: string | null; name: string; zone_key: string }>(
    `select z.id, z.name, t.slug || '.' || z.name as zone_key
     from zones z join tenants t on t.id = z.tenant_id where z.tenant_id = $1
     union all
     select null, s.name, s.name from shared_zones s
     where not exists (select from zones z where z.tenant_id = $1 and z.name = s.name)
     order by name`,
    [client.tenantId],
  );
  return rows.map(({ id, name, zone_key: zoneKey }) => ({ id, name, zoneKey }));
}

/** Makes the shared zones of the configuration, in addition to those there are. As fairwalk_platform. */
export async function saveSharedZones(pool: Queryable, names: readonly string[]): Promise<void> {
  await pool.query(
    "insert into shared_zones (name) select unnest($1::text[]) on conflict do nothing",
    [names],
  );
}
