import { uuidv7 } from "../lib/uuid.ts";
import { matchInterfaces } from "../routers/interface-identity.ts";
import type { Interface, RouterId } from "../routers/router.ts";
import { refusing } from "./errors.ts";
import type { TenantClient } from "./pool.ts";
import { storableText } from "./storable-text.ts";

/** Interfaces of routers, as last read, and those that are gone for a while: a card may come back. */

/** How long an interface that is no longer listed keeps its identity. */
const REMOVED_KEPT_MS = 30 * 24 * 3_600_000;
const HOUR_MS = 3_600_000;

export interface StoredInterface extends Interface {
  /** Its own: the same though the router gives it another ifIndex or name. */
  readonly id: string;
  readonly firstSeenAt: Date;
  /** To the hour. */
  readonly lastSeenAt: Date;
}

interface InterfaceRow {
  id: string;
  if_index: number;
  if_name: string | null;
  if_descr: string | null;
  if_alias: string | null;
  if_type: number | null;
  if_phys_address: string | null;
  first_seen_at: Date;
  last_seen_at: Date;
  removed_at: Date | null;
}

interface KnownInterface extends StoredInterface {
  readonly removedAt: Date | undefined;
}

const COLUMNS = `id, if_index, if_name, if_descr, if_alias, if_type, if_phys_address, first_seen_at,
  last_seen_at, removed_at`;

/**
 * Stores the interfaces a router listed in full: each keeps its identity and history, whatever its number is now, and
 * those the router no longer lists are taken for removed. What has not changed is written at most once an hour. Rejects
 * with a StorageConflict `unknown_router` when the router is gone.
 */
export function saveInterfaces(
  client: TenantClient,
  routerId: RouterId,
  interfaces: readonly Interface[],
  seenAt: Date,
): Promise<void> {
  return refusing(`Cannot store the interfaces of router "${routerId}"`, async () => {
    const known = await knownInterfaces(client, routerId);
    const listed = [...new Map(interfaces.map((one) => [one.ifIndex, storable(one)])).values()];
    // Those still listed at the last reading first: one that went long ago must not stand in their way.
    const present = known.filter(({ removedAt }) => removedAt === undefined);
    const matches = matchInterfaces(present, listed);
    const returned = matchInterfaces(
      known.filter(({ removedAt }) => removedAt !== undefined),
      listed.filter((_, place) => matches[place] === undefined),
    );
    const identities = withReturned(matches, returned);

    const changed = listed.flatMap((one, place) => {
      const before = identities[place];
      if (before !== undefined && isWritten(before, one, seenAt)) return [];
      const { id = uuidv7(seenAt.getTime()), firstSeenAt = seenAt } = before ?? {};
      return { id, firstSeenAt, one };
    });
    const kept = new Set(identities.flatMap((identity) => identity?.id ?? []));
    const gone = present.filter(({ id }) => !kept.has(id)).map(({ id }) => id);
    await writeInterfaces(client, routerId, { changed, gone }, seenAt);
  });
}

async function writeInterfaces(
  client: TenantClient,
  routerId: RouterId,
  {
    changed,
    gone,
  }: {
    readonly changed: readonly { id: string; firstSeenAt: Date; one: Interface }[];
    readonly gone: readonly string[];
  },
  seenAt: Date,
): Promise<void> {
  if (gone.length > 0) {
    await client.query(
      `update interfaces set removed_at = $4 where tenant_id = $1 and router_id = $2 and id = any ($3::uuid[])`,
      [client.tenantId, routerId, gone, seenAt],
    );
  }
  if (gone.length > 0 || changed.length > 0) {
    // Changed rows are written anew: two that swap their ifIndex would meet on the way in an update.
    await client.query(
      `delete from interfaces
       where tenant_id = $1 and router_id = $2 and (id = any ($3::uuid[]) or removed_at < $4)`,
      [
        client.tenantId,
        routerId,
        changed.map(({ id }) => id),
        new Date(seenAt.getTime() - REMOVED_KEPT_MS),
      ],
    );
  }
  if (changed.length === 0) return;
  const rows = changed.map(({ id, firstSeenAt, one }) => ({
    id,
    if_index: one.ifIndex,
    if_name: one.ifName ?? null,
    if_descr: one.ifDescr ?? null,
    if_alias: one.ifAlias ?? null,
    if_type: one.ifType ?? null,
    if_phys_address: one.ifPhysAddress ?? null,
    first_seen_at: firstSeenAt,
  }));
  await client.query(
    `insert into interfaces (tenant_id, router_id, id, if_index, if_name, if_descr, if_alias, if_type,
       if_phys_address, first_seen_at, last_seen_at)
     select $1::uuid, $2::uuid, b.*, $4::timestamptz
     from jsonb_to_recordset($3) as b (id uuid, if_index integer, if_name text, if_descr text, if_alias text,
       if_type integer, if_phys_address text, first_seen_at timestamptz)`,
    [client.tenantId, routerId, JSON.stringify(rows), seenAt],
  );
}

/** The interfaces the router listed last, by ifIndex. */
export async function listInterfaces(
  client: TenantClient,
  routerId: RouterId,
): Promise<StoredInterface[]> {
  const { rows } = await client.query<InterfaceRow>(
    `select ${COLUMNS} from interfaces
     where tenant_id = $1 and router_id = $2 and removed_at is null order by if_index`,
    [client.tenantId, routerId],
  );
  return rows.map(storedInterface);
}

async function knownInterfaces(
  client: TenantClient,
  routerId: RouterId,
): Promise<KnownInterface[]> {
  const { rows } = await client.query<InterfaceRow>(
    `select ${COLUMNS} from interfaces
     where tenant_id = $1 and router_id = $2 order by removed_at desc, if_index for update`,
    [client.tenantId, routerId],
  );
  return rows.map((row) => ({ ...storedInterface(row), removedAt: row.removed_at ?? undefined }));
}

function storedInterface(row: InterfaceRow): StoredInterface {
  return {
    id: row.id,
    ifIndex: row.if_index,
    ...(row.if_name === null ? {} : { ifName: row.if_name }),
    ...(row.if_descr === null ? {} : { ifDescr: row.if_descr }),
    ...(row.if_alias === null ? {} : { ifAlias: row.if_alias }),
    ...(row.if_type === null ? {} : { ifType: row.if_type }),
    ...(row.if_phys_address === null ? {} : { ifPhysAddress: row.if_phys_address }),
    firstSeenAt: row.first_seen_at,
    lastSeenAt: row.last_seen_at,
  };
}

/** Puts the identities of interfaces that came back where none was found. */
function withReturned<T>(
  matches: readonly (T | undefined)[],
  returned: readonly (T | undefined)[],
): (T | undefined)[] {
  let at = 0;
  return matches.map((match) => match ?? returned[at++]);
}

const FACTS = ["ifIndex", "ifName", "ifDescr", "ifAlias", "ifType", "ifPhysAddress"] as const;

function isWritten(before: KnownInterface, now: Interface, seenAt: Date): boolean {
  return (
    before.removedAt === undefined &&
    seenAt.getTime() - before.lastSeenAt.getTime() <= HOUR_MS &&
    FACTS.every((fact) => before[fact] === now[fact])
  );
}

function storable(one: Interface): Interface {
  const texts = (["ifName", "ifDescr", "ifAlias", "ifPhysAddress"] as const).flatMap((key) => {
    const text = one[key];
    return text === undefined ? [] : [[key, storableText(text)] as const];
  });
  return { ...one, ...Object.fromEntries(texts) };
}
