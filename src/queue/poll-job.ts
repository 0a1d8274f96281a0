import { POLL_OUTCOMES, type PollOutcome, type RouterId } from "../routers/router.ts";
import type { TenantId } from "../tenants/tenant.ts";

/**
 * What scheduler and worker agree on. A job carries ids and times, never an address or a credential.
 * Times are milliseconds since the Unix epoch.
 */
export interface PollJob {
  readonly routerId: RouterId;
  readonly tenantId: TenantId;
  /** When the poll should start; lateness is measured from here. */
  readonly dueAtMs: number;
  /** A worker that gets the job later than this completes it as `expired` without a packet. */
  readonly expiresAtMs: number;
  /** `probe`: one small GET to a router that has been silent; `full`: all its modules. */
  readonly kind: "full" | "probe";
}

/** A job in a worker's hands, with when it was released to the queue (the scheduler's clock) and taken from it. */
export interface TakenPollJob extends PollJob {
  readonly releasedAtMs: number;
  readonly takenAtMs?: number;
}

/** What a worker says of a poll it ended. `costMs` is the slot time it used, what its tenant is charged. */
export interface PollCompletion {
  readonly outcome: PollOutcome;
  readonly costMs: number;
  readonly startedAtMs: number;
}

/**
 * The queue's lock on a running poll. Short, because a dead worker's polls come back only after it. So long after the
 * queue last knew that a worker had a poll, that worker sends nothing for it any more.
 */
export const LOCK_DURATION_MS = 8_000;

/** The job's body in the queue: short names, because every poll pays for them several times. */
export interface PollJobBody {
  readonly t: string;
  readonly d: number;
  readonly x: number;
  readonly k: 0 | 1;
}

export interface PollCompletionBody {
  readonly o: number;
  readonly c: number;
  readonly s: number;
}

export function encodeJob(job: PollJob): PollJobBody {
  return { t: job.tenantId, d: job.dueAtMs, x: job.expiresAtMs, k: job.kind === "probe" ? 1 : 0 };
}

export function decodeJob(routerId: string, body: PollJobBody): PollJob {
  return {
    routerId: routerId as RouterId, // The job id is the router's id: encodeJob's caller set it so.
    tenantId: body.t as TenantId,
    dueAtMs: body.d,
    expiresAtMs: body.x,
    kind: body.k === 1 ? "probe" : "full",
  };
}

export function encodeCompletion(completion: PollCompletion): PollCompletionBody {
  return {
    o: POLL_OUTCOMES.indexOf(completion.outcome),
    c: Math.round(completion.costMs * 100) / 100,
    s: completion.startedAtMs,
  };
}

/** The completion in a return value, or undefined when it is not one of ours. */
export function decodeCompletion(body: unknown): PollCompletion | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { o, c, s } = body as Partial<PollCompletionBody>;
  const outcome = typeof o === "number" ? POLL_OUTCOMES[o] : undefined;
  if (outcome === undefined || typeof c !== "number" || typeof s !== "number") return undefined;
  return { outcome, costMs: c, startedAtMs: s };
}
