import type { FastifyPluginAsync } from "fastify";
import { expect, it } from "vitest";
import { buildApi } from "../../../src/api/app.ts";
import { PERMISSIONS } from "../../../src/api/permissions.ts";
import { depsWithoutDatabase } from "./fake-deps.ts";

interface Operation {
  operationId?: string;
  summary?: string;
  tags?: string[];
  security?: Record<string, string[]>[];
  "x-required-access"?: string;
  parameters?: { name: string; in: string }[];
  responses: Record<string, { description?: string }>;
}

async function document() {
  const answer = await buildApi(depsWithoutDatabase()).inject("/openapi.json");
  expect(answer.statusCode).toBe(200);
  return answer.json();
}

async function operations(): Promise<(Operation & { at: string; path: string })[]> {
  const { paths } = await document();
  return Object.entries<Record<string, Operation>>(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      path,
      at: `${method.toUpperCase()} ${path}`,
    })),
  );
}

it("is an OpenAPI 3.1 document of this version", async () => {
  expect(await document()).toMatchObject({
    openapi: "3.1.0",
    info: { title: "Fairwalk", version: "1.2.3" },
  });
});

it("every operation says the access it needs, and asks for a token by it", async () => {
  for (const operation of await operations()) {
    const access = operation["x-required-access"];
    expect([...PERMISSIONS, "platform", "anyone"], operation.at).toContain(access);
    const scheme = access === "platform" ? [{ adminToken: [] }] : [{ apiKey: [] }];
    expect(operation.security, operation.at).toEqual(access === "anyone" ? [] : scheme);
  }
});

it("only probes and this document are for anyone", async () => {
  const open = (await operations()).filter((it) => it["x-required-access"] === "anyone");

  expect(open.map((it) => it.at).sort()).toEqual([
    "GET /livez",
    "GET /openapi.json",
    "GET /readyz",
  ]);
});

it("operation ids are unique, and the ones clients were generated from", async () => {
  const all = await operations();
  const ids = all.map((it) => `${it.operationId} = ${it.at}`);

  expect(new Set(all.map((it) => it.operationId)).size).toBe(all.length);
  expect(ids.sort()).toMatchInlineSnapshot(`
    [
      "createApiKey = POST /v1/api-keys",
      "createCredential = POST /v1/credentials",
      "createRouter = POST /v1/routers",
      "createTenant = POST /v1/tenants",
      "createTenantApiKey = POST /v1/tenants/{id}/api-keys",
      "createZone = POST /v1/zones",
      "deleteCredential = DELETE /v1/credentials/{id}",
      "deleteRouter = DELETE /v1/routers/{id}",
      "deleteTenant = DELETE /v1/tenants/{id}",
      "deleteZone = DELETE /v1/zones/{id}",
      "getCapacity = GET /v1/admin/capacity",
      "getCredential = GET /v1/credentials/{id}",
      "getFairness = GET /v1/admin/fairness",
      "getInventory = GET /v1/routers/{id}/inventory",
      "getOwnPolling = GET /v1/tenant/polling",
      "getOwnTenant = GET /v1/tenant",
      "getRouter = GET /v1/routers/{id}",
      "getTenant = GET /v1/tenants/{id}",
      "getTopology = GET /v1/topology",
      "importRouters = POST /v1/routers/import",
      "listApiKeys = GET /v1/api-keys",
      "listCredentials = GET /v1/credentials",
      "listInterfaces = GET /v1/routers/{id}/interfaces",
      "listPolls = GET /v1/routers/{id}/polls",
      "listRouters = GET /v1/routers",
      "listSamples = GET /v1/routers/{id}/samples",
      "listTenants = GET /v1/tenants",
      "listTopologyChanges = GET /v1/topology/changes",
      "listWorkers = GET /v1/admin/workers",
      "listZones = GET /v1/zones",
      "livez = GET /livez",
      "openapi = GET /openapi.json",
      "p95 = GET /v1/billing/p95",
      "platformMetrics = GET /metrics",
      "pollRouter = POST /v1/routers/{id}/poll",
      "prometheusTargets = GET /v1/sd/prometheus",
      "readyz = GET /readyz",
      "resumeTenant = POST /v1/tenants/{id}/resume",
      "revokeApiKey = DELETE /v1/api-keys/{id}",
      "snmpExporter = GET /snmp",
      "suspendTenant = POST /v1/tenants/{id}/suspend",
      "tenantMetrics = GET /v1/metrics",
      "topInterfaces = GET /v1/interfaces/top",
      "updateCredential = PATCH /v1/credentials/{id}",
      "updateRouter = PATCH /v1/routers/{id}",
      "updateTenant = PATCH /v1/tenants/{id}",
      "updateWorkers = PATCH /v1/admin/workers",
    ]
  `);
});

it("every operation has a summary, a tag, its path's parameters and problem answers", async () => {
  for (const operation of await operations()) {
    expect(operation.summary, operation.at).toBeTruthy();
    expect(operation.tags, operation.at).toHaveLength(1);
    expect(operation.responses["default"], operation.at).toMatchObject({
      content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
    });
    for (const [status, answer] of Object.entries(operation.responses)) {
      expect(answer.description, `${operation.at} ${status}`).toMatch(/^(?!Default Response)\S/);
    }
    const inPath = [...operation.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const declared = operation.parameters?.filter((it) => it.in === "path").map((it) => it.name);
    expect(declared ?? [], operation.at).toEqual(inPath);
  }
});

it("no answer has a member for a secret", async () => {
  const { paths } = await document();
  const answers = Object.values<Record<string, Operation>>(paths).flatMap((methods) =>
    Object.values(methods).map((operation) => JSON.stringify(operation.responses)),
  );

  for (const answer of answers) {
    expect(answer).not.toMatch(/"(community|authPassword|privPassword|secret)"/);
  }
});

it("a route that does not say the access it needs keeps the application from starting", async () => {
  const app = buildApi(depsWithoutDatabase());
  const forgetful: FastifyPluginAsync = async (scope) => {
    scope.get("/forgotten", async () => "open to all");
  };
  app.register(forgetful);

  await expect(app.ready()).rejects.toThrow("GET /forgotten declares the access it needs");
});
