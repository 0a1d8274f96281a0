import type { TenantId } from "../tenants/tenant.ts";
import type { FairQueue, TenantSnapshot } from "./fair-queue.ts";
import { fairShares } from "./fair-shares.ts";
import type { RouterPoll } from "./router-entry.ts";
import type { FairnessRow, TenantAccount } from "./tenant-account.ts";

/** One tenant's figures before shares are worked out; rates in slot-milliseconds a second. */
interface Claimant {
  readonly account: TenantAccount;
  readonly snapshot: TenantSnapshot;
  readonly seconds: number;
  readonly receivedMs: number;
  readonly pollsPerSecond: number;
  readonly meanCostMs: number | null;
  readonly demandMsPerSecond: number;
  readonly onTimeRatio: number | null;
  /** What it asks for: its demand, and at least what it got. */
  readonly claim: number;
}

/**
 * How each tenant was served, beside what an ideal scheduler would have given it of the same capacity: max-min fair
 * by weight, an MSP first as one with its children, then among these. Ends the accounts' spans that are over.
 */
export function fairnessRows(
  accounts: ReadonlyMap<TenantId, TenantAccount>,
  queue: FairQueue<RouterPoll>,
  slots: number,
  nowMs: number,
): FairnessRow[] {
  const claimants: Claimant[] = [];
  for (const account of accounts.values()) {
    const snapshot = queue.tenant(account.tenantId, nowMs) ?? absent(account);
    const recent = account.recent(nowMs, snapshot.receivedMs);
    account.turn(nowMs, snapshot.receivedMs);
    const claim = Math.max(recent.demandMsPerSecond, recent.receivedMs / recent.seconds);
    claimants.push({ account, snapshot, ...recent, claim });
  }
  const shares = idealShares(claimants, queue, slots);
  return claimants.map((claimant, index) => rowOf(claimant, shares[index] ?? 0));
}

/** In slot-milliseconds a second, in the claimants' order. */
function idealShares(
  claimants: readonly Claimant[],
  queue: FairQueue<RouterPoll>,
  slots: number,
): number[] {
  const received = claimants.reduce((sum, each) => sum + each.receivedMs / each.seconds, 0);
  // Under load the capacity is what the workers gave; otherwise it is what they have.
  const capacity = queue.backlog > 0 && received > 0 ? received : Math.max(1_000 * slots, received);

  const groups = new Map<TenantId, number[]>();
  claimants.forEach(({ account, snapshot }, index) => {
    const top = snapshot.parent ?? account.tenantId;
    const members = groups.get(top);
    if (members === undefined) groups.set(top, [index]);
    else members.push(index);
  });
  const memberships = [...groups];
  const claimOf = (index: number) => ({
    weight: claimants[index]?.snapshot.weight ?? 1,
    demand: claimants[index]?.claim ?? 0,
  });
  const ofGroups = fairShares(
    capacity,
    memberships.map(([top, members]) => ({
      weight: queue.weightOf(top),
      demand: members.reduce((sum, index) => sum + claimOf(index).demand, 0),
    })),
  );
  const shares = new Array<number>(claimants.length).fill(0);
  memberships.forEach(([, members], group) => {
    const inside = fairShares(ofGroups[group] ?? 0, members.map(claimOf));
    members.forEach((index, place) => {
      shares[index] = inside[place] ?? 0;
    });
  });
  return shares;
}

function rowOf(claimant: Claimant, share: number): FairnessRow {
  const { account, snapshot } = claimant;
  return {
    tenantId: account.tenantId,
    tier: account.tenant.tier,
    weight: snapshot.weight,
    routers: account.routers.size,
    unreachableRouters: account.unreachable,
    pollsPerSecond: claimant.pollsPerSecond,
    meanCostMs: claimant.meanCostMs,
    demandMsPerSecond: claimant.demandMsPerSecond,
    receivedMs: claimant.receivedMs,
    fairShareMs: share * claimant.seconds,
    backlog: snapshot.backlog,
    inFlight: snapshot.inFlight,
    oldestDueAtMs: snapshot.oldestDueAtMs ?? null,
    latenessP50Ms: account.lateness.quantile(0.5),
    latenessP99Ms: account.lateness.quantile(0.99),
    onTimeRatio: claimant.onTimeRatio,
    polls: { ...account.polls },
    skips: { ...account.skips },
  };
}

/** A tenant the queue has forgotten: suspended, with nothing in flight. */
function absent(account: TenantAccount): TenantSnapshot {
  return {
    tenantId: account.tenantId,
    weight: account.tenant.weight,
    parent: undefined,
    backlog: 0,
    oldestDueAtMs: undefined,
    inFlight: 0,
    running: 0,
    receivedMs: 0,
    isCapped: false,
    tag: 0,
  };
}
