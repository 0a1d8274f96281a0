import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { PollCompletion, PollJob } from "../queue/poll-job.ts";
import type { PollOutcome, RouterId } from "../routers/router.ts";
import type { TenantId, Tier } from "../tenants/tenant.ts";
import { pause, settledWithin } from "./pause.ts";
import type { FairnessRow, ScheduledTenant, SkipReason } from "./tenant-account.ts";
import { slotsOf } from "./window.ts";
import { type PlannedRouter, type StateInQueue, ZoneSchedule } from "./zone-schedule.ts";

/**
 * A led zone at work: the shell around zone-schedule.ts. It reads the clock and the queue's events, puts polls into
 * the zone's queue in bulk, asks after polls that went unheard, and reports. Every decision is the schedule's.
 *
 * One batch is on its way to the queue at a time, and the next is chosen when that has arrived: so who goes next is
 * decided as late as the queue allows, and while the queue is away nothing is released that it could not take.
 */

/** What a dispatcher asks of a zone's queue (see queue/poll-queue.ts). */
export interface ZoneQueue {
  add(polls: readonly PollJob[]): Promise<void>;
  unfinished(): Promise<readonly UnfinishedPoll[]>;
  stateOf(routerId: RouterId): Promise<StateInQueue>;
  withdraw(routerId: RouterId): Promise<boolean>;
  stop(): Promise<void>;
}

export interface UnfinishedPoll extends PollJob {
  readonly state: "waiting" | "active";
}

export interface ZoneQueueEvents {
  active(routerId: RouterId, atMs: number): void;
  finished(routerId: RouterId, completion: PollCompletion): void;
  lost(routerId: RouterId, reason: string): void;
}

/** What the scheduler tells of itself; the composition root makes metrics of it. */
export interface SchedulerMetrics {
  lateness(tier: Tier, seconds: number): void;
  poll(tier: Tier, outcome: PollOutcome): void;
  skip(reason: SkipReason, count: number): void;
  /** A poll's end went unheard: the queue had to be asked. */
  unheard(zoneKey: string): void;
  leading(zoneKey: string, isLeader: boolean): void;
  window(zoneKey: string, polls: number): void;
  demand(zoneKey: string, workerSecondsPerSecond: number): void;
  zoneSuspected(zoneKey: string, isSuspected: boolean): void;
  /** All tenants of a zone, every two seconds; an empty list when the zone is led no more. */
  tenants(zoneKey: string, rows: readonly FairnessRow[]): void;
}

export interface DispatchDependencies {
  readonly openQueue: (zoneKey: string, events: ZoneQueueEvents) => Promise<ZoneQueue>;
  /** Workers alive that serve the zone, each with the slots it offers: busy and free. */
  readonly liveWorkers: (zoneKey: string) => Promise<readonly { readonly slots: number }[]>;
  readonly saveFairness: (zoneKey: string, rows: readonly FairnessRow[]) => Promise<void>;
  readonly metrics: SchedulerMetrics;
  readonly clock: Clock;
  readonly log: Log;
}

export interface SchedulingRules {
  /** The longest pause between two looks at what is due. */
  readonly tickMs: number;
  readonly unreachableAfterFailures: number;
  readonly probeSpacingSecondsMax: number;
  /** The workers' longest poll deadline (30 s). */
  readonly pollDeadlineMsMax?: number;
}

export interface Dispatch {
  readonly zoneKey: string;
  setTenants(tenants: ReadonlyMap<TenantId, ScheduledTenant>): void;
  setRouters(routers: readonly PlannedRouter[]): void;
  setRoutersOf(tenantId: TenantId, routers: readonly PlannedRouter[]): void;
  /**
   * Takes over what an earlier leader released, then begins to release. Call once tenants and routers are set. Never
   * rejects.
   */
  begin(): Promise<void>;
  /** Releases nothing more and lets go of the queue. Polls in flight go on; the next leader takes them over. */
  stop(): Promise<void>;
}

/** Polls in one bulk add. The queue takes about 20,000 a second: a larger batch would make the next choice wait. */
const ADD_MAX = 500;
/** Routers that come due in one turn of the event loop: about 5 ms of work. */
const DUES_MAX = 5_000;
/** The shortest pause between two looks at what is due: a look costs the same for one router as for fifty. */
const TICK_MS_MIN = 5;
const CHECK_EVERY_MS = 100;
/** Above this many polls to ask after, one list of all unfinished polls is cheaper than a question each. */
const QUESTIONS_MAX = 20;
const WORKERS_EVERY_MS = 1_000;
const REPORT_EVERY_MS = 2_000;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2_000;
/** How long a queue that is away may hold up a stop. */
const STOP_MS_MAX = 5_000;

/**
 * Opens a led zone's queue. Rejects when it cannot be reached. `signal` ends everything but `stop` at once:
 * leadership is lost. Nothing is released while `isSure` says that it may be lost.
 */
export async function openDispatch(
  { openQueue, liveWorkers, saveFairness, metrics, clock, log }: DispatchDependencies,
  zoneKey: string,
  rules: SchedulingRules,
  signal: AbortSignal,
  isSure: () => boolean = () => true,
): Promise<Dispatch> {
  const stopping = new AbortController();
  const over = AbortSignal.any([signal, stopping.signal]);
  const schedule = new ZoneSchedule(
    {
      failuresMax: rules.unreachableAfterFailures,
      probeSpacingMsMax: 1_000 * rules.probeSpacingSecondsMax,
      pollDeadlineMsMax: rules.pollDeadlineMsMax,
    },
    {
      lateness: metrics.lateness,
      poll: metrics.poll,
      skip: metrics.skip,
      unheard: () => metrics.unheard(zoneKey),
      zoneSuspected(isSuspected) {
        metrics.zoneSuspected(zoneKey, isSuspected);
        if (isSuspected) log.warn({ zone: zoneKey }, "nearly every router of the zone fell silent");
        else log.info({ zone: zoneKey }, "the zone's routers answer again");
      },
    },
  );
  const opening = openQueue(zoneKey, {
    active(routerId) {
      schedule.active(routerId, clock.now());
      if (schedule.backlog > 0) wake();
    },
    finished(routerId, completion) {
      schedule.finished(routerId, completion, clock.now());
      wake();
    },
    lost(routerId, reason) {
      log.info({ zone: zoneKey, router: routerId, reason }, "poll lost");
      schedule.lost(routerId, clock.now());
      wake();
    },
  });
  const queue = await unlessAborted(opening, signal, zoneKey);

  let hasBegun = false;
  let isAwake = false;
  let isAdding = false;
  let timer: NodeJS.Timeout | undefined;

  function wake(): void {
    if (isAwake || !hasBegun || over.aborted) return;
    isAwake = true;
    setImmediate(work);
  }

  function work(): void {
    isAwake = false;
    if (over.aborted) return;
    const nowMs = clock.now();
    const taken = schedule.takeDue(nowMs, DUES_MAX);
    if (!isAdding && isSure()) {
      const jobs = schedule.release(nowMs, ADD_MAX);
      if (jobs.length > 0) void addAll(jobs);
    }
    clearTimeout(timer);
    if (taken === DUES_MAX) {
      wake();
      return;
    }
    const untilDueMs = schedule.nextDueAtMs - clock.now();
    timer = setTimeout(wake, Math.min(Math.max(untilDueMs, TICK_MS_MIN), rules.tickMs));
  }

  async function addAll(jobs: readonly PollJob[]): Promise<void> {
    isAdding = true;
    let left = jobs;
    let pauseMs = RETRY_MS_MIN;
    while (left.length > 0 && !over.aborted) {
      try {
        await queue.add(left);
        schedule.added(left, clock.now());
        break;
      } catch (error) {
        if (pauseMs === RETRY_MS_MIN) {
          log.warn(
            { zone: zoneKey, error, polls: left.length },
            "cannot release polls, trying again",
          );
        }
        do await pause(pauseMs, over);
        while (!isSure() && !over.aborted);
        pauseMs = Math.min(2 * pauseMs, RETRY_MS_MAX);
        left = stillToAdd(left);
      }
    }
    isAdding = false;
    wake();
  }

  /** Some of a batch that failed may have arrived, others have been late for too long meanwhile. */
  function stillToAdd(jobs: readonly PollJob[]): PollJob[] {
    const nowMs = clock.now();
    return jobs.filter((job) => {
      if (schedule.isStillToAdd(job, nowMs)) return true;
      if (nowMs >= job.expiresAtMs) schedule.withdrawn(job.routerId, nowMs);
      return false;
    });
  }

  async function withdraw(routerIds: readonly RouterId[]): Promise<void> {
    for (const routerId of routerIds) {
      if (over.aborted) return;
      if (await queue.withdraw(routerId)) schedule.withdrawn(routerId, clock.now());
    }
  }

  /**
   * Polls of routers that are gone: a worker would find nothing to poll, so failing to withdraw them harms nobody.
   */
  function withdrawQuietly(routerIds: readonly RouterId[]): void {
    withdraw(routerIds).catch((error: unknown) => {
      log.debug({ zone: zoneKey, error }, "cannot withdraw polls of routers that are gone");
    });
  }

  async function takeOver(): Promise<void> {
    const nowMs = clock.now();
    const strangers: RouterId[] = [];
    const unfinished = await queue.unfinished();
    for (const poll of unfinished) {
      const isOurs = schedule.adopt(poll, poll.state === "active", nowMs);
      if (!isOurs && poll.state === "waiting") strangers.push(poll.routerId);
    }
    withdrawQuietly(strangers);
    if (unfinished.length > 0) {
      log.info({ zone: zoneKey, polls: unfinished.length }, "took over polls in flight");
    }
  }

  async function check(): Promise<void> {
    const routerIds = schedule.pollsToCheck(clock.now());
    if (routerIds.length === 0) return;
    const known = new Map<RouterId, StateInQueue>();
    if (routerIds.length > QUESTIONS_MAX) {
      for (const { routerId, state } of await queue.unfinished()) known.set(routerId, state);
    }
    await Promise.all(
      routerIds.map(async (routerId) => {
        const state = known.get(routerId) ?? (await queue.stateOf(routerId));
        schedule.checked(routerId, state, clock.now());
      }),
    );
    wake();
  }

  async function readWorkers(): Promise<void> {
    schedule.reportSlots(slotsOf(await liveWorkers(zoneKey)), clock.now());
    metrics.window(zoneKey, schedule.window);
    wake();
  }

  async function report(): Promise<void> {
    const rows = schedule.rows(clock.now());
    metrics.tenants(zoneKey, rows);
    const demandMs = rows.reduce((sum, row) => sum + row.demandMsPerSecond, 0);
    metrics.demand(zoneKey, demandMs / 1_000);
    await saveFairness(zoneKey, rows);
  }

  const regular: Promise<void>[] = [];

  return {
    zoneKey,
    setTenants: (tenants) => schedule.setTenants(tenants),
    setRouters(routers) {
      withdrawQuietly(schedule.setRouters(routers, clock.now()));
      wake();
    },
    setRoutersOf(tenantId, routers) {
      withdrawQuietly(schedule.setRoutersOf(tenantId, routers, clock.now()));
      wake();
    },
    async begin() {
      await untilDone(takeOver, "take over polls in flight");
      regular.push(
        every(WORKERS_EVERY_MS, readWorkers, "read the workers"),
        every(CHECK_EVERY_MS, check, "ask after polls"),
        every(REPORT_EVERY_MS, report, "report fairness"),
      );
      hasBegun = true;
      wake();
    },
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      metrics.window(zoneKey, 0);
      metrics.tenants(zoneKey, []);
      await settledWithin(STOP_MS_MAX, Promise.all([...regular, queue.stop()]));
    },
  };

  /**
   * Does `task` again and again, `everyMs` after its end, until the zone is over. A failure is logged once and tried
   * again.
   */
  async function every(everyMs: number, task: () => Promise<void>, what: string): Promise<void> {
    while (!over.aborted) {
      await untilDone(task, what);
      await pause(everyMs, over);
    }
  }

  async function untilDone(task: () => Promise<void>, what: string): Promise<void> {
    let pauseMs = RETRY_MS_MIN;
    while (!over.aborted) {
      try {
        await task();
        return;
      } catch (error) {
        if (pauseMs === RETRY_MS_MIN) {
          log.warn({ zone: zoneKey, error }, `cannot ${what}, trying again`);
        }
        await pause(pauseMs, over);
        pauseMs = Math.min(2 * pauseMs, RETRY_MS_MAX);
      }
    }
  }
}

/** The queue, or an error as soon as `signal` aborts: one that is away may take for ever to open. */
async function unlessAborted(
  opening: Promise<ZoneQueue>,
  signal: AbortSignal,
  zoneKey: string,
): Promise<ZoneQueue> {
  const aborted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const queue = await Promise.race([opening, aborted]);
  if (queue !== undefined) return queue;
  opening.then((late) => late.stop()).catch(() => undefined);
  throw new Error(`Cannot open the queue of zone "${zoneKey}": leading it no longer`);
}
