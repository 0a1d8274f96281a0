import { Type } from "typebox";
import { isUuid } from "../../lib/uuid.ts";
import {
  BILLING_INTERVAL_MS,
  type MeasuredInterval,
  percentile95,
} from "../../routers/percentile.ts";
import type { RouterId } from "../../routers/router.ts";
import { withTenant } from "../../storage/pool.ts";
import { type InterfaceTraffic, routersToBill, trafficOfRouter } from "../../storage/traffic.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { PAGE_QUERY, pageAnswer, pageOf, rowsToFetch } from "../pagination.ts";
import { notFound } from "../problems.ts";
import { ID, TIME } from "../schemas.ts";
import { invalidQuery } from "../time-span.ts";

/** Routers of one page: a month of one is 9,000 rows, which take about a second on a busy machine. */
const ROUTERS_MAX = 10;

const P95_QUERY = Type.Object(
  {
    month: Type.String({
      pattern: "^[0-9]{4}-(0[1-9]|1[0-2])$",
      description: "such as 2026-03; months are those of UTC",
    }),
    router: Type.Optional(ID),
    ifIndex: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 4_294_967_295, description: "only this interface" }),
    ),
    cursor: PAGE_QUERY.cursor,
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: ROUTERS_MAX,
        description: "Routers of a page, not interfaces",
      }),
    ),
  },
  { additionalProperties: false },
);

const P95 = Type.Object({
  month: Type.String(),
  from: TIME,
  to: Type.String({ format: "date-time", description: "Not included; now while the month lasts" }),
  expectedIntervals: Type.Integer({ description: "Intervals of 5 minutes from from to to" }),
  items: Type.Array(
    Type.Object({
      routerId: ID,
      router: Type.String(),
      ifIndex: Type.Integer(),
      ifName: Type.Optional(Type.String()),
      ifAlias: Type.Optional(Type.String()),
      inBitsPerSecond: Type.Optional(Type.Number()),
      outBitsPerSecond: Type.Optional(Type.Number()),
      billableBitsPerSecond: Type.Number({ description: "The higher of the two" }),
      inIntervals: Type.Integer({ description: "Intervals that were measured" }),
      outIntervals: Type.Integer(),
    }),
  ),
  next: Type.Union([Type.String(), Type.Null()]),
});

/** What traffic is billed by. */
export function billingRoutes(app: Api, { pools, clock }: ApiDeps): void {
  app.get(
    "/v1/billing/p95",
    {
      config: { access: "usage:read" },
      schema: {
        operationId: "p95",
        summary: "The 95th percentile of each interface's traffic in a month, in and out",
        description:
          "By the usual 5-minute method. The month (UTC) is cut into intervals of 5 minutes; each is worth the average rate its counters moved at. A rate that had to be measured over missed polls stands for every interval it covers; intervals nothing was measured for do not count, nor does anything across a restart. The values are sorted, and the one at rank ceil(0.95 n) from the lowest is the percentile, for each direction alone; the higher of the two is billable. Pages are of routers.",
        tags: ["billing"],
        querystring: P95_QUERY,
        response: { 200: P95 },
      },
    },
    async (request) => {
      const { month, ifIndex } = request.query;
      const span = monthOf(month, clock.now());
      const page = pageOf(request.query, isUuid, ROUTERS_MAX);
      // The schema has judged it.
      const routerId = request.query.router as RouterId | undefined;
      const { tenant } = tenantCaller(request);
      const routers = await withTenant(pools.app, tenant.id, (client) =>
        routersToBill(client, { ...rowsToFetch(page), routerId }),
      );
      if (routerId !== undefined && routers.length === 0 && page.after === undefined) {
        throw notFound("router");
      }
      const answer = pageAnswer(routers, page, {
        keyOf: ({ id }) => id,
        shown: (router) => router,
      });
      const items = [];
      for (const router of answer.items) {
        // One transaction each: a page of months is no reason to hold back the others' vacuum.
        const traffic = await withTenant(pools.app, tenant.id, (client) =>
          trafficOfRouter(
            client,
            router.id,
            { flows: ["in", "out"], step: "5m", ...span },
            ifIndex,
          ),
        );
        traffic.sort((a, b) => a.ifIndex - b.ifIndex);
        items.push(...traffic.flatMap((one) => billed(one, router.name) ?? []));
      }
      return {
        month,
        from: span.from.toISOString(),
        to: span.to.toISOString(),
        expectedIntervals: Math.floor(
          (span.to.getTime() - span.from.getTime()) / BILLING_INTERVAL_MS,
        ),
        items,
        next: answer.next,
      };
    },
  );
}

function monthOf(month: string, nowMs: number): { from: Date; to: Date } {
  const from = new Date(`${month}-01T00:00:00Z`);
  if (from.getTime() > nowMs) throw invalidQuery("/month", `${month} has not begun yet`);
  const to = new Date(from);
  to.setUTCMonth(to.getUTCMonth() + 1);
  return { from, to: new Date(Math.min(to.getTime(), nowMs)) };
}

function billed({ routerId, ifIndex, labels, buckets }: InterfaceTraffic, router: string) {
  const measured = (flow: "in" | "out"): MeasuredInterval[] =>
    buckets
      .filter((bucket) => bucket.flow === flow && bucket.coveredMs > 0)
      .map(({ increase, coveredMs }) => ({
        bitsPerSecond: (increase * 8_000) / coveredMs,
        coveredMs,
      }));
  const inward = percentile95(measured("in"));
  const outward = percentile95(measured("out"));
  if (inward === undefined && outward === undefined) return undefined;
  const { ifName, ifAlias } = labels;
  return {
    routerId,
    router,
    ifIndex,
    ...(ifName ? { ifName } : {}),
    ...(ifAlias ? { ifAlias } : {}),
    ...(inward ? { inBitsPerSecond: inward.bitsPerSecond } : {}),
    ...(outward ? { outBitsPerSecond: outward.bitsPerSecond } : {}),
    billableBitsPerSecond: Math.max(inward?.bitsPerSecond ?? 0, outward?.bitsPerSecond ?? 0),
    inIntervals: inward?.intervals ?? 0,
    outIntervals: outward?.intervals ?? 0,
  };
}
