import { Type } from "typebox";
import { withTenant } from "../../storage/pool.ts";
import { createZone, deleteZone, type UsableZone, usableZones } from "../../storage/zones.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { PAGE_QUERY, pageAnswer, pageOf, pageSchema } from "../pagination.ts";
import { notFound, Problem } from "../problems.ts";
import { lockTenant } from "../quota.ts";
import { ID, ID_PATH, NO_CONTENT, ZONE_NAME } from "../schemas.ts";
import { conflictsAs } from "../storage-conflicts.ts";

/** A zone is a queue and a leader, which cost the platform something whether or not a router is in it. */
const ZONES_MAX = 100;

const ZONE = Type.Object({
  id: Type.Union([ID, Type.Null()], { description: "null = shared between tenants" }),
  name: Type.String(),
  shared: Type.Boolean({ description: "Reached by the platform's workers" }),
});

/** Zones a tenant may put routers in: its own, and those the platform shares. */
export function zonesRoutes(app: Api, { pools }: ApiDeps): void {
  const tags = ["routers"];

  app.get(
    "/v1/zones",
    {
      config: { access: "zones:read" },
      schema: {
        operationId: "listZones",
        summary: "List zones by name: the tenant's own and the shared ones",
        tags,
        querystring: Type.Object(PAGE_QUERY, { additionalProperties: false }),
        response: { 200: pageSchema(ZONE) },
      },
    },
    async (request) => {
      const page = pageOf(request.query, (key) => key.length > 0);
      const zones = await withTenant(pools.app, tenantCaller(request).tenant.id, usableZones);
      const byName = zones.toSorted((a, b) => (a.name < b.name ? -1 : 1));
      const rows = byName.filter(({ name }) => page.after === undefined || name > page.after);
      return pageAnswer(rows, page, { keyOf: ({ name }) => name, shown: shownZone });
    },
  );

  app.post(
    "/v1/zones",
    {
      config: { access: "zones:write" },
      schema: {
        operationId: "createZone",
        summary: "Make a zone of the tenant's own",
        description:
          "Its routers are polled by workers that serve the zone `<tenant slug>.<name>`.",
        tags,
        body: Type.Object({ name: ZONE_NAME }, { additionalProperties: false }),
        response: { 201: ZONE },
      },
    },
    async (request, reply) => {
      const { name } = request.body;
      const detail = `A zone of the tenant or of the platform has the name "${name}"; choose another`;
      const zone = await conflictsAs(
        { duplicate_name: () => new Problem("name-taken", { detail }) },
        () =>
          withTenant(pools.app, tenantCaller(request).tenant.id, async (client) => {
            await lockTenant(client);
            const own = (await usableZones(client)).filter(({ id }) => id !== null);
            if (own.length >= ZONES_MAX) throw tooManyZones(own.length);
            return createZone(client, { name });
          }),
      );
      reply.code(201);
      return shownZone(zone);
    },
  );

  app.delete(
    "/v1/zones/:id",
    {
      config: { access: "zones:write" },
      schema: {
        operationId: "deleteZone",
        summary: "Remove a zone that no router is in",
        tags,
        params: ID_PATH,
        response: { 204: NO_CONTENT },
      },
    },
    async (request, reply) => {
      const detail = "Routers are in this zone; move or remove them first";
      const isDeleted = await conflictsAs(
        { in_use: () => new Problem("zone-in-use", { detail }) },
        () =>
          withTenant(pools.app, tenantCaller(request).tenant.id, (client) =>
            deleteZone(client, request.params.id),
          ),
      );
      if (!isDeleted) throw notFound("zone");
      reply.code(204);
      return null;
    },
  );
}

function tooManyZones(used: number): Problem {
  return new Problem("quota-exceeded", {
    detail: `A tenant has at most ${ZONES_MAX} zones of its own; remove one first`,
    members: { resource: "zones", limit: ZONES_MAX, used },
  });
}

function shownZone({ id, name }: Pick<UsableZone, "id" | "name">) {
  return { id, name, shared: id === null };
}
