import type { Poll } from "../../../src/scheduler/queued-poll.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";
import type { MspPlan, TenantPlan } from "./history-plan.ts";

/**
 * Those who take turns, as an onlooker knows them who sees what really happens and what the queue hears of it, and
 * asks the queue nothing.
 */

/** One who takes turns, at the root or among an MSP's children. */
export interface Rival {
  readonly id: TenantId;
  /** Its place among all rivals, below RIVALS_MAX. */
  readonly index: number;
  readonly weight: number;
  /** The largest estimate of one of its polls. */
  readonly estimateMs: number;
  /** Polls in flight as far as the queue can know: until their end is heard. */
  readonly inFlight: number;
  readonly inFlightPeak: number;
  /** How many were in flight just after its last release. */
  readonly inFlightAtRelease: number;
  /** Has a poll waiting and is not held by its cap. */
  readonly contends: boolean;
  /** Since which event it has been contending without a break; NaN while it does not. */
  contendsSince: number;
  /** Slot time received so far. */
  receivedMs(nowMs: number): number;
  /** The tag, but for lifts. */
  charged(nowMs: number): number;
}

export const MSP = "msp" as TenantId;

/** Five tenants and their MSP are the most a history has. */
export const RIVALS_MAX = 8;

/** The MSP with its children: one rival at the root. */
export class SeenMsp implements Rival {
  readonly id = MSP;
  readonly index = RIVALS_MAX - 1;
  readonly plan: MspPlan;
  readonly children: readonly Seen[];
  contendsSince = Number.NaN;
  inFlightPeak = 0;
  inFlightAtRelease = 0;

  constructor(plan: MspPlan, children: readonly Seen[]) {
    this.plan = plan;
    this.children = children;
  }

  get weight(): number {
    return this.plan.weight;
  }

  get estimateMs(): number {
    return Math.max(...this.children.map((child) => child.estimateMs));
  }

  get inFlight(): number {
    return this.#sum((child) => child.inFlight);
  }

  get contends(): boolean {
    if (this.inFlight >= (this.plan.inFlightMax ?? Number.POSITIVE_INFINITY)) return false;
    return this.children.some((child) => child.contends);
  }

  noteRelease(): void {
    this.inFlightAtRelease = this.inFlight;
    this.inFlightPeak = Math.max(this.inFlightPeak, this.inFlight);
  }

  receivedMs(nowMs: number): number {
    return this.#sum((child) => child.receivedMs(nowMs));
  }

  charged(nowMs: number): number {
    const finished = this.#sum((child) => child.heardFinishedMs);
    const estimates = this.#sum((child) => child.inFlight * child.estimateMs);
    const elapsed = this.#sum((child) => child.heardElapsedMs(nowMs));
    return (finished + Math.max(estimates, elapsed)) / this.weight;
  }

  #sum(figure: (child: Seen) => number): number {
    let sum = 0;
    for (const child of this.children) sum += figure(child);
    return sum;
  }
}

export class Seen implements Rival {
  msp: SeenMsp | undefined;
  readonly id: TenantId;
  readonly index: number;
  readonly plan: TenantPlan;
  readonly waiting = new Set<Poll>();
  releases = 0;
  cancelled = 0;
  finished = 0;
  inFlight = 0;
  inFlightPeak = 0;
  inFlightAtRelease = 0;
  contendsSince = Number.NaN;
  /** What its ended polls used, and the sum of the starts of its running ones. */
  finishedMs = 0;
  running = 0;
  startsSumMs = 0;
  /** The same of what the queue has heard. */
  heardFinishedMs = 0;
  heardRunning = 0;
  heardStartsSumMs = 0;

  constructor(id: TenantId, index: number, plan: TenantPlan) {
    this.id = id;
    this.index = index;
    this.plan = plan;
  }

  get weight(): number {
    return this.plan.weight;
  }

  get estimateMs(): number {
    return this.plan.estimateMs;
  }

  /** Who it stands for at the root. */
  get top(): Rival {
    return this.msp ?? this;
  }

  get isCapped(): boolean {
    return this.inFlight >= (this.plan.inFlightMax ?? Number.POSITIVE_INFINITY);
  }

  get contends(): boolean {
    return this.waiting.size > 0 && !this.isCapped;
  }

  noteRelease(poll: Poll): void {
    this.waiting.delete(poll);
    this.inFlight++;
    this.releases++;
    this.inFlightAtRelease = this.inFlight;
    this.inFlightPeak = Math.max(this.inFlightPeak, this.inFlight);
    this.msp?.noteRelease();
  }

  receivedMs(nowMs: number): number {
    return this.finishedMs + this.running * nowMs - this.startsSumMs;
  }

  heardElapsedMs(nowMs: number): number {
    return this.heardRunning * nowMs - this.heardStartsSumMs;
  }

  charged(nowMs: number): number {
    const inFlightMs = Math.max(this.inFlight * this.estimateMs, this.heardElapsedMs(nowMs));
    return (this.heardFinishedMs + inFlightMs) / this.weight;
  }
}

/** Everyone in a history. */
export interface Crowd {
  readonly tenants: readonly Seen[];
  /** Who takes turns with whom: those at the root, and the children of the MSP. */
  readonly levels: readonly (readonly Rival[])[];
}

export function crowdOf(tenants: readonly Seen[]): Crowd {
  const children = tenants.filter(({ msp }) => msp !== undefined);
  return { tenants, levels: [[...new Set(tenants.map((seen) => seen.top))], children] };
}

/** Visits every pair that competes with each other now. */
export function eachRivalry({ levels }: Crowd, visit: (f: Rival, g: Rival) => void): void {
  for (const level of levels) {
    const contending = level.filter((rival) => rival.contends);
    for (let i = 0; i < contending.length; i++) {
      for (let j = i + 1; j < contending.length; j++) {
        visit(contending[i] as Rival, contending[j] as Rival); // Inside the array.
      }
    }
  }
}
