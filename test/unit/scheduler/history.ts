import { seededRandom } from "../../../src/lib/seeded-random.ts";
import type { RouterId } from "../../../src/routers/router.ts";
import { FairQueue } from "../../../src/scheduler/fair-queue.ts";
import { Poll } from "../../../src/scheduler/queued-poll.ts";
import { ALL_RULES, type Rules } from "../../../src/scheduler/turns.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";
import { DEADLINE_MS, type HistoryPlan } from "./history-plan.ts";
import { type Crowd, crowdOf, MSP, Seen, SeenMsp } from "./rivals.ts";

/**
 * Random histories of the fair queue: tenants with polls, a number of slots that changes, polls of unknown cost that
 * time out, events that are lost, late or doubled. Everything that is checked is reckoned from what an onlooker sees
 * (who was released, started and finished when), never asked of the queue.
 */

/** A history whose tenants want little ends here. */
const HISTORY_MS_MAX = 20_000;

const HOUR_MS = 3_600_000;

/** What a checker is shown of a history. Throws to say that a property is broken. */
export interface Onlooker {
  /** Just before `released` is charged for `poll`. */
  beforeRelease?(released: Seen, poll: Poll, crowd: Crowd, nowMs: number): void;
  afterRelease?(released: Seen, crowd: Crowd, nowMs: number): void;
  /** After everything that happens at a moment. */
  afterMoment?(crowd: Crowd, nowMs: number, slots: number, queue: FairQueue): void;
  /** `clockMs` is what the queue's clock says. */
  atEnd?(crowd: Crowd, queue: FairQueue, clockMs: number): void;
}

type Happening =
  | { readonly atMs: number; readonly kind: "start" | "end" | "hear"; readonly poll: Poll }
  | { readonly atMs: number; readonly kind: "come" | "arrive"; readonly seen: Seen }
  | { readonly atMs: number; readonly kind: "slots" | "clock" };

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
  new History(plan, onlookers, options).play();
}

class History {
  readonly #plan: HistoryPlan;
  readonly #onlookers: readonly Onlooker[];
  readonly #queue: FairQueue;
  readonly #random: () => number;
  readonly #crowd: Crowd;
  readonly #byId: ReadonlyMap<TenantId, Seen>;
  /** Latest first. */
  readonly #happenings: Happening[] = [];
  readonly #startedAtMs = new Map<Poll, number>();
  readonly #costMs = new Map<Poll, number>();
  /** Polls whose start the queue heard, and when. */
  readonly #heardAtMs = new Map<Poll, number>();
  #nowMs = 0;
  /** What the clock says besides. */
  #clockSetByMs = 0;
  #events = 0;
  #slotsTurn = 0;
  #released = 0;
  #polls = 0;

  constructor(plan: HistoryPlan, onlookers: readonly Onlooker[], options: HistoryOptions) {
    const rules = { ...ALL_RULES, ...options.rules };
    const clockStepMsMax = plan.hearing.clockSetEveryMs > 0 ? CLOCK_STEP_MS : HISTORY_MS_MAX;
    this.#plan = plan;
    this.#onlookers = onlookers;
    this.#queue =
      options.makeQueue?.(rules) ??
      new FairQueue({ pollMsMax: DEADLINE_MS, clockStepMsMax }, rules);
    this.#random = seededRandom(plan.seed);
    this.#crowd = crowdOf(seenTenants(plan));
    this.#byId = new Map(this.#crowd.tenants.map((seen) => [seen.id, seen]));
  }

  play(): void {
    this.#begin();
    this.#fill();
    for (;;) {
      const happening = this.#happenings.pop();
      if (happening === undefined) break;
      if (this.#isOver && !("poll" in happening)) continue;
      this.#nowMs = happening.atMs;
      this.#happen(happening);
      this.#noteContention();
      this.#fill();
      if (this.#isOver) continue;
      for (const onlooker of this.#onlookers) {
        onlooker.afterMoment?.(this.#crowd, this.#nowMs, this.#slots, this.#queue);
      }
    }
    for (const onlooker of this.#onlookers) {
      onlooker.atEnd?.(this.#crowd, this.#queue, this.#clockMs);
    }
  }

  #begin(): void {
    const { tenants, msp, slotsChangeEveryMs, hearing } = this.#plan;
    if (!msp.comesLast) this.#queue.setTenant(MSP, msp);
    for (const seen of this.#crowd.tenants) {
      if (seen.id === MSP) continue;
      this.#queue.setTenant(seen.id, { ...seen.plan, parent: seen.plan.isChild ? MSP : undefined });
    }
    if (msp.comesLast) this.#queue.setTenant(MSP, msp);
    for (const [index, { backlog, comesAtMs, burst, burstEveryMs }] of tenants.entries()) {
      const seen = this.#crowd.tenants[index] as Seen; // One a plan.
      if (comesAtMs === 0) this.#arrive(seen, backlog);
      else this.#schedule({ atMs: comesAtMs, kind: "come", seen });
      if (burst > 0) this.#schedule({ atMs: burstEveryMs, kind: "arrive", seen });
    }
    this.#schedule({ atMs: slotsChangeEveryMs, kind: "slots" });
    const { clockSetEveryMs } = hearing;
    if (clockSetEveryMs > 0) this.#schedule({ atMs: clockSetEveryMs, kind: "clock" });
    this.#noteContention();
  }

  get #slots(): number {
    return this.#plan.slots[this.#slotsTurn % this.#plan.slots.length] ?? 1;
  }

  get #isOver(): boolean {
    return this.#released >= this.#plan.releases || this.#nowMs > HISTORY_MS_MAX;
  }

  get #clockMs(): number {
    return this.#nowMs + this.#clockSetByMs;
  }

  #happen(happening: Happening): void {
    const { hearing, slotsChangeEveryMs } = this.#plan;
    switch (happening.kind) {
      case "come":
        this.#arrive(happening.seen, happening.seen.plan.backlog);
        break;
      case "arrive": {
        const { seen } = happening;
        if (this.#random() < 0.2) this.#changeMind(seen);
        if (seen.waiting.size < this.#plan.releases) this.#arrive(seen, seen.plan.burst);
        const inMs = seen.plan.burstEveryMs * (0.5 + this.#random());
        this.#schedule({ ...happening, atMs: this.#nowMs + inMs });
        break;
      }
      case "slots":
        this.#slotsTurn++;
        this.#schedule({ ...happening, atMs: this.#nowMs + slotsChangeEveryMs });
        break;
      case "clock":
        this.#clockSetByMs += this.#random() < 0.5 ? HOUR_MS : -HOUR_MS;
        this.#schedule({
          ...happening,
          atMs: this.#nowMs + hearing.clockSetEveryMs * (0.5 + this.#random()),
        });
        break;
      case "start":
        this.#start(happening.poll);
        break;
      case "end":
        this.#end(happening.poll);
        break;
      case "hear":
        this.#hear(happening.poll);
        break;
    }
  }

  #arrive(seen: Seen, count: number): void {
    // More waiting polls than a history releases make no difference.
    for (let i = 0; i < Math.min(count, this.#plan.releases); i++) {
      const poll = new Poll({
        routerId: `router-${this.#polls++}` as RouterId,
        tenantId: seen.id,
        dueAtMs: Math.floor(this.#nowMs - 100 * this.#random()),
        estimateMs: seen.plan.estimateMs,
        isExpress: this.#random() < 0.1,
      });
      seen.waiting.add(poll);
      this.#queue.enqueue(poll, this.#clockMs);
      if (this.#isNoisy) this.#queue.enqueue(poll, this.#clockMs);
      if (this.#isNoisy) this.#queue.finished(poll, 5, this.#clockMs);
    }
  }

  /** A person asks for a poll out of turn, or a router is taken away. */
  #changeMind(seen: Seen): void {
    const [poll] = seen.waiting;
    if (poll === undefined) return;
    if (this.#random() < 0.5) {
      this.#queue.hasten(poll, this.#clockMs);
    } else {
      this.#queue.cancel(poll);
      seen.waiting.delete(poll);
      seen.cancelled++;
      this.#noteContention(); // Polls may come at the same moment: it paused nevertheless.
    }
  }

  #fill(): void {
    while (this.#crowd.tenants.reduce((sum, seen) => sum + seen.inFlight, 0) < this.#slots) {
      if (this.#isOver) return;
      const poll = this.#queue.release(this.#clockMs);
      if (poll === undefined) return;
      const seen = this.#seenOf(poll);
      for (const onlooker of this.#onlookers) {
        onlooker.beforeRelease?.(seen, poll, this.#crowd, this.#nowMs);
      }
      seen.noteRelease(poll);
      this.#released++;
      this.#schedule({
        atMs: this.#nowMs + this.#plan.handoverMs * this.#random(),
        kind: "start",
        poll,
      });
      this.#noteContention();
      for (const onlooker of this.#onlookers) {
        onlooker.afterRelease?.(seen, this.#crowd, this.#nowMs);
      }
    }
  }

  #start(poll: Poll): void {
    const seen = this.#seenOf(poll);
    seen.running++;
    seen.startsSumMs += this.#nowMs;
    this.#startedAtMs.set(poll, this.#nowMs);
    if (this.#random() >= this.#plan.hearing.startsLost) {
      seen.heardRunning++;
      seen.heardStartsSumMs += this.#nowMs;
      this.#heardAtMs.set(poll, this.#nowMs);
      this.#queue.started(poll, this.#clockMs);
      if (this.#isNoisy) this.#queue.started(poll, this.#clockMs);
    }
    const { timeoutShare, meanCostMs } = seen.plan;
    const usualMs = Math.min(meanCostMs * (0.1 + 1.8 * this.#random()), DEADLINE_MS);
    const costMs = this.#random() < timeoutShare ? DEADLINE_MS : usualMs;
    this.#schedule({ atMs: this.#nowMs + costMs, kind: "end", poll });
  }

  #end(poll: Poll): void {
    const seen = this.#seenOf(poll);
    const startedAtMs = known(this.#startedAtMs, poll);
    seen.running--;
    seen.startsSumMs -= startedAtMs;
    seen.finishedMs += this.#nowMs - startedAtMs;
    this.#costMs.set(poll, this.#nowMs - startedAtMs);
    const { endsLateMs } = this.#plan.hearing;
    if (endsLateMs === 0) this.#hear(poll);
    else this.#schedule({ atMs: this.#nowMs + endsLateMs * this.#random(), kind: "hear", poll });
  }

  #hear(poll: Poll): void {
    const seen = this.#seenOf(poll);
    const costMs = known(this.#costMs, poll);
    const heardAtMs = this.#heardAtMs.get(poll);
    if (heardAtMs !== undefined) {
      seen.heardRunning--;
      seen.heardStartsSumMs -= heardAtMs;
    }
    seen.heardFinishedMs += costMs;
    seen.inFlight--;
    seen.finished++;
    this.#queue.finished(poll, costMs, this.#clockMs);
    if (this.#isNoisy) {
      this.#queue.finished(poll, DEADLINE_MS, this.#clockMs);
      this.#queue.started(poll, this.#clockMs);
    }
  }

  get #isNoisy(): boolean {
    const { noise } = this.#plan.hearing;
    return noise > 0 && this.#random() < noise;
  }

  #seenOf(poll: Poll): Seen {
    return known(this.#byId, poll.tenantId);
  }

  #schedule(happening: Happening): void {
    let at = this.#happenings.length;
    while (at > 0 && (this.#happenings[at - 1]?.atMs ?? 0) < happening.atMs) at--;
    this.#happenings.splice(at, 0, happening);
  }

  #noteContention(): void {
    this.#events++;
    for (const level of this.#crowd.levels) {
      for (const rival of level) {
        if (!rival.contends) rival.contendsSince = Number.NaN;
        else if (Number.isNaN(rival.contendsSince)) rival.contendsSince = this.#events;
      }
    }
  }
}

/** The longest step of the clock that the queue believes, in histories in which it is set. */
export const CLOCK_STEP_MS = 100;

function seenTenants({ tenants, msp }: HistoryPlan): readonly Seen[] {
  const firstChild = tenants.findIndex(({ isChild }) => isChild);
  const all = tenants.map((plan, index) => {
    if (index !== firstChild || !msp.hasRouters)
      return new Seen(`tenant-${index}` as TenantId, index, plan);
    // Among its children the MSP has the weight it has among tenants, and no cap of its own.
    return new Seen(MSP, index, { ...plan, weight: msp.weight, inFlightMax: undefined });
  });
  const children = all.filter(({ plan }) => plan.isChild);
  const group = new SeenMsp(msp, children);
  for (const child of children) child.msp = group;
  return all;
}

function known<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new Error("a history lost track of what it did");
  return value;
}
