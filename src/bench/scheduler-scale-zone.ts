import type { PollJob } from "../queue/poll-job.ts";
import type { PollOutcome, RouterId } from "../routers/router.ts";
import type { SkipReason } from "../scheduler/tenant-account.ts";
import { type StateInQueue, ZoneSchedule } from "../scheduler/zone-schedule.ts";
import { diceOf, numberOf, type Population, START_MS } from "./scheduler-scale-population.ts";

/**
 * One zone, its leader cold: the real zone schedule with its due times, fair queue, health and checks, called as
 * dispatch.ts calls it, and in place of queue, workers and routers a simulation of them by the millisecond. The queue
 * takes 20,000 polls a second, one batch at a time; a worker takes a poll when it has a free slot and a poll has come;
 * an event is heard two milliseconds late.
 */

export interface ZoneMeasureOptions {
  readonly slots: number;
  readonly seed: number;
  readonly deadShare: number;
  /** Of the slots, what polls hold at first, while no dead router is known for one. */
  readonly load: number;
}

/** As dispatch.ts has them. */
const ADD_MAX = 500;
const DUES_MAX = 5_000;
const CHECK_EVERY_MS = 100;
const WORKERS_EVERY_MS = 1_000;
const REPORT_EVERY_MS = 2_000;

const ADDED_PER_MS = 20;
const HEARD_AFTER_MS = 2;
/** What a silent router costs: three tries. */
const SILENT_MS = 5_000;
const PROBE_MS = 1_000;
const PROBE_ANSWER_MS = 30;
const COST_MS_MIN = 10;
/** A poll in a thousand of a router that lives comes back with nothing. */
const MISHAP_SHARE = 0.001;
/** More milliseconds than any poll takes: what is to happen lies in a ring of that many. */
const RING_MS = 32_768;
const LATENESS_MS_MAX = 600_000;

interface Running {
  readonly job: PollJob;
  readonly startedAtMs: number;
  readonly costMs: number;
  readonly outcome: PollOutcome;
}

type Happening =
  | { readonly kind: "added"; readonly jobs: readonly PollJob[] }
  | { readonly kind: "startHeard" | "end" | "endHeard"; readonly running: Running };

/** Everything between the schedule's releases and the completions it hears. */
export class SimulatedZone {
  readonly schedule: ZoneSchedule;
  readonly skips = new Map<SkipReason, number>();
  polls = 0;
  /** Slot time of the polls started so far. */
  usedMs = 0;
  readonly #population: Population;
  readonly #options: ZoneMeasureOptions;
  readonly #ring: (Happening[] | undefined)[] = new Array(RING_MS);
  readonly #inQueue = new Map<RouterId, StateInQueue>();
  /** Polls in the queue that no worker took yet; those before `#taken` are gone. */
  #untaken: PollJob[] = [];
  #taken = 0;
  #running = 0;
  #isAdding = false;
  #throws = 0;
  readonly #healthyCostMs: number;
  readonly #latenesses = new Uint32Array(LATENESS_MS_MAX);

  constructor(population: Population, options: ZoneMeasureOptions) {
    this.#population = population;
    this.#options = options;
    const { slots, load, deadShare } = options;
    const slotMsPerPoll = (1_000 * slots * load) / population.pollsPerSecond;
    const healthyMs = (slotMsPerPoll - deadShare * SILENT_MS) / (1 - deadShare);
    this.#healthyCostMs = Math.max(healthyMs, 2 * COST_MS_MIN);
    this.schedule = new ZoneSchedule(
      { failuresMax: 3, probeSpacingMsMax: 900_000 },
      {
        lateness: () => undefined,
        poll: () => undefined,
        skip: (reason, count) => void this.skips.set(reason, (this.skips.get(reason) ?? 0) + count),
        unheard: () => undefined,
        zoneSuspected: () => undefined,
      },
    );
  }

  /** What a new leader does before it releases anything. */
  rebuild(): void {
    this.schedule.setTenants(this.#population.tenants);
    this.schedule.setRouters(this.#population.plannedRouters(), START_MS);
    this.schedule.reportSlots(this.#options.slots, START_MS);
  }

  /** Plays the milliseconds from `fromMs` on, up to `toMs`, since the beginning. */
  play(fromMs: number, toMs: number): void {
    for (let sinceMs = fromMs + 1; sinceMs <= toMs; sinceMs++) {
      const nowMs = START_MS + sinceMs;
      const happenings = this.#ring[sinceMs % RING_MS];
      if (happenings !== undefined) {
        this.#ring[sinceMs % RING_MS] = undefined;
        for (const happening of happenings) this.#happen(happening, nowMs);
      }
      this.#takeUp(nowMs);
      this.#work(nowMs);
      if (sinceMs % CHECK_EVERY_MS === 0) this.#check(nowMs);
      if (sinceMs % WORKERS_EVERY_MS === 0) this.schedule.reportSlots(this.#options.slots, nowMs);
      if (sinceMs % REPORT_EVERY_MS === 0) this.schedule.rows(nowMs);
    }
  }

  /** The lateness, from due to start, that the given share of polls did not exceed. */
  latenessMs(share: number): number {
    let seen = 0;
    for (let ms = 0; ms < LATENESS_MS_MAX; ms++) {
      seen += this.#latenesses[ms] ?? 0;
      if (seen >= share * this.polls) return ms;
    }
    return LATENESS_MS_MAX;
  }

  #work(nowMs: number): void {
    this.schedule.takeDue(nowMs, DUES_MAX);
    if (this.#isAdding) return;
    const jobs = this.schedule.release(nowMs, ADD_MAX);
    if (jobs.length === 0) return;
    this.#isAdding = true;
    const tookMs = 1 + Math.ceil(jobs.length / ADDED_PER_MS);
    this.#after(nowMs, tookMs, { kind: "added", jobs });
  }

  #happen(happening: Happening, nowMs: number): void {
    switch (happening.kind) {
      case "added":
        this.#isAdding = false;
        this.schedule.added(happening.jobs, nowMs);
        for (const job of happening.jobs) {
          this.#inQueue.set(job.routerId, "waiting");
          this.#untaken.push(job);
        }
        break;
      case "startHeard":
        this.schedule.active(happening.running.job.routerId, nowMs);
        break;
      case "end":
        this.#running--;
        this.#after(nowMs, HEARD_AFTER_MS, { kind: "endHeard", running: happening.running });
        break;
      case "endHeard": {
        const { job, outcome, costMs, startedAtMs } = happening.running;
        this.#inQueue.delete(job.routerId);
        this.schedule.finished(job.routerId, { outcome, costMs, startedAtMs }, nowMs);
        break;
      }
    }
  }

  /** Starts polls in the free slots, first come first served. */
  #takeUp(nowMs: number): void {
    while (this.#running < this.#options.slots && this.#taken < this.#untaken.length) {
      this.#start(this.#untaken[this.#taken++] as PollJob, nowMs); // Inside the array.
    }
    if (this.#taken > 10_000 && 2 * this.#taken > this.#untaken.length) {
      this.#untaken = this.#untaken.slice(this.#taken);
      this.#taken = 0;
    }
  }

  #start(job: PollJob, nowMs: number): void {
    const running = { job, startedAtMs: nowMs, ...this.#fateOf(job) };
    this.#running++;
    this.polls++;
    this.usedMs += running.costMs;
    this.#inQueue.set(job.routerId, "active");
    const latenessMs = Math.min(Math.max(0, Math.ceil(nowMs - job.dueAtMs)), LATENESS_MS_MAX - 1);
    this.#latenesses[latenessMs] = (this.#latenesses[latenessMs] ?? 0) + 1;
    this.#after(nowMs, HEARD_AFTER_MS, { kind: "startHeard", running });
    this.#after(nowMs, running.costMs, { kind: "end", running });
  }

  /** What comes of a poll. A router is fast or slow for good, and each of its polls by the half. */
  #fateOf(job: PollJob): { readonly outcome: PollOutcome; readonly costMs: number } {
    const { seed, deadShare } = this.#options;
    const router = numberOf(job.routerId);
    const isDead = diceOf(seed, router, 2) < deadShare;
    const dice = diceOf(seed, router, 3 + this.#throws++);
    if (isDead || dice < MISHAP_SHARE) {
      return { outcome: "silent", costMs: job.kind === "probe" ? PROBE_MS : SILENT_MS };
    }
    if (job.kind === "probe") return { outcome: "answered", costMs: PROBE_ANSWER_MS };
    const slowness = diceOf(seed, router, 3) ** 3 * 4; // Most are fast; the mean is 1.
    const costMs = this.#healthyCostMs * slowness * (0.5 + dice);
    return { outcome: "answered", costMs: Math.round(Math.max(costMs, COST_MS_MIN)) };
  }

  #check(nowMs: number): void {
    for (const routerId of this.schedule.pollsToCheck(nowMs)) {
      this.schedule.checked(routerId, this.#inQueue.get(routerId) ?? "gone", nowMs);
    }
  }

  #after(nowMs: number, ms: number, happening: Happening): void {
    const place = (nowMs - START_MS + ms) % RING_MS;
    const there = this.#ring[place];
    if (there === undefined) this.#ring[place] = [happening];
    else there.push(happening);
  }
}
