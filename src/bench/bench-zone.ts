import { systemClock } from "../lib/clock.ts";
import { uuidv7 } from "../lib/uuid.ts";
import { openPollQueue } from "../queue/poll-queue.ts";
import type { RouterId } from "../routers/router.ts";
import { type Dispatch, openDispatch, type SchedulerMetrics } from "../scheduler/dispatch.ts";
import type { ScheduledTenant } from "../scheduler/tenant-account.ts";
import type { PlannedRouter } from "../scheduler/zone-schedule.ts";
import type { TenantId } from "../tenants/tenant.ts";

/**
 * A zone led in this process by the product's own dispatcher, over the product's queue on a real Redis; only Postgres is
 * missing: tenants and routers are the benchmark's, and so are the slots it is told of.
 */
export interface BenchZone {
  readonly zoneKey: string;
  setTenants(tenants: readonly BenchShare[]): void;
  /** Gives a tenant so many routers that were registered this moment: their first polls are due at once. */
  register(tenantId: TenantId, routers: number, intervalSeconds: number): void;
  remove(tenantId: TenantId): void;
  /** Polls that wait for their tenant's turn, as last reported (every two seconds). */
  backlogOf(tenantId: TenantId): number;
  stop(): Promise<void>;
}

export interface BenchShare {
  readonly tenantId: TenantId;
  readonly weight: number;
}

const RULES = { tickMs: 20, unreachableAfterFailures: 3, probeSpacingSecondsMax: 900 };

export async function openBenchZone(
  redisUrl: string,
  zoneKey: string,
  slots: number,
): Promise<BenchZone> {
  const log = { debug() {}, info() {}, warn: console.error, error: console.error };
  const backlogs = new Map<TenantId, number>();
  const over = new AbortController();
  const dispatch: Dispatch = await openDispatch(
    {
      openQueue: (key, events) => openPollQueue({ kind: "redis", url: redisUrl }, key, events, log),
      liveWorkers: async () => [{ slots }],
      saveFairness: async (_zoneKey, rows) => {
        for (const row of rows) backlogs.set(row.tenantId, row.backlog);
      },
      metrics: UNWATCHED,
      clock: systemClock,
      log,
    },
    zoneKey,
    RULES,
    over.signal,
  );
  await dispatch.begin();
  return {
    zoneKey,
    setTenants(tenants) {
      const known = tenants.map(
        (tenant) =>
          [tenant.tenantId, { ...tenant, tier: "business", isActive: true }] as [
            TenantId,
            ScheduledTenant,
          ],
      );
      dispatch.setTenants(new Map(known));
    },
    register: (tenantId, routers, intervalSeconds) =>
      dispatch.setRoutersOf(tenantId, newRouters(tenantId, routers, intervalSeconds)),
    remove: (tenantId) => dispatch.setRoutersOf(tenantId, []),
    backlogOf: (tenantId) => backlogs.get(tenantId) ?? 0,
    async stop() {
      await dispatch.stop();
      over.abort();
    },
  };
}

export function newTenantId(): TenantId {
  return uuidv7() as TenantId; // What the platform makes a tenant's id of.
}

function newRouters(tenantId: TenantId, count: number, intervalSeconds: number): PlannedRouter[] {
  return Array.from({ length: count }, () => ({
    id: uuidv7() as RouterId, // What the platform makes a router's id of.
    tenantId,
    intervalSeconds,
  }));
}

const UNWATCHED: SchedulerMetrics = {
  lateness() {},
  poll() {},
  skip() {},
  unheard() {},
  leading() {},
  window() {},
  demand() {},
  zoneSuspected() {},
  tenants() {},
};
