import {
  type ExposedRouter,
  type ExpositionOptions,
  exposition,
  isFresh,
} from "../modules/exposition.ts";
import type { Module } from "../modules/module.ts";
import type { RouterId } from "../routers/router.ts";
import type { PollRecord } from "../routers/samples.ts";
import { textFacts } from "../storage/facts.ts";
import { latestPolls, pollsOfRouter } from "../storage/polls.ts";
import type { TenantClient } from "../storage/pool.ts";
import type { StoredRouter } from "../storage/routers.ts";
import { latestSamples, type SampleRow, type ShapeCache } from "../storage/samples.ts";

/** What the stored readings of some routers are, as Prometheus text: behind every route that Prometheus scrapes. */

const INTERVALS_SHOWN = 3;

/**
 * Routers polled at least this often are read together, over three of the longest of their intervals. Rarer ones are
 * read one by one: a single router polled once a day would otherwise have three days of all the others read with it.
 */
const TOGETHER_INTERVAL_SECONDS_MAX = 900;

/** At most so many routers are always read one by one: cheaper than the newest row of every router of the tenant. */
const ALONE_ROUTERS_MAX = 8;

export interface ExpositionRequest extends Pick<ExpositionOptions, "identify" | "extra"> {
  /** The routers to show, of the tenant that `client` is for. */
  readonly routers: readonly StoredRouter[];
  /** The loaded modules; with `onlyTheseModules`, nothing of any other is shown. */
  readonly modules: ReadonlyMap<string, Module>;
  readonly onlyTheseModules?: boolean;
  readonly shapes: ShapeCache;
  readonly nowMs: number;
}

/**
 * The text in chunks, of those routers of the request alone. Every row has been read when this resolves, so that the transaction may end before a client, who
 * may be slow, has taken the first.
 */
export async function expositionText(
  client: TenantClient,
  { routers, onlyTheseModules = false, shapes, ...options }: ExpositionRequest,
): Promise<AsyncIterable<string>> {
  const isShown = ({ module }: { readonly module: string }): boolean =>
    !onlyTheseModules || options.modules.has(module);
  const reading = readingPlan(routers, options.nowMs);
  const polls = await newestPolls(client, reading);
  const facts = await textFacts(
    client,
    reading.alone.length === routers.length ? routers.map((it) => it.id) : undefined,
  );
  const text = exposition(
    {
      ...options,
      routers: routers.map((router) => exposedRouter(router, polls.get(router.id), options.nowMs)),
    },
    only(newestSamples(client, reading, shapes), isShown),
    facts.filter(isShown),
  );
  // The generator takes all rows before it gives its first chunk.
  return afterFirst(await text.next(), text);
}

async function* only<Row>(
  rows: AsyncIterable<Row>,
  isShown: (row: Row) => boolean,
): AsyncGenerator<Row> {
  for await (const row of rows) if (isShown(row)) yield row;
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
  const isOften = ({ intervalSeconds }: StoredRouter): boolean =>
    routers.length > ALONE_ROUTERS_MAX && intervalSeconds <= TOGETHER_INTERVAL_SECONDS_MAX;
  const often = routers.filter(isOften);
  const rarely = routers.filter((it) => !isOften(it));
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
