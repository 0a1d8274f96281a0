import { seededRandom } from "../lib/seeded-random.ts";
import type { RouterId } from "../routers/router.ts";
import { FairQueue } from "../scheduler/fair-queue.ts";
import { Poll, type PollRequest } from "../scheduler/queued-poll.ts";
import type { ScheduledTenant } from "../scheduler/tenant-account.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { jain } from "./fairness-shares.ts";

/**
 * The fair queue alone, all tenants busy all the time: how many releases a second of CPU suffices for, how many whole
 * polls (made, enqueued, released, started, finished, the simulation's own work included), and whether slot time was
 * shared by weight. Costs differ ten times between tenants; time is simulated.
 */

export interface QueueMeasureOptions {
  readonly tenants: number;
  readonly slots: number;
  readonly polls: number;
  readonly seed: number;
}

const WEIGHTS = [1, 2, 4, 8, 16];
const COST_MS_MIN = 50;
const COST_MS_MAX = 500;
/** Waiting polls of each tenant. */
const WAITING = 30;
/** More milliseconds than any poll takes: events lie in a ring of that many. */
const RING_MS = 2_048;

interface BusyTenant {
  readonly tenantId: TenantId;
  readonly routerIds: readonly RouterId[];
  readonly weight: number;
  readonly meanCostMs: number;
}

/** Carries its tenant, as the product's carry their router. */
class BusyPoll extends Poll {
  readonly busy: BusyTenant;

  constructor(busy: BusyTenant, request: PollRequest) {
    super(request);
    this.busy = busy;
  }
}

export function measureQueue({ tenants: count, slots, polls, seed }: QueueMeasureOptions) {
  const random = seededRandom(seed);
  const tenants = Array.from({ length: count }, (_, index) => busyTenant(index));
  const queue = new FairQueue<BusyPoll>();
  const ring: (BusyPoll[] | undefined)[] = new Array(RING_MS);
  let nowMs = 0;

  const enqueue = (tenant: BusyTenant, turn: number) => {
    const { tenantId, routerIds, meanCostMs } = tenant;
    const poll = new BusyPoll(tenant, {
      routerId: routerIds[turn % WAITING] as RouterId,
      tenantId,
      dueAtMs: nowMs + turn,
      estimateMs: meanCostMs,
      isExpress: false,
    });
    queue.enqueue(poll, nowMs);
  };
  for (const tenant of tenants) {
    queue.setTenant(tenant.tenantId, tenant);
    for (let i = 0; i < WAITING; i++) enqueue(tenant, i);
  }
  let releaseCpuUs = 0;
  const releaseAll = () => {
    const cpu = process.cpuUsage();
    const released: BusyPoll[] = [];
    while (queue.inFlight < slots) {
      const poll = queue.release(nowMs);
      if (poll === undefined) break;
      released.push(poll);
    }
    releaseCpuUs += cpuUsSince(cpu);
    return released;
  };
  /** Fills the free slots; each tenant gets a waiting poll for one that goes. */
  const fill = () => {
    const released = releaseAll();
    for (const [turn, poll] of released.entries()) {
      queue.started(poll, nowMs);
      enqueue(poll.busy, turn);
      const costMs = Math.max(1, Math.round(poll.busy.meanCostMs * (0.2 + 1.6 * random())));
      const place = (nowMs + costMs) % RING_MS;
      const ending = ring[place];
      if (ending === undefined) ring[place] = [poll];
      else ending.push(poll);
    }
    return released.length;
  };
  const advance = () => {
    nowMs++;
    const ending = ring[nowMs % RING_MS];
    if (ending === undefined) return;
    ring[nowMs % RING_MS] = undefined;
    for (const poll of ending) queue.finished(poll, nowMs - poll.startedAtMs, nowMs);
  };
  const receivedMs = () =>
    tenants.map((each) => queue.tenant(each.tenantId, nowMs)?.receivedMs ?? 0);

  // Until every tenant has its share in flight, and the code is compiled.
  for (let warm = fill(); warm < polls / 5; warm += fill()) advance();
  const before = receivedMs();
  const cpu = process.cpuUsage();
  releaseCpuUs = 0;
  let released = 0;
  while (released < polls) {
    advance();
    released += fill();
  }
  const cpuUs = cpuUsSince(cpu);
  const shares = receivedMs().map(
    (received, index) => (received - (before[index] ?? 0)) / (tenants[index]?.weight ?? 1),
  );
  return {
    releasesPerCpuSecond: Math.round((1_000_000 * released) / releaseCpuUs),
    pollsPerCpuSecond: Math.round((1_000_000 * released) / cpuUs),
    jain: jain(shares),
  };

  function busyTenant(index: number): BusyTenant & ScheduledTenant {
    const tenantId = `tenant-${index}` as TenantId;
    return {
      tenantId,
      tier: "business",
      isActive: true,
      routerIds: Array.from({ length: WAITING }, (_, i) => `${tenantId}-router-${i}` as RouterId),
      weight: WEIGHTS[index % WEIGHTS.length] ?? 1,
      meanCostMs: Math.round(COST_MS_MIN * (COST_MS_MAX / COST_MS_MIN) ** random()),
    };
  }
}

/** User and system time of the process. */
export function cpuUsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
