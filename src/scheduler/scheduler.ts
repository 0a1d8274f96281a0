import type { TenantId } from "../tenants/tenant.ts";
import {
  type Dispatch,
  type DispatchDependencies,
  openDispatch,
  type SchedulingRules,
} from "./dispatch.ts";
import { type Leadership, startLeader } from "./leader.ts";
import { pause, settledWithin } from "./pause.ts";
import type { ScheduledTenant } from "./tenant-account.ts";
import type { Survey } from "./zone-balance.ts";
import type { PlannedRouter } from "./zone-schedule.ts";

/**
 * Daemon 1: leads zones (leader.ts), keeps each led zone's plan as the database has it, and lets its dispatcher
 * (dispatch.ts) release polls. Changes of tenants arrive by the change feed, gathered for a moment and read together;
 * whatever the feed lost is put right by reading everything once a minute.
 */

export interface SchedulerDependencies extends DispatchDependencies {
  readonly tryLead: (zoneKey: string) => Promise<Leadership | undefined>;
  readonly zoneKeys: () => Promise<readonly string[]>;
  /** Which of the zones are led, and how many schedulers stand for them. */
  readonly survey: (zoneKeys: readonly string[]) => Promise<Survey>;
  /** Every tenant that is not erased, active or not. */
  readonly tenants: () => Promise<readonly ScheduledTenant[]>;
  /** Enabled routers of active tenants. */
  readonly routersOfZone: (zoneKey: string) => Promise<readonly PlannedRouter[]>;
  readonly routersOfTenant: (
    tenantId: TenantId,
  ) => Promise<readonly (PlannedRouter & { readonly zoneKey: string })[]>;
}

export interface Scheduler {
  /** A tenant, or its routers, changed: they are read again within a fraction of a second. */
  tenantChanged(tenantId: TenantId): void;
  /** Changes may have gone unheard: everything is read again. */
  everythingChanged(): void;
  /** Zones led now. */
  zones(): readonly string[];
  /** Stops releasing at once, gives up the zones and closes their queues. Polls in flight go on at the workers. */
  stop(): Promise<void>;
}

/**
 * How long changes are gathered before they are read; longer when reading takes long, so that it takes a fifth of the
 * time at most.
 */
const GATHER_MS_MIN = 100;
const GATHER_PER_READ = 4;
/** More changed tenants than this are read with everyone else. */
const CHANGED_MAX = 200;
const RECONCILE_EVERY_MS = 60_000;
const RETRY_MS = 1_000;
/** How long a database that does not answer may hold up a stop. */
const STOP_MS_MAX = 5_000;

export function startScheduler(deps: SchedulerDependencies, rules: SchedulingRules): Scheduler {
  const { clock, log } = deps;
  const stopping = new AbortController();
  const led = new Map<string, Dispatch>();
  let changed = new Set<TenantId>();
  let isAllChanged = false;
  let reconciledAtMs = clock.now();
  let lastReadMs = 0;
  let wakeReader: (() => void) | undefined;
  /** Reads one after the other: what was read earlier never overwrites what was read later. */
  let lastRead: Promise<void> = Promise.resolve();

  const reading = keepReading();
  const leader = startLeader({
    tryLead: deps.tryLead,
    zoneKeys: deps.zoneKeys,
    survey: deps.survey,
    lead,
    leading: deps.metrics.leading,
    clock,
    log,
  });

  async function lead(
    zoneKey: string,
    lost: AbortSignal,
    isSure: () => boolean,
  ): Promise<{ stop(): Promise<void> }> {
    const dispatch = await openDispatch(deps, zoneKey, rules, lost, isSure);
    const begun = begin(dispatch, lost);
    return {
      async stop() {
        if (led.get(zoneKey) === dispatch) led.delete(zoneKey);
        await dispatch.stop();
        await settledWithin(STOP_MS_MAX, begun);
      },
    };
  }

  async function begin(dispatch: Dispatch, lost: AbortSignal): Promise<void> {
    const over = AbortSignal.any([lost, stopping.signal]);
    while (!over.aborted) {
      try {
        // Changes from here on reach the dispatcher too; read what was before.
        led.set(dispatch.zoneKey, dispatch);
        await alone(() => readZone(dispatch));
        break;
      } catch (error) {
        log.warn({ zone: dispatch.zoneKey, error }, "cannot read the zone's routers, trying again");
        await pause(RETRY_MS, over);
      }
    }
    if (!over.aborted) await dispatch.begin();
  }

  async function readZone(dispatch: Dispatch): Promise<void> {
    dispatch.setTenants(await readTenants());
    dispatch.setRouters(await deps.routersOfZone(dispatch.zoneKey));
  }

  function alone(read: () => Promise<void>): Promise<void> {
    const turn = lastRead.then(read);
    lastRead = turn.catch(() => undefined);
    return turn;
  }

  async function readTenants(): Promise<ReadonlyMap<TenantId, ScheduledTenant>> {
    return new Map((await deps.tenants()).map((tenant) => [tenant.tenantId, tenant]));
  }

  async function keepReading(): Promise<void> {
    while (!stopping.signal.aborted) {
      await somethingChanged();
      await pause(Math.max(GATHER_MS_MIN, GATHER_PER_READ * lastReadMs), stopping.signal);
      if (stopping.signal.aborted) return;
      const isEverything = isAllChanged || changed.size > CHANGED_MAX;
      const tenantIds = changed;
      changed = new Set();
      isAllChanged = false;
      const startedMs = performance.now();
      try {
        await alone(() => (isEverything ? readEverything() : readChanged(tenantIds)));
      } catch (error) {
        for (const tenantId of tenantIds) changed.add(tenantId);
        isAllChanged ||= isEverything;
        log.warn({ error }, "cannot read changed tenants, trying again");
        await pause(RETRY_MS, stopping.signal);
      }
      lastReadMs = performance.now() - startedMs;
    }
  }

  async function somethingChanged(): Promise<void> {
    if (changed.size > 0 || isAllChanged || stopping.signal.aborted) return;
    const early = new AbortController();
    wakeReader = () => early.abort();
    const dueMs = reconciledAtMs + RECONCILE_EVERY_MS - clock.now();
    const waitMs = Math.min(Math.max(dueMs, 0), RECONCILE_EVERY_MS);
    await pause(waitMs, AbortSignal.any([early.signal, stopping.signal]));
    wakeReader = undefined;
    if (!early.signal.aborted) isAllChanged = true;
  }

  async function readEverything(): Promise<void> {
    reconciledAtMs = clock.now();
    const tenants = await readTenants();
    for (const dispatch of [...led.values()]) {
      dispatch.setTenants(tenants);
      dispatch.setRouters(await deps.routersOfZone(dispatch.zoneKey));
    }
  }

  async function readChanged(tenantIds: ReadonlySet<TenantId>): Promise<void> {
    if (led.size === 0) return;
    const tenants = await readTenants();
    for (const dispatch of led.values()) dispatch.setTenants(tenants);
    for (const tenantId of tenantIds) {
      const routers = await deps.routersOfTenant(tenantId);
      for (const dispatch of led.values()) {
        const here = routers.filter(({ zoneKey }) => zoneKey === dispatch.zoneKey);
        dispatch.setRoutersOf(tenantId, here);
      }
    }
  }

  return {
    tenantChanged(tenantId) {
      changed.add(tenantId);
      leader.refresh();
      wakeReader?.();
    },
    everythingChanged() {
      isAllChanged = true;
      leader.refresh();
      wakeReader?.();
    },
    zones: () => [...led.keys()],
    async stop() {
      stopping.abort();
      await leader.stop();
      await settledWithin(STOP_MS_MAX, reading);
    },
  };
}
