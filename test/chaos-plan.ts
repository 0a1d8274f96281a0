import { seededRandom } from "../src/lib/seeded-random.ts";

/** What is done to one part of a running system, and for how long it is away. */
export type Fault =
  | {
      readonly kind: "kill";
      readonly target: "leader" | "standby" | "worker" | "redis";
      /** From its end until it is started again. */
      readonly downMs: number;
    }
  | {
      readonly kind: "pause";
      readonly target: "leader" | "standby" | "worker" | "redis";
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
const DOWN_MS_MAX = 2_000;
const GAP_MS_MAX = 4_000;
/** More than one part can suffer: what does not fit into the time is not done. */
const ROUNDS = 8;

/** The same seed gives the same plan. */
export function chaosPlan(seed: number): ChaosPlan {
  const dice = seededRandom(seed);
  const between = (min: number, max: number) => Math.round(min + dice() * (max - min));
  const kill = (target: "leader" | "standby" | "worker" | "redis"): Fault => ({
    kind: "kill",
    target,
    downMs: between(0, DOWN_MS_MAX),
  });
  const pause = (
    target: "leader" | "standby" | "worker" | "redis",
    msMax = PAUSE_MS_MAX,
  ): Fault => ({
    kind: "pause",
    target,
    forMs: between(PAUSE_MS_MIN, msMax),
  });
  const shuffled = (faults: Fault[]): Fault[] =>
    faults
      .map((fault) => ({ fault, place: dice() }))
      .sort((a, b) => a.place - b.place)
      .map(({ fault }) => fault);
  // Every kind in every round: a run that ends early has still had each of the first ones.
  const rounds = (faultsOfRound: () => Fault[]): PlannedFault[] =>
    Array.from({ length: ROUNDS }, () => shuffled(faultsOfRound()))
      .flat()
      .map((fault) => ({ afterMs: between(0, GAP_MS_MAX), fault }));
  return {
    schedulers: rounds(() => [
      kill("leader"),
      pause("leader"),
      kill("standby"),
      pause("standby", 5_000),
    ]),
    workers: rounds(() => [kill("worker"), pause("worker"), pause("worker")]),
    redis: rounds(() => [
      kill("redis"),
      pause("redis"),
      { kind: "flush", target: "redis" },
      { kind: "flush", target: "redis" },
    ]),
  };
}
