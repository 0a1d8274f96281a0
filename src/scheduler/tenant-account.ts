import { POLL_OUTCOMES, type PollOutcome } from "../routers/router.ts";
import type { TenantId, Tier } from "../tenants/tenant.ts";
import { FIRST_ESTIMATE_MS } from "./cost-estimate.ts";
import { LatenessHistogram } from "./lateness-histogram.ts";
import type { RouterEntry } from "./router-entry.ts";
import type { TenantShare } from "./tenant-tree.ts";

/** Why a due time passed without a poll of its own. */
export const SKIP_REASONS = ["overrun", "backlog", "suspended", "unreachable_backoff"] as const;
/**
 * overrun: the router's poll before was still running. backlog: it was still waiting, or the scheduler itself was
 * away. suspended: its tenant is. unreachable_backoff: the router, or the whole zone, does not answer and is probed
 * less often.
 */
export type SkipReason = (typeof SKIP_REASONS)[number];

/** What the scheduler knows of a tenant. */
export interface ScheduledTenant extends TenantShare {
  readonly tenantId: TenantId;
  readonly tier: Tier;
  /** False: none of its routers is polled (suspended, to be deleted, erased). */
  readonly isActive: boolean;
}

/**
 * A tenant's row for administrators: how it was served. Figures of rates and lateness speak of the last one to two
 * minutes.
 */
export interface FairnessRow {
  readonly tenantId: TenantId;
  readonly tier: Tier;
  readonly weight: number;
  readonly routers: number;
  readonly unreachableRouters: number;
  /** Polls that came due; what one cost on average, null before any was measured. */
  readonly pollsPerSecond: number;
  readonly meanCostMs: number | null;
  /** Slot-milliseconds per second: polls that came due times what a poll costs. */
  readonly demandMsPerSecond: number;
  /** Slot time received in the last one to two minutes, and what an ideal scheduler would have given. */
  readonly receivedMs: number;
  readonly fairShareMs: number;
  /** Polls that wait for the tenant's turn, and those released and not finished. */
  readonly backlog: number;
  readonly inFlight: number;
  readonly oldestDueAtMs: number | null;
  readonly latenessP50Ms: number | null;
  readonly latenessP99Ms: number | null;
  /** Polls started on time ÷ due times that should have had one; null when there were none. */
  readonly onTimeRatio: number | null;
  /** Since this leader began. */
  readonly polls: Readonly<Record<PollOutcome, number>>;
  readonly skips: Readonly<Record<SkipReason, number>>;
}

/** A poll is on time when it starts within a twentieth of its interval, and a second is always allowed. */
export function isOnTime(latenessMs: number, intervalMs: number): boolean {
  return latenessMs <= Math.max(1_000, 0.05 * intervalMs);
}

/** Length of a span of figures; rows speak of the present span and the one before. */
export const SPAN_MS = 60_000;

/**
 * The retry budget: polls whose worker died are polled again at once, a burst of so many a tenant and afterwards a
 * tenth of its polls, so that routers which kill workers cannot keep the fleet busy with themselves.
 */
const RETRIES_BURST = 100;
const RETRIES_PER_POLL = 0.1;

interface Span {
  beganMs: number;
  receivedAtBeginMs: number;
  offered: number;
  finished: number;
  costMs: number;
  onTime: number;
  late: number;
}

/** The scheduler's books of one tenant in one zone. */
export class TenantAccount {
  readonly tenantId: TenantId;
  tenant: ScheduledTenant;
  readonly routers = new Set<RouterEntry>();
  readonly polls: Record<PollOutcome, number>;
  readonly skips: Record<SkipReason, number>;
  readonly lateness = new LatenessHistogram();
  unreachable = 0;
  #retries = RETRIES_BURST;
  #current: Span;
  #previous: Span;
  #meanCostMs: number | null = null;

  constructor(tenant: ScheduledTenant, nowMs: number) {
    this.tenantId = tenant.tenantId;
    this.tenant = tenant;
    this.polls = zeroes(POLL_OUTCOMES);
    this.skips = zeroes(SKIP_REASONS);
    this.#current = emptySpan(nowMs, 0);
    this.#previous = this.#current;
  }

  /** Notes that a due time offers a poll, whether it is released or skipped for want of capacity. */
  offered(): void {
    this.#current.offered++;
  }

  started(latenessMs: number, intervalMs: number): void {
    this.lateness.add(latenessMs);
    if (isOnTime(latenessMs, intervalMs)) this.#current.onTime++;
    else this.#current.late++;
  }

  skipped(reason: SkipReason, count: number): void {
    this.skips[reason] += count;
    // A due time that capacity, ours or its own, left unserved is as good as late; one left out on purpose is neither.
    if (reason !== "overrun" && reason !== "backlog") return;
    this.#current.late += count;
    this.#current.offered += count;
  }

  finished(costMs: number): void {
    this.#current.finished++;
    this.#current.costMs += costMs;
    this.#retries = Math.min(this.#retries + RETRIES_PER_POLL, RETRIES_BURST);
  }

  /** Whether a lost poll may be repeated at once. */
  takeRetry(): boolean {
    if (this.#retries < 1) return false;
    this.#retries--;
    return true;
  }

  /** Ends a span if it is over. `receivedMs` is the tenant's slot time since the beginning. */
  turn(nowMs: number, receivedMs: number): void {
    const age = nowMs - this.#current.beganMs;
    if (age >= 0 && age < SPAN_MS) return;
    if (this.#current.finished > 0)
      this.#meanCostMs = this.#current.costMs / this.#current.finished;
    this.#previous = this.#current;
    this.#current = emptySpan(nowMs, receivedMs);
    this.lateness.turn();
  }

  /** Figures of the present span and the one before. */
  recent(nowMs: number, receivedMs: number) {
    const spans =
      this.#previous === this.#current ? [this.#current] : [this.#previous, this.#current];
    const sum = (figure: "offered" | "finished" | "costMs" | "onTime" | "late") =>
      spans.reduce((total, span) => total + span[figure], 0);
    const since = spans[0] ?? this.#current;
    const seconds = Math.max((nowMs - since.beganMs) / 1_000, 1);
    const finished = sum("finished");
    const meanCostMs = finished > 0 ? sum("costMs") / finished : this.#meanCostMs;
    const judged = sum("onTime") + sum("late");
    const pollsPerSecond = sum("offered") / seconds;
    return {
      seconds,
      receivedMs: Math.max(0, receivedMs - since.receivedAtBeginMs),
      pollsPerSecond,
      meanCostMs,
      demandMsPerSecond: pollsPerSecond * (meanCostMs ?? FIRST_ESTIMATE_MS),
      onTimeRatio: judged === 0 ? null : sum("onTime") / judged,
    };
  }
}

function emptySpan(beganMs: number, receivedAtBeginMs: number): Span {
  return { beganMs, receivedAtBeginMs, offered: 0, finished: 0, costMs: 0, onTime: 0, late: 0 };
}

function zeroes<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>; // One entry a key.
}
