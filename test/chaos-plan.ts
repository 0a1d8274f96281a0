import { seededRandom } from "../src/lib/seeded-random.ts";

type Target = "leader" | "standby" | "worker" | "redis";

/** What is done to one part of a running system, and for how long it is away. */
export type Fault =
  | {
      readonly kind: "kill";
      readonly target: Target;
      /** From its end until it is started again. */
      readonly downMs: number;
    }
  | {
      readonly kind: "pause";
      readonly target: Target;
      readonly forMs: number;
    }
  | { readonly kind: "flush"; readonly target: "redis" };

export interface PlannedFault {
  /** Since the start, or since the end of the fault before it in the same list. */
  readonly afterMs: number;
  readonly fault: Fault;
}

/** Faults of different parts come at the same time; of one part, one after the other. */
export interface ChaosPlan {
  readonly schedulers: readonly PlannedFault[];
  readonly workers: readonly PlannedFault[];
  readonly redis: readonly PlannedFault[];
}

const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 15_000;
/** A worker paused so long has lost its polls to another before it goes on: after at most 12 s (lock and stalled check). */
const PAUSE_MS_LONG = 13_000;
const STANDBY_PAUSE_MS_MAX = 5_000;
const DOWN_MS_MAX = 2_000;
const GAP_MS_MAX = 5_000;
/** More than one part can suffer: what does not fit into the time is not done. */
const ROUNDS = 8;

/** The same seed gives the same plan. */
export function chaosPlan(seed: number): ChaosPlan {
  const dice = seededRandom(seed);
  const between = (min: number, max: number) => Math.round(min + dice() * (max - min));
  const kill = (target: Target): Fault => ({
    kind: "kill",
    target,
    downMs: between(0, DOWN_MS_MAX),
  });
  const pause = (target: Target, msMin = PAUSE_MS_MIN, msMax = PAUSE_MS_MAX): Fault => ({
    kind: "pause",
    target,
    forMs: between(msMin, msMax),
  });
  const shuffled = (faults: Fault[]): Fault[] =>
    faults
      .map((fault) => ({ fault, place: dice() }))
      .sort((a, b) => a.place - b.place)
      .map(({ fault }) => fault);
  const planned = (fault: Fault): PlannedFault => ({ afterMs: between(0, GAP_MS_MAX), fault });
  // Every kind in every round.
  const rounds = (faultsOfRound: () => Fault[]): PlannedFault[] =>
    Array.from({ length: ROUNDS }, () => shuffled(faultsOfRound()))
      .flat()
      .map(planned);
  return {
    // However slow the machine, there is one takeover to look at.
    schedulers: [
      planned(kill("leader")),
      ...rounds(() => [
        kill("leader"),
        pause("leader"),
        kill("standby"),
        pause("standby", PAUSE_MS_MIN, STANDBY_PAUSE_MS_MAX),
      ]),
    ],
    workers: rounds(() => [kill("worker"), pause("worker", PAUSE_MS_LONG), pause("worker")]),
    redis: rounds(() => [kill("redis"), pause("redis"), { kind: "flush", target: "redis" }]),
  };
}
