import { createHash } from "node:crypto";
import type { Discovery, InventoryDocuments, ReadDocument } from "../routers/inventory.ts";
import type { RouterId } from "../routers/router.ts";
import { refusing } from "./errors.ts";
import { saveObservations } from "./neighbour-observations.ts";
import type { TenantClient } from "./pool.ts";
import { storableJson } from "./storable-text.ts";

/** Inventories: what routers are made of and whom they know, one document a router and section. */

/** The section that says how the others were read; never shown. */
const DISCOVERY = "discovery";

export interface StoredInventory {
  readonly documents: Partial<InventoryDocuments>;
  /** When the section was read last, by its name. */
  readonly readAt: Readonly<Partial<Record<keyof InventoryDocuments, Date>>>;
}

/**
 * Stores what was read of a router's inventory, and how, and what it says of others with its history. A document that is
 * as before is not written again; a part never replaces a whole. Rejects with a StorageConflict `unknown_router` when the
 * router is gone.
 */
export async function saveInventory(
  client: TenantClient,
  routerId: RouterId,
  { documents, discovery }: { documents: readonly ReadDocument[]; discovery: Discovery },
  readAt: Date,
): Promise<void> {
  const rows = [
    ...documents.map(({ section, document, isComplete }) => ({ section, isComplete, document })),
    { section: DISCOVERY, isComplete: true, document: discovery },
  ].map(({ section, isComplete, document }) => ({
    section,
    is_complete: isComplete,
    document,
    digest: `\\x${createHash("sha256").update(JSON.stringify(document)).digest("hex")}`,
  }));
  await refusing(`Cannot store the inventory of router "${routerId}"`, async () => {
    await saveObservations(client, routerId, documents, readAt);
    await client.query(
      `insert into inventories as i
         (tenant_id, router_id, section, document, digest, is_complete, read_at, changed_at)
       select $1::uuid, $2::uuid, b.section, b.document, b.digest, b.is_complete, $4::timestamptz, $4::timestamptz
       from jsonb_to_recordset($3) as b (section text, document jsonb, digest bytea, is_complete boolean)
       on conflict (tenant_id, router_id, section) do update set
         document = case when i.digest = excluded.digest then i.document else excluded.document end,
         changed_at = case when i.digest = excluded.digest then i.changed_at else excluded.changed_at end,
         digest = excluded.digest, is_complete = excluded.is_complete, read_at = excluded.read_at
       where excluded.is_complete or not i.is_complete`,
      [client.tenantId, routerId, storableJson(rows), readAt],
    );
  });
}

/** The documents of a router; sections that were never read are missing. */
export async function inventoryOf(
  client: TenantClient,
  routerId: RouterId,
): Promise<StoredInventory> {
  const { rows } = await client.query<{ section: string; document: unknown; read_at: Date }>(
    `select section, document, read_at from inventories
     where tenant_id = $1 and router_id = $2 and section <> $3`,
    [client.tenantId, routerId, DISCOVERY],
  );
  return {
    // The cast: the documents are those that saveInventory took.
    documents: Object.fromEntries(rows.map(({ section, document }) => [section, document])),
    readAt: Object.fromEntries(rows.map(({ section, read_at: readAt }) => [section, readAt])),
  };
}

/** One section of all of the tenant's routers, by router: what is computed over a whole network reads it. */
export async function inventorySections<Section extends keyof InventoryDocuments>(
  client: TenantClient,
  section: Section,
): Promise<ReadonlyMap<RouterId, { document: InventoryDocuments[Section]; readAt: Date }>> {
  const { rows } = await client.query<{
    router_id: RouterId;
    document: InventoryDocuments[Section];
    read_at: Date;
  }>(`select router_id, document, read_at from inventories where tenant_id = $1 and section = $2`, [
    client.tenantId,
    section,
  ]);
  return new Map(
    rows.map(({ router_id: id, document, read_at: readAt }) => [id, { document, readAt }]),
  );
}

/** How the router's inventory was read last, by any worker. */
export async function discoveryOf(
  client: TenantClient,
  routerId: RouterId,
): Promise<Discovery | undefined> {
  const { rows } = await client.query<{ document: Discovery }>(
    `select document from inventories where tenant_id = $1 and router_id = $2 and section = $3`,
    [client.tenantId, routerId, DISCOVERY],
  );
  return rows[0]?.document;
}
