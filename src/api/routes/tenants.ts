import { Type } from "typebox";
import {
  createTenant,
  deleteTenant,
  listTenants,
  setTenantState,
  tenantById,
  updateTenant,
} from "../../storage/tenants.ts";
import { SLUG_PATTERN, type Tenant, type TenantId, TIERS } from "../../tenants/tenant.ts";
import type { Api } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { idOf, PAGE_QUERY, pageAnswer, pageOf, pageSchema, rowsToFetch } from "../pagination.ts";
import { notFound, Problem } from "../problems.ts";
import { ID, ID_PATH, NAME, NO_CONTENT, TIME } from "../schemas.ts";
import { conflictsAs } from "../storage-conflicts.ts";

const TIER = Type.Enum([...TIERS], { description: TIERS.join(", ") });

export const TENANT = Type.Object({
  id: ID,
  name: Type.String(),
  slug: Type.String(),
  tier: TIER,
  state: Type.String({ description: "active, suspended, pending_deletion, erasing or erased" }),
  parentId: Type.Union([ID, Type.Null()], {
    description:
      "The MSP it belongs to: its polls take turns inside the MSP's share. null = nobody's",
  }),
  createdAt: TIME,
});

const PARENT_ID = Type.Union([ID, Type.Null()], {
  description:
    "The id of a tenant of the tier msp that belongs to nobody itself; null = it belongs to nobody",
});

const NEW_TENANT = Type.Object(
  {
    name: NAME,
    slug: Type.String({
      pattern: SLUG_PATTERN,
      description:
        "1 to 63 lower-case letters, digits and hyphens, no hyphen at the ends; unique, and never changes",
    }),
    tier: TIER,
    parentId: Type.Optional(PARENT_ID),
  },
  { additionalProperties: false },
);

const TENANT_CHANGES = Type.Object(
  {
    name: Type.Optional(NAME),
    tier: Type.Optional(TIER),
    parentId: Type.Optional(PARENT_ID),
  },
  { additionalProperties: false, minProperties: 1, description: "name, tier, parentId" },
);

const LIST_QUERY = Type.Object(
  { ...PAGE_QUERY, parentId: Type.Optional({ ...ID, description: "only this MSP's tenants" }) },
  { additionalProperties: false },
);

/** Platform administration: making, changing, suspending and erasing tenants. */
export function tenantsRoutes(app: Api, { pools, masterKey, clock }: ApiDeps): void {
  const config = { access: "platform" } as const;
  const tags = ["tenants"];

  app.post(
    "/v1/tenants",
    {
      config,
      schema: {
        operationId: "createTenant",
        summary: "Make a tenant",
        tags,
        body: NEW_TENANT,
        response: { 201: TENANT },
      },
    },
    async (request, reply) => {
      const { parentId, ...body } = request.body;
      const detail = `Another tenant has the slug "${body.slug}"; choose another`;
      const tenant = await conflictsAs(
        { duplicate_slug: () => new Problem("slug-taken", { detail }), ...LEVEL_PROBLEMS },
        () =>
          createTenant(
            pools.platform,
            { ...body, parentId: parentIdOf(parentId) },
            masterKey,
            new Date(clock.now()),
          ),
      );
      reply.code(201).header("location", `/v1/tenants/${tenant.id}`);
      return shownTenant(tenant);
    },
  );

  app.get(
    "/v1/tenants",
    {
      config,
      schema: {
        operationId: "listTenants",
        summary: "List tenants, oldest first",
        tags,
        querystring: LIST_QUERY,
        response: { 200: pageSchema(TENANT) },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const parentId = parentIdOf(request.query.parentId) ?? undefined;
      const rows = await listTenants(pools.platform, { ...rowsToFetch(page), parentId });
      return pageAnswer(rows, page, { keyOf: idOf, shown: shownTenant });
    },
  );

  app.get(
    "/v1/tenants/:id",
    {
      config,
      schema: {
        operationId: "getTenant",
        summary: "One tenant",
        tags,
        params: ID_PATH,
        response: { 200: TENANT },
      },
    },
    async (request) => shownTenant(found(await tenantById(pools.platform, tenantId(request)))),
  );

  app.patch(
    "/v1/tenants/:id",
    {
      config,
      schema: {
        operationId: "updateTenant",
        summary: "Change a tenant's name, tier or MSP",
        description:
          "A tier that allows less deletes nothing: what exceeds it stays, more of it is refused. A tenant moves to an MSP, or away, with its polls in flight.",
        tags,
        params: ID_PATH,
        body: TENANT_CHANGES,
        response: { 200: TENANT },
      },
    },
    async (request) => {
      const { parentId, ...body } = request.body;
      const change = { ...body, parentId: parentIdOf(parentId) };
      const tenant = await conflictsAs(LEVEL_PROBLEMS, () =>
        updateTenant(pools.platform, tenantId(request), change),
      );
      return shownTenant(found(tenant));
    },
  );

  app.delete(
    "/v1/tenants/:id",
    {
      config,
      schema: {
        operationId: "deleteTenant",
        summary: "Erase a tenant and everything it has, at once and for good",
        tags,
        params: ID_PATH,
        response: { 204: NO_CONTENT },
      },
    },
    async (request, reply) => {
      const isDeleted = await conflictsAs(LEVEL_PROBLEMS, () =>
        deleteTenant(pools.platform, tenantId(request)),
      );
      if (!isDeleted) throw notFound("tenant");
      reply.code(204);
      return null;
    },
  );

  for (const [verb, state] of [
    ["suspend", "suspended"],
    ["resume", "active"],
  ] as const) {
    app.post(
      `/v1/tenants/:id/${verb}`,
      {
        config,
        schema: {
          operationId: `${verb}Tenant`,
          summary:
            verb === "suspend"
              ? "Stop polling a tenant's routers and refuse its API keys; nothing is lost, and an MSP's tenants go on"
              : "Poll a suspended tenant's routers and take its API keys again",
          tags,
          params: ID_PATH,
          response: { 200: TENANT },
        },
      },
      async (request) => {
        const id = tenantId(request);
        const tenant = found(await tenantById(pools.platform, id));
        if (tenant.state !== "active" && tenant.state !== "suspended") {
          throw new Problem("tenant-being-erased", {
            detail: `The tenant is in the state ${tenant.state} and cannot go back`,
          });
        }
        return shownTenant(found(await setTenantState(pools.platform, id, state)));
      },
    );
  }
}

/** Two levels: an MSP belongs to nobody, and only an MSP has tenants. */
const LEVEL_PROBLEMS = {
  not_an_msp: () =>
    new Problem("parent-not-msp", {
      detail:
        "parentId must be another tenant, of the tier msp, that has no parent itself and is not being erased (GET /v1/tenants lists them)",
    }),
  has_tenants: () =>
    new Problem("msp-has-tenants", {
      detail:
        "Tenants belong to this MSP (GET /v1/tenants?parentId=): give them another parent or none first",
    }),
};

function parentIdOf(id: string | null | undefined): TenantId | null | undefined {
  return id as TenantId | null | undefined; // Whether it is a tenant's, the statement tells.
}

export function shownTenant({ createdAt, ...tenant }: Tenant) {
  return { ...tenant, createdAt: createdAt.toISOString() };
}

function tenantId(request: { readonly params: { readonly id: string } }): TenantId {
  return request.params.id as TenantId; // Whether it is a tenant's, the query tells.
}

function found(tenant: Tenant | undefined): Tenant {
  if (!tenant) throw notFound("tenant");
  return tenant;
}
