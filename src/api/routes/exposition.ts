import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { fnv1a32 } from "../../lib/hash.ts";
import { withTenant } from "../../storage/pool.ts";
import { listRouters, type StoredRouter } from "../../storage/routers.ts";
import { ShapeCache } from "../../storage/samples.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { everyRow } from "../every-row.ts";
import { expositionText } from "../latest-readings.ts";
import { invalidFields } from "../problems.ts";
import { routerCalled } from "../router-target.ts";
import { bookkeeping } from "../scrape-bookkeeping.ts";

const TEXT_FORMAT = {
  description: "Prometheus text format 0.0.4",
  content: { "text/plain": { schema: Type.Unsafe<Readable>({ type: "string" }) } },
};

const SHARD = /^(\d{1,4})\/(\d{1,4})$/;

/** What a tenant's Prometheus scrapes. */
export function expositionRoutes(app: Api, { pools, modules, clock }: ApiDeps): void {
  const shapes = new ShapeCache();

  app.get(
    "/v1/metrics",
    {
      config: { access: "metrics:read" },
      schema: {
        operationId: "tenantMetrics",
        summary: "The latest samples of all routers, for Prometheus (text format 0.0.4)",
        description:
          "Metrics have the names and labels snmp_exporter gives them, and besides router, router_id, zone and the router's own labels. Series older than three of the router's intervals are left out. Scrape it with honor_labels: true.",
        tags: ["readings"],
        querystring: Type.Object(
          {
            router: Type.Optional(
              Type.String({
                maxLength: 300,
                description: "One router alone, by name, id or address[:port]",
              }),
            ),
            shard: Type.Optional(
              Type.String({
                pattern: SHARD.source,
                description:
                  "`i/n`: the i-th of n parts, from 1/n to n/n. A router stays in its part as others come and go",
              }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: TEXT_FORMAT },
      },
    },
    async (request, reply) => {
      const { router, shard } = request.query;
      const isInShard = shardOf(shard);
      const text = await withTenant(pools.app, tenantCaller(request).tenant.id, async (client) => {
        const routers =
          router === undefined
            ? await everyRow((page) => listRouters(client, page))
            : [await routerCalled(client, router, "/router")];
        const shown = routers.filter(isInShard);
        return expositionText(client, { routers: shown, modules, shapes, nowMs: clock.now() });
      });
      return sendText(request, reply, text);
    },
  );

  app.get(
    "/snmp",
    {
      config: { access: "metrics:read" },
      schema: {
        operationId: "snmpExporter",
        summary: "The latest samples of one router, as snmp_exporter would answer",
        description:
          "From the store: nothing is asked of the router. Metrics and labels are snmp_exporter's, without the router's own. A router whose last poll failed, or is older than three intervals, answers 504, so that `up` is 0.",
        tags: ["readings"],
        querystring: Type.Object(
          {
            target: Type.String({
              minLength: 1,
              maxLength: 300,
              description: "The router's name, id or address[:port]",
            }),
            module: Type.Optional(
              Type.Union(
                [
                  Type.String({ maxLength: 1_000 }),
                  Type.Array(Type.String({ maxLength: 200 }), { maxItems: 50 }),
                ],
                {
                  description: "Modules to show, repeated or separated by commas; all when absent",
                },
              ),
            ),
            auth: Type.Optional(
              Type.String({
                maxLength: 200,
                description: "Ignored: the router has its credential",
              }),
            ),
            snmp_context: Type.Optional(
              Type.String({ maxLength: 200, description: "Ignored: the router has its context" }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: TEXT_FORMAT },
      },
    },
    async (request, reply) => {
      const { target, module } = request.query;
      const modulesShown = modulesNamed(module, new Set(modules.keys()));
      const nowMs = clock.now();
      const text = await withTenant(pools.app, tenantCaller(request).tenant.id, async (client) => {
        const router = await routerCalled(client, target, "/target");
        const extra = await bookkeeping(client, router, { modulesShown, nowMs });
        return expositionText(client, {
          routers: [router],
          modules: only(modules, modulesShown),
          onlyTheseModules: modulesShown !== undefined,
          shapes,
          nowMs,
          identify: false,
          extra,
        });
      });
      return sendText(request, reply, text);
    },
  );
}

/** Whether a router is in the part asked for. `0/n` is the last part too, for those who count from 0. */
function shardOf(shard: string | undefined): (router: StoredRouter) => boolean {
  if (shard === undefined) return () => true;
  const [part = 0, parts = 0] = (SHARD.exec(shard) ?? []).slice(1).map(Number);
  if (parts === 0 || part > parts) {
    const detail = `shard must be i/n with i from 1 to n, such as 1/4; got "${shard}"`;
    throw invalidFields([{ in: "query", pointer: "/shard", detail }]);
  }
  return ({ id }) => fnv1a32(id) % parts === part % parts;
}

function modulesNamed(
  given: string | readonly string[] | undefined,
  loaded: ReadonlySet<string>,
): ReadonlySet<string> | undefined {
  if (given === undefined) return undefined;
  const names = [given]
    .flat()
    .flatMap((it) => it.split(","))
    .map((it) => it.trim());
  const unknown = names.filter((name) => !loaded.has(name));
  if (unknown.length > 0) {
    const detail = `module must name loaded modules; there is no "${unknown.join('", "')}"`;
    throw invalidFields([{ in: "query", pointer: "/module", detail }]);
  }
  return new Set(names);
}

function only<Value>(
  all: ReadonlyMap<string, Value>,
  names: ReadonlySet<string> | undefined,
): ReadonlyMap<string, Value> {
  return names === undefined ? all : new Map([...all].filter(([name]) => names.has(name)));
}

function sendText(
  request: FastifyRequest,
  reply: FastifyReply,
  text: AsyncIterable<string>,
): FastifyReply {
  reply
    .header("content-type", "text/plain; version=0.0.4; charset=utf-8")
    .header("vary", "accept-encoding");
  const readable = Readable.from(text);
  if (!/\bgzip\b/.test(request.headers["accept-encoding"] ?? "")) return reply.send(readable);
  const gzip = createGzip({ level: 1 });
  // A fault on the way must end the answer as a fault, not as a shorter text.
  readable.once("error", (error) => gzip.destroy(error));
  return reply.header("content-encoding", "gzip").send(readable.pipe(gzip));
}
