import { type Static, Type } from "typebox";
import { GONE_KEPT_MS } from "../../storage/neighbour-observations.ts";
import { FORMATS, type TopologyFormat } from "../../topology/formats/formats.ts";
import { linkChanges } from "../../topology/link-changes.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { TIME, ZONE_NAME } from "../schemas.ts";
import { invalidQuery, SPAN_QUERY, spanOf } from "../time-span.ts";
import { LINK, linkJson, nodeJson, staleAt, TOPOLOGY } from "../topology-json.ts";
import { readTopologies } from "../topology-reading.ts";

const DAY_MS = 86_400_000;

const SCOPE_QUERY = {
  zone: Type.Optional(ZONE_NAME),
  layer: Type.Optional(
    Type.Enum(["physical", "bgp", "ospf"], {
      description: "physical: by LLDP and CDP; all when absent",
    }),
  ),
};

const TOPOLOGY_QUERY = Type.Object(
  {
    format: Type.Optional(
      Type.Enum(["json", ...(Object.keys(FORMATS) as TopologyFormat[])], {
        description: "json when absent, or graphml or dot when Accept names their types",
      }),
    ),
    at: Type.Optional(
      Type.String({
        format: "date-time",
        description: "RFC 3339: the links as they were then, between the routers there are now",
      }),
    ),
    ...SCOPE_QUERY,
  },
  { additionalProperties: false },
);

const TEXT = Type.Unsafe<string>({ type: "string" });
const TOPOLOGY_ANSWER = {
  description: "The topology in the format asked for; the schema is that of json",
  content: {
    "application/json": { schema: TOPOLOGY },
    [FORMATS.graphml.contentType]: { schema: TEXT },
    [FORMATS.dot.contentType]: { schema: TEXT },
  },
};

const CHANGES = Type.Object({
  from: TIME,
  to: TIME,
  changes: Type.Array(
    Type.Object({
      change: Type.Enum(["appeared", "disappeared", "changed"]),
      before: Type.Optional(LINK),
      after: Type.Optional(LINK),
    }),
    { description: "By link; one that is there at `from` and at `to` alike is none" },
  ),
});

/** Who is connected to whom, by what the tenant's routers say of each other. */
export function topologyRoutes(app: Api, { pools, clock, discoverySeconds }: ApiDeps): void {
  app.get(
    "/v1/topology",
    {
      config: { access: "routers:read" },
      schema: {
        operationId: "getTopology",
        summary: "Routers, their neighbours and the links between them, with evidence",
        description:
          "Computed from LLDP, CDP, BGP and OSPF. A link both ends report is one link; one that only one end reports is flagged. A link stays until a whole reading of the neighbours lacks it; one not confirmed of late is stale.",
        tags: ["readings"],
        querystring: TOPOLOGY_QUERY,
        response: { 200: TOPOLOGY_ANSWER },
      },
    },
    async (request, reply) => {
      const { at: asked, ...scope } = request.query;
      const now = new Date(clock.now());
      const at = asked === undefined ? now : new Date(asked);
      if (at > now) throw invalidQuery("/at", "at must not be in the future");
      const format = scope.format ?? formatAccepted(request.headers.accept);
      const { tenant } = tenantCaller(request);
      const { topologies, intervalSeconds, incomplete } = await readTopologies(
        pools.app,
        tenant.id,
        [at],
        scope,
      );
      const [topology = { nodes: [], links: [] }] = topologies;
      if (format !== "json") {
        const { contentType, write } = FORMATS[format];
        return reply.type(`${contentType}; charset=utf-8`).send(write(topology));
      }
      const isStale = staleAt(at, discoverySeconds, intervalSeconds);
      return {
        at: at.toISOString(),
        nodes: topology.nodes.map(nodeJson),
        links: topology.links.map((link) => linkJson(link, isStale)),
        incomplete: [...incomplete],
      };
    },
  );

  app.get(
    "/v1/topology/changes",
    {
      config: { access: "routers:read" },
      schema: {
        operationId: "listTopologyChanges",
        summary: "Links that appeared, disappeared or changed between two times",
        description:
          "The topology at `from` compared with that at `to`; the last day when `from` is absent. `lastSeen` of a link that disappeared is the last reading that confirmed it.",
        tags: ["readings"],
        querystring: Type.Object(
          { ...SPAN_QUERY, ...SCOPE_QUERY },
          { additionalProperties: false },
        ),
        response: { 200: CHANGES },
      },
    },
    async (request): Promise<Static<typeof CHANGES>> => {
      const nowMs = clock.now();
      const { from, to } = spanOf(request.query, {
        nowMs,
        defaultMs: DAY_MS,
        maxMs: GONE_KEPT_MS,
      });
      const { topologies, intervalSeconds } = await readTopologies(
        pools.app,
        tenantCaller(request).tenant.id,
        [from, to],
        request.query,
      );
      const [before = { nodes: [], links: [] }, after = before] = topologies;
      const until = new Date(Math.min(to.getTime(), nowMs));
      const isStale = staleAt(until, discoverySeconds, intervalSeconds);
      return {
        from: from.toISOString(),
        to: to.toISOString(),
        changes: linkChanges(before, after).map((it) => ({
          change: it.change,
          ...("before" in it && { before: linkJson(it.before, isStale) }),
          ...("after" in it && { after: linkJson(it.after, isStale) }),
        })),
      };
    },
  );
}

/** Formats with a media type of their own; the others are asked for by name. */
function formatAccepted(accept = ""): TopologyFormat | "json" {
  const types = accept.split(",").map((type) => type.split(";")[0]?.trim().toLowerCase());
  const named = (["graphml", "dot"] as const).find((it) => types.includes(FORMATS[it].contentType));
  return named ?? "json";
}
