import type { Config } from "../config/load.ts";
import { systemClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { loadModules } from "../modules/load-modules.ts";
import { metricKinds } from "../modules/metric-kinds.ts";
import { openPollQueue } from "../queue/poll-queue.ts";
import type { SchedulerMetrics } from "../scheduler/dispatch.ts";
import { startScheduler } from "../scheduler/scheduler.ts";
import type { FairnessRow } from "../scheduler/tenant-account.ts";
import { followChanges } from "../storage/change-feed.ts";
import { standForLeadership } from "../storage/leadership.ts";
import { openPool } from "../storage/pool.ts";
import { routersOfTenant, routersOfZone, zoneKeys } from "../storage/routers.ts";
import { hasBeenLed, saveFairness } from "../storage/scheduler-state.ts";
import { tenantSchedules } from "../storage/tenants.ts";
import { liveWorkers } from "../storage/workers.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { MAINTENANCE_LOCK, startMaintenance } from "./maintenance.ts";
import type { Platform } from "./platform.ts";
import { type Stoppable, StopStack } from "./stoppable.ts";

const CONNECTIONS_MAX = 4;

/** The whole scheduler: what it stands on, then the scheduler itself. Stops in reverse order. */
export async function startSchedulerRole(
  config: Config,
  platform: Platform,
  { metrics, log }: { readonly metrics: Metrics; readonly log: Log },
): Promise<Stoppable> {
  const started = new StopStack(log);
  try {
    const pool = started.pushEnd(
      "connections as fairwalk_scheduler",
      openPool({
        url: platform.databaseUrl,
        role: "fairwalk_scheduler",
        max: CONNECTIONS_MAX,
        applicationName: "fairwalk scheduler",
        log,
      }),
    );
    const rollupPool = started.pushEnd(
      "connections as fairwalk_rollup",
      openPool({
        url: platform.databaseUrl,
        role: "fairwalk_rollup",
        max: 1,
        applicationName: "fairwalk rollup",
        log,
      }),
    );
    const candidate = started.push("leadership", standForLeadership(platform.databaseUrl));
    const maintenance = await startMaintenance(
      {
        pool,
        rollupPool,
        tryLead: () => candidate.tryLead(MAINTENANCE_LOCK),
        kindOf: metricKinds(await loadModules(...config.moduleDirectories)),
        metrics,
        clock: systemClock,
        log,
      },
      config,
    );
    started.push("maintenance", maintenance);
    const slugs = new Map<TenantId, string>();

    const scheduler = startScheduler(
      {
        tryLead: (zoneKey) => candidate.tryLead(zoneKey),
        zoneKeys: () => zoneKeys(pool),
        survey: (keys) => candidate.survey(keys),
        tenants: async () => {
          const tenants = await tenantSchedules(pool);
          slugs.clear();
          for (const { tenantId, slug } of tenants) slugs.set(tenantId, slug);
          return tenants.map(({ tenantId, tier, state, parentId }) => ({
            tenantId,
            tier,
            isActive: state === "active",
            weight: config.tiers[tier].weight,
            parent: parentId ?? undefined,
          }));
        },
        routersOfZone: (zoneKey) => routersOfZone(pool, zoneKey),
        routersOfTenant: (tenantId) => routersOfTenant(pool, tenantId),
        openQueue: (zoneKey, events) =>
          openPollQueue(platform.queueBackend, zoneKey, events, log, () =>
            hasBeenLed(pool, zoneKey),
          ),
        liveWorkers: async (zoneKey) => {
          const workers = await liveWorkers(pool, config.scheduler.workerLostAfterMs);
          // A worker of several zones divides its slots among them.
          return workers
            .filter(({ zones }) => zones.includes(zoneKey))
            .map(({ busy, free, zones }) => ({ slots: (busy + free) / zones.length }));
        },
        saveFairness: (zoneKey, rows) => saveFairness(pool, zoneKey, rows),
        metrics: observedBy(metrics, (tenantId) => slugs.get(tenantId) ?? tenantId),
        clock: systemClock,
        log,
      },
      { ...config.scheduler, pollDeadlineMsMax: config.worker.pollDeadlineMsMax },
    );
    started.push(
      "change feed",
      followChanges(platform.databaseUrl, {
        onTenant: (tenantId) => scheduler.tenantChanged(tenantId),
        onReconnect: () => scheduler.everythingChanged(),
        log,
      }),
    );
    started.push("scheduler", scheduler);
    log.info({ queue: platform.queueBackend.kind }, "scheduler started");
    return started;
  } catch (error) {
    await started.stop();
    throw error;
  }
}

/** Tenants with series of their own at most, those of the largest demand; the rest are summed up as `other`. */
const TENANTS_SHOWN_MAX = 50;

function observedBy(metrics: Metrics, slugOf: (tenantId: TenantId) => string): SchedulerMetrics {
  const rowsOfZone = new Map<string, readonly FairnessRow[]>();
  return {
    lateness: (tier, seconds) => metrics.pollLateness.observe({ tier }, seconds),
    poll: (tier, outcome) => metrics.polls.inc({ tier, outcome }),
    skip: (reason, count) => metrics.pollSkips.inc({ reason }, count),
    unheard: (zone) => metrics.pollsUnheard.inc({ zone }),
    leading: (zone, isLeader) => metrics.schedulerIsLeader.set({ zone }, isLeader ? 1 : 0),
    window: (zone, polls) => metrics.schedulerWindow.set({ zone }, polls),
    demand: (zone, slots) => metrics.demand.set({ zone }, slots),
    zoneSuspected: (zone, isSuspected) => metrics.zoneSuspected.set({ zone }, isSuspected ? 1 : 0),
    tenants(zone, rows) {
      if (rows.length === 0) rowsOfZone.delete(zone);
      else rowsOfZone.set(zone, rows);
      showTenants(metrics, [...rowsOfZone.values()].flat(), slugOf);
    },
  };
}

/** A tenant with routers in several zones is as punctual as in its latest zone. */
function showTenants(
  metrics: Metrics,
  rows: readonly FairnessRow[],
  slugOf: (tenantId: TenantId) => string,
): void {
  const bySize = [...rows].sort((a, b) => b.demandMsPerSecond - a.demandMsPerSecond);
  const named = new Set<TenantId>();
  const shown = new Map<
    string,
    { backlog: number; onTime: number; received: number; fair: number }
  >();
  for (const row of bySize) {
    if (named.size < TENANTS_SHOWN_MAX) named.add(row.tenantId);
    const tenant = named.has(row.tenantId) ? slugOf(row.tenantId) : "other";
    const sum = shown.get(tenant) ?? { backlog: 0, onTime: 1, received: 0, fair: 0 };
    shown.set(tenant, {
      backlog: sum.backlog + row.backlog,
      onTime: Math.min(sum.onTime, row.onTimeRatio ?? 1),
      received: sum.received + row.receivedMs,
      fair: sum.fair + row.fairShareMs,
    });
  }
  for (const gauge of [
    metrics.tenantBacklog,
    metrics.tenantOnTimeRatio,
    metrics.tenantShareRatio,
  ]) {
    gauge.reset();
  }
  for (const [tenant, { backlog, onTime, received, fair }] of shown) {
    metrics.tenantBacklog.set({ tenant }, backlog);
    metrics.tenantOnTimeRatio.set({ tenant }, onTime);
    metrics.tenantShareRatio.set({ tenant }, fair > 0 ? received / fair : 1);
  }
}
