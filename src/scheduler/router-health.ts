import type { PollOutcome } from "../routers/router.ts";

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

export interface HealthRules {
  /** Failed polls after which a router is unreachable. */
  readonly failuresMax: number;
  readonly probeSpacingMsMax: number;
}

/** Doubling beyond this many times cannot matter: 2^20 intervals of a second are twelve days. */
const DOUBLINGS_MAX = 20;

/** Whether a poll shows that the router answers (true), that it does not (false), or neither (undefined). */
export function answersBy(outcome: PollOutcome): boolean | undefined {
  switch (outcome) {
    case "answered":
    case "partial":
    case "refused":
    case "malformed":
      return true;
    case "silent":
    case "unreachable":
      return false;
    case "misconfigured":
    case "expired":
    case "lost":
      return undefined;
  }
}

export function isUnreachable(health: RouterHealth, rules: HealthRules): boolean {
  return health.failures >= rules.failuresMax;
}

/** Notes a failed poll or probe and plans the next probe. */
export function noteFailure(health: RouterHealth, intervalMs: number, rules: HealthRules): void {
  health.failures++;
  if (!isUnreachable(health, rules)) return;
  const doublings = Math.min(health.failures - rules.failuresMax, DOUBLINGS_MAX);
  const spacingMax = Math.max(1, Math.floor(rules.probeSpacingMsMax / intervalMs));
  health.duesToSkip = Math.min(2 ** doublings, spacingMax) - 1;
}

export function noteAnswer(health: RouterHealth): void {
  health.hasAnswered = true;
  health.failures = 0;
  health.duesToSkip = 0;
}
