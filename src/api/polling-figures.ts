/** How a tenant's polls go in a zone: the figures an administrator sees of every tenant, and a tenant of itself. */
import { Type } from "typebox";
import type { FairnessRow } from "../storage/scheduler-state.ts";
import { TIME } from "./schemas.ts";

const NUMBER_OR_NULL = Type.Union([Type.Number(), Type.Null()]);
const COUNTS = Type.Record(Type.String(), Type.Number());

export const POLLING_FIGURES = {
  routers: Type.Integer({ description: "Routers to poll" }),
  unreachableRouters: Type.Integer({
    description: "Those that are only probed, because they do not answer",
  }),
  pollsPerSecond: Type.Number({ description: "Polls that came due" }),
  meanCostMs: {
    ...NUMBER_OR_NULL,
    description: "Slot time of a poll; null before one was measured",
  },
  demandMsPerSecond: Type.Number({ description: "Slot time the routers ask for" }),
  shareRatio: {
    ...NUMBER_OR_NULL,
    description:
      "Slot time received ÷ what an ideal scheduler would have given; null before anything was due",
  },
  backlog: Type.Integer({ description: "Polls due and not released to a worker yet" }),
  inFlight: Type.Integer({ description: "Polls released and not finished" }),
  oldestDueAt: {
    ...Type.Union([TIME, Type.Null()]),
    description: "Since when the first of the backlog is due",
  },
  latenessP50Ms: { ...NUMBER_OR_NULL, description: "From due to started, the median" },
  latenessP99Ms: { ...NUMBER_OR_NULL, description: "From due to started, the 99th percentile" },
  onTimeRatio: {
    ...NUMBER_OR_NULL,
    description:
      "Polls started on time ÷ due times that should have had one; null when there were none",
  },
  polls: { ...COUNTS, description: "Polls that ended, by outcome" },
  skips: {
    ...COUNTS,
    description:
      "Due times without a poll of their own, by reason. overrun: the router's poll before was still running. backlog: it was still waiting, or no scheduler led the zone. suspended: the tenant was. unreachable_backoff: the router does not answer and is probed less often",
  },
};

export function pollingFigures(row: FairnessRow) {
  return {
    routers: row.routers,
    unreachableRouters: row.unreachableRouters,
    pollsPerSecond: row.pollsPerSecond,
    meanCostMs: row.meanCostMs,
    demandMsPerSecond: row.demandMsPerSecond,
    shareRatio: row.fairShareMs > 0 ? row.receivedMs / row.fairShareMs : null,
    backlog: row.backlog,
    inFlight: row.inFlight,
    oldestDueAt: row.oldestDueAtMs === null ? null : new Date(row.oldestDueAtMs).toISOString(),
    latenessP50Ms: row.latenessP50Ms,
    latenessP99Ms: row.latenessP99Ms,
    onTimeRatio: row.onTimeRatio,
    polls: row.polls,
    skips: row.skips,
  };
}
