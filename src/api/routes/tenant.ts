import { Type } from "typebox";
import { withTenant } from "../../storage/pool.ts";
import { countRouters } from "../../storage/routers.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { ID } from "../schemas.ts";
import { shownTenant, TENANT } from "./tenants.ts";

const OWN_TENANT = Type.Object({
  ...TENANT.properties,
  limits: Type.Object({
    weight: Type.Number({
      description: "Share in the fair queue, relative to other tenants' weights",
    }),
    routersMax: Type.Integer(),
    intervalSecondsMin: Type.Integer(),
    retentionDays: Type.Integer(),
  }),
  usage: Type.Object({ routers: Type.Integer() }),
  apiKey: Type.Object(
    { id: ID, role: Type.String(), permissions: Type.Array(Type.String()) },
    { description: "The key that asks, and what it may do" },
  ),
});

/** A tenant's view of itself. */
export function tenantRoutes(app: Api, { pools, tiers }: ApiDeps): void {
  app.get(
    "/v1/tenant",
    {
      config: { access: "tenant:read" },
      schema: {
        operationId: "getOwnTenant",
        summary: "The tenant that asks: its tier, limits and use of them",
        tags: ["tenant"],
        response: { 200: OWN_TENANT },
      },
    },
    async (request) => {
      const { tenant, keyId, role, permissions } = tenantCaller(request);
      const routers = await withTenant(pools.app, tenant.id, countRouters);
      return {
        ...shownTenant(tenant),
        limits: tiers[tenant.tier],
        usage: { routers },
        apiKey: { id: keyId, role, permissions: [...permissions] },
      };
    },
  );
}
