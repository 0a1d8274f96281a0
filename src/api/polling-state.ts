/**
 * How a router stands, from its last polls and the rule the scheduler goes by. The scheduler's own count of failures is
 * not asked: a new leader begins it afresh, so a next poll named here is the latest it will be.
 */
import { Type } from "typebox";
import { answersBy, intervalsToNextPoll, type ReachabilityRules } from "../routers/reachability.ts";
import type { PollSummary } from "../storage/polls.ts";
import type { StoredRouter } from "../storage/routers.ts";
import { TIME } from "./schemas.ts";

const TIME_OR_NULL = Type.Union([TIME, Type.Null()]);

export const POLLING = Type.Object(
  {
    state: Type.Enum(["pending", "up", "unreachable", "disabled"], {
      description:
        "pending: not polled yet. up: it answers, or failed too seldom to be unreachable. unreachable: it failed several times in a row and is only probed, with one small request at growing spacing, until it answers. disabled: it is not polled",
    }),
    failures: Type.Integer({ description: "Failed polls and probes since its last answer" }),
    lastPollAt: Type.Union([TIME, Type.Null()], { description: "null = none yet" }),
    lastOutcome: Type.Union([Type.String(), Type.Null()], {
      description: "How that ended, as in GET /v1/routers/{id}/polls",
    }),
    lastLatenessMs: Type.Union([Type.Integer(), Type.Null()], {
      description: "How long after it was due it started",
    }),
    nextPollAt: {
      ...TIME_OR_NULL,
      description:
        "When its next poll (of an unreachable router: probe) is due, at the latest; null = not known until it was polled once as it is registered now",
    },
  },
  { description: "How the router stands" },
);

/** More failures than this in a row change nothing: the spacing has reached its bound. */
const FAILURES_BEYOND_MAX = 21;

/** How many of a router's last polls `pollingOf` wants. */
export function pollsWanted({ failuresMax }: ReachabilityRules): number {
  return failuresMax + FAILURES_BEYOND_MAX;
}

/** `polls` newest first. */
export function pollingOf(
  router: Pick<StoredRouter, "enabled" | "intervalSeconds" | "updatedAt">,
  polls: readonly PollSummary[],
  rules: ReachabilityRules,
  nowMs: number,
) {
  const [last] = polls;
  const answered = polls.findIndex(({ outcome }) => answersBy(outcome) === true);
  const since = answered === -1 ? polls : polls.slice(0, answered);
  const failures = since.filter(({ outcome }) => answersBy(outcome) === false).length;
  const intervalMs = router.intervalSeconds * 1_000;
  return {
    state: stateOf(router, last, failures, rules),
    failures,
    lastPollAt: last?.startedAt.toISOString() ?? null,
    lastOutcome: last?.outcome ?? null,
    lastLatenessMs: last ? Math.max(0, last.startedAt.getTime() - last.dueAt.getTime()) : null,
    nextPollAt: nextPollAt(
      router,
      last,
      intervalsToNextPoll(failures, intervalMs, rules) * intervalMs,
      nowMs,
    ),
  };
}

function stateOf(
  router: Pick<StoredRouter, "enabled">,
  last: PollSummary | undefined,
  failures: number,
  rules: ReachabilityRules,
) {
  if (!router.enabled) return "disabled" as const;
  if (last === undefined) return "pending" as const;
  return failures >= rules.failuresMax ? ("unreachable" as const) : ("up" as const);
}

/** Due times lie whole intervals apart, so the next follows from the last, unless the interval may have changed since. */
function nextPollAt(
  router: Pick<StoredRouter, "enabled" | "intervalSeconds" | "updatedAt">,
  last: PollSummary | undefined,
  spacingMs: number,
  nowMs: number,
): string | null {
  if (!router.enabled || last === undefined || last.startedAt < router.updatedAt) return null;
  const intervalMs = router.intervalSeconds * 1_000;
  const dueMs = last.dueAt.getTime() + spacingMs;
  const overdue = Math.max(0, Math.ceil((nowMs - dueMs) / intervalMs));
  return new Date(dueMs + overdue * intervalMs).toISOString();
}
