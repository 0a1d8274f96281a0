import { uuidv7 } from "../lib/uuid.ts";
import type { SnmpCredential } from "../routers/router.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { refusing } from "./errors.ts";
import type { TenantClient } from "./pool.ts";
import { onlyRow, type PageRequest } from "./rows.ts";
import { seal, unseal } from "./seal.ts";

/** Credentials: how to speak SNMP to routers. Written by the API, opened by workers, never shown again. */

/** What may be shown of a credential. */
export interface StoredCredential {
  readonly id: string;
  readonly name: string;
  readonly version: SnmpCredential["version"];
  readonly username: string | null;
  readonly securityLevel: string | null;
  readonly authProtocol: string | null;
  readonly privProtocol: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

interface CredentialRow {
  id: string;
  name: string;
  version: SnmpCredential["version"];
  username: string | null;
  security_level: string | null;
  auth_protocol: string | null;
  priv_protocol: string | null;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS =
  "id, name, version, username, security_level, auth_protocol, priv_protocol, created_at, updated_at";

function credentialOf(row: CredentialRow): StoredCredential {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    username: row.username,
    securityLevel: row.security_level,
    authProtocol: row.auth_protocol,
    privProtocol: row.priv_protocol,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** Rejects with a StorageConflict `duplicate_name` when the tenant has a credential of that name. */
export function createCredential(
  client: TenantClient,
  dataKey: Uint8Array,
  body: { readonly name: string } & SnmpCredential,
): Promise<StoredCredential> {
  const { name, ...credential } = body;
  const id = uuidv7();
  return refusing(`Cannot create credential "${name}"`, async () => {
    const { rows } = await client.query<CredentialRow>(
      `insert into credentials (tenant_id, id, name, version, username, security_level, auth_protocol,
         priv_protocol, sealed, created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), now()) returning ${COLUMNS}`,
      [client.tenantId, id, name, ...sealedColumns(client.tenantId, id, dataKey, credential)],
    );
    return credentialOf(onlyRow(rows));
  });
}

/** A page of the tenant's credentials, oldest first. `name` keeps the one of exactly that name. */
export async function listCredentials(
  client: TenantClient,
  page: PageRequest & { readonly name?: string | undefined },
): Promise<StoredCredential[]> {
  const { rows } = await client.query<CredentialRow>(
    `select ${COLUMNS} from credentials
     where tenant_id = $1 and ($2::uuid is null or id > $2) and ($3::text is null or name = $3)
     order by id limit $4`,
    [client.tenantId, page.after ?? null, page.name ?? null, page.limit],
  );
  return rows.map(credentialOf);
}

export async function credentialById(
  client: TenantClient,
  id: string,
): Promise<StoredCredential | undefined> {
  const { rows } = await client.query<CredentialRow>(
    `select ${COLUMNS} from credentials where tenant_id = $1 and id = $2`,
    [client.tenantId, id],
  );
  return rows.map(credentialOf)[0];
}

export interface CredentialChange {
  readonly name?: string | undefined;
  /** Given what is stored, what shall be: so that a change of one field need not repeat the secrets of the others. */
  readonly credential?: ((present: SnmpCredential) => SnmpCredential) | undefined;
}

/** Undefined when the tenant has no such credential. What `change.credential` throws is thrown, and nothing is changed. */
export function updateCredential(
  client: TenantClient,
  dataKey: Uint8Array,
  id: string,
  change: CredentialChange,
): Promise<StoredCredential | undefined> {
  return refusing(`Cannot change credential "${id}"`, async () => {
    const present = await client.query<{ name: string; sealed: Buffer }>(
      "select name, sealed from credentials where tenant_id = $1 and id = $2 for update",
      [client.tenantId, id],
    );
    const row = present.rows[0];
    if (row === undefined) return undefined;
    const stored = unsealCredential(dataKey, client.tenantId, id, row.sealed);
    const next = change.credential?.(stored) ?? stored;
    const { rows } = await client.query<CredentialRow>(
      `update credentials set name = $3, version = $4, username = $5, security_level = $6, auth_protocol = $7,
         priv_protocol = $8, sealed = $9, updated_at = now()
       where tenant_id = $1 and id = $2 returning ${COLUMNS}`,
      [
        client.tenantId,
        id,
        change.name ?? row.name,
        ...sealedColumns(client.tenantId, id, dataKey, next),
      ],
    );
    return credentialOf(onlyRow(rows));
  });
}

/** False when the tenant has no such credential. Rejects with a StorageConflict `in_use` while a router uses it. */
export function deleteCredential(client: TenantClient, id: string): Promise<boolean> {
  return refusing(`Cannot delete credential "${id}"`, async () => {
    const { rowCount } = await client.query(
      "delete from credentials where tenant_id = $1 and id = $2",
      [client.tenantId, id],
    );
    return rowCount === 1;
  });
}

/** Opens a credential as it is stored. Throws a SealError when it was sealed for another tenant or row. */
export function unsealCredential(
  dataKey: Uint8Array,
  tenantId: TenantId,
  id: string,
  sealed: Uint8Array,
): SnmpCredential {
  const json = unseal(dataKey, sealed, placeOf(tenantId, id)).toString();
  return JSON.parse(json) as SnmpCredential; // Authenticated: only sealedColumns below writes it.
}

function sealedColumns(
  tenantId: TenantId,
  id: string,
  dataKey: Uint8Array,
  credential: SnmpCredential,
): unknown[] {
  const shown = credential.version === "3" ? credential : undefined;
  return [
    credential.version,
    shown?.username ?? null,
    shown?.securityLevel ?? null,
    shown?.authProtocol ?? null,
    shown?.privProtocol ?? null,
    seal(dataKey, Buffer.from(JSON.stringify(credential)), placeOf(tenantId, id)),
  ];
}

function placeOf(tenantId: TenantId, id: string): string {
  return `${tenantId}/${id}`;
}
