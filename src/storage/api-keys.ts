import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { uuidv7 } from "../lib/uuid.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { refusing } from "./errors.ts";
import type { Queryable, TenantClient } from "./pool.ts";
import { onlyRow, type PageRequest } from "./rows.ts";

/**
 * API keys: "fw_<id>_<secret>". The id finds the row, the secret's SHA-256 proves the key; the secret itself is shown
 * once and stored nowhere. 256 random bits need no slow hash.
 */

export interface ApiKey {
  readonly id: string;
  readonly tenantId: TenantId;
  readonly name: string;
  readonly role: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  /** To the hour. */
  readonly lastUsedAt: Date | null;
  readonly createdAt: Date;
}

interface ApiKeyRow {
  id: string;
  tenant_id: TenantId;
  name: string;
  role: string;
  scopes: string[];
  expires_at: Date | null;
  revoked_at: Date | null;
  last_used_at: Date | null;
  created_at: Date;
}

const COLUMNS =
  "id, tenant_id, name, role, scopes, expires_at, revoked_at, last_used_at, created_at";

function apiKeyOf(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    name: row.name,
    role: row.role,
    scopes: row.scopes,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
    createdAt: row.created_at,
  };
}

const SECRET_BYTES = 32;
const KEY_PATTERN = /^fw_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/;

export interface NewApiKey {
  readonly tenantId: TenantId;
  readonly name: string;
  readonly role: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date | null;
}

/** Makes a key; `key` is the only copy of its secret. As fairwalk_platform. StorageConflict `unknown_tenant` if there is none. */
export function createApiKey(pool: Queryable, body: NewApiKey): Promise<ApiKey & { key: string }> {
  const id = uuidv7();
  const secret = randomBytes(SECRET_BYTES).toString("base64url");
  return refusing(`Cannot create an API key for tenant "${body.tenantId}"`, async () => {
    const { rows } = await pool.query<ApiKeyRow>(
      `insert into api_keys (tenant_id, id, name, role, scopes, secret_digest, expires_at, created_at)
       values ($1, $2, $3, $4, $5, $6, $7, now()) returning ${COLUMNS}`,
      [body.tenantId, id, body.name, body.role, body.scopes, digestOf(secret), body.expiresAt],
    );
    return { ...apiKeyOf(onlyRow(rows)), key: `fw_${id.replaceAll("-", "")}_${secret}` };
  });
}

export interface FoundApiKey {
  readonly tenantId: TenantId;
  readonly keyId: string;
  readonly role: string;
  readonly scopes: readonly string[];
}

/**
 * The key `key` proves, or undefined when it is malformed, unknown, wrong, expired or revoked. Takes the same time
 * whether id or secret is wrong, but for the database's own lookup. As fairwalk_platform.
 */
export async function findApiKey(pool: Queryable, key: string): Promise<FoundApiKey | undefined> {
  const [, hex, secret] = KEY_PATTERN.exec(key) ?? [];
  if (hex === undefined || secret === undefined) return undefined;
  const { rows } = await pool.query<ApiKeyRow & { secret_digest: Buffer; is_noted: boolean }>(
    `select ${COLUMNS}, secret_digest, coalesce(last_used_at > now() - interval '1 hour', false) as is_noted
     from api_keys
     where id = $1 and revoked_at is null and (expires_at is null or expires_at > now())`,
    [hex],
  );
  const row = rows[0];
  const isProven = timingSafeEqual(row?.secret_digest ?? Buffer.alloc(32), digestOf(secret));
  if (row === undefined || !isProven) return undefined;
  if (!row.is_noted) {
    await pool.query("update api_keys set last_used_at = now() where tenant_id = $1 and id = $2", [
      row.tenant_id,
      row.id,
    ]);
  }
  return { tenantId: row.tenant_id, keyId: row.id, role: row.role, scopes: row.scopes };
}

/** A page of the tenant's keys, oldest first; revoked and expired ones too. */
export async function listApiKeys(client: TenantClient, page: PageRequest): Promise<ApiKey[]> {
  const { rows } = await client.query<ApiKeyRow>(
    `select ${COLUMNS} from api_keys
     where tenant_id = $1 and ($2::uuid is null or id > $2) order by id limit $3`,
    [client.tenantId, page.after ?? null, page.limit],
  );
  return rows.map(apiKeyOf);
}

/** From the next request on the key opens nothing. False when the tenant has no such key. */
export async function revokeApiKey(client: TenantClient, id: string): Promise<boolean> {
  const { rowCount } = await client.query(
    "update api_keys set revoked_at = coalesce(revoked_at, now()) where tenant_id = $1 and id = $2",
    [client.tenantId, id],
  );
  return rowCount === 1;
}

function digestOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
