import type { Module } from "../modules/module.ts";
import { isTextMetric } from "../modules/module.ts";
import type { TenantClient } from "../storage/pool.ts";
import { usableZones } from "../storage/zones.ts";
import type { Tenant } from "../tenants/tenant.ts";
import type { ApiDeps } from "./api-deps.ts";
import { type RouterRules, reservedLabels } from "./router-rules.ts";
import { targetJudge } from "./target-guard.ts";

/** The rules, with each zone's key on the platform. */
export interface RouterContext extends RouterRules {
  readonly zones: ReadonlyMap<string, { readonly shared: boolean; readonly zoneKey: string }>;
}

/** Gathers what a tenant's routers are judged by: what never changes once, its zones when asked. */
export function routerRulesReader(
  deps: Pick<ApiDeps, "tiers" | "modules" | "targetGuard">,
): (client: TenantClient, tenant: Tenant) => Promise<RouterContext> {
  const fixed = {
    moduleNames: new Set(deps.modules.keys()),
    reservedLabels: reservedLabels(labelsOf(deps.modules.values())),
    judgeTarget: targetJudge(deps.targetGuard),
  };
  return async (client, tenant) => {
    const zones = await usableZones(client);
    return {
      ...fixed,
      tier: deps.tiers[tenant.tier],
      zones: new Map(
        zones.map(({ name, id, zoneKey }) => [name, { shared: id === null, zoneKey }]),
      ),
    };
  };
}

/** Every label the modules put on a series: indexes, lookups, and the names of metrics whose value is a label. */
function labelsOf(modules: Iterable<Module>): Set<string> {
  const labels = new Set<string>();
  for (const { metrics } of modules) {
    for (const metric of metrics) {
      for (const { labelname } of [...metric.indexes, ...metric.lookups]) labels.add(labelname);
      if (isTextMetric(metric.type) || metric.type.startsWith("EnumAs")) labels.add(metric.name);
    }
  }
  return labels;
}
