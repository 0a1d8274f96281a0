import { Type } from "typebox";
import type { Api } from "../access-control.ts";

export interface PlatformDeps {
  /** The process's own metrics, as its Prometheus registry renders them. */
  readonly platformMetrics: () => Promise<{ readonly contentType: string; readonly body: string }>;
}

/** What describes the platform rather than a tenant: its metrics and its API's description. */
export function platformRoutes(app: Api, deps: PlatformDeps): void {
  app.get(
    "/metrics",
    {
      config: { access: "platform" },
      schema: {
        operationId: "platformMetrics",
        summary: "Metrics of this process, for Prometheus",
        tags: ["platform"],
        response: {
          200: {
            description: "Prometheus text",
            content: { "text/plain": { schema: Type.String() } },
          },
        },
      },
    },
    async (_request, reply) => {
      const { contentType, body } = await deps.platformMetrics();
      return reply.header("content-type", contentType).send(body);
    },
  );

  app.get(
    "/openapi.json",
    {
      config: { access: "anyone" },
      schema: {
        operationId: "openapi",
        summary: "This document",
        tags: ["platform"],
        response: {
          200: {
            description: "OpenAPI 3.1",
            content: {
              "application/json": { schema: Type.Object({}, { additionalProperties: true }) },
            },
          },
        },
      },
    },
    async (_request, reply) => reply.send(app.swagger()),
  );
}
