import { Readable } from "node:stream";
import { Type } from "typebox";
import { type ExposedRouter, exposition, isFresh } from "../../modules/exposition.ts";
import type { Module } from "../../modules/module.ts";
import type { RouterId } from "../../routers/router.ts";
import type { PollRecord } from "../../routers/samples.ts";
import { textFacts } from "../../storage/facts.ts";
import { latestPolls, pollsOfRouter } from "../../storage/polls.ts";
import { type TenantClient, withTenant } from "../../storage/pool.ts";
import { listRouters, type StoredRouter } from "../../storage/routers.ts";
import { latestSamples, type SampleRow, ShapeCache } from "../../storage/samples.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { everyRow } from "../every-row.ts";

const INTERVALS_SHOWN = 3;

/**
 * Routers polled at least this often are read together, over three of the longest of their intervals. Rarer ones are
 * read one by one: a single router polled once a day would otherwise have three days of all the others read with it.
 */
const TOGETHER_INTERVAL_SECONDS_MAX = 900;

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
        response: {
          200: {
            description: "Prometheus text format 0.0.4",
            content: { "text/plain": { schema: Type.Unsafe<Readable>({ type: "string" }) } },
          },
        },
      },
    },
    async (request, reply) => {
      const { tenant } = tenantCaller(request);
      const text = await withTenant(pools.app, tenant.id, (client) =>
        expositionText(client, { modules, shapes, nowMs: clock.now() }),
      );
      return reply
        .header("content-type", "text/plain; version=0.0.4; charset=utf-8")
        .send(Readable.from(text));
    },
  );
}

interface ExpositionSources {
  readonly modules: ReadonlyMap<string, Module>;
  readonly shapes: ShapeCache;
  readonly nowMs: number;
}

/**
 * The text in chunks. Every row has been read when this resolves, so that the transaction may end before a client, who
 * may be slow, has taken the first.
 */
async function expositionText(
  client: TenantClient,
  { modules, shapes, nowMs }: ExpositionSources,
): Promise<AsyncIterable<string>> {
  const routers = await everyRow((page) => listRouters(client, page));
  const reading = readingPlan(routers, nowMs);
  const polls = await newestPolls(client, reading);
  const text = exposition(
    {
      modules,
      nowMs,
      routers: routers.map((router) => exposedRouter(router, polls.get(router.id), nowMs)),
    },
    newestSamples(client, reading, shapes),
    await textFacts(client),
  );
  // The generator takes all rows before it gives its first chunk.
  return afterFirst(await text.next(), text);
}

async function* afterFirst(
  first: IteratorResult<string>,
  rest: AsyncGenerator<string>,
): AsyncGenerator<string> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}

interface ReadingPlan {
  readonly together: ReadonlySet<RouterId>;
  /** How far back three intervals of any of those reach. */
  readonly since: Date;
  readonly alone: readonly { readonly id: RouterId; readonly since: Date }[];
}

function readingPlan(routers: readonly StoredRouter[], nowMs: number): ReadingPlan {
  const sinceOf = (intervalSeconds: number) =>
    new Date(nowMs - INTERVALS_SHOWN * intervalSeconds * 1_000);
  const often = routers.filter((it) => it.intervalSeconds <= TOGETHER_INTERVAL_SECONDS_MAX);
  const rarely = routers.filter((it) => it.intervalSeconds > TOGETHER_INTERVAL_SECONDS_MAX);
  return {
    together: new Set(often.map(({ id }) => id)),
    since: sinceOf(Math.max(0, ...often.map((it) => it.intervalSeconds))),
    alone: rarely.map(({ id, intervalSeconds }) => ({ id, since: sinceOf(intervalSeconds) })),
  };
}

async function newestPolls(
  client: TenantClient,
  { together, since, alone }: ReadingPlan,
): Promise<ReadonlyMap<RouterId, PollRecord>> {
  const polls = together.size === 0 ? [] : await latestPolls(client, client.tenantId, since);
  const newest = new Map(polls.map((poll) => [poll.routerId, poll]));
  for (const { id } of alone) {
    const [poll] = await pollsOfRouter(client, client.tenantId, { routerId: id, limit: 1 });
    if (poll) newest.set(id, poll);
  }
  return newest;
}

async function* newestSamples(
  client: TenantClient,
  { together, since, alone }: ReadingPlan,
  shapes: ShapeCache,
): AsyncGenerator<SampleRow> {
  if (together.size > 0) {
    for await (const row of latestSamples(client, client.tenantId, { since, shapes })) {
      if (together.has(row.routerId)) yield row;
    }
  }
  for (const { id, since: ownSince } of alone) {
    yield* latestSamples(client, client.tenantId, { since: ownSince, routerId: id, shapes });
  }
}

function exposedRouter(
  router: StoredRouter,
  poll: PollRecord | undefined,
  nowMs: number,
): ExposedRouter {
  const { id, name, zone, labels, intervalSeconds } = router;
  const isShown = poll !== undefined && isFresh(poll.polledAtMs, intervalSeconds, nowMs);
  return {
    id,
    name,
    zone,
    labels,
    intervalSeconds,
    up: isShown ? poll.outcome === "answered" || poll.outcome === "partial" : undefined,
    lastPolledAtMs: isShown ? poll.polledAtMs : undefined,
  };
}
