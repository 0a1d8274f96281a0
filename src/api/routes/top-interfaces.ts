import { Type } from "typebox";
import { withTenant } from "../../storage/pool.ts";
import {
  type Flow,
  type FlowSum,
  type InterfaceSums,
  routerNames,
  trafficOfTenant,
} from "../../storage/traffic.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { ID, TIME } from "../schemas.ts";
import { SPAN_QUERY, spanOf } from "../time-span.ts";

const TOP_MAX = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DEFAULT_MS = 15 * MINUTE_MS;
const SPAN_DAYS_MAX = 31;

/** Up to this long rollups of 5 minutes are read, beyond those of hours: 72 rows a router either way. */
const FINE_MS_MAX = 6 * HOUR_MS;

const RANKINGS = {
  utilisation: ["in", "out", "speed"],
  traffic: ["in", "out", "speed"],
  errors: ["errorsIn", "errorsOut"],
} as const satisfies Record<string, readonly Flow[]>;
type Ranking = keyof typeof RANKINGS;

const TOP_QUERY = Type.Object(
  {
    by: Type.Optional(
      Type.Enum(Object.keys(RANKINGS) as Ranking[], {
        description:
          "utilisation (the busier direction's share of the speed), traffic (both directions together), errors (a second); utilisation when absent",
      }),
    ),
    ...SPAN_QUERY,
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: TOP_MAX, description: "10 when absent" }),
    ),
  },
  { additionalProperties: false },
);

const TOP = Type.Object({
  by: Type.String(),
  from: TIME,
  to: TIME,
  items: Type.Array(
    Type.Object({
      routerId: ID,
      router: Type.String(),
      ifIndex: Type.Integer(),
      ifName: Type.Optional(Type.String()),
      ifAlias: Type.Optional(Type.String()),
      ifDescr: Type.Optional(Type.String()),
      inBitsPerSecond: Type.Optional(Type.Number()),
      outBitsPerSecond: Type.Optional(Type.Number()),
      speedBitsPerSecond: Type.Optional(Type.Number()),
      utilisation: Type.Optional(Type.Number({ description: "1 = the whole speed" })),
      errorsPerSecond: Type.Optional(Type.Number()),
    }),
  ),
});

/** The tenant's busiest and worst interfaces. */
export function topInterfacesRoutes(app: Api, { pools, clock }: ApiDeps): void {
  app.get(
    "/v1/interfaces/top",
    {
      config: { access: "routers:read" },
      schema: {
        operationId: "topInterfaces",
        summary: "The busiest or worst interfaces of all routers over a time",
        description:
          "Averages over the time, from rollups: of 5 minutes up to 6 hours, of hours beyond. The last 15 minutes when from is absent. A step counts that begins within the time.",
        tags: ["readings"],
        querystring: TOP_QUERY,
        response: { 200: TOP },
      },
    },
    async (request) => {
      const { by = "utilisation", limit = 10 } = request.query;
      const span = spanOf(request.query, {
        nowMs: clock.now(),
        defaultMs: DEFAULT_MS,
        maxMs: SPAN_DAYS_MAX * 24 * HOUR_MS,
      });
      const isFine = span.to.getTime() - span.from.getTime() <= FINE_MS_MAX;
      const items = await withTenant(pools.app, tenantCaller(request).tenant.id, async (client) => {
        const step = isFine ? "5m" : "1h";
        const sums = await trafficOfTenant(client, { flows: RANKINGS[by], step, ...span });
        const ranked = sums
          .map((one) => ({ one, shown: shownOf(one) }))
          .filter(({ shown }) => rankOf(by, shown) > 0)
          .sort(
            (a, b) =>
              rankOf(by, b.shown) - rankOf(by, a.shown) ||
              a.one.routerId.localeCompare(b.one.routerId) ||
              a.one.ifIndex - b.one.ifIndex,
          );
        const names = await routerNames(client, [
          ...new Set(ranked.map(({ one }) => one.routerId)),
        ]);
        // Routers that were deleted have no name any more.
        return ranked
          .flatMap(({ one, shown }) => {
            const router = names.get(one.routerId);
            return router === undefined ? [] : [{ ...shown, router }];
          })
          .slice(0, limit);
      });
      return { by, from: span.from.toISOString(), to: span.to.toISOString(), items };
    },
  );
}

function shownOf({ routerId, ifIndex, labels, flows }: InterfaceSums) {
  const inBps = perSecond(flows.in, 8);
  const outBps = perSecond(flows.out, 8);
  const errorsIn = perSecond(flows.errorsIn, 1);
  const errorsOut = perSecond(flows.errorsOut, 1);
  const mbps = flows.speed?.last;
  const speed = mbps === undefined || mbps <= 0 ? undefined : mbps * 1_000_000;
  const busier =
    inBps === undefined && outBps === undefined ? undefined : Math.max(inBps ?? 0, outBps ?? 0);
  return {
    routerId,
    ifIndex,
    ...textOf("ifName", labels),
    ...textOf("ifAlias", labels),
    ...textOf("ifDescr", labels),
    ...(inBps === undefined ? {} : { inBitsPerSecond: inBps }),
    ...(outBps === undefined ? {} : { outBitsPerSecond: outBps }),
    ...(speed === undefined ? {} : { speedBitsPerSecond: speed }),
    ...(busier === undefined || speed === undefined ? {} : { utilisation: busier / speed }),
    ...(errorsIn === undefined && errorsOut === undefined
      ? {}
      : { errorsPerSecond: (errorsIn ?? 0) + (errorsOut ?? 0) }),
  };
}

function textOf(label: string, labels: InterfaceSums["labels"]): Record<string, string> {
  const text = labels[label];
  return text === undefined || text === "" ? {} : { [label]: text };
}

function perSecond(flow: FlowSum | undefined, factor: number): number | undefined {
  if (flow === undefined || flow.coveredMs === 0) return undefined;
  return (flow.increase * factor * 1_000) / flow.coveredMs;
}

function rankOf(by: Ranking, shown: ReturnType<typeof shownOf>): number {
  switch (by) {
    case "utilisation":
      return shown.utilisation ?? 0;
    case "traffic":
      return (shown.inBitsPerSecond ?? 0) + (shown.outBitsPerSecond ?? 0);
    case "errors":
      return shown.errorsPerSecond ?? 0;
  }
}
