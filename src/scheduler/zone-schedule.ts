import { LOCK_DURATION_MS, type PollCompletion, type PollJob } from "../queue/poll-job.ts";
import { answersBy, type ReachabilityRules } from "../routers/reachability.ts";
import type { PollOutcome, RouterId, ScheduledRouter } from "../routers/router.ts";
import type { TenantId, Tier } from "../tenants/tenant.ts";
import { nextEstimate } from "./cost-estimate.ts";
import { DoubtfulPolls } from "./doubtful-polls.ts";
import { intervalMsOf, madeAtMs } from "./due-times.ts";
import { FairQueue } from "./fair-queue.ts";
import { fairnessRows } from "./fairness-rows.ts";
import { RouterEntry, RouterPoll } from "./router-entry.ts";
import { isUnreachable, noteAnswer, noteFailure } from "./router-health.ts";
import {
  type FairnessRow,
  type ScheduledTenant,
  type SkipReason,
  TenantAccount,
} from "./tenant-account.ts";
import { Timetable } from "./timetable.ts";
import {
  BelievedSlots,
  clippedStartMs,
  UNTAKEN_MS_MAX,
  unstartedMaxOf,
  windowOf,
} from "./window.ts";
import { ZoneHealth } from "./zone-health.ts";

/**
 * Everything a zone's leader decides, as a state machine without I/O: what is due, who goes next, what became of what
 * was released. The shell (dispatch.ts) feeds it events and the time, and carries out what it answers.
 *
 * A router has one unsettled poll at most, and that is always in one of these states:
 *     waiting (in the fair queue) → released (in the zone's queue) → running (a worker has it) → settled
 * It is settled by its completion; by word that it was lost (its worker died); or, when events were lost, by asking
 * the queue: one it twice does not know is settled as unheard. A due time that finds an unsettled poll is a skip.
 */

/** What a router needs to be scheduled. */
export interface PlannedRouter extends ScheduledRouter {
  readonly pollRequestedAtMs?: number | null;
}

export interface ZoneRules extends ReachabilityRules {
  /** The longest a poll may run (30 s): no poll is charged more than twice that. */
  readonly pollDeadlineMsMax?: number | undefined;
}

/** Told of everything that happens, for metrics. */
export interface ZoneObserver {
  /** A full poll started so long after its due time. */
  lateness(tier: Tier, seconds: number): void;
  poll(tier: Tier, outcome: PollOutcome): void;
  skip(reason: SkipReason, count: number): void;
  /** No event told how a poll ended: the queue had to be asked. */
  unheard(): void;
  zoneSuspected(isSuspected: boolean): void;
}

/**
 * `gone`: the queue does not have the poll, so it has ended. `forgotten`: it does not, and has lost its data so lately
 * that a worker may still be running the poll.
 */
export type StateInQueue = "waiting" | "active" | "gone" | "forgotten";

/**
 * Weight of the latest add in their average time; and the most that one counts, so that an outage is soon forgotten.
 */
const ADD_MEMORY = 0.1;
const ADD_MS_MAX = 200;
/** Weight of the latest start in the average way to it. */
const START_MEMORY = 0.05;

/**
 * A poll is given at least this share of its interval, and at most so long, to reach a worker, however late it is
 * released.
 */
const EXPIRY_SHARE_MIN = 0.2;
const EXPIRY_MS_MIN = 2_000;

export class ZoneSchedule {
  readonly #rules: ZoneRules;
  readonly #observer: ZoneObserver;
  readonly #queue: FairQueue<RouterPoll>;
  readonly #timetable = new Timetable<RouterEntry>();
  readonly #routers = new Map<RouterId, RouterEntry>();
  readonly #accounts = new Map<TenantId, TenantAccount>();
  #tenants: ReadonlyMap<TenantId, ScheduledTenant> = new Map();
  readonly #health = new ZoneHealth();
  readonly #slots = new BelievedSlots();
  readonly #doubtful = new DoubtfulPolls();
  /** L: no poll is charged more. */
  readonly #pollMsMax: number;
  #running = 0;
  #finishedSinceReport = 0;
  #pollsPerSecond = 0;
  /** How long a released poll takes to its start at a worker, on average. */
  #startMs = 0;
  /** How long putting polls into the zone's queue takes, on average. */
  #addMs = 0;
  #reportedAtMs = Number.NaN;

  constructor(rules: ZoneRules, observer: ZoneObserver) {
    this.#rules = rules;
    this.#pollMsMax = 2 * (rules.pollDeadlineMsMax ?? 30_000);
    this.#queue = new FairQueue({ pollMsMax: this.#pollMsMax });
    this.#observer = observer;
  }

  get routers(): number {
    return this.#timetable.size;
  }
  get inFlight(): number {
    return this.#queue.inFlight;
  }
  get backlog(): number {
    return this.#queue.backlog;
  }
  get isSuspected(): boolean {
    return this.#health.isSuspected;
  }
  /** Polls that may be in flight now. */
  get window(): number {
    return windowOf(this.#slots.slots, this.#pollsPerSecond, this.#addMs);
  }
  /** Not later than the next due time; Infinity when there is none. */
  get nextDueAtMs(): number {
    return this.#timetable.nextDueAtMs;
  }

  /** Sets what is known of all tenants. A tenant that is not active, or gone, loses its waiting polls at once. */
  setTenants(tenants: ReadonlyMap<TenantId, ScheduledTenant>): void {
    this.#tenants = tenants;
    for (const account of this.#accounts.values()) {
      const known = tenants.get(account.tenantId);
      account.tenant = known ?? { ...account.tenant, isActive: false };
      this.#applyShare(account.tenant);
    }
  }

  /** Sets the zone's routers, all of them: what is not named is taken away. */
  setRouters(routers: readonly PlannedRouter[], nowMs: number): RouterId[] {
    const named = new Map<TenantId, PlannedRouter[]>();
    for (const router of routers) {
      const siblings = named.get(router.tenantId);
      if (siblings === undefined) named.set(router.tenantId, [router]);
      else siblings.push(router);
    }
    const taken: RouterId[] = [];
    for (const tenantId of [...this.#accounts.keys()]) {
      if (!named.has(tenantId)) taken.push(...this.setRoutersOf(tenantId, [], nowMs));
    }
    for (const [tenantId, siblings] of named) {
      taken.push(...this.setRoutersOf(tenantId, siblings, nowMs));
    }
    return taken;
  }

  /**
   * Sets one tenant's routers. New ones come due at their own phase, those registered within their last interval at
   * once by the express lane. Answers the routers taken away whose polls lie in the zone's queue and should be
   * withdrawn.
   */
  setRoutersOf(tenantId: TenantId, routers: readonly PlannedRouter[], nowMs: number): RouterId[] {
    const account = this.#accounts.get(tenantId);
    if (account === undefined && routers.length === 0) return [];
    const present = account ?? this.#openAccount(tenantId, nowMs);
    const kept = new Set<RouterId>();
    for (const router of routers) {
      kept.add(router.id);
      this.#setRouter(present, router, nowMs);
    }
    const taken: RouterId[] = [];
    for (const entry of [...present.routers]) {
      // A suspended tenant's routers are not read from the database, but their due times are still counted.
      if (kept.has(entry.id) || (!present.tenant.isActive && this.#tenants.has(tenantId))) continue;
      if (this.#remove(entry)) taken.push(entry.id);
    }
    return taken;
  }

  /** Counts a poll as in flight that an earlier leader released. False for a router that is not ours. */
  adopt(job: PollJob, isRunning: boolean, nowMs: number): boolean {
    const entry = this.#routers.get(job.routerId);
    if (entry === undefined || (entry.poll !== undefined && isInFlight(entry.poll))) return false;
    // A new router's first poll may wait already: the one in flight stands for it.
    if (entry.poll !== undefined) this.#queue.cancel(entry.poll);
    const poll = this.#pollOf(entry, job.kind, job.dueAtMs, false);
    if (!this.#queue.adopt(poll, isRunning, nowMs)) return false;
    entry.poll = poll;
    poll.releasedAtMs = job.dueAtMs;
    poll.expiresAtMs = job.expiresAtMs;
    if (isRunning) {
      poll.startHeardAtMs = nowMs;
      this.#running++;
    }
    if (isRunning) this.#doubtful.running(poll, nowMs);
    else this.#doubtful.released(poll, nowMs);
    return true;
  }

  /** Moves routers that came due into the fair queue, `routersMax` at most. Returns how many. */
  takeDue(nowMs: number, routersMax: number): number {
    for (const { poll, postponed } of this.#doubtful.takeHeld(nowMs)) {
      if (postponed !== undefined) postponed(nowMs);
      // Never seen to start: it went down with the queue's data, and its due time is still unserved.
      else if (Number.isNaN(poll.startHeardAtMs) && !poll.isRetry) this.#repeat(poll, true, nowMs);
    }
    return this.#timetable.takeDue(nowMs, routersMax, (entry, dueAtMs, missed) =>
      this.#comeDue(entry, dueAtMs, missed, nowMs),
    );
  }

  /** The polls to put into the zone's queue now, as many as the window has room for and `pollsMax` at most. */
  release(nowMs: number, pollsMax: number): PollJob[] {
    const jobs: PollJob[] = [];
    const room = Math.min(this.window - this.#queue.inFlight + this.#doubtful.gone, pollsMax);
    const slots = this.#slots.slots + this.#doubtful.gone;
    const space = {
      slots,
      unstartedMax: unstartedMaxOf(slots, this.#pollsPerSecond, this.#startMs),
    };
    while (jobs.length < room) {
      const poll = this.#queue.release(nowMs, space);
      if (poll === undefined) break;
      if (!this.#mayGo(poll, nowMs)) continue;
      const { router } = poll;
      const graceMs = Math.min(EXPIRY_SHARE_MIN * router.intervalMs, EXPIRY_MS_MIN);
      poll.releasedAtMs = nowMs;
      poll.expiresAtMs = Math.max(router.dueAtMs || 0, nowMs + graceMs);
      jobs.push({
        routerId: router.id,
        tenantId: poll.tenantId,
        dueAtMs: poll.dueAtMs,
        expiresAtMs: poll.expiresAtMs,
        kind: poll.kind,
      });
    }
    return jobs;
  }

  /** Notes that released polls reached the zone's queue: from now on they are asked after. */
  added(jobs: readonly PollJob[], nowMs: number): void {
    let tookMs = 0;
    for (const { routerId } of jobs) {
      const poll = this.#inFlightOf(routerId);
      if (poll !== undefined && Number.isNaN(poll.checkAtMs)) {
        this.#doubtful.released(poll, nowMs);
        tookMs = Math.max(tookMs, nowMs - poll.releasedAtMs);
      }
    }
    this.#addMs += ADD_MEMORY * (Math.min(tookMs, ADD_MS_MAX) - this.#addMs);
  }

  /** Whether a released poll is still wanted in the zone's queue: not heard of, not settled, not expired. */
  isStillToAdd(job: PollJob, nowMs: number): boolean {
    const poll = this.#inFlightOf(job.routerId);
    return poll?.state === "released" && poll.dueAtMs === job.dueAtMs && nowMs < job.expiresAtMs;
  }

  /** Takes back a released poll that did not reach the zone's queue, or was withdrawn from it: free of charge. */
  withdrawn(routerId: RouterId, nowMs: number): void {
    const poll = this.#inFlightOf(routerId);
    if (poll === undefined) return;
    const { router } = poll;
    this.#settle(poll, 0, nowMs);
    if (!router.isRemoved && router.account.tenant.isActive)
      this.#skip(router.account, "backlog", 1);
  }

  /** A worker has the poll. */
  active(routerId: RouterId, nowMs: number): void {
    const poll = this.#inFlightOf(routerId);
    if (poll === undefined || !this.#queue.started(poll, nowMs)) return;
    this.#running++;
    poll.startHeardAtMs = nowMs;
    this.#startMs += START_MEMORY * (clippedStartMs(nowMs - poll.releasedAtMs) - this.#startMs);
    this.#doubtful.running(poll, nowMs);
  }

  /**
   * A poll ended. Unknown and repeated completions change nothing; a cost that cannot be is taken as the most a poll may
   * cost, or as not told.
   */
  finished(routerId: RouterId, completion: PollCompletion, nowMs: number): void {
    const poll = this.#inFlightOf(routerId);
    if (poll === undefined) return;
    const { router } = poll;
    const { account } = router;
    const { outcome } = completion;
    const isTold = completion.costMs >= 0;
    const costMs = isTold ? Math.min(completion.costMs, this.#pollMsMax) : Number.NaN;
    account.polls[outcome]++;
    this.#observer.poll(account.tenant.tier, outcome);
    if (outcome === "expired") {
      this.#settle(poll, 0, nowMs);
      this.#repeat(poll, poll.isRetry, nowMs); // At most once an interval: it had that long to be started.
      return;
    }
    this.#noteStart(poll, completion.startedAtMs, nowMs);
    this.#settle(poll, costMs, nowMs);
    account.finished(isTold ? costMs : 0);
    if (poll.kind === "full" && outcome !== "misconfigured") {
      router.estimateMs = nextEstimate(router.estimateMs, costMs);
    }
    this.#noteHealth(poll, outcome, nowMs);
  }

  /** A poll's worker died or threw. It is repeated at once, once, while its interval lasts. */
  lost(routerId: RouterId, nowMs: number): void {
    const poll = this.#inFlightOf(routerId);
    if (poll === undefined) return;
    const { account } = poll.router;
    account.polls.lost++;
    this.#observer.poll(account.tenant.tier, "lost");
    this.#settle(poll, undefined, nowMs);
    if (poll.isRetry || nowMs >= poll.expiresAtMs || !account.takeRetry()) return;
    this.#repeat(poll, true, nowMs);
  }

  /** Polls to ask the queue about now. */
  pollsToCheck(nowMs: number): RouterId[] {
    return this.#doubtful.toCheck(nowMs);
  }

  /** What the queue answered about a poll. */
  checked(routerId: RouterId, state: StateInQueue, nowMs: number): void {
    const poll = this.#inFlightOf(routerId);
    if (poll === undefined) return;
    if (state === "active") {
      if (poll.state === "released") this.active(routerId, nowMs);
      else this.#doubtful.stillRunning(poll);
      poll.seenRunningAtMs = nowMs;
    } else if (state === "waiting") {
      if (nowMs - poll.releasedAtMs >= UNTAKEN_MS_MAX) this.#slots.untaken(this.#running);
      this.#doubtful.released(poll, nowMs);
    } else if (this.#doubtful.missing(poll, nowMs)) {
      this.#giveUp(poll, state === "forgotten", nowMs);
    }
  }

  /** Takes the slots that live workers report; also measures how fast polls end. About once a second. */
  reportSlots(slots: number, nowMs: number): void {
    const seconds = (nowMs - this.#reportedAtMs) / 1_000;
    if (seconds > 0) {
      const rate = this.#finishedSinceReport / seconds;
      this.#pollsPerSecond += 0.5 * (rate - this.#pollsPerSecond);
    }
    this.#finishedSinceReport = 0;
    this.#reportedAtMs = nowMs;
    this.#slots.report(slots, nowMs);
  }

  /** How each tenant was served; ends spans that are over. */
  rows(nowMs: number): FairnessRow[] {
    for (const account of this.#accounts.values()) this.#forgetIfGone(account, nowMs);
    return fairnessRows(this.#accounts, this.#queue, this.#slots.slots, nowMs);
  }

  #openAccount(tenantId: TenantId, nowMs: number): TenantAccount {
    const tenant = this.#tenants.get(tenantId) ?? {
      tenantId,
      tier: "free",
      weight: 1,
      isActive: true,
    };
    const account = new TenantAccount(tenant, nowMs);
    this.#accounts.set(tenantId, account);
    this.#applyShare(tenant);
    return account;
  }

  #forgetIfGone({ tenantId, routers }: TenantAccount, nowMs: number): void {
    if (routers.size > 0) return;
    const snapshot = this.#queue.tenant(tenantId, nowMs);
    if (snapshot !== undefined && snapshot.backlog + snapshot.inFlight > 0) return;
    this.#queue.removeTenant(tenantId);
    this.#accounts.delete(tenantId);
  }

  #applyShare(tenant: ScheduledTenant): void {
    if (tenant.isActive) {
      const parent = tenant.parent === undefined ? undefined : this.#tenants.get(tenant.parent);
      if (parent !== undefined && !this.#accounts.has(parent.tenantId)) {
        this.#queue.setTenant(parent.tenantId, parent);
      }
      this.#queue.setTenant(tenant.tenantId, tenant);
      return;
    }
    for (const poll of this.#queue.removeTenant(tenant.tenantId)) {
      poll.router.poll = undefined;
      this.#skip(poll.router.account, "suspended", 1);
    }
  }

  #setRouter(account: TenantAccount, router: PlannedRouter, nowMs: number): void {
    const intervalMs = intervalMsOf(router.intervalSeconds);
    const requestedAtMs = router.pollRequestedAtMs ?? null;
    const known = this.#routers.get(router.id);
    if (known === undefined || known.account !== account) {
      const entry = new RouterEntry(router.id, account, intervalMs);
      entry.pollRequestedAtMs = requestedAtMs;
      this.#routers.set(router.id, entry);
      account.routers.add(entry);
      this.#timetable.add(entry, nowMs);
      if (isNew(entry, nowMs)) this.#pollOutOfTurn(entry, nowMs);
      return;
    }
    known.isRemoved = false;
    account.routers.add(known);
    this.#timetable.changeInterval(known, intervalMs, nowMs);
    this.#timetable.add(known, nowMs);
    if (requestedAtMs !== null && requestedAtMs !== known.pollRequestedAtMs) {
      known.pollRequestedAtMs = requestedAtMs;
      this.#pollOutOfTurn(known, nowMs);
    }
  }

  /** True when its poll is released, and should be withdrawn from the zone's queue. */
  #remove(entry: RouterEntry): boolean {
    this.#timetable.remove(entry);
    entry.account.routers.delete(entry);
    this.#doubtful.letGo(entry);
    if (isUnreachable(entry, this.#rules)) entry.account.unreachable--;
    // Should it come back, it starts afresh.
    entry.failures = 0;
    entry.duesToSkip = 0;
    const { poll } = entry;
    if (poll !== undefined && isInFlight(poll)) {
      entry.isRemoved = true;
      return true;
    }
    if (poll !== undefined) this.#queue.cancel(poll);
    this.#routers.delete(entry.id);
    return false;
  }

  #comeDue(entry: RouterEntry, dueAtMs: number, missed: number, nowMs: number): void {
    const { account, poll } = entry;
    if (!account.tenant.isActive) {
      this.#skip(account, "suspended", 1 + missed);
      return;
    }
    if (missed > 0) this.#skip(account, "backlog", missed);
    if (poll !== undefined) {
      if (poll.servesDue) this.#skip(account, poll.state === "running" ? "overrun" : "backlog", 1);
      else poll.servesDue = true;
    } else if (this.#doubtful.isHeld(entry)) {
      const isServedThen = this.#doubtful.postpone(entry, (thenMs) =>
        this.#comeDue(entry, dueAtMs, 0, thenMs),
      );
      if (!isServedThen) this.#skip(account, "overrun", 1);
    } else if (this.#health.isSuspected && !this.#health.mayProbe(account.tenantId, nowMs)) {
      this.#skip(account, "unreachable_backoff", 1);
    } else if (entry.duesToSkip > 0) {
      entry.duesToSkip--;
      this.#skip(account, "unreachable_backoff", 1);
    } else {
      const isProbe = this.#health.isSuspected || isUnreachable(entry, this.#rules);
      account.offered();
      this.#enqueue(this.#pollOf(entry, isProbe ? "probe" : "full", dueAtMs, false), nowMs);
    }
  }

  /** A poll that a person asked for, or a new router's first: now, by the express lane. */
  #pollOutOfTurn(entry: RouterEntry, nowMs: number): void {
    if (!entry.account.tenant.isActive) return;
    if (this.#doubtful.isHeld(entry)) {
      this.#doubtful.postpone(entry, (thenMs) => this.#pollOutOfTurn(entry, thenMs));
      return;
    }
    if (entry.poll !== undefined) {
      this.#queue.hasten(entry.poll, nowMs);
      return;
    }
    entry.account.offered();
    const poll = this.#pollOf(entry, "full", nowMs, true);
    poll.servesDue = false;
    this.#enqueue(poll, nowMs);
  }

  /** Lets a settled poll wait again for its due time, unless its router or tenant is gone. */
  #repeat(settled: RouterPoll, isRetry: boolean, nowMs: number): void {
    const { router } = settled;
    if (router.isRemoved || router.poll !== undefined || !router.account.tenant.isActive) return;
    const poll = this.#pollOf(router, settled.kind, settled.dueAtMs, settled.isExpress);
    poll.servesDue = settled.servesDue;
    poll.isRetry = isRetry;
    this.#enqueue(poll, nowMs);
  }

  #pollOf(
    router: RouterEntry,
    kind: "full" | "probe",
    dueAtMs: number,
    isExpress: boolean,
  ): RouterPoll {
    const { account, estimateMs } = router;
    const { tenantId } = account;
    return new RouterPoll(router, kind, {
      routerId: router.id,
      tenantId,
      dueAtMs,
      estimateMs,
      isExpress,
    });
  }

  #enqueue(poll: RouterPoll, nowMs: number): void {
    poll.router.poll = poll;
    this.#queue.enqueue(poll, nowMs);
  }

  /** While the zone is suspected, polls that waited already become a few probes; the rest are skips. */
  #mayGo(poll: RouterPoll, nowMs: number): boolean {
    if (!this.#health.isSuspected || poll.kind === "probe") return true;
    if (this.#health.mayProbe(poll.tenantId, nowMs)) {
      poll.kind = "probe";
      return true;
    }
    this.#settle(poll, 0, nowMs);
    this.#skip(poll.router.account, "unreachable_backoff", 1);
    return false;
  }

  #inFlightOf(routerId: RouterId): RouterPoll | undefined {
    const poll = this.#routers.get(routerId)?.poll;
    return poll !== undefined && isInFlight(poll) ? poll : undefined;
  }

  #settle(poll: RouterPoll, costMs: number | undefined, nowMs: number): void {
    if (poll.state === "running") this.#running--;
    this.#doubtful.settled(poll);
    this.#queue.finished(poll, costMs, nowMs);
    this.#finishedSinceReport++;
    const { router } = poll;
    router.poll = undefined;
    if (router.isRemoved) this.#routers.delete(router.id);
  }

  /**
   * Settles a poll whose end nobody heard: charged its estimate, or the time it was seen to run if that is more, and
   * its router left alone while a worker may have it.
   */
  #giveUp(poll: RouterPoll, mayStillRun: boolean, nowMs: number): void {
    const { router } = poll;
    const ran = poll.state === "running";
    const elapsedMs = ran ? Math.max(0, nowMs - poll.startHeardAtMs) : 0;
    if (ran) this.#noteStart(poll, poll.startHeardAtMs, nowMs);
    const seenMs = ran ? poll.seenRunningAtMs - poll.startHeardAtMs : 0;
    this.#settle(poll, Math.min(elapsedMs, Math.max(poll.estimateMs, seenMs || 0)), nowMs);
    this.#observer.unheard();
    if (mayStillRun && !router.isRemoved) this.#doubtful.hold(LOCK_DURATION_MS, poll, nowMs);
  }

  /** Notes how late a full poll started: by its worker's clock, as far as that is possible by ours. */
  #noteStart(poll: RouterPoll, startedAtMs: number, nowMs: number): void {
    if (poll.kind === "probe") return;
    const { account, intervalMs } = poll.router;
    const earliestMs = Math.min(poll.releasedAtMs, nowMs);
    const possibleMs = Number.isFinite(startedAtMs) ? startedAtMs : nowMs;
    const latenessMs = Math.max(
      0,
      Math.min(Math.max(possibleMs, earliestMs), nowMs) - poll.dueAtMs,
    );
    account.started(latenessMs, intervalMs);
    this.#observer.lateness(account.tenant.tier, latenessMs / 1_000);
  }

  #noteHealth(poll: RouterPoll, outcome: PollOutcome, nowMs: number): void {
    const { router } = poll;
    if (router.isRemoved) return;
    const { account } = router;
    const answers = answersBy(outcome);
    if (answers === undefined) return;
    if (answers) {
      if (isUnreachable(router, this.#rules)) account.unreachable--;
      noteAnswer(router);
      if (this.#health.answered(account.tenantId, nowMs)) this.#observer.zoneSuspected(false);
      if (poll.kind === "probe" && account.tenant.isActive) {
        this.#enqueue(this.#pollOf(router, "full", poll.dueAtMs, false), nowMs);
      }
      return;
    }
    // A dark zone says nothing about its routers.
    if (this.#health.isSuspected) return;
    const answeredBefore = router.failures === 0 && router.hasAnswered;
    const wasUnreachable = isUnreachable(router, this.#rules);
    noteFailure(router, router.intervalMs, this.#rules);
    if (!wasUnreachable && isUnreachable(router, this.#rules)) account.unreachable++;
    if (answeredBefore && this.#health.failed(account.tenantId, nowMs)) {
      this.#observer.zoneSuspected(true);
    }
  }

  #skip(account: TenantAccount, reason: SkipReason, count: number): void {
    account.skipped(reason, count);
    this.#observer.skip(reason, count);
  }
}

function isInFlight(poll: RouterPoll): boolean {
  return poll.state === "released" || poll.state === "running";
}

/** Registered so lately that no due time of its own has come yet. */
function isNew(router: RouterEntry, nowMs: number): boolean {
  const madeMs = madeAtMs(router.id);
  return madeMs !== undefined && Math.abs(nowMs - madeMs) < router.intervalMs;
}
