import type { Discovery } from "../routers/inventory.ts";
import type { AnswerLimits, Router, RouterId, SnmpCredential } from "../routers/router.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { unsealCredential } from "./credentials.ts";
import { type Pool, withTenant } from "./pool.ts";
import { ROUTER_COLUMNS, type RouterRow, routerOf } from "./routers.ts";
import { tenantDataKey } from "./tenant-keys.ts";

/** What a worker needs to poll routers. The only way a stored credential leaves the database opened. */

export interface PollableRouter {
  readonly router: Router;
  readonly credential: SnmpCredential;
  /** How its inventory was read last; undefined before that. */
  readonly discovery: Discovery | undefined;
  /** What walks of its tables have learnt about sizes, by walk. */
  readonly answerLimits: Readonly<Record<string, AnswerLimits>>;
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
      RouterRow & {
        sealed: Buffer;
        discovery: Discovery | null;
        answer_limits: Record<string, AnswerLimits> | null;
      }
    >(
      `select ${ROUTER_COLUMNS}, c.sealed,
         (select i.document from inventories i
          where i.tenant_id = $1 and i.router_id = r.id and i.section = 'discovery') as discovery,
         (select jsonb_object_agg(l.walk, l.limits) from answer_limits l
          where l.tenant_id = $1 and l.router_id = r.id) as answer_limits
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
          discovery: row.discovery ?? undefined,
          answerLimits: row.answer_limits ?? {},
        },
      ]),
    );
  });
}
