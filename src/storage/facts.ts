import type { RouterId } from "../routers/router.ts";
import type { Labels, TextFact } from "../routers/samples.ts";
import { refusing } from "./errors.ts";
import type { TenantClient } from "./pool.ts";
import { storableJson, storableText } from "./storable-text.ts";

/** Texts routers said of themselves (sysDescr, ifPhysAddress): inventory, the latest value alone. */

export interface StoredFact extends TextFact {
  readonly routerId: RouterId;
  /** To the hour. */
  readonly seenAt: Date;
}

interface FactRow {
  router_id: RouterId;
  module: string;
  metric: string;
  instance: string;
  labels: Labels;
  value: string;
  seen_at: Date;
}

/**
 * Replaces a router's texts of every module that is named in `facts`; those of other modules stay. What has not changed
 * is written at most once an hour. Rejects with a StorageConflict `unknown_router` when the router is gone.
 */
export function saveTextFacts(
  client: TenantClient,
  routerId: RouterId,
  facts: readonly TextFact[],
  seenAt: Date,
): Promise<void> {
  if (facts.length === 0) return Promise.resolve();
  const rows = facts.map((fact) => ({ ...fact, instance: storableText(fact.instance) }));
  const json = storableJson(rows);
  return refusing(`Cannot store texts of router "${routerId}"`, async () => {
    await client.query(
      `insert into text_facts as f (tenant_id, router_id, module, metric, instance, labels, value, seen_at)
       select distinct on (b.module, b.metric, b.instance)
         $1::uuid, $2::uuid, b.module, b.metric, b.instance, b.labels, b.value, $4::timestamptz
       from jsonb_to_recordset($3) as b (module text, metric text, instance text, labels jsonb, value text)
       on conflict (tenant_id, router_id, module, metric, instance) do update set
         labels = excluded.labels, value = excluded.value, seen_at = excluded.seen_at
       where f.seen_at < excluded.seen_at - interval '1 hour'
         or (f.labels, f.value) is distinct from (excluded.labels, excluded.value)`,
      [client.tenantId, routerId, json, seenAt],
    );
    await client.query(
      `delete from text_facts f
       where f.tenant_id = $1 and f.router_id = $2
         and f.module in (select b.module from jsonb_to_recordset($3) as b (module text))
         and not exists (
           select from jsonb_to_recordset($3) as b (module text, metric text, instance text)
           where b.module = f.module and b.metric = f.metric and b.instance = f.instance)`,
      [client.tenantId, routerId, json],
    );
  });
}

/** The tenant's texts, or those of the given routers, in the order of modules, metrics and instances. */
export async function textFacts(
  client: TenantClient,
  routerIds?: readonly RouterId[],
): Promise<StoredFact[]> {
  const { rows } = await client.query<FactRow>(
    `select router_id, module, metric, instance, labels, value, seen_at from text_facts
     where tenant_id = $1 and ($2::uuid[] is null or router_id = any ($2))
     order by router_id, module, metric, instance`,
    [client.tenantId, routerIds ?? null],
  );
  return rows.map(({ router_id: routerId, seen_at: seenAt, ...fact }) => ({
    ...fact,
    routerId,
    seenAt,
  }));
}
