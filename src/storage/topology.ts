import type { AggregateMember, InventorySystem, IpAddress } from "../routers/inventory.ts";
import type { RouterId } from "../routers/router.ts";
import { type ObservationKind, SECTION_OF_KIND } from "../topology/observations.ts";
import type { RouterFacts, SeenObservation } from "../topology/observe.ts";
import type { TenantClient } from "./pool.ts";

/** What topology is computed from, read for all of a tenant's routers at once. */

/** Of one router. A table of subscribers' interfaces is far longer, and no cable ends there. */
export const INTERFACES_MAX = 4_000;
const ADDRESSES_MAX = 4_000;

/** Entities of the class `chassis` (RFC 6933) have the serial number a router names itself by. */
const CHASSIS_SERIALS = "$[*] ? (@.class == 3).serialNum";

export interface StoredRouterFacts extends RouterFacts {
  readonly intervalSeconds: number;
}

interface RouterRow {
  readonly id: RouterId;
  readonly name: string;
  readonly zone: string;
  readonly address: string;
  readonly interval_seconds: number;
  readonly system: InventorySystem | null;
  readonly addresses: readonly IpAddress[] | null;
  readonly serial_numbers: readonly string[] | null;
  readonly aggregates: readonly AggregateMember[] | null;
}

interface InterfaceRow {
  readonly router_id: RouterId;
  readonly if_index: number;
  readonly if_name: string | null;
  readonly if_descr: string | null;
  readonly if_alias: string | null;
  readonly if_phys_address: string | null;
}

/** The tenant's routers, those of one zone where it is given, as they are now. */
export async function routersOfTopology(
  client: TenantClient,
  zone: string | undefined,
): Promise<StoredRouterFacts[]> {
  const routers = await client.query<RouterRow>(
    `select r.id, r.name, r.zone, host(r.address) as address, r.interval_seconds,
       s.document as system,
       jsonb_path_query_array(a.document, '$[0 to ${ADDRESSES_MAX - 1}]') as addresses,
       jsonb_path_query_array(e.document, '${CHASSIS_SERIALS}') as serial_numbers,
       g.document as aggregates
     from routers r
     left join inventories s on s.tenant_id = r.tenant_id and s.router_id = r.id and s.section = 'system'
     left join inventories a on a.tenant_id = r.tenant_id and a.router_id = r.id and a.section = 'ipAddresses'
     left join inventories e on e.tenant_id = r.tenant_id and e.router_id = r.id and e.section = 'entities'
     left join inventories g on g.tenant_id = r.tenant_id and g.router_id = r.id and g.section = 'aggregates'
     where r.tenant_id = $1 and ($2::text is null or r.zone = $2)
     order by r.id`,
    [client.tenantId, zone ?? null],
  );
  const interfaces = await client.query<InterfaceRow>(
    `select r.id as router_id, i.*
     from routers r
     cross join lateral (
       select if_index, if_name, if_descr, if_alias, if_phys_address from interfaces
       where tenant_id = r.tenant_id and router_id = r.id and removed_at is null
       order by if_index limit ${INTERFACES_MAX}) i
     where r.tenant_id = $1 and ($2::text is null or r.zone = $2)`,
    [client.tenantId, zone ?? null],
  );
  const interfacesOf = new Map<RouterId, RouterFacts["interfaces"][number][]>();
  for (const row of interfaces.rows) {
    const own = interfacesOf.get(row.router_id);
    if (own === undefined) interfacesOf.set(row.router_id, [interfaceOf(row)]);
    else own.push(interfaceOf(row));
  }
  return routers.rows.map((row) => ({
    id: row.id,
    name: row.name,
    zone: row.zone,
    address: row.address,
    intervalSeconds: row.interval_seconds,
    system: row.system ?? {},
    addresses: row.addresses ?? [],
    serialNumbers: row.serial_numbers ?? [],
    interfaces: interfacesOf.get(row.id) ?? [],
    aggregates: row.aggregates ?? [],
  }));
}

function interfaceOf(row: InterfaceRow): RouterFacts["interfaces"][number] {
  return {
    ifIndex: row.if_index,
    ...(row.if_name !== null && { ifName: row.if_name }),
    ...(row.if_descr !== null && { ifDescr: row.if_descr }),
    ...(row.if_alias !== null && { ifAlias: row.if_alias }),
    ...(row.if_phys_address !== null && { ifPhysAddress: row.if_phys_address }),
  };
}

interface ObservationRow {
  readonly router_id: RouterId;
  readonly kind: ObservationKind;
  readonly key: string;
  readonly facts: SeenObservation["facts"];
  readonly first_seen_at: Date;
  readonly last_seen_at: Date;
}

export interface ObservationsAsked {
  readonly at: Date;
  /** Nothing that was seen later than this counts as seen. */
  readonly seenUntil: Date;
  readonly kinds: readonly ObservationKind[];
  readonly zone: string | undefined;
  readonly limit: number;
}

/**
 * What routers said of others at a time, by router: of what is present, the last complete reading of its section is the
 * last time it was seen. At most `limit` of them in all.
 */
export async function observationsAt(
  client: TenantClient,
  { at, seenUntil, kinds, zone, limit }: ObservationsAsked,
): Promise<ReadonlyMap<RouterId, SeenObservation[]>> {
  const { rows } = await client.query<ObservationRow>(
    `select o.router_id, o.kind, o.key, o.facts, o.first_seen_at,
       least($3::timestamptz, greatest(o.last_seen_at, case when o.gone_at is null then i.read_at end)) as last_seen_at
     from neighbour_observations o
     join routers r on r.tenant_id = o.tenant_id and r.id = o.router_id
     left join inventories i
       on i.tenant_id = o.tenant_id and i.router_id = o.router_id and i.is_complete and i.section = $4::jsonb ->> o.kind
     where o.tenant_id = $1 and o.valid_from <= $2 and (o.gone_at is null or o.gone_at > $2)
       and o.kind = any ($5) and ($6::text is null or r.zone = $6)
     order by o.router_id, o.kind, o.key collate "C"
     limit $7`,
    [client.tenantId, at, seenUntil, JSON.stringify(SECTION_OF_KIND), kinds, zone ?? null, limit],
  );
  const byRouter = new Map<RouterId, SeenObservation[]>();
  for (const { router_id: routerId, kind, key, facts, ...times } of rows) {
    const { first_seen_at: firstSeenAt, last_seen_at: lastSeenAt } = times;
    // The cast: facts are those that were stored with their kind.
    const observation = { kind, key, facts, firstSeenAt, lastSeenAt } as SeenObservation;
    const own = byRouter.get(routerId);
    if (own === undefined) byRouter.set(routerId, [observation]);
    else own.push(observation);
  }
  return byRouter;
}
