import type { Onlooker } from "./history.ts";
import { DEADLINE_MS } from "./history-plan.ts";
import { eachRivalry, RIVALS_MAX, type Rival, type Seen } from "./rivals.ts";

/** The properties of fair-queue.ts, each as one who watches a history and throws when it is broken. */

export class Broken extends Error {}

const ROUNDING = 1e-6;

function require(holds: boolean, rule: () => string): void {
  if (!holds) throw new Broken(rule());
}

/** State of a pair of rivals while both contend without a break; made anew when either paused. */
class Pairs<T extends object> {
  readonly #states: ({ readonly since: number; readonly state: T } | undefined)[] = [];
  readonly #fresh: (isFromBeginning: boolean) => T;

  constructor(fresh: (isFromBeginning: boolean) => T) {
    this.#fresh = fresh;
  }

  of(f: Rival, g: Rival): T {
    const place = f.index * RIVALS_MAX + g.index;
    const since = Math.max(f.contendsSince, g.contendsSince);
    const known = this.#states[place];
    if (known?.since === since) return known.state;
    const state = this.#fresh(since === 1);
    this.#states[place] = { since, state };
    return state;
  }
}

/**
 * The sharp form: whoever is released has the least tag. Tags are known but for lifts, which do not change while two
 * contend: so the difference of two tags at f's releases is never above that at g's.
 */
export function leastTagGoesFirst(): Onlooker {
  const pairs = new Pairs((isFromBeginning) => ({
    atReleaseOfF: isFromBeginning ? 0 : Number.NEGATIVE_INFINITY,
    atReleaseOfG: isFromBeginning ? 0 : Number.POSITIVE_INFINITY,
  }));
  return {
    beforeRelease(released, _poll, crowd, nowMs) {
      eachRivalry(crowd, (f, g) => {
        const isF = f === released || f === released.top;
        const isG = g === released || g === released.top;
        if (isF === isG) return;
        const seen = pairs.of(f, g);
        const difference = f.charged(nowMs) - g.charged(nowMs);
        if (isF) seen.atReleaseOfF = Math.max(seen.atReleaseOfF, difference);
        else seen.atReleaseOfG = Math.min(seen.atReleaseOfG, difference);
        require(seen.atReleaseOfF <= seen.atReleaseOfG + ROUNDING, () => {
          return `${released.id} went first though another of ${f.id}, ${g.id} had the smaller tag`;
        });
      });
    },
  };
}

/**
 * The bound as proved, the published one without its margin: what f received beyond g, by weight, stays within
 * k_f L/w_f + k_g est_g/w_g from equal tags (the beginning), and over any interval within the sum of that and its mirror
 * image. With ends heard `lateMs` late each poll of g in flight adds that.
 */
export function provenBound(lateMs = 0): Onlooker {
  // Over an interval: the difference at one end less f's bound is never above that at the other end plus g's.
  const pairs = new Pairs((isFromBeginning) => ({
    least: isFromBeginning ? 0 : Number.POSITIVE_INFINITY,
    most: isFromBeginning ? 0 : Number.NEGATIVE_INFINITY,
  }));
  const ahead = (f: Rival, g: Rival) =>
    (f.inFlightAtRelease * DEADLINE_MS) / f.weight +
    (g.inFlightPeak * (g.estimateMs + lateMs)) / g.weight;
  return {
    afterMoment(crowd, nowMs) {
      eachRivalry(crowd, (f, g) => {
        const seen = pairs.of(f, g);
        const difference = f.receivedMs(nowMs) / f.weight - g.receivedMs(nowMs) / g.weight;
        seen.most = Math.max(seen.most, difference - ahead(f, g));
        seen.least = Math.min(seen.least, difference + ahead(g, f));
        require(seen.most <= seen.least + ROUNDING, () => `${f.id} and ${g.id} drifted apart`);
      });
    },
  };
}

/**
 * Nobody starves: while g waits for its turn (it is its first, or the one before was just taken) each other f receives
 * w_f k_g L/w_g + k_f (L + est_f) at most; had it nothing waiting, also what its polls in flight still use. A newcomer,
 * which has nothing in flight, waits one quantum of each other.
 */
export function waitingEnds(lateMs = 0): Onlooker {
  interface Wait {
    readonly since: number;
    readonly inFlight: number;
    /** What the rivals of its level had, each at its place there. */
    readonly level: readonly Rival[];
    readonly receivedMs: readonly number[];
    readonly stillToUseMs: readonly number[];
  }
  const waits: (Wait | undefined)[] = [];
  const begin = (g: Rival, level: readonly Rival[], nowMs: number) => {
    waits[g.index] = {
      since: g.contendsSince,
      inFlight: g.inFlightAtRelease,
      level,
      receivedMs: level.map((f) => f.receivedMs(nowMs)),
      stillToUseMs: level.map((f) => (f.contends ? 0 : f.inFlight * DEADLINE_MS)),
    };
  };
  const check = (g: Rival, wait: Wait, nowMs: number) => {
    for (const [place, f] of wait.level.entries()) {
      if (f === g) continue;
      const leadMs = (f.weight * wait.inFlight * (DEADLINE_MS + lateMs)) / g.weight;
      const ownMs = f.inFlightPeak * (f.estimateMs + lateMs) + f.inFlightAtRelease * DEADLINE_MS;
      const mostMs = leadMs + ownMs + (wait.stillToUseMs[place] ?? 0);
      const receivedMs = f.receivedMs(nowMs) - (wait.receivedMs[place] ?? 0);
      require(receivedMs <= mostMs + ROUNDING, () => {
        return `${g.id} waits though ${f.id} had ${receivedMs} of at most ${mostMs} ms`;
      });
    }
  };
  return {
    afterMoment({ levels }, nowMs) {
      for (const level of levels) {
        for (const g of level) {
          const wait = waits[g.index];
          if (!g.contends) waits[g.index] = undefined;
          else if (wait?.since !== g.contendsSince) begin(g, level, nowMs);
          else check(g, wait, nowMs);
        }
      }
    },
    beforeRelease(released, _poll, _crowd, nowMs) {
      for (const g of [released, released.top]) {
        const wait = waits[g.index];
        if (wait?.since === g.contendsSince) check(g, wait, nowMs);
        waits[g.index] = undefined;
      }
    },
  };
}

/** No slot stays free while anyone may go. */
export function workConservation(): Onlooker {
  return {
    afterMoment({ tenants }, _nowMs, slots) {
      const inFlight = tenants.reduce((sum, seen) => sum + seen.inFlight, 0);
      const isSomeoneLeft = tenants.some((seen) => seen.contends && seen.top.contends);
      require(inFlight >= slots || !isSomeoneLeft, () => {
        return `${slots - inFlight} slots are free though polls wait`;
      });
    },
  };
}

/** No cap is passed, an MSP's not by it and its children together. */
export function capsHold(): Onlooker {
  return {
    afterRelease(released) {
      for (const { id, inFlight, plan } of [released, released.msp ?? released]) {
        require(inFlight <= (plan.inFlightMax ?? Number.POSITIVE_INFINITY), () => {
          return `${id} has ${inFlight} polls in flight`;
        });
      }
    },
  };
}

const EXPRESS_EVERY = 4;

/** Within a tenant each lane goes by due time; one in four goes by express while both wait, and no fewer. */
export function lanesTakeTurns(): Onlooker {
  const ordinarySinceExpress = new Map<Seen, number>();
  return {
    beforeRelease(released, poll) {
      let isOtherLaneWaiting = false;
      for (const other of released.waiting) {
        if (other.isExpress !== poll.isExpress) isOtherLaneWaiting = true;
        else
          require(other.dueAtMs >= poll.dueAtMs, () =>
            `${poll.routerId} went before an earlier one`);
      }
      const ordinary = ordinarySinceExpress.get(released) ?? EXPRESS_EVERY;
      const isExpressTurn = ordinary >= EXPRESS_EVERY - 1;
      require(!isOtherLaneWaiting || poll.isExpress === isExpressTurn, () => {
        return `${poll.routerId} took the other lane's turn after ${ordinary} ordinary polls`;
      });
      ordinarySinceExpress.set(released, poll.isExpress ? 0 : ordinary + 1);
    },
  };
}

/** Enqueued = waiting + cancelled + in flight + finished, and the queue counts as an onlooker does. */
export function conservation(): Onlooker {
  const sum = (tenants: readonly Seen[], figure: (seen: Seen) => number) =>
    tenants.reduce((total, seen) => total + figure(seen), 0);
  return {
    afterMoment({ tenants }, _nowMs, _slots, queue) {
      const waiting = sum(tenants, (seen) => seen.waiting.size);
      const inFlight = sum(tenants, (seen) => seen.inFlight);
      require(queue.backlog === waiting, () => `${queue.backlog} waiting, seen ${waiting}`);
      require(queue.inFlight === inFlight, () => `${queue.inFlight} in flight, seen ${inFlight}`);
    },
    atEnd({ tenants }, queue, clockMs) {
      for (const seen of tenants) {
        require(seen.releases === seen.finished + seen.inFlight, () => `${seen.id} lost a poll`);
        const snapshot = queue.tenant(seen.id, clockMs);
        require(snapshot?.inFlight === 0 && snapshot.running === 0, () => "all released has ended");
        require(snapshot?.backlog === seen.waiting.size, () => "nothing is lost that waits");
        require(Math.abs((snapshot?.receivedMs ?? 0) - seen.finishedMs) < 1e-3, () => {
          return `${seen.id} received ${seen.finishedMs}, the queue says ${snapshot?.receivedMs}`;
        });
      }
      require(queue.inFlight === 0, () => `${queue.inFlight} still in flight`);
    },
  };
}
