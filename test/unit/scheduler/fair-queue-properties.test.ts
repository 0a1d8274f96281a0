import fc from "fast-check";
import { expect, test } from "vitest";
import { FairQueue } from "../../../src/scheduler/fair-queue.ts";
import { Poll } from "../../../src/scheduler/queued-poll.ts";
import type { Rules } from "../../../src/scheduler/turns.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";
import {
  DEADLINE_MS,
  type HistoryOptions,
  type HistoryPlan,
  historyPlan,
  type Onlooker,
  play,
  restPlan,
} from "./history.ts";
import {
  ALL_ONLOOKERS,
  conservation,
  leastTagGoesFirst,
  newcomersWaitOneQuantum,
  publishedBound,
  workConservation,
} from "./onlookers.ts";

/** Histories checked, split so that a broken one is found at a seed of its own. Each failure prints seed and plan. */
const SEEDS = [20_260, 20_261, 20_262, 20_263];
const HISTORIES_A_SEED = 2_600;

test.for(SEEDS)("every property holds in random histories (seed %i)", (seed) => {
  const histories = fc.property(historyPlan, (plan) => {
    play(
      plan,
      ALL_ONLOOKERS.map((onlooker) => onlooker()),
    );
  });

  fc.assert(histories, { seed, numRuns: HISTORIES_A_SEED });
});

test("a tenant that rested gains nothing by it", () => {
  const histories = fc.property(restPlan, (plan) => play(plan, [publishedBound()]));

  fc.assert(histories, { seed: 20_264, numRuns: 200 });
});

/** A property is worth something if it fails when the rule that it guards is removed. */
function expectBroken(
  onlooker: () => Onlooker,
  options: HistoryOptions,
  plans: fc.Arbitrary<HistoryPlan> = historyPlan,
): void {
  const histories = fc.property(plans, (plan) => play(plan, [onlooker()], options));

  const outcome = fc.check(histories, { seed: 7, numRuns: 2_000, endOnFailure: true });

  expect(outcome.failed).toBe(true);
}

const REMOVED: readonly (readonly [keyof Rules, string, () => Onlooker])[] = [
  ["chargesElapsed", "the least tag", leastTagGoesFirst],
  ["chargesEstimates", "the least tag", leastTagGoesFirst],
  ["movesForward", "the least tag", leastTagGoesFirst],
  ["weighs", "the least tag", leastTagGoesFirst],
  ["chargesCost", "the published bound", publishedBound],
  ["weighs", "the published bound", publishedBound],
];

test.for(REMOVED)("without the rule %s, %s is broken", ([rule, , onlooker]) => {
  expectBroken(onlooker, { rules: { [rule]: false } });
});

class Sluggish extends FairQueue {
  #calls = 0;
  override release(nowMs: number): Poll | undefined {
    return this.#calls++ % 7 === 6 ? undefined : super.release(nowMs);
  }
}

class Forgetful extends FairQueue {
  #calls = 0;
  override finished(poll: Poll, costMs: number | undefined, nowMs: number): boolean {
    return this.#calls++ % 7 === 6 ? false : super.finished(poll, costMs, nowMs);
  }
}

test("without the rule liftsOnReturn, a tenant that rested gains by it", () => {
  expectBroken(publishedBound, { rules: { liftsOnReturn: false } }, restPlan);
});

/** One line for all: what a plain queue does. */
class OneLine extends FairQueue {
  readonly #ofTwin = new Map<Poll, Poll>();
  readonly #twinOf = new Map<Poll, Poll>();

  override enqueue(poll: Poll, nowMs: number): boolean {
    const twin = new Poll({ ...poll, tenantId: "everyone" as TenantId, isExpress: false });
    this.#ofTwin.set(twin, poll);
    this.#twinOf.set(poll, twin);
    return super.enqueue(twin, nowMs);
  }
  override release(nowMs: number): Poll | undefined {
    const twin = super.release(nowMs);
    return twin && this.#ofTwin.get(twin);
  }
  override started(poll: Poll, nowMs: number): boolean {
    return super.started(this.#twinOf.get(poll) ?? poll, nowMs);
  }
  override finished(poll: Poll, costMs: number | undefined, nowMs: number): boolean {
    return super.finished(this.#twinOf.get(poll) ?? poll, costMs, nowMs);
  }
}

const FAULTY = [
  ["all wait in one line", "a newcomer's wait", OneLine, newcomersWaitOneQuantum],
  ["all wait in one line", "the published bound", OneLine, publishedBound],
  ["release now and then gives nothing", "work conservation", Sluggish, workConservation],
  ["a completion is forgotten now and then", "conservation", Forgetful, conservation],
] as const;

test.for(FAULTY)("when %s, %s is broken", ([, , Faulty, onlooker]) => {
  const limits = { pollMsMax: DEADLINE_MS, clockStepMsMax: 1e9 };
  expectBroken(onlooker, { makeQueue: (rules) => new Faulty(limits, rules) });
});
