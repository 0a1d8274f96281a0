import fc from "fast-check";

/** What a random history of the fair queue is made of. */

/** L: no poll runs longer. */
export const DEADLINE_MS = 1_000;

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

export interface MspPlan {
  readonly weight: number;
  /** For it and its children together. */
  readonly inFlightMax: number | undefined;
  /** The first of its children is the MSP itself, with routers of its own. */
  readonly hasRouters: boolean;
  /** Its children are known before it is. */
  readonly comesLast: boolean;
}

/** What the queue hears wrongly, late or not at all. */
export interface Hearing {
  /** Share of starts that are never heard. */
  readonly startsLost: number;
  /** How late an end is heard. */
  readonly endsLateMs: number;
  /** Share of events that come twice, or are followed by one of a poll that is not in flight. */
  readonly noise: number;
  /** About how often the clock is set an hour forward or back; 0 = never. */
  readonly clockSetEveryMs: number;
}

export interface HistoryPlan {
  readonly seed: number;
  readonly tenants: readonly TenantPlan[];
  readonly msp: MspPlan;
  readonly hearing: Hearing;
  /** Slots in turn: workers come and go. */
  readonly slots: readonly number[];
  readonly slotsChangeEveryMs: number;
  /** How long a released poll takes to its worker, at most. */
  readonly handoverMs: number;
  readonly releases: number;
}

const ENDLESS = Number.POSITIVE_INFINITY;

const tenantPlan: fc.Arbitrary<TenantPlan> = fc.record({
  weight: fc.constantFrom(0.5, 1, 1, 2, 4, 16),
  meanCostMs: fc.constantFrom(5, 20, 50, 200),
  timeoutShare: fc.constantFrom(0, 0, 0, 0.1, 0.3, 1),
  estimateMs: fc.constantFrom(1, 10, 50, 300),
  isChild: fc.constantFrom(false, false, true),
  inFlightMax: fc.constantFrom(undefined, undefined, undefined, 1, 3),
  backlog: fc.constantFrom(0, 1, 5, ENDLESS, ENDLESS, ENDLESS),
  comesAtMs: fc.constantFrom(0, 0, 0, 200, 1_000),
  burst: fc.constantFrom(0, 1, 5, 20),
  burstEveryMs: fc.constantFrom(20, 100, 500),
});

const mspPlan: fc.Arbitrary<MspPlan> = fc.record({
  weight: fc.constantFrom(0.5, 1, 2, 8),
  inFlightMax: fc.constantFrom(undefined, undefined, 1, 4),
  hasRouters: fc.boolean(),
  comesLast: fc.boolean(),
});

const hearing: fc.Arbitrary<Hearing> = fc.record({
  startsLost: fc.constantFrom(0, 0, 0.2, 1),
  endsLateMs: fc.constantFrom(0, 0, 5),
  noise: fc.constantFrom(0, 0.1),
  clockSetEveryMs: fc.constant(0),
});

export const historyPlan: fc.Arbitrary<HistoryPlan> = fc.record({
  seed: fc.integer(),
  tenants: fc.array(tenantPlan, { minLength: 2, maxLength: 5 }),
  msp: mspPlan,
  hearing,
  slots: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
  slotsChangeEveryMs: fc.constantFrom(50, 300),
  handoverMs: fc.constantFrom(0, 0, 3),
  releases: fc.constantFrom(20, 40, 100),
});

/** Histories in which the clock is set forward and back. */
export const clockPlan: fc.Arbitrary<HistoryPlan> = fc
  .tuple(historyPlan, fc.constantFrom(100, 1_000))
  .map(([plan, clockSetEveryMs]) => ({ ...plan, hearing: { ...plan.hearing, clockSetEveryMs } }));

const HEARS_ALL: Hearing = { startsLost: 0, endsLateMs: 0, noise: 0, clockSetEveryMs: 0 };

/** One tenant that always has polls, and one, perhaps its sibling, that comes after a long rest and has as many. */
export const restPlan: fc.Arbitrary<HistoryPlan> = fc
  .record({
    seed: fc.integer(),
    slots: fc.integer({ min: 1, max: 3 }),
    weights: fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 2)),
    isChild: fc.boolean(),
    comesAtMs: fc.integer({ min: 6_000, max: 9_000 }),
  })
  .map(({ seed, slots, weights, isChild, comesAtMs }) => {
    const busy = { meanCostMs: 200, timeoutShare: 0, estimateMs: 50, isChild };
    const polls = { inFlightMax: undefined, backlog: ENDLESS, burst: 0, burstEveryMs: 100 };
    return {
      seed,
      tenants: [
        { ...busy, ...polls, weight: weights[0], comesAtMs: 0 },
        { ...busy, ...polls, weight: weights[1], comesAtMs },
      ],
      msp: { weight: 1, inFlightMax: undefined, hasRouters: false, comesLast: false },
      hearing: HEARS_ALL,
      slots: [slots],
      slotsChangeEveryMs: 300,
      handoverMs: 0,
      releases: 250,
    };
  });
