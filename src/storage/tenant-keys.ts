import type { TenantId } from "../tenants/tenant.ts";
import type { Queryable, TenantClient } from "./pool.ts";
import { masterKeyId, newDataKey, SealError, unwrapDataKey, wrapDataKey } from "./seal.ts";

/** Tenants' data keys, wrapped by the master key. Unwrapped they live only in the process that seals or unseals. */

interface TenantKeyRow {
  wrapped_key: Buffer;
  master_key_id: string;
}

/** Makes and stores the tenant's data key. The transaction acts for that tenant. */
export async function createDataKey(
  client: Queryable,
  tenantId: TenantId,
  masterKey: Uint8Array,
  now: Date,
): Promise<void> {
  await client.query(
    "insert into tenant_keys (tenant_id, wrapped_key, master_key_id, created_at) values ($1, $2, $3, $4)",
    [tenantId, wrapDataKey(masterKey, tenantId, newDataKey()), masterKeyId(masterKey), now],
  );
}

/** The key that seals the tenant's credentials. Rejects with a SealError naming the remedy when the master key is another. */
export async function tenantDataKey(
  client: TenantClient,
  masterKey: Uint8Array,
): Promise<Uint8Array> {
  const { rows } = await client.query<TenantKeyRow>(
    "select wrapped_key, master_key_id from tenant_keys where tenant_id = $1",
    [client.tenantId],
  );
  const row = rows[0];
  if (row === undefined)
    throw new SealError(`Cannot find the data key of tenant "${client.tenantId}"`);
  return unwrap(row, client.tenantId, masterKey);
}

export function unwrap(row: TenantKeyRow, tenantId: TenantId, masterKey: Uint8Array): Uint8Array {
  const present = masterKeyId(masterKey);
  if (row.master_key_id !== present) {
    throw new SealError(
      `Cannot open the data key of tenant "${tenantId}": master key "${row.master_key_id}" wrapped it, the present one is "${present}"; set FAIRWALK_MASTER_KEY to the one that wrapped it`,
    );
  }
  return unwrapDataKey(masterKey, tenantId, row.wrapped_key);
}
