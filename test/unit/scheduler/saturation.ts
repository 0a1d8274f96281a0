import { seededRandom } from "../../../src/lib/seeded-random.ts";
import type { RouterId } from "../../../src/routers/router.ts";
import { FairQueue } from "../../../src/scheduler/fair-queue.ts";
import { Poll } from "../../../src/scheduler/queued-poll.ts";
import type { TenantShare } from "../../../src/scheduler/tenant-tree.ts";
import { ALL_RULES, type Rules } from "../../../src/scheduler/turns.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";

/** A tenant that always has polls waiting. */
export interface Saturating extends TenantShare {
  readonly id: string;
  readonly meanCostMs: number;
  readonly timeoutShare: number;
}

export interface Saturation {
  readonly seed: number;
  readonly slots: number;
  readonly seconds: number;
  /** Not counted: until the first polls have ended. */
  readonly warmUpSeconds: number;
  readonly deadlineMs: number;
  readonly rules?: Partial<Rules>;
}

/** Slot time that each tenant received after the warm-up, in milliseconds. Time goes in steps of a millisecond. */
export function saturate(
  tenants: readonly Saturating[],
  { seed, slots, seconds, warmUpSeconds, deadlineMs, rules }: Saturation,
): number[] {
  const random = seededRandom(seed);
  const queue = new FairQueue({ pollMsMax: 2 * deadlineMs }, { ...ALL_RULES, ...rules });
  const ids = tenants.map(({ id }) => id as TenantId);
  const indexOf = new Map(ids.map((id, index) => [id, index]));
  let polls = 0;
  const enqueue = (index: number, nowMs: number) => {
    const poll = new Poll({
      routerId: `router-${polls++}` as RouterId,
      tenantId: ids[index] as TenantId, // index comes from the list itself.
      dueAtMs: nowMs,
      estimateMs: 0.5 * (tenants[index]?.meanCostMs ?? 0),
      isExpress: false,
    });
    queue.enqueue(poll, nowMs);
  };
  tenants.forEach((tenant, index) => {
    queue.setTenant(ids[index] as TenantId, tenant);
    for (let i = 0; i < 2; i++) enqueue(index, 0);
  });

  const endings = new Map<number, Poll[]>();
  let atWarmUp: number[] = [];
  const received = (nowMs: number) => ids.map((id) => queue.tenant(id, nowMs)?.receivedMs ?? 0);
  for (let nowMs = 0; nowMs <= 1_000 * seconds; nowMs++) {
    if (nowMs === 1_000 * warmUpSeconds) atWarmUp = received(nowMs);
    for (const poll of endings.get(nowMs) ?? []) {
      queue.finished(poll, nowMs - poll.startedAtMs, nowMs);
    }
    endings.delete(nowMs);
    while (queue.inFlight < slots) {
      const poll = queue.release(nowMs);
      if (poll === undefined) break;
      queue.started(poll, nowMs);
      const index = indexOf.get(poll.tenantId) ?? 0;
      enqueue(index, nowMs);
      const { meanCostMs = 1, timeoutShare = 0 } = tenants[index] ?? {};
      const usual = meanCostMs * (0.2 + 1.6 * random());
      const cost = random() < timeoutShare ? deadlineMs : Math.max(1, Math.round(usual));
      const endMs = nowMs + Math.min(cost, deadlineMs);
      const ending = endings.get(endMs);
      if (ending === undefined) endings.set(endMs, [poll]);
      else ending.push(poll);
    }
  }
  return received(1_000 * seconds).map((total, index) => total - (atWarmUp[index] ?? 0));
}

/** Jain's index of fairness: 1 = all equal, 1/n = one has everything. */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share * share, 0);
  return (sum * sum) / (shares.length * squares);
}
