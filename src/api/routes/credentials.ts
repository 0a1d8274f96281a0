import { Type } from "typebox";
import {
  createCredential,
  credentialById,
  deleteCredential,
  listCredentials,
  type StoredCredential,
  updateCredential,
} from "../../storage/credentials.ts";
import { withTenant } from "../../storage/pool.ts";
import { tenantDataKey } from "../../storage/tenant-keys.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import {
  CREDENTIAL_CHANGES,
  changedCredential,
  credentialOf,
  NEW_CREDENTIAL,
} from "../credential-rules.ts";
import { idOf, PAGE_QUERY, pageAnswer, pageOf, pageSchema, rowsToFetch } from "../pagination.ts";
import { notFound, Problem } from "../problems.ts";
import { ID, ID_PATH, NAME, NO_CONTENT, TIME } from "../schemas.ts";
import { conflictsAs } from "../storage-conflicts.ts";

/** No secret has a place here: the serializer writes these members and no others. */
const CREDENTIAL = Type.Object({
  id: ID,
  name: Type.String(),
  version: Type.String(),
  username: Type.Optional(Type.String()),
  securityLevel: Type.Optional(Type.String()),
  authProtocol: Type.Optional(Type.String()),
  privProtocol: Type.Optional(Type.String()),
  hasCommunity: Type.Boolean(),
  hasAuthPassword: Type.Boolean(),
  hasPrivPassword: Type.Boolean(),
  createdAt: TIME,
  updatedAt: TIME,
});

/** Credentials: secrets go in, and never come out. */
export function credentialsRoutes(app: Api, { pools, masterKey }: ApiDeps): void {
  const tags = ["routers"];

  app.post(
    "/v1/credentials",
    {
      config: { access: "credentials:write" },
      schema: {
        operationId: "createCredential",
        summary: "Store an SNMP community or user",
        tags,
        body: NEW_CREDENTIAL,
        response: { 201: CREDENTIAL },
      },
    },
    async (request, reply) => {
      const { name, ...fields } = request.body;
      const credential = credentialOf(fields);
      const stored = await conflictsAs({ duplicate_name: () => nameTaken(name) }, () =>
        withTenant(pools.app, tenantCaller(request).tenant.id, async (client) =>
          createCredential(client, await tenantDataKey(client, masterKey), { name, ...credential }),
        ),
      );
      reply.code(201).header("location", `/v1/credentials/${stored.id}`);
      return shownCredential(stored);
    },
  );

  app.get(
    "/v1/credentials",
    {
      config: { access: "credentials:read" },
      schema: {
        operationId: "listCredentials",
        summary: "List credentials, oldest first",
        tags,
        querystring: Type.Object(
          { ...PAGE_QUERY, name: Type.Optional({ ...NAME, description: "exactly this name" }) },
          { additionalProperties: false },
        ),
        response: { 200: pageSchema(CREDENTIAL) },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const { name } = request.query;
      const rows = await withTenant(pools.app, tenantCaller(request).tenant.id, (client) =>
        listCredentials(client, { ...rowsToFetch(page), name }),
      );
      return pageAnswer(rows, page, { keyOf: idOf, shown: shownCredential });
    },
  );

  app.get(
    "/v1/credentials/:id",
    {
      config: { access: "credentials:read" },
      schema: {
        operationId: "getCredential",
        summary: "One credential, without its secrets",
        tags,
        params: ID_PATH,
        response: { 200: CREDENTIAL },
      },
    },
    async (request) => {
      const credential = await withTenant(pools.app, tenantCaller(request).tenant.id, (client) =>
        credentialById(client, request.params.id),
      );
      return shownCredential(found(credential));
    },
  );

  app.patch(
    "/v1/credentials/:id",
    {
      config: { access: "credentials:write" },
      schema: {
        operationId: "updateCredential",
        summary: "Change a credential; the next poll uses it",
        tags,
        params: ID_PATH,
        body: CREDENTIAL_CHANGES,
        response: { 200: CREDENTIAL },
      },
    },
    async (request) => {
      const { name, ...changes } = request.body;
      const credential = await conflictsAs({ duplicate_name: () => nameTaken(name ?? "") }, () =>
        withTenant(pools.app, tenantCaller(request).tenant.id, async (client) =>
          updateCredential(client, await tenantDataKey(client, masterKey), request.params.id, {
            name,
            credential: (present) => changedCredential(present, changes),
          }),
        ),
      );
      return shownCredential(found(credential));
    },
  );

  app.delete(
    "/v1/credentials/:id",
    {
      config: { access: "credentials:write" },
      schema: {
        operationId: "deleteCredential",
        summary: "Remove a credential that no router uses",
        tags,
        params: ID_PATH,
        response: { 204: NO_CONTENT },
      },
    },
    async (request, reply) => {
      const detail = `Routers use this credential: GET /v1/routers?credentialId=${request.params.id} lists them; give them another first`;
      const isDeleted = await conflictsAs(
        { in_use: () => new Problem("credential-in-use", { detail }) },
        () =>
          withTenant(pools.app, tenantCaller(request).tenant.id, (client) =>
            deleteCredential(client, request.params.id),
          ),
      );
      if (!isDeleted) throw notFound("credential");
      reply.code(204);
      return null;
    },
  );
}

function found(credential: StoredCredential | undefined): StoredCredential {
  if (!credential) throw notFound("credential");
  return credential;
}

function nameTaken(name: string): Problem {
  return new Problem("name-taken", {
    detail: `A credential has the name "${name}"; choose another`,
  });
}

function shownCredential(credential: StoredCredential) {
  const { username, securityLevel, authProtocol, privProtocol } = credential;
  return {
    id: credential.id,
    name: credential.name,
    version: credential.version,
    ...(username === null ? {} : { username }),
    ...(securityLevel === null ? {} : { securityLevel }),
    ...(authProtocol === null ? {} : { authProtocol }),
    ...(privProtocol === null ? {} : { privProtocol }),
    hasCommunity: credential.version !== "3",
    hasAuthPassword: authProtocol !== null,
    hasPrivPassword: privProtocol !== null,
    createdAt: credential.createdAt.toISOString(),
    updatedAt: credential.updatedAt.toISOString(),
  };
}
