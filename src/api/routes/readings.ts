import { Type } from "typebox";
import { decisionsOf, slowestPart } from "../../routers/poll-timeline.ts";
import type { RouterId } from "../../routers/router.ts";
import type { PollRecord, WalkReport } from "../../routers/samples.ts";
import { listInterfaces, type StoredInterface } from "../../storage/interfaces.ts";
import { pollsOfRouter } from "../../storage/polls.ts";
import { type TenantClient, withTenant } from "../../storage/pool.ts";
import { routerById } from "../../storage/routers.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import {
  PAGE_LIMIT_MAX,
  PAGE_QUERY,
  pageAnswer,
  pageOf,
  pageSchema,
  rowsToFetch,
} from "../pagination.ts";
import { notFound } from "../problems.ts";
import { ID_PATH, TIME } from "../schemas.ts";
import { routerId } from "./routers.ts";

const INTERFACE = Type.Object({
  ifIndex: Type.Integer(),
  ifName: Type.Optional(Type.String()),
  ifDescr: Type.Optional(Type.String()),
  ifAlias: Type.Optional(Type.String()),
  ifType: Type.Optional(Type.Integer()),
  ifPhysAddress: Type.Optional(Type.String()),
  firstSeenAt: TIME,
  lastSeenAt: Type.String({ format: "date-time", description: "To the hour" }),
});

const WALK = Type.Object({
  oid: Type.String({ description: 'Of the table\'s rows; "" for single values' }),
  outcome: Type.String(),
  columns: Type.Integer(),
  rows: Type.Integer(),
  requests: Type.Integer({ description: "Datagrams sent, those sent again among them" }),
  retries: Type.Integer(),
  bytesIn: Type.Integer(),
  varbinds: Type.Integer({ description: "Values that were read" }),
  durationMs: Type.Number(),
  rttMsP50: Type.Number(),
  rttMsMax: Type.Number(),
  asked: Type.Optional(
    Type.String({ description: "The most asked for at once, columns × repetitions" }),
  ),
  sizing: Type.Optional(Type.String({ description: "Why no more was asked for at once" })),
  remarks: Type.Optional(Type.Array(Type.String())),
});

const POLL = Type.Object({
  polledAt: Type.String({ format: "date-time", description: "The time its samples carry" }),
  dueAt: Type.String({
    format: "date-time",
    description: "From then on it waits for its turn among all polls",
  }),
  releasedAt: Type.Optional(
    Type.String({ format: "date-time", description: "Its turn had come: queued for the workers" }),
  ),
  takenAt: Type.Optional(Type.String({ format: "date-time", description: "By a worker" })),
  startedAt: TIME,
  latenessMs: Type.Integer({ description: "started − due" }),
  durationMs: Type.Integer(),
  outcome: Type.String(),
  slowest: Type.Optional(
    Type.String({ description: "Where most of the time went, of a poll that was slow" }),
  ),
  decisions: Type.Array(Type.String(), {
    description: "What was adapted to, cut or left out, and why",
  }),
  costMs: Type.Integer({ description: "What it used of a worker: slot-milliseconds" }),
  requests: Type.Integer(),
  retries: Type.Integer(),
  bytesIn: Type.Integer(),
  scalars: Type.Optional(WALK),
  modules: Type.Array(
    Type.Object({
      module: Type.String(),
      outcome: Type.String(),
      requests: Type.Integer(),
      retries: Type.Integer(),
      rows: Type.Integer(),
      reason: Type.Optional(Type.String()),
      varbinds: Type.Optional(Type.Integer({ description: "Values that were read" })),
      walkMs: Type.Optional(Type.Number({ description: "What reading them took" })),
      walks: Type.Optional(Type.Array(WALK, { description: "The slowest of its walks" })),
    }),
  ),
});

/** What a router said, and how asking it went. */
export function readingsRoutes(app: Api, { pools }: ApiDeps): void {
  const config = { access: "routers:read" } as const;
  const tags = ["readings"];

  app.get(
    "/v1/routers/:id/interfaces",
    {
      config,
      schema: {
        operationId: "listInterfaces",
        summary: "The router's interfaces, as last read, by ifIndex",
        tags,
        params: ID_PATH,
        querystring: Type.Object(PAGE_QUERY, { additionalProperties: false }),
        response: { 200: pageSchema(INTERFACE) },
      },
    },
    async (request) => {
      const page = pageOf(request.query, isWholeNumber, PAGE_LIMIT_MAX);
      const all = await withTenant(pools.app, tenantCaller(request).tenant.id, async (client) =>
        listInterfaces(client, await ownRouter(client, routerId(request))),
      );
      const rows = all.filter(({ ifIndex }) => ifIndex > Number(page.after ?? -1));
      return pageAnswer(rows, page, { keyOf: (it) => String(it.ifIndex), shown: shownInterface });
    },
  );

  app.get(
    "/v1/routers/:id/polls",
    {
      config,
      schema: {
        operationId: "listPolls",
        summary: "The router's polls, newest first: each step from due to its end, and why",
        tags,
        params: ID_PATH,
        querystring: Type.Object(PAGE_QUERY, { additionalProperties: false }),
        response: { 200: pageSchema(POLL) },
      },
    },
    async (request) => {
      const page = pageOf(request.query, isWholeNumber);
      const before = page.after === undefined ? undefined : new Date(Number(page.after));
      const { tenant } = tenantCaller(request);
      const rows = await withTenant(pools.app, tenant.id, async (client) =>
        pollsOfRouter(client, tenant.id, {
          routerId: await ownRouter(client, routerId(request)),
          limit: rowsToFetch(page).limit,
          before,
        }),
      );
      return pageAnswer(rows, page, { keyOf: (it) => String(it.polledAtMs), shown: shownPoll });
    },
  );
}

/** The router's id once it is known to be the tenant's. */
export async function ownRouter(client: TenantClient, id: RouterId): Promise<RouterId> {
  if (!(await routerById(client, id))) throw notFound("router");
  return id;
}

function isWholeNumber(key: string): boolean {
  return /^\d{1,15}$/.test(key);
}

function shownInterface({ firstSeenAt, lastSeenAt, ...rest }: StoredInterface) {
  return {
    ...rest,
    firstSeenAt: firstSeenAt.toISOString(),
    lastSeenAt: lastSeenAt.toISOString(),
  };
}

function shownPoll(poll: PollRecord) {
  const slowest = slowestPart(poll);
  return {
    polledAt: new Date(poll.polledAtMs).toISOString(),
    dueAt: new Date(poll.dueAtMs).toISOString(),
    ...shownTime("releasedAt", poll.releasedAtMs),
    ...shownTime("takenAt", poll.takenAtMs),
    startedAt: new Date(poll.startedAtMs).toISOString(),
    latenessMs: poll.startedAtMs - poll.dueAtMs,
    durationMs: poll.durationMs,
    outcome: poll.outcome,
    ...(slowest === undefined ? {} : { slowest }),
    decisions: decisionsOf(poll),
    costMs: poll.costMs,
    requests: poll.requests,
    retries: poll.retries,
    bytesIn: poll.bytesIn,
    ...(poll.scalars === undefined ? {} : { scalars: shownWalk(poll.scalars) }),
    modules: poll.modules.map(({ walks, ...module }) => ({
      ...module,
      ...(walks === undefined ? {} : { walks: walks.map(shownWalk) }),
    })),
  };
}

function shownTime<Key extends string>(key: Key, ms: number | undefined) {
  // The cast: TypeScript takes a computed key for any string.
  return ms === undefined ? {} : ({ [key]: new Date(ms).toISOString() } as Record<Key, string>);
}

function shownWalk({ remarks, ...walk }: WalkReport) {
  return remarks === undefined ? walk : { ...walk, remarks: [...remarks] };
}
