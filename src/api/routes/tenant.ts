import { Type } from "typebox";
import { withTenant } from "../../storage/pool.ts";
import { countRouters } from "../../storage/routers.ts";
import { fairnessRows } from "../../storage/scheduler-state.ts";
import { ADMISSION_POLICIES } from "../../tenants/tenant.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { POLLING_FIGURES, pollingFigures } from "../polling-figures.ts";
import { ID, TIME } from "../schemas.ts";
import { shownTenant, TENANT } from "./tenants.ts";

// Whose MSP it is, is the MSP's and the platform's business.
const { parentId: _, ...OWN_PROPERTIES } = TENANT.properties;

const OWN_TENANT = Type.Object({
  ...OWN_PROPERTIES,
  limits: Type.Object({
    weight: Type.Number({
      description: "Share in the fair queue, relative to other tenants' weights",
    }),
    routersMax: Type.Integer(),
    intervalSecondsMin: Type.Integer(),
    retentionDays: Type.Integer(),
    admission: Type.Enum([...ADMISSION_POLICIES], {
      description:
        "What happens to routers that ask for more than the guaranteed share and than the zone has free",
    }),
  }),
  usage: Type.Object({ routers: Type.Integer() }),
  apiKey: Type.Object(
    { id: ID, role: Type.String(), permissions: Type.Array(Type.String()) },
    { description: "The key that asks, and what it may do" },
  ),
});

const OWN_POLLING = Type.Object({
  zones: Type.Array(
    Type.Object({
      zone: Type.String({ description: "The zone as the tenant names it" }),
      updatedAt: TIME,
      ...POLLING_FIGURES,
    }),
  ),
});

/** A tenant's view of itself. */
export function tenantRoutes(app: Api, { pools, tiers }: ApiDeps): void {
  const config = { access: "tenant:read" } as const;
  const tags = ["tenant"];

  app.get(
    "/v1/tenant",
    {
      config,
      schema: {
        operationId: "getOwnTenant",
        summary: "The tenant that asks: its tier, limits and use of them",
        tags,
        response: { 200: OWN_TENANT },
      },
    },
    async (request) => {
      const { tenant, keyId, role, permissions } = tenantCaller(request);
      const routers = await withTenant(pools.app, tenant.id, countRouters);
      const { parentId: _msp, ...shown } = shownTenant(tenant);
      return {
        ...shown,
        limits: tiers[tenant.tier],
        usage: { routers },
        apiKey: { id: keyId, role, permissions: [...permissions] },
      };
    },
  );

  app.get(
    "/v1/tenant/polling",
    {
      config,
      schema: {
        operationId: "getOwnPolling",
        summary: "How the tenant's polls go, by zone: lateness, backlog, skips with their reasons",
        description:
          "As the zone's scheduler reported last, every two seconds. Rates, lateness and shares speak of the last one to two minutes; `polls` and `skips` count since that scheduler began to lead the zone.",
        tags,
        response: { 200: OWN_POLLING },
      },
    },
    async (request) => {
      const { tenant } = tenantCaller(request);
      const rows = await withTenant(pools.app, tenant.id, (client) =>
        fairnessRows(client, tenant.id),
      );
      const zones = rows.map((row) => ({
        zone: ownName(row.zoneKey, tenant.slug),
        updatedAt: row.updatedAt.toISOString(),
        ...pollingFigures(row),
      }));
      return { zones };
    },
  );
}

/** A zone of the tenant's own has the key "<slug>.<name>", a shared one its name, which has no dot. */
function ownName(zoneKey: string, slug: string): string {
  return zoneKey.startsWith(`${slug}.`) ? zoneKey.slice(slug.length + 1) : zoneKey;
}
