/**
 * The HTTP API as one Fastify application, built without listening: tests inject requests, start-api.ts listens.
 * Everything it needs arrives as an argument; it reads no environment and keeps no state between requests but its
 * database pools, so any number of processes may run it.
 */

import type {
  FastifyPluginAsyncTypebox,
  TypeBoxTypeProvider,
} from "@fastify/type-provider-typebox";
import Fastify from "fastify";
import { Type } from "typebox";
import type { Log } from "../lib/log.ts";
import { uuidv7 } from "../lib/uuid.ts";
import { findApiKey } from "../storage/api-keys.ts";
import { tenantById } from "../storage/tenants.ts";
import { type Api, guardRoutes } from "./access-control.ts";
import type { ApiDeps, OpsDeps } from "./api-deps.ts";
import { type Authenticate, authenticator } from "./authenticate.ts";
import { answerErrors, answerUnreadable, pathOf, problemOf, sendProblem } from "./error-answers.ts";
import { describeRoutes } from "./openapi.ts";
import { adminRoutes } from "./routes/admin.ts";
import { apiKeysRoutes } from "./routes/api-keys.ts";
import { billingRoutes } from "./routes/billing.ts";
import { credentialsRoutes } from "./routes/credentials.ts";
import { expositionRoutes } from "./routes/exposition.ts";
import { healthRoutes } from "./routes/health.ts";
import { importRoutes } from "./routes/import.ts";
import { inventoryRoutes } from "./routes/inventory.ts";
import { platformRoutes } from "./routes/platform.ts";
import { readingsRoutes } from "./routes/readings.ts";
import { routersRoutes } from "./routes/routers.ts";
import { samplesRoutes } from "./routes/samples.ts";
import { serviceDiscoveryRoutes } from "./routes/service-discovery.ts";
import { tenantRoutes } from "./routes/tenant.ts";
import { tenantsRoutes } from "./routes/tenants.ts";
import { topInterfacesRoutes } from "./routes/top-interfaces.ts";
import { topologyRoutes } from "./routes/topology.ts";
import { zonesRoutes } from "./routes/zones.ts";
import { compileSchema } from "./validation.ts";

/** Bytes of a body; imports take more and say so on their route. A router is about 300 bytes. */
const BODY_BYTES_MAX = 256 * 1024;

/** A client that sends its request more slowly than this is cut off, so that slow ones cannot hold every connection. */
const REQUEST_TIMEOUT_MS = 60_000;

/** Throws, or rejects from `ready()`, when a route is declared wrongly; never for the state of the world. */
export function buildApi(deps: ApiDeps): Api {
  const authenticate = authenticator({
    adminToken: deps.adminToken,
    findApiKey: (key) => findApiKey(deps.pools.platform, key),
    tenantById: (id) => tenantById(deps.pools.platform, id),
  });
  return applicationOf(deps, authenticate, (app) => {
    tenantsRoutes(app, deps);
    tenantRoutes(app, deps);
    apiKeysRoutes(app, deps);
    credentialsRoutes(app, deps);
    zonesRoutes(app, deps);
    routersRoutes(app, deps);
    importRoutes(app, deps);
    readingsRoutes(app, deps);
    samplesRoutes(app, deps);
    topInterfacesRoutes(app, deps);
    billingRoutes(app, deps);
    inventoryRoutes(app, deps);
    topologyRoutes(app, deps);
    expositionRoutes(app, deps);
    serviceDiscoveryRoutes(app, deps);
    adminRoutes(app, deps);
  });
}

/** Health and metrics of a process that serves no tenant: a scheduler or a worker that runs alone. */
export function buildOpsApi(deps: OpsDeps): Api {
  const nobody = async () => undefined;
  const { adminToken } = deps;
  const authenticate = authenticator({ adminToken, findApiKey: nobody, tenantById: nobody });
  return applicationOf(deps, authenticate, () => {});
}

function applicationOf(
  deps: OpsDeps,
  authenticate: Authenticate,
  addRoutes: (app: Api) => void,
): Api {
  const app = Fastify({
    logger: false, // Requests are logged below, with fields of our choice: never headers, never bodies.
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    genReqId: ({ headers }) => requestId(headers["x-request-id"]),
    // While closing, requests on open connections are still answered; Fastify tells their clients to reconnect.
    return503OnClosing: false,
    forceCloseConnections: "idle",
    clientErrorHandler: answerUnreadable,
    frameworkErrors: (error, request, reply) => {
      sendProblem(problemOf(error), request, reply);
    },
  }).withTypeProvider<TypeBoxTypeProvider>();

  let isDraining = false;
  app.addHook("preClose", async () => {
    isDraining = true;
  });

  app.setValidatorCompiler(compileSchema);
  readBodies(app);
  logRequests(app, deps.log);
  refuseUnknownParameters(app);
  answerErrors(app, deps.log);
  guardRoutes(app, authenticate);
  describeRoutes(app, deps.version);

  // A plugin of its own, so that it waits for the describing one, and asynchronous, so that a throw is ready()'s.
  const routes: FastifyPluginAsyncTypebox = async (scope) => {
    healthRoutes(scope, { ...deps, isDraining: () => isDraining });
    platformRoutes(scope, deps);
    addRoutes(scope);
  };
  app.register(routes);
  return app;
}

/** A request's own id where it brings a harmless one, so that a caller's logs and ours can be joined; else a new one. */
function requestId(given: string | string[] | undefined): string {
  return typeof given === "string" && /^[\w.:+/=-]{1,128}$/.test(given) ? given : uuidv7();
}

function readBodies(app: Api): void {
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>(
    ["application/json", "application/merge-patch+json"],
    { parseAs: "string" },
    (request, body, done) => {
      // Many clients set the header on requests without a body; a route that needs one says so itself.
      if (body === "") done(null, undefined);
      else void parseJson(request, body, done);
    },
  );
}

function logRequests(app: Api, log: Log): void {
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
  });
  app.addHook("onResponse", async (request, reply) => {
    const fields = {
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url ?? pathOf(request.url),
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      ...(request.caller?.kind === "tenant" ? { tenant: request.caller.tenant.slug } : {}),
    };
    log.debug(fields, "request");
  });
}

/** A parameter nobody reads is a misspelt one: `?intervall=60` must not pass as if it had been heard. */
function refuseUnknownParameters(app: Api): void {
  app.addHook("onRoute", (route) => {
    if (!route.url.startsWith("/v1/") || route.schema?.querystring) return;
    route.schema = {
      ...route.schema,
      querystring: Type.Object({}, { additionalProperties: false }),
    };
  });
}
