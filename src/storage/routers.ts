import { uuidv7 } from "../lib/uuid.ts";
import type { Router, RouterId, ScheduledRouter } from "../routers/router.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { refusing, StorageConflict } from "./errors.ts";
import type { Queryable, TenantClient } from "./pool.ts";
import type { PageRequest } from "./rows.ts";
import { type UsableZone, usableZones } from "./zones.ts";

/** Routers: registered by tenants, read across tenants by the scheduler (when and for whom, nothing else). */

export interface StoredRouter extends Router {
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What a tenant says of a router. */
export type RouterBody = Omit<Router, "id" | "tenantId">;

export interface RouterRow {
  id: RouterId;
  tenant_id: TenantId;
  name: string;
  address: string;
  port: number;
  context: string;
  zone: string;
  credential_id: string;
  interval_seconds: number;
  modules: string[] | null;
  labels: Record<string, string>;
  enabled: boolean;
  created_at: Date;
  updated_at: Date;
}

export const ROUTER_COLUMNS = `r.id, r.tenant_id, r.name, host(r.address) as address, r.port, r.context, r.zone,
  r.credential_id, r.interval_seconds, r.modules, r.labels, r.enabled, r.created_at, r.updated_at`;

export function routerOf(row: RouterRow): StoredRouter {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    name: row.name,
    address: row.address,
    port: row.port,
    context: row.context,
    zone: row.zone,
    credentialId: row.credential_id,
    intervalSeconds: row.interval_seconds,
    modules: row.modules,
    labels: row.labels,
    enabled: row.enabled,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/**
 * Registers routers, all or none, and resolves to them in the order given. Rejects with a StorageConflict:
 * `duplicate_address` (zone, address, port and context are another's), `duplicate_name`, `unknown_credential`,
 * `unknown_zone`.
 */
export function insertRouters(
  client: TenantClient,
  bodies: readonly RouterBody[],
): Promise<StoredRouter[]> {
  return refusing("Cannot register the routers", async () => {
    const zones = await zonesByName(client);
    const rows = bodies.map((body) => ({ id: uuidv7(), ...columnsOf(body, zones) }));
    const answer = await client.query<RouterRow>(
      `insert into routers as r (tenant_id, id, name, address, port, context, zone, zone_key, zone_id,
         credential_id, interval_seconds, modules, labels, enabled, created_at, updated_at)
       select $1, b.id, b.name, b.address, b.port, b.context, b.zone, b.zone_key, b.zone_id,
         b.credential_id, b.interval_seconds, b.modules, b.labels, b.enabled, now(), now()
       from jsonb_to_recordset($2) as b (id uuid, name text, address inet, port integer, context text, zone text,
         zone_key text, zone_id uuid, credential_id uuid, interval_seconds integer, modules text[], labels jsonb,
         enabled boolean)
       returning ${ROUTER_COLUMNS}`,
      [client.tenantId, JSON.stringify(rows)],
    );
    const byId = new Map(answer.rows.map((row) => [row.id as string, routerOf(row)]));
    return rows.flatMap(({ id }) => byId.get(id) ?? []);
  });
}

/** Changes what is given. Undefined when the tenant has no such router; rejects as `insertRouters`. */
export function updateRouter(
  client: TenantClient,
  id: RouterId,
  change: { readonly [Key in keyof RouterBody]?: RouterBody[Key] | undefined },
): Promise<StoredRouter | undefined> {
  return refusing(`Cannot change router "${id}"`, async () => {
    const present = await client.query<RouterRow>(
      `select ${ROUTER_COLUMNS} from routers r where r.tenant_id = $1 and r.id = $2 for update`,
      [client.tenantId, id],
    );
    const row = present.rows[0];
    if (row === undefined) return undefined;
    const columns = columnsOf(changed(routerOf(row), change), await zonesByName(client));
    const { rows } = await client.query<RouterRow>(
      `update routers r set name = $3, address = $4, port = $5, context = $6, zone = $7, zone_key = $8, zone_id = $9,
         credential_id = $10, interval_seconds = $11, modules = $12, labels = $13, enabled = $14, updated_at = now()
       where r.tenant_id = $1 and r.id = $2 returning ${ROUTER_COLUMNS}`,
      [
        client.tenantId,
        id,
        columns.name,
        columns.address,
        columns.port,
        columns.context,
        columns.zone,
        columns.zone_key,
        columns.zone_id,
        columns.credential_id,
        columns.interval_seconds,
        columns.modules,
        JSON.stringify(columns.labels),
        columns.enabled,
      ],
    );
    return rows.map(routerOf)[0];
  });
}

/** Its interfaces and texts go with it; its samples stay until retention drops them. False when there is none. */
export async function deleteRouter(client: TenantClient, id: RouterId): Promise<boolean> {
  const { rowCount } = await client.query("delete from routers where tenant_id = $1 and id = $2", [
    client.tenantId,
    id,
  ]);
  return rowCount === 1;
}

export async function routerById(
  client: TenantClient,
  id: RouterId,
): Promise<StoredRouter | undefined> {
  const { rows } = await client.query<RouterRow>(
    `select ${ROUTER_COLUMNS} from routers r where r.tenant_id = $1 and r.id = $2`,
    [client.tenantId, id],
  );
  return rows.map(routerOf)[0];
}

/** What a list of routers may be narrowed by; all that are given must hold. */
export interface RouterFilters {
  readonly name?: string | undefined;
  /** Canonical text of an IPv4 or IPv6 address. */
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  readonly zone?: string | undefined;
  readonly credentialId?: string | undefined;
  readonly enabled?: boolean | undefined;
  /** Labels the router must have, with these values. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** In the name or the address, whatever the case of letters. */
  readonly search?: string | undefined;
}

/** A page of the tenant's routers, oldest first. */
export async function listRouters(
  client: TenantClient,
  page: PageRequest & { readonly filters?: RouterFilters | undefined },
): Promise<StoredRouter[]> {
  const filters = page.filters ?? {};
  const { rows } = await client.query<RouterRow>(
    `select ${ROUTER_COLUMNS} from routers r
     where r.tenant_id = $1
       and ($2::uuid is null or r.id > $2)
       and ($3::text is null or r.name = $3)
       and ($4::inet is null or r.address = $4)
       and ($5::integer is null or r.port = $5)
       and ($6::text is null or r.zone = $6)
       and ($7::uuid is null or r.credential_id = $7)
       and ($8::boolean is null or r.enabled = $8)
       and ($9::jsonb is null or r.labels @> $9)
       and ($10::text is null or strpos(lower(r.name), lower($10)) > 0 or strpos(host(r.address), lower($10)) > 0)
     order by r.id limit $11`,
    [
      client.tenantId,
      page.after ?? null,
      filters.name ?? null,
      filters.address ?? null,
      filters.port ?? null,
      filters.zone ?? null,
      filters.credentialId ?? null,
      filters.enabled ?? null,
      filters.labels === undefined ? null : JSON.stringify(filters.labels),
      filters.search ?? null,
      page.limit,
    ],
  );
  return rows.map(routerOf);
}

export async function countRouters(client: TenantClient): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    "select count(*)::integer as count from routers where tenant_id = $1",
    [client.tenantId],
  );
  return rows[0]?.count ?? 0;
}

/** Asks for a poll as soon as may be; the change feed tells the scheduler. False when the tenant has no such router. */
export async function requestPoll(client: TenantClient, id: RouterId, now: Date): Promise<boolean> {
  const { rowCount } = await client.query(
    "update routers set poll_requested_at = $3 where tenant_id = $1 and id = $2",
    [client.tenantId, id, now],
  );
  return rowCount === 1;
}

export interface PlannedRouter extends ScheduledRouter {
  readonly zoneKey: string;
  /** When a tenant last asked for a poll out of turn; null: never. Milliseconds since the Unix epoch. */
  readonly pollRequestedAtMs: number | null;
}

interface PlannedRouterRow {
  id: RouterId;
  tenant_id: TenantId;
  zone_key: string;
  interval_seconds: number;
  poll_requested_at: Date | null;
}

function plannedRouterOf(row: PlannedRouterRow): PlannedRouter {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    zoneKey: row.zone_key,
    intervalSeconds: row.interval_seconds,
    pollRequestedAtMs: row.poll_requested_at?.getTime() ?? null,
  };
}

// What the scheduler plans with: enabled routers of active tenants.
const PLANNED_ROUTERS = `select r.id, r.tenant_id, r.zone_key, r.interval_seconds, r.poll_requested_at
  from routers r join tenants t on t.id = r.tenant_id
  where r.enabled and t.state = 'active'`;

/** Routers to poll in a zone, of all tenants. As fairwalk_scheduler. */
export async function routersOfZone(pool: Queryable, zoneKey: string): Promise<PlannedRouter[]> {
  const { rows } = await pool.query<PlannedRouterRow>(`${PLANNED_ROUTERS} and r.zone_key = $1`, [
    zoneKey,
  ]);
  return rows.map(plannedRouterOf);
}

/** Routers to poll of one tenant, in all zones; none when it is not active. As fairwalk_scheduler. */
export async function routersOfTenant(
  pool: Queryable,
  tenantId: TenantId,
): Promise<PlannedRouter[]> {
  const { rows } = await pool.query<PlannedRouterRow>(`${PLANNED_ROUTERS} and r.tenant_id = $1`, [
    tenantId,
  ]);
  return rows.map(plannedRouterOf);
}

/** Zones with routers to poll. As fairwalk_scheduler. */
export async function zoneKeys(pool: Queryable): Promise<string[]> {
  const { rows } = await pool.query<{ zone_key: string }>(
    `select distinct zone_key from (${PLANNED_ROUTERS}) planned order by zone_key`,
  );
  return rows.map(({ zone_key }) => zone_key);
}

async function zonesByName(client: TenantClient): Promise<ReadonlyMap<string, UsableZone>> {
  return new Map((await usableZones(client)).map((zone) => [zone.name, zone]));
}

function columnsOf(body: RouterBody, zones: ReadonlyMap<string, UsableZone>) {
  const zone = zones.get(body.zone);
  if (zone === undefined) {
    throw new StorageConflict(
      "unknown_zone",
      "routers_zone_fkey",
      `Cannot place router "${body.name}": there is no zone "${body.zone}"`,
    );
  }
  return {
    name: body.name,
    address: body.address,
    port: body.port,
    context: body.context,
    zone: body.zone,
    zone_key: zone.zoneKey,
    zone_id: zone.id,
    credential_id: body.credentialId,
    interval_seconds: body.intervalSeconds,
    modules: body.modules,
    labels: body.labels,
    enabled: body.enabled,
  };
}

function changed(
  present: RouterBody,
  change: { readonly [Key in keyof RouterBody]?: RouterBody[Key] | undefined },
): RouterBody {
  const given = Object.entries(change).filter(([, value]) => value !== undefined);
  return { ...present, ...Object.fromEntries(given) };
}
