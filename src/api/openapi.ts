/** The OpenAPI 3.1 document, made from the very schemas that check the requests. */
import { STATUS_CODES } from "node:http";
import swagger from "@fastify/swagger";
import { Type } from "typebox";
import type { Api } from "./access-control.ts";
import type { Access } from "./permissions.ts";
import { PROBLEMS } from "./problems.ts";

const PROBLEM_SCHEMA = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    instance: Type.String({ description: "The path that was asked for" }),
    code: Type.String({ enum: Object.keys(PROBLEMS), description: "Stable; branch on this" }),
    request_id: Type.String({ description: "Quote it to support; also the X-Request-Id header" }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          in: Type.Optional(Type.String({ enum: ["body", "query", "path", "header"] })),
          pointer: Type.String({ description: "JSON Pointer (RFC 6901) to the field" }),
          detail: Type.String({ description: "What is wrong and what would be right" }),
          row: Type.Optional(Type.Integer({ description: "Imports: the row, from 1" })),
          line: Type.Optional(Type.Integer({ description: "CSV imports: the line of the file" })),
        }),
      ),
    ),
  },
  { description: "RFC 9457 problem document" },
);

const PROBLEM_ANSWER = {
  description: "What went wrong (RFC 9457)",
  content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
};

/** Must be called before any route is added. */
export function describeRoutes(app: Api, version: string): void {
  app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Fairwalk",
        version,
        description: "Multi-tenant SNMP polling: fair between tenants, isolated, no lost sample",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      components: {
        schemas: { Problem: PROBLEM_SCHEMA },
        securitySchemes: {
          apiKey: { type: "http", scheme: "bearer", description: "A tenant's API key" },
          adminToken: { type: "http", scheme: "bearer", description: "FAIRWALK_ADMIN_TOKEN" },
        },
      },
      tags: [
        { name: "tenants", description: "Platform administration of tenants" },
        { name: "tenant", description: "The tenant that calls" },
        { name: "routers", description: "What is polled" },
        { name: "readings", description: "What the routers said" },
        { name: "billing", description: "What traffic is billed by" },
        { name: "platform", description: "The platform itself" },
      ],
    },
    convertConstToEnum: false,
    transform: ({ schema, url, route }) => ({
      url,
      schema: { ...schema, ...documentation(schema, route.config?.access) },
    }),
  });
}

function documentation(
  schema: { readonly response?: unknown } | undefined,
  access: Access | undefined,
): Record<string, unknown> {
  return {
    security: securityOf(access),
    "x-required-access": access,
    response: { ...described(schema?.response), default: PROBLEM_ANSWER },
  };
}

/** Every answer needs a description; where the route gives none, the status says what it means. */
function described(response: unknown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(Object(response)).map(([status, answer]) => [
      status,
      { description: STATUS_CODES[status], ...Object(answer) },
    ]),
  );
}

function securityOf(access: Access | undefined): Record<string, string[]>[] {
  if (access === "anyone") return [];
  return access === "platform" ? [{ adminToken: [] }] : [{ apiKey: [] }];
}
