import { DEADLINE_MS, type Onlooker, type Rival, type Seen } from "./history.ts";

/** The properties of fair-queue.ts, each as one who watches a history and throws when it is broken. */

export class Broken extends Error {}

const ROUNDING = 1e-6;

function require(holds: boolean, rule: string): void {
  if (!holds) throw new Broken(rule);
}

/** Pairs that compete with each other: at the root, and the children of the MSP among themselves. */
function rivalries(all: readonly Seen[]): (readonly [Rival, Rival])[] {
  const tops = new Set<Rival>();
  const children: Rival[] = [];
  for (const seen of all) {
    if (seen.top.contends) tops.add(seen.top);
    if (seen.msp !== undefined && seen.contends) children.push(seen);
  }
  const pairs: (readonly [Rival, Rival])[] = [];
  for (const level of [[...tops], children]) {
    level.forEach((f, index) => {
      for (let i = index + 1; i < level.length; i++) pairs.push([f, level[i] as Rival]);
    });
  }
  return pairs;
}

/** State of a pair of rivals while both contend without a break; made anew when either paused. */
class Pairs<T extends object> {
  readonly #states = new Map<Rival, Map<Rival, { since: number; state: T }>>();
  readonly #fresh: () => T;

  constructor(fresh: () => T) {
    this.#fresh = fresh;
  }

  of(f: Rival, g: Rival): T {
    let row = this.#states.get(f);
    if (row === undefined) {
      row = new Map();
      this.#states.set(f, row);
    }
    const since = Math.max(f.contendsSince, g.contendsSince);
    let cell = row.get(g);
    if (cell === undefined || cell.since !== since) {
      cell = { since, state: this.#fresh() };
      row.set(g, cell);
    }
    return cell.state;
  }
}

/**
 * The sharp form: whoever is released has the least tag. Tags are known but for lifts, which do not change while two
 * contend: so the difference of two tags at f's releases is never above that at g's.
 */
export function leastTagGoesFirst(): Onlooker {
  const pairs = new Pairs(() => ({
    atReleaseOfF: Number.NEGATIVE_INFINITY,
    atReleaseOfG: Number.POSITIVE_INFINITY,
  }));
  return {
    beforeRelease(released, all, nowMs) {
      for (const [f, g] of rivalries(all)) {
        const isF = f === released || f === released.top;
        const isG = g === released || g === released.top;
        if (isF === isG) continue;
        const seen = pairs.of(f, g);
        const difference = f.charged(nowMs) - g.charged(nowMs);
        if (isF) seen.atReleaseOfF = Math.max(seen.atReleaseOfF, difference);
        else seen.atReleaseOfG = Math.min(seen.atReleaseOfG, difference);
        require(seen.atReleaseOfF <=
          seen.atReleaseOfG +
            ROUNDING, `${released.id} went first though another of ${f.id}, ${g.id} had the smaller tag`);
      }
    },
  };
}

/**
 * The published bound. From equal tags (the beginning) the difference of slot time ÷ weight of two that contend stays
 * within k_f L/w_f + k_g est_g/w_g + est_f/(2 w_f), and over any interval within the sum of that and its mirror image.
 * Here k is the most polls one had in flight at once so far.
 */
export function publishedBound(): Onlooker {
  const pairs = new Pairs(() => ({
    least: Number.POSITIVE_INFINITY,
    most: Number.NEGATIVE_INFINITY,
  }));
  const ahead = (f: Rival, g: Rival) =>
    (f.inFlightPeak * DEADLINE_MS) / f.weight +
    (g.inFlightPeak * g.estimateMs) / g.weight +
    f.estimateMs / (2 * f.weight);
  return {
    afterMoment(all, nowMs) {
      const services = new Map<Rival, number>();
      const serviceOf = (rival: Rival) => {
        const known = services.get(rival);
        if (known !== undefined) return known;
        const service = rival.service(nowMs);
        services.set(rival, service);
        return service;
      };
      for (const [f, g] of rivalries(all)) {
        const seen = pairs.of(f, g);
        const difference = serviceOf(f) - serviceOf(g);
        seen.least = Math.min(seen.least, difference);
        seen.most = Math.max(seen.most, difference);
        const fAhead = ahead(f, g);
        const gAhead = ahead(g, f);
        require(seen.most - seen.least <=
          fAhead +
            gAhead +
            ROUNDING, `${f.id} and ${g.id} drifted apart by ${seen.most - seen.least} over an interval`);
        if (f.contendsSince > 1 || g.contendsSince > 1) continue;
        require(difference <= fAhead + ROUNDING &&
          -difference <=
            gAhead + ROUNDING, `${f.id} and ${g.id} are ${difference} apart from equal tags`);
      }
    },
  };
}

/** No slot stays free while anyone may go. */
export function workConservation(): Onlooker {
  return {
    afterMoment(all, _nowMs, slots) {
      const inFlight = all.reduce((sum, seen) => sum + seen.inFlight, 0);
      const isSomeoneLeft = all.some((seen) => seen.contends);
      const released = all.reduce((sum, seen) => sum + seen.releases, 0);
      require(inFlight >= slots ||
        !isSomeoneLeft ||
        released === 0, `${slots - inFlight} slots are free though polls wait`);
    },
  };
}

/** Released = finished + in flight, and the queue counts as an onlooker does. */
export function conservation(): Onlooker {
  return {
    afterMoment(all, nowMs, _slots, queue) {
      const inFlight = all.reduce((sum, seen) => sum + seen.inFlight, 0);
      const waiting = all.reduce((sum, seen) => sum + seen.waiting, 0);
      require(queue.inFlight === inFlight, `${queue.inFlight} in flight, seen ${inFlight}`);
      require(queue.backlog === waiting, `${queue.backlog} waiting, seen ${waiting}`);
      for (const seen of all) {
        const snapshot = queue.tenant(seen.id, nowMs);
        const received = seen.service(nowMs) * seen.plan.weight;
        require(Math.abs((snapshot?.receivedMs ?? 0) - received) <
          1e-3, `${seen.id} received ${received}, the queue says ${snapshot?.receivedMs}`);
      }
    },
    atEnd(all, queue) {
      require(queue.inFlight === 0, "everything released has ended");
      const waiting = all.reduce((sum, seen) => sum + seen.waiting, 0);
      require(queue.backlog === waiting, "nothing is lost that waits");
    },
  };
}

/**
 * Nobody starves: until a newcomer's first release each other tenant receives a quantum at most, what it has in
 * flight (up to the deadline) and what it was charged in advance.
 */
export function newcomersWaitOneQuantum(): Onlooker {
  return {
    afterMoment(all, nowMs) {
      for (const newcomer of all) {
        if (newcomer.newcomerAt === undefined) continue;
        for (const [other, before] of newcomer.newcomerAt) {
          // An MSP's child may wait for its siblings and for its MSP's turn; both are checked one level at a time.
          if (other === newcomer || other.msp !== undefined || newcomer.msp !== undefined) continue;
          const { estimateMs, weight } = other.plan;
          const quantum = ((other.inFlightPeak + 1) * (estimateMs + DEADLINE_MS)) / weight;
          require(other.service(nowMs) - before <=
            quantum + ROUNDING, `${newcomer.id} waits though ${other.id} had more than a quantum`);
        }
      }
    },
  };
}

export const ALL_ONLOOKERS = [
  leastTagGoesFirst,
  publishedBound,
  workConservation,
  conservation,
  newcomersWaitOneQuantum,
] as const;
