/**
 * Every route names in its config the access it needs, or the application does not start: a route nobody thought about
 * is a closed door, not an open one. The check runs before the body is read.
 */

import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyRequest,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import { invariant } from "../lib/invariant.ts";
import {
  type Authenticate,
  type Caller,
  requireAccess,
  type TenantCaller,
} from "./authenticate.ts";
import type { Access } from "./permissions.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What a caller must hold to use the route. */
    access?: Access;
  }
  interface FastifyRequest {
    /** Set on every route whose access is not "anyone". */
    caller: Caller | null;
  }
}

/** The Fastify application, with types read from TypeBox schemas. */
export type Api = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** Must be called before any route is added. */
export function guardRoutes(app: Api, authenticate: Authenticate): void {
  app.decorateRequest("caller", null);

  app.addHook("onRoute", (route) => {
    invariant(
      route.config?.access !== undefined,
      `${String(route.method)} ${route.url} declares the access it needs`,
    );
  });

  app.addHook("onRequest", async (request) => {
    const access = request.routeOptions.config.access;
    if (request.is404 || access === "anyone") return;
    invariant(access !== undefined, "a route without access was never added");
    const caller = await authenticate(request.headers.authorization);
    requireAccess(caller, access);
    request.caller = caller;
  });
}

/** The tenant that calls; only for routes whose access is a tenant's permission. */
export function tenantCaller(request: Pick<FastifyRequest, "caller">): TenantCaller {
  invariant(request.caller?.kind === "tenant", "a tenant's route is reached by tenants only");
  return request.caller;
}
