import type { InventoryDocuments, ReadDocument } from "../routers/inventory.ts";
import type { RouterId } from "../routers/router.ts";
import {
  type KnownObservation,
  type Observation,
  type ObservationKind,
  observationChanges,
  observationsOf,
  SECTION_OF_KIND,
} from "../topology/observations.ts";
import type { TenantClient } from "./pool.ts";
import { storableJson } from "./storable-text.ts";

/** What routers said of their neighbours and peers, and from when until when they said so. */

const DAY_MS = 86_400_000;

/** How long what is gone stays to be asked for. */
export const GONE_KEPT_MS = 400 * DAY_MS;

/** A router whose neighbours never rest keeps the newest of those that are gone. */
const GONE_ROWS_MAX = 10_000;

const KINDS = Object.keys(SECTION_OF_KIND) as ObservationKind[];

interface KnownRow {
  readonly kind: ObservationKind;
  readonly key: string;
  readonly facts: Observation["facts"];
  readonly first_seen_at: Date;
}

/**
 * Keeps what a reading of the router's inventory says of others, before the inventory itself is saved: the present one
 * tells how long the old observations were confirmed. Writes what has changed alone.
 */
export async function saveObservations(
  client: TenantClient,
  routerId: RouterId,
  documents: readonly ReadDocument[],
  readAt: Date,
): Promise<void> {
  const bySection: Partial<InventoryDocuments> = Object.fromEntries(
    documents.map(({ section, document }) => [section, document]),
  );
  const listed = KINDS.flatMap((kind) => {
    const observations = observationsOf(kind, bySection);
    if (observations === undefined) return [];
    // As Postgres will give it back: what it cannot store must not look like a change at every reading.
    const stored = JSON.parse(storableJson(observations)) as Observation[];
    const own = documents.find(({ section }) => section === SECTION_OF_KIND[kind]);
    return [{ kind, observations: stored, isComplete: own?.isComplete === true }];
  });
  if (listed.length === 0) return;

  const known = await presentObservations(
    client,
    routerId,
    listed.map(({ kind }) => kind),
  );
  const changes = listed.map(({ kind, observations, isComplete }) => ({
    isComplete,
    ...observationChanges(
      known.filter((one) => one.kind === kind),
      observations,
      { isComplete, readAt },
    ),
  }));
  const closed = changes.flatMap((it) => it.closed);
  const opened = changes.flatMap((it) => it.opened);
  // A complete reading proves the rest by its own time, which is saved with the inventory.
  const confirmed = changes.flatMap((it) => (it.isComplete ? [] : it.confirmed));
  if (closed.length > 0) await closeObservations(client, routerId, closed, readAt);
  if (opened.length > 0) await insertObservations(client, routerId, opened, readAt);
  if (confirmed.length > 0) await confirmObservations(client, routerId, confirmed, readAt);
  if (closed.length > 0) await forgetGone(client, routerId, readAt);
}

async function presentObservations(
  client: TenantClient,
  routerId: RouterId,
  kinds: readonly ObservationKind[],
): Promise<KnownObservation[]> {
  const { rows } = await client.query<KnownRow>(
    `select kind, key, facts, first_seen_at from neighbour_observations
     where tenant_id = $1 and router_id = $2 and kind = any ($3) and gone_at is null`,
    [client.tenantId, routerId, kinds],
  );
  return rows.map(
    ({ kind, key, facts, first_seen_at: firstSeenAt }) =>
      // The cast: facts are those that were stored with their kind.
      ({ kind, key, facts, firstSeenAt }) as KnownObservation,
  );
}

/** Sets when they were last confirmed: by the last complete reading of their section, which is still the stored one. */
async function closeObservations(
  client: TenantClient,
  routerId: RouterId,
  closed: readonly Observation[],
  readAt: Date,
): Promise<void> {
  await client.query(
    `update neighbour_observations o set
       gone_at = greatest(o.valid_from, $4::timestamptz),
       last_seen_at = greatest(o.last_seen_at, (
         select i.read_at from inventories i
         where i.tenant_id = $1 and i.router_id = $2 and i.section = b.section and i.is_complete))
     from jsonb_to_recordset($3) as b (kind text, key text, section text)
     where o.tenant_id = $1 and o.router_id = $2 and o.kind = b.kind and o.key = b.key and o.gone_at is null`,
    [client.tenantId, routerId, JSON.stringify(closed.map(placeOf)), readAt],
  );
}

async function insertObservations(
  client: TenantClient,
  routerId: RouterId,
  opened: readonly KnownObservation[],
  readAt: Date,
): Promise<void> {
  const rows = opened.map((one) => ({
    ...placeOf(one),
    facts: one.facts,
    first_seen_at: one.firstSeenAt,
  }));
  // Another worker may have read the router at the same moment: then its rows stand.
  await client.query(
    `insert into neighbour_observations
       (tenant_id, router_id, kind, key, valid_from, facts, first_seen_at, last_seen_at)
     select $1::uuid, $2::uuid, b.kind, b.key, $4::timestamptz, b.facts, b.first_seen_at, $4::timestamptz
     from jsonb_to_recordset($3) as b (kind text, key text, facts jsonb, first_seen_at timestamptz)
     on conflict do nothing`,
    [client.tenantId, routerId, JSON.stringify(rows), readAt],
  );
}

async function confirmObservations(
  client: TenantClient,
  routerId: RouterId,
  confirmed: readonly Observation[],
  readAt: Date,
): Promise<void> {
  await client.query(
    `update neighbour_observations o set last_seen_at = greatest(o.last_seen_at, $4::timestamptz)
     from jsonb_to_recordset($3) as b (kind text, key text)
     where o.tenant_id = $1 and o.router_id = $2 and o.kind = b.kind and o.key = b.key and o.gone_at is null`,
    [client.tenantId, routerId, JSON.stringify(confirmed.map(placeOf)), readAt],
  );
}

async function forgetGone(client: TenantClient, routerId: RouterId, readAt: Date): Promise<void> {
  await client.query(
    `delete from neighbour_observations
     where tenant_id = $1 and router_id = $2 and gone_at < greatest($3::timestamptz, (
       select gone_at from neighbour_observations
       where tenant_id = $1 and router_id = $2 and gone_at is not null
       order by gone_at desc offset ${GONE_ROWS_MAX} limit 1))`,
    [client.tenantId, routerId, new Date(readAt.getTime() - GONE_KEPT_MS)],
  );
}

function placeOf({ kind, key }: Observation) {
  return { kind, key, section: SECTION_OF_KIND[kind] };
}
