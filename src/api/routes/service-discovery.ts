import { Type } from "typebox";
import { withTenant } from "../../storage/pool.ts";
import { listRouters, type StoredRouter } from "../../storage/routers.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { everyRow } from "../every-row.ts";

const TARGET_GROUP = Type.Object({
  targets: Type.Array(Type.String(), { description: "This API, at the address it was asked at" }),
  labels: Type.Record(Type.String(), Type.String()),
});

/** Where a tenant's Prometheus learns what to scrape: one target a router, so that each has an `up` of its own. */
export function serviceDiscoveryRoutes(app: Api, { pools }: ApiDeps): void {
  app.get(
    "/v1/sd/prometheus",
    {
      config: { access: "metrics:read" },
      schema: {
        operationId: "prometheusTargets",
        summary: "Every enabled router as a target, for Prometheus' HTTP service discovery",
        description:
          "Each target is `/snmp` of this API for one router; `instance` is the router's name. Meta labels begin with `__meta_fairwalk_`. Always the whole list.",
        tags: ["readings"],
        response: { 200: Type.Array(TARGET_GROUP) },
      },
    },
    async (request) => {
      const { tenant } = tenantCaller(request);
      const routers = await withTenant(pools.app, tenant.id, (client) =>
        everyRow((page) => listRouters(client, { ...page, filters: { enabled: true } })),
      );
      const { host, protocol } = request;
      return routers.map((router) => ({
        targets: [host],
        labels: labelsOf(router, { tenant: tenant.slug, protocol }),
      }));
    },
  );
}

function labelsOf(
  router: StoredRouter,
  { tenant, protocol }: { readonly tenant: string; readonly protocol: string },
): Record<string, string> {
  const own = Object.entries(router.labels).map(([name, value]) => [
    `__meta_fairwalk_label_${name.replaceAll(/[^a-zA-Z0-9_]/g, "_")}`,
    value,
  ]);
  return {
    ...Object.fromEntries(own),
    __metrics_path__: "/snmp",
    __param_target: router.id,
    __scheme__: protocol,
    __meta_fairwalk_tenant: tenant,
    __meta_fairwalk_router_id: router.id,
    __meta_fairwalk_router_name: router.name,
    __meta_fairwalk_router_address: router.address,
    __meta_fairwalk_router_port: String(router.port),
    __meta_fairwalk_zone: router.zone,
    __meta_fairwalk_interval_seconds: String(router.intervalSeconds),
    instance: router.name,
  };
}
