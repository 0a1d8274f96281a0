import type { Router, RouterId, SnmpCredential } from "../routers/router.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { unsealCredential } from "./credentials.ts";
import { type Pool, withTenant } from "./pool.ts";
import { ROUTER_COLUMNS, type RouterRow, routerOf } from "./routers.ts";
import { tenantDataKey } from "./tenant-keys.ts";

/** What a worker needs to poll routers. The only way a stored credential leaves the database opened. */

export interface PollableRouter {
  readonly router: Router;
  readonly credential: SnmpCredential;
  /** As last read from the router, dotted; undefined before it said. */
  readonly sysObjectId: string | undefined;
}

/**
 * Those of the tenant's routers that may be polled: enabled, of an active tenant. Others are absent. Rejects with a
 * SealError when a credential does not open: the master key is not the one that sealed it. As fairwalk_app.
 */
export function routersForPolling(
  pool: Pool,
  masterKey: Uint8Array,
  tenantId: TenantId,
  routerIds: readonly RouterId[],
): Promise<Map<RouterId, PollableRouter>> {
  return withTenant(pool, tenantId, async (client) => {
    const { rows } = await client.query<
      RouterRow & { sealed: Buffer; sys_object_id: string | null }
    >(
      `select ${ROUTER_COLUMNS}, c.sealed,
         (select f.value from text_facts f
          where f.tenant_id = $1 and f.router_id = r.id and f.metric = 'sysObjectID'
          order by f.seen_at desc limit 1) as sys_object_id
       from routers r
       join credentials c on c.tenant_id = r.tenant_id and c.id = r.credential_id
       join tenants t on t.id = r.tenant_id
       where r.tenant_id = $1 and r.id = any ($2) and r.enabled and t.state = 'active'`,
      [tenantId, routerIds],
    );
    if (rows.length === 0) return new Map();
    const dataKey = await tenantDataKey(client, masterKey);
    return new Map(
      rows.map((row) => [
        row.id,
        {
          router: routerOf(row),
          credential: unsealCredential(dataKey, tenantId, row.credential_id, row.sealed),
          sysObjectId: row.sys_object_id ?? undefined,
        },
      ]),
    );
  });
}
