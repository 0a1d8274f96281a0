import fc from "fast-check";
import { expect, test } from "vitest";
import { FairQueue } from "../../../src/scheduler/fair-queue.ts";
import { Poll } from "../../../src/scheduler/queued-poll.ts";
import type { TenantShare } from "../../../src/scheduler/tenant-tree.ts";
import type { Rules } from "../../../src/scheduler/turns.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";
import { CLOCK_STEP_MS, type HistoryOptions, type Onlooker, play } from "./history.ts";
import { clockPlan, DEADLINE_MS, type HistoryPlan, historyPlan, restPlan } from "./history-plan.ts";
import {
  Broken,
  capsHold,
  conservation,
  lanesTakeTurns,
  leastTagGoesFirst,
  provenBound,
  waitingEnds,
  workConservation,
} from "./onlookers.ts";

/** Histories checked, split so that a broken one is found at a seed of its own. Each failure prints seed and plan. */
const SEEDS = [20_250, 20_251, 20_252, 20_253, 20_260, 20_261, 20_262, 20_263];
const HISTORIES_A_SEED = 1_300;

const onlookersOf = (lateMs: number): Onlooker[] => [
  provenBound(lateMs),
  waitingEnds(lateMs),
  workConservation(),
  capsHold(),
  lanesTakeTurns(),
  conservation(),
];

test.for(SEEDS)("every property holds in random histories (seed %i)", (seed) => {
  const histories = fc.property(historyPlan, (plan) =>
    play(plan, [leastTagGoesFirst(), ...onlookersOf(plan.hearing.endsLateMs)]),
  );

  fc.assert(histories, { seed, numRuns: HISTORIES_A_SEED });
});

test("a tenant that rested gains nothing by it", () => {
  const histories = fc.property(restPlan, (plan) => play(plan, [provenBound(), waitingEnds()]));

  fc.assert(histories, { seed: 20_264, numRuns: 100 });
});

test("a clock set an hour forward or back, however often, costs a believed step each time", () => {
  const histories = fc.property(clockPlan, (plan) => {
    const { clockSetEveryMs, endsLateMs } = plan.hearing;
    const setsInPoll = 1 + Math.ceil((DEADLINE_MS + endsLateMs) / (0.5 * clockSetEveryMs));
    play(plan, onlookersOf(endsLateMs + setsInPoll * CLOCK_STEP_MS));
  });

  fc.assert(histories, { seed: 20_265, numRuns: 400 });
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
  expect(outcome.errorInstance).toBeInstanceOf(Broken);
}

const REMOVED: readonly (readonly [keyof Rules, string, () => Onlooker])[] = [
  ["chargesElapsed", "the least tag", leastTagGoesFirst],
  ["chargesEstimates", "the least tag", leastTagGoesFirst],
  ["movesForward", "the least tag", leastTagGoesFirst],
  ["weighs", "the least tag", leastTagGoesFirst],
  ["chargesCost", "the bound", provenBound],
  ["weighs", "the bound", provenBound],
  ["chargesCost", "the end of waiting", waitingEnds],
];

test.for(REMOVED)("without the rule %s, %s is broken", ([rule, , onlooker]) => {
  expectBroken(onlooker, { rules: { [rule]: false } });
});

test.for([
  ["the bound", provenBound],
  ["the end of waiting", waitingEnds],
] as const)(
  "without the rule liftsOnReturn, %s is broken by a tenant that rested",
  ([, onlooker]) => {
    expectBroken(onlooker, { rules: { liftsOnReturn: false } }, restPlan);
  },
);

/** Gives another poll to the queue in each one's place. */
abstract class Disguising extends FairQueue {
  readonly #ofTwin = new Map<Poll, Poll>();
  readonly #twinOf = new Map<Poll, Poll>();

  protected abstract disguised(poll: Poll): Partial<Poll>;

  override enqueue(poll: Poll, nowMs: number): boolean {
    if (this.#twinOf.has(poll)) return false;
    const twin = new Poll({ ...poll, ...this.disguised(poll) });
    this.#ofTwin.set(twin, poll);
    this.#twinOf.set(poll, twin);
    return super.enqueue(twin, nowMs);
  }
  override release(nowMs: number): Poll | undefined {
    const twin = super.release(nowMs);
    return twin && this.#ofTwin.get(twin);
  }
  override hasten(poll: Poll, nowMs: number): boolean {
    poll.isExpress = true;
    return super.hasten(this.#twinOf.get(poll) ?? poll, nowMs);
  }
  override cancel(poll: Poll): boolean {
    return super.cancel(this.#twinOf.get(poll) ?? poll);
  }
  override started(poll: Poll, nowMs: number): boolean {
    return super.started(this.#twinOf.get(poll) ?? poll, nowMs);
  }
  override finished(poll: Poll, costMs: number | undefined, nowMs: number): boolean {
    return super.finished(this.#twinOf.get(poll) ?? poll, costMs, nowMs);
  }
}

/** One line for all: what a plain queue does. */
class OneLine extends Disguising {
  protected override disguised() {
    return { tenantId: "everyone" as TenantId, isExpress: false };
  }
}

class ExpressFirst extends Disguising {
  protected override disguised({ isExpress, dueAtMs }: Poll) {
    return { isExpress: false, dueAtMs: isExpress ? dueAtMs - 1e9 : dueAtMs };
  }
}

class NoExpress extends Disguising {
  protected override disguised() {
    return { isExpress: false };
  }
}

class LatestDueFirst extends Disguising {
  protected override disguised({ dueAtMs }: Poll) {
    return { dueAtMs: -dueAtMs };
  }
}

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

class Credulous extends FairQueue {
  override finished(poll: Poll, costMs: number | undefined, nowMs: number): boolean {
    if (poll.state === "finished") poll.state = "released";
    return super.finished(poll, costMs, nowMs);
  }
}

class Uncapped extends FairQueue {
  override setTenant(tenantId: TenantId, share: TenantShare): void {
    super.setTenant(tenantId, { ...share, inFlightMax: undefined });
  }
}

/** An MSP's children compete as tenants of their own. */
class Orphaning extends FairQueue {
  override setTenant(tenantId: TenantId, share: TenantShare): void {
    super.setTenant(tenantId, { ...share, parent: undefined });
  }
}

const FAULTY = [
  ["all wait in one line", "the end of waiting", OneLine, waitingEnds],
  ["all wait in one line", "the bound", OneLine, provenBound],
  ["an MSP's children compete with its rivals", "the bound", Orphaning, provenBound],
  ["an MSP's children compete with its rivals", "the least tag", Orphaning, leastTagGoesFirst],
  ["caps are forgotten", "the cap", Uncapped, capsHold],
  ["express polls always go first", "the lanes' turns", ExpressFirst, lanesTakeTurns],
  ["express polls never go first", "the lanes' turns", NoExpress, lanesTakeTurns],
  ["the latest due poll goes first", "the order of a lane", LatestDueFirst, lanesTakeTurns],
  ["release now and then gives nothing", "work conservation", Sluggish, workConservation],
  ["a completion is forgotten now and then", "conservation", Forgetful, conservation],
  ["a completion counts each time it is heard", "conservation", Credulous, conservation],
] as const;

test.for(FAULTY)("when %s, %s is broken", ([, , Faulty, onlooker]) => {
  const limits = { pollMsMax: DEADLINE_MS, clockStepMsMax: 1e9 };
  expectBroken(onlooker, { makeQueue: (rules) => new Faulty(limits, rules) });
});

test("when a clock set forward is believed, the bound is broken", () => {
  const credulous = { pollMsMax: DEADLINE_MS, clockStepMsMax: 1e9 };
  const slackMs = CLOCK_STEP_MS * 40;
  expectBroken(
    () => provenBound(slackMs),
    { makeQueue: (rules) => new FairQueue(credulous, rules) },
    clockPlan,
  );
});
