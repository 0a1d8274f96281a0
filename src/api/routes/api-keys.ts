import { type Static, Type } from "typebox";
import { type ApiKey, createApiKey, listApiKeys, revokeApiKey } from "../../storage/api-keys.ts";
import { withTenant } from "../../storage/pool.ts";
import type { TenantId } from "../../tenants/tenant.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { idOf, PAGE_QUERY, pageAnswer, pageOf, pageSchema, rowsToFetch } from "../pagination.ts";
import { PERMISSIONS, permissionsOf, ROLES } from "../permissions.ts";
import { invalidField, notFound, Problem } from "../problems.ts";
import { ID, ID_PATH, NAME, NO_CONTENT, TIME } from "../schemas.ts";
import { conflictsAs } from "../storage-conflicts.ts";

const NEW_API_KEY = Type.Object(
  {
    name: NAME,
    role: Type.Enum([...ROLES], { description: ROLES.join(", ") }),
    scopes: Type.Optional(
      Type.Array(Type.Enum([...PERMISSIONS], { description: PERMISSIONS.join(", ") }), {
        maxItems: PERMISSIONS.length,
        uniqueItems: true,
        description:
          "Narrow the key to these of its role's permissions; absent or empty = all of them",
      }),
    ),
    expiresAt: Type.Optional(
      Type.Union([TIME, Type.Null()], {
        description: "RFC 3339 time in the future; absent or null = never",
      }),
    ),
  },
  { additionalProperties: false },
);

const API_KEY = Type.Object({
  id: ID,
  name: Type.String(),
  role: Type.String(),
  scopes: Type.Array(Type.String()),
  expiresAt: Type.Union([TIME, Type.Null()]),
  revokedAt: Type.Union([TIME, Type.Null()]),
  lastUsedAt: Type.Union([TIME, Type.Null()], { description: "To the hour" }),
  createdAt: TIME,
});

const MADE_API_KEY = Type.Object({
  ...API_KEY.properties,
  key: Type.String({ description: "The key itself: shown now and never again" }),
});

/** API keys: made for a tenant by the platform or by the tenant itself, listed and revoked by the tenant. */
export function apiKeysRoutes(app: Api, { pools, clock }: ApiDeps): void {
  const make = async (tenantId: TenantId, body: Static<typeof NEW_API_KEY>) => {
    const expiresAt = expiryOf(body.expiresAt, clock.now());
    const { key, ...apiKey } = await conflictsAs({ unknown_tenant: () => notFound("tenant") }, () =>
      createApiKey(pools.platform, {
        tenantId,
        name: body.name,
        role: body.role,
        scopes: body.scopes ?? [],
        expiresAt,
      }),
    );
    return { ...shownApiKey(apiKey), key };
  };

  app.post(
    "/v1/tenants/:id/api-keys",
    {
      config: { access: "platform" },
      schema: {
        operationId: "createTenantApiKey",
        summary: "Make an API key for a tenant",
        tags: ["tenants"],
        params: ID_PATH,
        body: NEW_API_KEY,
        response: { 201: MADE_API_KEY },
      },
    },
    async (request, reply) => {
      const made = await make(request.params.id as TenantId, request.body); // Storage tells whether it is a tenant's.
      reply.code(201).header("cache-control", "no-store");
      return made;
    },
  );

  app.post(
    "/v1/api-keys",
    {
      config: { access: "api-keys:write" },
      schema: {
        operationId: "createApiKey",
        summary: "Make an API key",
        description: "The new key may do at most what the key that makes it may do.",
        tags: ["tenant"],
        body: NEW_API_KEY,
        response: { 201: MADE_API_KEY },
      },
    },
    async (request, reply) => {
      const caller = tenantCaller(request);
      const granted = permissionsOf(request.body.role, request.body.scopes ?? []);
      const excess = [...granted].filter((permission) => !caller.permissions.has(permission));
      if (excess.length > 0) {
        throw new Problem("permission-denied", {
          detail: `A key grants at most what it may do itself, and this one lacks ${excess.join(", ")}`,
        });
      }
      const made = await make(caller.tenant.id, request.body);
      reply.code(201).header("cache-control", "no-store");
      return made;
    },
  );

  app.get(
    "/v1/api-keys",
    {
      config: { access: "api-keys:read" },
      schema: {
        operationId: "listApiKeys",
        summary: "List API keys, oldest first; expired and revoked ones too",
        tags: ["tenant"],
        querystring: Type.Object(PAGE_QUERY, { additionalProperties: false }),
        response: { 200: pageSchema(API_KEY) },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const rows = await withTenant(pools.app, tenantCaller(request).tenant.id, (client) =>
        listApiKeys(client, rowsToFetch(page)),
      );
      return pageAnswer(rows, page, { keyOf: idOf, shown: shownApiKey });
    },
  );

  app.delete(
    "/v1/api-keys/:id",
    {
      config: { access: "api-keys:write" },
      schema: {
        operationId: "revokeApiKey",
        summary: "Revoke an API key: its next request is refused",
        tags: ["tenant"],
        params: ID_PATH,
        response: { 204: NO_CONTENT },
      },
    },
    async (request, reply) => {
      const isRevoked = await withTenant(pools.app, tenantCaller(request).tenant.id, (client) =>
        revokeApiKey(client, request.params.id),
      );
      if (!isRevoked) throw notFound("API key");
      reply.code(204);
      return null;
    },
  );
}

function expiryOf(text: string | null | undefined, nowMs: number): Date | null {
  if (text === undefined || text === null) return null;
  const expiresAt = new Date(text);
  if (!(expiresAt.getTime() > nowMs)) {
    throw invalidField("/expiresAt", "expiresAt must be a time in the future, or absent");
  }
  return expiresAt;
}

function shownApiKey(key: ApiKey) {
  return {
    id: key.id,
    name: key.name,
    role: key.role,
    scopes: [...key.scopes],
    expiresAt: key.expiresAt?.toISOString() ?? null,
    revokedAt: key.revokedAt?.toISOString() ?? null,
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
    createdAt: key.createdAt.toISOString(),
  };
}
