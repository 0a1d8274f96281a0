import type { Interface, RouterId } from "../routers/router.ts";
import { refusing } from "./errors.ts";
import type { TenantClient } from "./pool.ts";
import { storableText } from "./storable-text.ts";

/** Interfaces of routers, as last read. */

export interface StoredInterface extends Interface {
  readonly firstSeenAt: Date;
  /** To the hour. */
  readonly lastSeenAt: Date;
}

interface InterfaceRow {
  if_index: number;
  if_name: string | null;
  if_descr: string | null;
  if_alias: string | null;
  if_type: number | null;
  if_phys_address: string | null;
  first_seen_at: Date;
  last_seen_at: Date;
}

/**
 * Stores the interfaces a router listed in full: those it no longer lists are taken for removed. What has not changed is
 * written at most once an hour. Rejects with a StorageConflict `unknown_router` when the router is gone.
 */
export function saveInterfaces(
  client: TenantClient,
  routerId: RouterId,
  interfaces: readonly Interface[],
  seenAt: Date,
): Promise<void> {
  const rows = interfaces.map((one) => ({
    if_index: one.ifIndex,
    if_name: textOrNull(one.ifName),
    if_descr: textOrNull(one.ifDescr),
    if_alias: textOrNull(one.ifAlias),
    if_type: one.ifType ?? null,
    if_phys_address: textOrNull(one.ifPhysAddress),
  }));
  return refusing(`Cannot store the interfaces of router "${routerId}"`, async () => {
    await client.query(
      `insert into interfaces as i (tenant_id, router_id, if_index, if_name, if_descr, if_alias, if_type,
         if_phys_address, first_seen_at, last_seen_at)
       select distinct on (b.if_index) $1::uuid, $2::uuid, b.*, $4::timestamptz, $4::timestamptz
       from jsonb_to_recordset($3) as b
         (if_index integer, if_name text, if_descr text, if_alias text, if_type integer, if_phys_address text)
       on conflict (tenant_id, router_id, if_index) do update set
         if_name = excluded.if_name, if_descr = excluded.if_descr, if_alias = excluded.if_alias,
         if_type = excluded.if_type, if_phys_address = excluded.if_phys_address,
         last_seen_at = excluded.last_seen_at, removed_at = null
       where i.removed_at is not null or i.last_seen_at < excluded.last_seen_at - interval '1 hour'
         or (i.if_name, i.if_descr, i.if_alias, i.if_type, i.if_phys_address) is distinct from
            (excluded.if_name, excluded.if_descr, excluded.if_alias, excluded.if_type, excluded.if_phys_address)`,
      [client.tenantId, routerId, JSON.stringify(rows), seenAt],
    );
    await client.query(
      `update interfaces set removed_at = $4
       where tenant_id = $1 and router_id = $2 and removed_at is null and if_index <> all ($3::integer[])`,
      [client.tenantId, routerId, interfaces.map(({ ifIndex }) => ifIndex), seenAt],
    );
  });
}

/** The interfaces the router listed last, by ifIndex. */
export async function listInterfaces(
  client: TenantClient,
  routerId: RouterId,
): Promise<StoredInterface[]> {
  const { rows } = await client.query<InterfaceRow>(
    `select if_index, if_name, if_descr, if_alias, if_type, if_phys_address, first_seen_at, last_seen_at
     from interfaces where tenant_id = $1 and router_id = $2 and removed_at is null order by if_index`,
    [client.tenantId, routerId],
  );
  return rows.map((row) => ({
    ifIndex: row.if_index,
    ...(row.if_name === null ? {} : { ifName: row.if_name }),
    ...(row.if_descr === null ? {} : { ifDescr: row.if_descr }),
    ...(row.if_alias === null ? {} : { ifAlias: row.if_alias }),
    ...(row.if_type === null ? {} : { ifType: row.if_type }),
    ...(row.if_phys_address === null ? {} : { ifPhysAddress: row.if_phys_address }),
    firstSeenAt: row.first_seen_at,
    lastSeenAt: row.last_seen_at,
  }));
}

function textOrNull(text: string | undefined): string | null {
  return text === undefined ? null : storableText(text);
}
