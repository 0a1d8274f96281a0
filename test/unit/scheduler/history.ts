import fc from "fast-check";
import { seededRandom } from "../../../src/lib/seeded-random.ts";
import type { RouterId } from "../../../src/routers/router.ts";
import { FairQueue } from "../../../src/scheduler/fair-queue.ts";
import { Poll } from "../../../src/scheduler/queued-poll.ts";
import { ALL_RULES, type Rules } from "../../../src/scheduler/turns.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";

/**
 * Random histories of the fair queue: tenants with polls, a number of slots that changes, polls of unknown cost that
 * time out. Everything that is checked is reckoned from what an onlooker sees (who was released, started and finished
 * when), never asked of the queue.
 */

/** L: no poll runs longer. */
export const DEADLINE_MS = 1_000;

/** A history whose tenants want little ends here. */
const HISTORY_MS_MAX = 20_000;

/** More waiting polls than a history releases make no difference. */
const WAITING_MAX = 120;

export interface TenantPlan {
  readonly weight: number;
  readonly meanCostMs: number;
  /** Share of its polls that run into the deadline. */
  readonly timeoutShare: number;
  readonly estimateMs: number;
  /** It is a child of the history's one MSP. */
  readonly isChild: boolean;
  readonly inFlightMax: number | undefined;
  /** Polls it has at first, and how many it adds each time, about so often. 0 = never. */
  readonly backlog: number;
  /** When its first polls come. */
  readonly comesAtMs: number;
  readonly burst: number;
  readonly burstEveryMs: number;
}

export interface HistoryPlan {
  readonly seed: number;
  readonly tenants: readonly TenantPlan[];
  /** Slots in turn: workers come and go. */
  readonly slots: readonly number[];
  readonly slotsChangeEveryMs: number;
  /** How long a released poll takes to its worker, at most. */
  readonly handoverMs: number;
  readonly releases: number;
}

const tenantPlan: fc.Arbitrary<TenantPlan> = fc.record({
  weight: fc.constantFrom(0.5, 1, 1, 2, 4, 16),
  meanCostMs: fc.constantFrom(5, 20, 50, 200),
  timeoutShare: fc.constantFrom(0, 0, 0, 0.1, 0.3, 1),
  estimateMs: fc.constantFrom(1, 10, 50, 300),
  isChild: fc.constantFrom(false, false, true),
  inFlightMax: fc.constantFrom(undefined, undefined, undefined, 1, 3),
  backlog: fc.constantFrom(0, 1, 5, 120, 120, 120),
  comesAtMs: fc.constantFrom(0, 0, 0, 200, 1_000),
  burst: fc.constantFrom(0, 1, 5, 20),
  burstEveryMs: fc.constantFrom(20, 100, 500),
});

export const historyPlan: fc.Arbitrary<HistoryPlan> = fc.record({
  seed: fc.integer(),
  tenants: fc.array(tenantPlan, { minLength: 2, maxLength: 5 }),
  slots: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
  slotsChangeEveryMs: fc.constantFrom(50, 300),
  handoverMs: fc.constantFrom(0, 0, 3),
  releases: fc.constantFrom(20, 40, 100),
});

/** One tenant that always has polls, and one that comes after a long rest and then has as many. */
export const restPlan: fc.Arbitrary<HistoryPlan> = fc
  .record({
    seed: fc.integer(),
    slots: fc.integer({ min: 1, max: 3 }),
    weights: fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 2)),
    comesAtMs: fc.integer({ min: 6_000, max: 9_000 }),
  })
  .map(({ seed, slots, weights, comesAtMs }) => {
    const busy = { meanCostMs: 200, timeoutShare: 0, estimateMs: 50 };
    const alone = { isChild: false, inFlightMax: undefined };
    const polls = { backlog: 400, burst: 0, burstEveryMs: 100 };
    return {
      seed,
      tenants: [
        { ...busy, ...alone, ...polls, weight: weights[0], comesAtMs: 0 },
        { ...busy, ...alone, ...polls, weight: weights[1], comesAtMs },
      ],
      slots: [slots],
      slotsChangeEveryMs: 300,
      handoverMs: 0,
      releases: 250,
    };
  });

/** One who takes turns, at the root or among an MSP's children, as an onlooker knows it. */
export interface Rival {
  readonly id: TenantId;
  readonly weight: number;
  /** The largest estimate of one of its polls. */
  readonly estimateMs: number;
  readonly inFlightPeak: number;
  readonly contends: boolean;
  readonly contendsSince: number;
  service(nowMs: number): number;
  charged(nowMs: number): number;
}

export const MSP = "msp" as TenantId;
const MSP_WEIGHT = 2;

/** The MSP with its children: one rival at the root. */
class SeenMsp implements Rival {
  readonly id = MSP;
  readonly weight = MSP_WEIGHT;
  readonly children: readonly Seen[];
  contendsSince = Number.NaN;
  inFlightPeak = 0;

  constructor(children: readonly Seen[]) {
    this.children = children;
  }

  get estimateMs(): number {
    return Math.max(...this.children.map((child) => child.estimateMs));
  }

  get contends(): boolean {
    return this.children.some((child) => child.contends);
  }

  service(nowMs: number): number {
    return this.#sum((child) => child.service(nowMs) * child.weight) / this.weight;
  }

  charged(nowMs: number): number {
    const finished = this.#sum((child) => child.finishedMs);
    const estimates = this.#sum((child) => child.inFlight * child.estimateMs);
    const elapsed = this.#sum((child) => child.elapsedMs(nowMs));
    return (finished + Math.max(estimates, elapsed)) / this.weight;
  }

  #sum(figure: (child: Seen) => number): number {
    return this.children.reduce((sum, child) => sum + figure(child), 0);
  }
}

/** What an onlooker knows of a tenant. */
export class Seen implements Rival {
  msp: SeenMsp | undefined;
  readonly id: TenantId;
  readonly plan: TenantPlan;
  waiting = 0;
  inFlight = 0;
  /** Start times of polls at workers. */
  readonly running = new Map<Poll, number>();
  finishedMs = 0;
  releases = 0;
  /** The most polls in flight at once so far. */
  inFlightPeak = 0;
  /** Since which event it has been contending without a break; NaN while it does not. */
  contendsSince = Number.NaN;
  /** Set while its first poll ever waits: what every tenant had received when that came. */
  newcomerAt: ReadonlyMap<Seen, number> | undefined;

  constructor(index: number, plan: TenantPlan) {
    this.id = `tenant-${index}` as TenantId;
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

  elapsedMs(nowMs: number): number {
    let sum = 0;
    for (const startedAtMs of this.running.values()) sum += nowMs - startedAtMs;
    return sum;
  }

  /** Slot time received so far, by weight. */
  service(nowMs: number): number {
    return (this.finishedMs + this.elapsedMs(nowMs)) / this.plan.weight;
  }

  /** The tag, but for lifts. */
  charged(nowMs: number): number {
    const { weight, estimateMs } = this.plan;
    const inFlightMs = Math.max(this.inFlight * estimateMs, this.elapsedMs(nowMs));
    return (this.finishedMs + inFlightMs) / weight;
  }

  get contends(): boolean {
    return this.waiting > 0 && this.inFlight < (this.plan.inFlightMax ?? Number.POSITIVE_INFINITY);
  }
}

/** What a checker is shown of a history. Throws to say that a property is broken. */
export interface Onlooker {
  /** Just before `released` is charged for its poll. */
  beforeRelease?(released: Seen, all: readonly Seen[], nowMs: number): void;
  /** After everything that happens at a moment. */
  afterMoment?(all: readonly Seen[], nowMs: number, slots: number, queue: FairQueue): void;
  atEnd?(all: readonly Seen[], queue: FairQueue): void;
}

type Happening =
  | { readonly atMs: number; readonly kind: "start" | "finish"; readonly poll: Poll }
  | { readonly atMs: number; readonly kind: "come" | "arrive"; readonly seen: Seen }
  | { readonly atMs: number; readonly kind: "slots" };

export interface HistoryOptions {
  readonly rules?: Partial<Rules>;
  /** Another queue in the place of the real one, with something wrong. */
  readonly makeQueue?: (rules: Rules) => FairQueue;
}

/** Plays a history to its end: so many releases, then everything released runs out. */
export function play(
  plan: HistoryPlan,
  onlookers: readonly Onlooker[],
  options: HistoryOptions = {},
): void {
  const random = seededRandom(plan.seed);
  const rules = { ...ALL_RULES, ...options.rules };
  const queue =
    options.makeQueue?.(rules) ??
    new FairQueue({ pollMsMax: DEADLINE_MS, clockStepMsMax: 1e9 }, rules);
  const all = plan.tenants.map((tenant, index) => new Seen(index, tenant));
  const byId = new Map(all.map((seen) => [seen.id, seen]));
  const children = all.filter((seen) => seen.plan.isChild);
  const msp = children.length > 0 ? new SeenMsp(children) : undefined;
  for (const child of children) child.msp = msp;
  const happenings: Happening[] = [];
  let nowMs = 0;
  let events = 0;
  let turn = 0;
  let released = 0;
  let polls = 0;

  const schedule = (happening: Happening) => {
    let at = happenings.length;
    while (at > 0 && (happenings[at - 1]?.atMs ?? 0) < happening.atMs) at--;
    happenings.splice(at, 0, happening);
  };
  const arrive = (seen: Seen, count: number) => {
    for (let i = 0; i < count; i++) {
      if (seen.releases + seen.waiting + seen.inFlight === 0) {
        seen.newcomerAt = new Map(all.map((other) => [other, other.service(nowMs)]));
      }
      seen.waiting++;
      const poll = new Poll({
        routerId: `router-${polls++}` as RouterId,
        tenantId: seen.id,
        dueAtMs: nowMs,
        estimateMs: seen.plan.estimateMs,
        isExpress: random() < 0.1,
      });
      queue.enqueue(poll, nowMs);
    }
  };
  const noteContention = () => {
    events++;
    for (const rival of msp === undefined ? all : [...all, msp]) {
      if (!rival.contends) rival.contendsSince = Number.NaN;
      else if (Number.isNaN(rival.contendsSince)) rival.contendsSince = events;
    }
  };
  const slots = () => plan.slots[turn % plan.slots.length] ?? 1;
  const costOf = (seen: Seen) => {
    if (random() < seen.plan.timeoutShare) return DEADLINE_MS;
    return Math.min(seen.plan.meanCostMs * (0.1 + 1.8 * random()), DEADLINE_MS);
  };
  const happen = (happening: Happening) => {
    switch (happening.kind) {
      case "arrive":
        if (happening.seen.waiting < WAITING_MAX) arrive(happening.seen, happening.seen.plan.burst);
        schedule({
          ...happening,
          atMs: nowMs + happening.seen.plan.burstEveryMs * (0.5 + random()),
        });
        break;
      case "come":
        arrive(happening.seen, happening.seen.plan.backlog);
        break;
      case "slots":
        turn++;
        schedule({ ...happening, atMs: nowMs + plan.slotsChangeEveryMs });
        break;
      case "start": {
        const seen = byId.get(happening.poll.tenantId);
        if (seen === undefined) throw new Error("a poll of nobody");
        seen.running.set(happening.poll, nowMs);
        queue.started(happening.poll, nowMs);
        schedule({ ...happening, kind: "finish", atMs: nowMs + costOf(seen) });
        break;
      }
      case "finish": {
        const seen = byId.get(happening.poll.tenantId);
        const startedAtMs = seen?.running.get(happening.poll);
        if (seen === undefined || startedAtMs === undefined) throw new Error("a poll of nobody");
        seen.running.delete(happening.poll);
        seen.inFlight--;
        seen.finishedMs += nowMs - startedAtMs;
        queue.finished(happening.poll, nowMs - startedAtMs, nowMs);
        break;
      }
    }
    noteContention();
  };
  const isOver = () => released >= plan.releases || nowMs > HISTORY_MS_MAX;
  const fill = () => {
    while (all.reduce((sum, seen) => sum + seen.inFlight, 0) < slots()) {
      if (isOver()) return;
      const poll = queue.release(nowMs);
      if (poll === undefined) return;
      const seen = byId.get(poll.tenantId);
      if (seen === undefined) throw new Error("a poll of nobody");
      for (const onlooker of onlookers) onlooker.beforeRelease?.(seen, all, nowMs);
      seen.waiting--;
      seen.inFlight++;
      seen.releases++;
      seen.newcomerAt = undefined;
      seen.inFlightPeak = Math.max(seen.inFlightPeak, seen.inFlight);
      if (seen.msp !== undefined) {
        const together = children.reduce((sum, child) => sum + child.inFlight, 0);
        seen.msp.inFlightPeak = Math.max(seen.msp.inFlightPeak, together);
      }
      released++;
      schedule({ atMs: nowMs + plan.handoverMs * random(), kind: "start", poll });
      noteContention();
    }
  };

  queue.setTenant(MSP, { weight: MSP_WEIGHT });
  for (const seen of all) {
    queue.setTenant(seen.id, { ...seen.plan, parent: seen.plan.isChild ? MSP : undefined });
  }
  for (const seen of all) {
    if (seen.plan.comesAtMs === 0) arrive(seen, seen.plan.backlog);
    else schedule({ atMs: seen.plan.comesAtMs, kind: "come", seen });
  }
  noteContention();
  for (const seen of all) {
    if (seen.plan.burst > 0) schedule({ atMs: seen.plan.burstEveryMs, kind: "arrive", seen });
  }
  schedule({ atMs: plan.slotsChangeEveryMs, kind: "slots" });
  fill();
  while (happenings.length > 0) {
    const happening = happenings.pop();
    if (happening === undefined) break;
    if (isOver() && happening.kind !== "start" && happening.kind !== "finish") continue;
    nowMs = happening.atMs;
    happen(happening);
    fill();
    if (!isOver())
      for (const onlooker of onlookers) onlooker.afterMoment?.(all, nowMs, slots(), queue);
  }
  for (const onlooker of onlookers) onlooker.atEnd?.(all, queue);
}
