import type { AnswerLimits, RouterId } from "../routers/router.ts";
import type { TenantClient } from "./pool.ts";
import { storableJson } from "./storable-text.ts";

/** What walks of routers' tables have learnt about sizes. */

export interface LearntLimits {
  readonly routerId: RouterId;
  /** Which columns were walked, as the SNMP engine names the list. */
  readonly walk: string;
  readonly limits: AnswerLimits;
}

/**
 * Stores what was learnt, in place of what was known of the same walks; no walk may occur twice. A router that is gone is
 * passed over.
 */
export async function saveAnswerLimits(
  client: TenantClient,
  learnt: readonly LearntLimits[],
  learntAt: Date,
): Promise<void> {
  const rows = learnt.map(({ routerId, walk, limits }) => ({ router_id: routerId, walk, limits }));
  await client.query(
    `insert into answer_limits (tenant_id, router_id, walk, limits, learnt_at)
     select $1::uuid, l.router_id, l.walk, l.limits, $3::timestamptz
     from jsonb_to_recordset($2) as l (router_id uuid, walk text, limits jsonb)
     join routers r on r.tenant_id = $1 and r.id = l.router_id
     on conflict (tenant_id, router_id, walk) do update set
       limits = excluded.limits, learnt_at = excluded.learnt_at`,
    [client.tenantId, storableJson(rows), learntAt],
  );
}
