import { setTimeout as delay } from "node:timers/promises";
import { seededRandom } from "../lib/seeded-random.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { type BenchShare, newTenantId, openBenchZone } from "./bench-zone.ts";
import { progress, rounded } from "./report.ts";
import {
  type PollCost,
  type PollCosts,
  startTimedWorker,
  type TimedWorkerReport,
} from "./timed-worker.ts";

/**
 * A hundred tenants that all want more than their share, of weights 1 to 16, with polls whose costs differ fifty times, a
 * tenth of them with routers that time out: does each receive slot time by its weight?
 *
 * The product's dispatcher and queue, and its worker's shell in a process of its own; polls take a known time instead of
 * speaking SNMP. Slot time is what the worker measured, the scheduler is not asked.
 */

const TENANTS = 100;
const WEIGHTS = [1, 2, 4, 8, 16];
const SLOTS = 300;
const COST_MS_MIN = 20;
const COST_MS_MAX = 1_000;
const TIMEOUT_EVERY = 10;
const TIMEOUT_SHARE = 0.3;
const TIMEOUT_MS = 1_500;
const INTERVAL_SECONDS = 5;
/** What each tenant asks for, in shares of its own. */
const THIRST = 2;
const WARM_UP_MS = 10_000;

type Saturating = PollCosts & BenchShare;

export async function measureShares(
  redisUrl: string,
  { seconds, seed }: { readonly seconds: number; readonly seed: number },
) {
  const tenants = saturatingTenants(seed);
  const zoneKey = "bench-shares";
  const worker = await startTimedWorker({
    redisUrl,
    zoneKey,
    slots: SLOTS,
    shell: "product",
    costs: tenants,
    seed,
  });
  const zone = await openBenchZone(redisUrl, zoneKey, SLOTS);
  try {
    zone.setTenants(tenants);
    const weights = tenants.reduce((sum, { weight }) => sum + weight, 0);
    for (const { tenantId, weight, ...costs } of tenants) {
      const offeredMs = (THIRST * 1_000 * INTERVAL_SECONDS * SLOTS * weight) / weights;
      zone.register(tenantId, Math.ceil(offeredMs / meanCostMs(costs)), INTERVAL_SECONDS);
    }
    progress(`shares: ${TENANTS} saturating tenants, measuring ${seconds} s`);
    await delay(WARM_UP_MS);
    const before = await worker.report();
    await delay(seconds * 1_000);
    const after = await worker.report();
    return figures(tenants, before, after);
  } finally {
    await zone.stop();
    await worker.stop();
  }
}

function figures(
  tenants: readonly Saturating[],
  before: TimedWorkerReport,
  after: TimedWorkerReport,
) {
  const usedBefore = new Map(before.usedMs);
  const usedAfter = new Map(after.usedMs);
  const used = (tenantId: TenantId) =>
    (usedAfter.get(tenantId) ?? 0) - (usedBefore.get(tenantId) ?? 0);
  const all = tenants.reduce((sum, { tenantId }) => sum + used(tenantId), 0);
  const weights = tenants.reduce((sum, { weight }) => sum + weight, 0);
  const shares = tenants.map(({ tenantId, weight }) => used(tenantId) / ((all * weight) / weights));
  const worst = shares.reduce((a, b) => (Math.abs(b - 1) > Math.abs(a - 1) ? b : a), 1);
  const spanMs = after.atMs - before.atMs;
  return {
    jain: rounded(jain(shares), 100_000),
    share_ratio_worst: rounded(worst, 1_000),
    share_ratio_least: rounded(Math.min(...shares), 1_000),
    share_ratio_most: rounded(Math.max(...shares), 1_000),
    share_ratio_of_timeouts: rounded(
      meanOf(shares.filter((_, i) => (tenants[i]?.timeoutShare ?? 0) > 0)),
      1_000,
    ),
    slots_used_ratio: rounded(all / (spanMs * SLOTS), 1_000),
    polls_per_second: rounded((1_000 * (after.finished - before.finished)) / spanMs, 1),
    tenants: TENANTS,
    slots: SLOTS,
    seconds: rounded(spanMs / 1_000, 10),
    cost_ms: [COST_MS_MIN, COST_MS_MAX],
    timeout_ms: TIMEOUT_MS,
    polls: "product's dispatcher, queue and worker shell; each poll takes a known time (no SNMP)",
  };
}

/** Weights and costs in no relation: every fifth tenant has the same weight, costs are dealt out by the seed. */
function saturatingTenants(seed: number): Saturating[] {
  const random = seededRandom(seed);
  const order = Array.from({ length: TENANTS }, (_, i) => ({ i, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ i }) => i);
  return order.map((place, i) => ({
    tenantId: newTenantId(),
    weight: WEIGHTS[i % WEIGHTS.length] ?? 1,
    costMs: Math.round(COST_MS_MIN + ((COST_MS_MAX - COST_MS_MIN) * place) / (TENANTS - 1)),
    // One of ten, of each weight as many.
    timeoutShare: i % TIMEOUT_EVERY === Math.floor(i / TIMEOUT_EVERY) ? TIMEOUT_SHARE : 0,
    timeoutMs: TIMEOUT_MS,
  }));
}

function meanCostMs({ costMs, timeoutShare, timeoutMs }: PollCost): number {
  return costMs * (1 - timeoutShare) + timeoutMs * timeoutShare;
}

/** Jain's index of fairness: 1 = all equal, 1/n = one has everything. */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share * share, 0);
  return (sum * sum) / (shares.length * squares);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
