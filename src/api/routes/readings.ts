import { Type } from "typebox";
import type { Module } from "../../modules/module.ts";
import type { RouterId } from "../../routers/router.ts";
import type { PollRecord } from "../../routers/samples.ts";
import { listInterfaces, type StoredInterface } from "../../storage/interfaces.ts";
import { pollsOfRouter } from "../../storage/polls.ts";
import { type TenantClient, withTenant } from "../../storage/pool.ts";
import { routerById } from "../../storage/routers.ts";
import { type SampleSeries, SeriesTooLongError, sampleSeries } from "../../storage/samples.ts";
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
import { notFound, Problem } from "../problems.ts";
import { ID, ID_PATH, TIME } from "../schemas.ts";
import { routerId } from "./routers.ts";

/** Points of one answer: 5 MB of JSON. */
const POINTS_MAX = 100_000;
const HOUR_MS = 3_600_000;

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

const POLL = Type.Object({
  polledAt: Type.String({ format: "date-time", description: "The time its samples carry" }),
  dueAt: TIME,
  startedAt: TIME,
  latenessMs: Type.Integer({ description: "started − due" }),
  durationMs: Type.Integer(),
  outcome: Type.String(),
  costMs: Type.Integer({ description: "What it used of a worker: slot-milliseconds" }),
  requests: Type.Integer(),
  retries: Type.Integer(),
  bytesIn: Type.Integer(),
  modules: Type.Array(
    Type.Object({
      module: Type.String(),
      outcome: Type.String(),
      requests: Type.Integer(),
      retries: Type.Integer(),
      rows: Type.Integer(),
      reason: Type.Optional(Type.String()),
    }),
  ),
});

const SAMPLES_QUERY = Type.Object(
  {
    metric: Type.String({ minLength: 1, maxLength: 200, description: "such as ifHCInOctets" }),
    ifIndex: Type.Optional(Type.Integer({ minimum: 0, description: "only of this interface" })),
    instance: Type.Optional(
      Type.String({
        pattern: "^[0-9]+(\\.[0-9]+)*$",
        maxLength: 640,
        description: "only of this row, by its dotted index",
      }),
    ),
    from: Type.Optional(
      Type.String({
        format: "date-time",
        description:
          "RFC 3339, such as 2026-01-02T03:04:05Z (write + as %2B); an hour ago when absent",
      }),
    ),
    to: Type.Optional(
      Type.String({ format: "date-time", description: "RFC 3339, not included; now when absent" }),
    ),
    step: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 86_400 * 31,
        description: "seconds: only the last point of each step",
      }),
    ),
  },
  { additionalProperties: false },
);

const SAMPLES = Type.Object({
  routerId: ID,
  metric: Type.String(),
  from: TIME,
  to: TIME,
  series: Type.Array(
    Type.Object({
      module: Type.String(),
      type: Type.String({ description: "counter or gauge" }),
      instance: Type.String({ description: 'Dotted index of the row; "" for scalars' }),
      labels: Type.Record(Type.String(), Type.String()),
      points: Type.Array(
        Type.Object({
          time: TIME,
          value: Type.Union([Type.Number(), Type.String()], {
            description: "Counters are decimal strings: 64 bits do not fit a JSON number",
          }),
        }),
      ),
    }),
  ),
});

/** What a router said, and how asking it went. */
export function readingsRoutes(app: Api, { pools, modules, clock }: ApiDeps): void {
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
        summary: "The router's polls, newest first: due, started, and how each module went",
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

  app.get(
    "/v1/routers/:id/samples",
    {
      config,
      schema: {
        operationId: "listSamples",
        summary: "One metric over time: every interface's, or one's",
        tags,
        params: ID_PATH,
        querystring: SAMPLES_QUERY,
        response: { 200: SAMPLES },
      },
    },
    async (request) => {
      const { metric, step } = request.query;
      const span = spanOf(request.query, clock.now());
      const { tenant } = tenantCaller(request);
      const found = await explainingLength(() =>
        withTenant(pools.app, tenant.id, async (client) =>
          sampleSeries(client, tenant.id, {
            routerId: await ownRouter(client, routerId(request)),
            metric,
            instance: instanceOf(request.query),
            ...span,
          }),
        ),
      );
      const series = found.map((one) => thinned(one, step));
      if (series.reduce((sum, { points }) => sum + points.length, 0) > POINTS_MAX) {
        throw tooLong(
          `More than ${POINTS_MAX} points; ask for a shorter time, a larger step or one interface`,
        );
      }
      return {
        routerId: request.params.id,
        metric,
        from: span.from.toISOString(),
        to: span.to.toISOString(),
        series: series.map((one) => shownSeries(one, modules)),
      };
    },
  );
}

async function ownRouter(client: TenantClient, id: RouterId): Promise<RouterId> {
  if (!(await routerById(client, id))) throw notFound("router");
  return id;
}

function isWholeNumber(key: string): boolean {
  return /^\d{1,15}$/.test(key);
}

function spanOf(query: { from?: string; to?: string }, nowMs: number): { from: Date; to: Date } {
  const to = query.to === undefined ? new Date(nowMs) : new Date(query.to);
  const from = query.from === undefined ? new Date(to.getTime() - HOUR_MS) : new Date(query.from);
  if (from < to) return { from, to };
  const detail = "from must be before to";
  throw new Problem("validation-failed", {
    detail,
    errors: [{ in: "query", pointer: "/from", detail }],
  });
}

/** Rows of IF-MIB's tables are indexed by ifIndex alone (RFC 2863). */
function instanceOf(query: { ifIndex?: number; instance?: string }): string | undefined {
  if (query.ifIndex === undefined) return query.instance;
  if (query.instance === undefined) return String(query.ifIndex);
  const detail = "instance and ifIndex exclude each other; give one";
  throw new Problem("validation-failed", {
    detail,
    errors: [{ in: "query", pointer: "/instance", detail }],
  });
}

async function explainingLength<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof SeriesTooLongError ? tooLong(error.message) : error;
  }
}

function tooLong(detail: string): Problem {
  return new Problem("validation-failed", {
    detail,
    errors: [{ in: "query", pointer: "/from", detail }],
  });
}

/** Right for counters and gauges alike: each point that is left is one the router gave, at its time. */
function thinned(series: SampleSeries, stepSeconds: number | undefined): SampleSeries {
  if (stepSeconds === undefined) return series;
  const stepOf = (point: { readonly at: Date } | undefined) =>
    point && Math.floor(point.at.getTime() / (stepSeconds * 1_000));
  const points = series.points.filter(
    (point, index) => stepOf(point) !== stepOf(series.points[index + 1]),
  );
  return { ...series, points };
}

function shownSeries(series: SampleSeries, modules: ReadonlyMap<string, Module>) {
  const metric = modules.get(series.module)?.metrics.find(({ name }) => name === series.metric);
  const isCounter = metric?.type === "counter";
  return {
    module: series.module,
    type: isCounter ? "counter" : "gauge",
    instance: series.instance,
    labels: series.labels,
    points: series.points.map(({ at, value }) => ({
      time: at.toISOString(),
      value: shownValue(value, isCounter),
    })),
  };
}

function shownValue(value: bigint | number, isCounter: boolean): number | string {
  if (typeof value === "number") return value;
  return isCounter ? BigInt.asUintN(64, value).toString() : Number(value);
}

function shownInterface({ firstSeenAt, lastSeenAt, ...rest }: StoredInterface) {
  return {
    ...rest,
    firstSeenAt: firstSeenAt.toISOString(),
    lastSeenAt: lastSeenAt.toISOString(),
  };
}

function shownPoll(poll: PollRecord) {
  return {
    polledAt: new Date(poll.polledAtMs).toISOString(),
    dueAt: new Date(poll.dueAtMs).toISOString(),
    startedAt: new Date(poll.startedAtMs).toISOString(),
    latenessMs: poll.startedAtMs - poll.dueAtMs,
    durationMs: poll.durationMs,
    outcome: poll.outcome,
    costMs: poll.costMs,
    requests: poll.requests,
    retries: poll.retries,
    bytesIn: poll.bytesIn,
    modules: [...poll.modules],
  };
}
