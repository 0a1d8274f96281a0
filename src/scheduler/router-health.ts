import { intervalsToNextPoll, type ReachabilityRules } from "../routers/reachability.ts";

/**
 * Routers that do not answer. After a few failed polls a router is unreachable: instead of a full poll it gets one
 * small probe, at doubling spacing up to a quarter of an hour (or its interval, if longer); the due times between
 * count as skips. The first answer ends that at once.
 */
export interface RouterHealth {
  /** Polls and probes failed since the last answer. */
  failures: number;
  /** Due times to let pass before the next probe. */
  duesToSkip: number;
  /** It answered at least once since this leader knows it. */
  hasAnswered: boolean;
}

export function isUnreachable(health: RouterHealth, rules: ReachabilityRules): boolean {
  return health.failures >= rules.failuresMax;
}

/** Notes a failed poll or probe and plans the next probe. */
export function noteFailure(
  health: RouterHealth,
  intervalMs: number,
  rules: ReachabilityRules,
): void {
  health.failures++;
  if (!isUnreachable(health, rules)) return;
  health.duesToSkip = intervalsToNextPoll(health.failures, intervalMs, rules) - 1;
}

export function noteAnswer(health: RouterHealth): void {
  health.hasAnswered = true;
  health.failures = 0;
  health.duesToSkip = 0;
}
