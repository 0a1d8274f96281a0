import type { PollOutcome } from "./router.ts";

/** When a router counts as unreachable, and how often it is probed then: the rule that scheduler and API share. */
export interface ReachabilityRules {
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

/** Intervals from a router's last poll to its next, after so many failures in a row: 1 while it is not unreachable. */
export function intervalsToNextPoll(
  failures: number,
  intervalMs: number,
  rules: ReachabilityRules,
): number {
  if (failures < rules.failuresMax) return 1;
  const doublings = Math.min(failures - rules.failuresMax, DOUBLINGS_MAX);
  const spacingMax = Math.max(1, Math.floor(rules.probeSpacingMsMax / intervalMs));
  return Math.min(2 ** doublings, spacingMax);
}
