/**
 * One level of the fair queue: contenders (tenants, or the children of an MSP) and whose turn it is among them. The
 * algorithm and its proof stand in fair-queue.ts; this file is its mechanism.
 *
 * The order is kept lazily. A contender's tag grows with the clock while its polls run longer than estimated, so the
 * heap holds for each a tag it had some time ago. Tags only grow between completions, hence the held tag is never
 * above the true one, and a head whose held tag is true is the least of all: everyone else's true tag is at or above
 * its held tag, which is at or above the head's. A head that has grown is put back at its true place and the next one
 * looked at. A completion may lower a tag (its estimate exceeded its cost); then the contender is moved forward at
 * once.
 */

/** Rules of the fair queue that a test may take away to see its property fail. Everything else leaves them alone. */
export interface Rules {
  /** Running polls are charged as they run. */
  readonly chargesElapsed: boolean;
  /** Released polls are charged an estimate until they have used more. */
  readonly chargesEstimates: boolean;
  /** Finished polls are charged what they cost; otherwise one unit each, whatever they cost. */
  readonly chargesCost: boolean;
  /** A contender that has nothing waiting, or is at its cap, rejoins at the present virtual time. */
  readonly liftsOnReturn: boolean;
  /** A tag that fell at a completion moves its contender forward. */
  readonly movesForward: boolean;
  /** Weights count. */
  readonly weighs: boolean;
}

export const ALL_RULES: Rules = {
  chargesElapsed: true,
  chargesEstimates: true,
  chargesCost: true,
  liftsOnReturn: true,
  movesForward: true,
  weighs: true,
};

/** Virtual time above which a level counts from zero again, so that doubles keep a precision of 0.001 ms. */
const VIRTUAL_TIME_MAX = 2 ** 42;

/** A poll that is no more in flight. */
export interface SettledPoll {
  readonly estimateMs: number;
  /** Undefined for one that no worker is known to have started. */
  readonly startedAtMs: number | undefined;
  readonly costMs: number;
}

/** One who takes turns. Every figure in slot-milliseconds, or those divided by the weight (virtual time). */
export class Contender {
  weight = 1;
  inFlightMax = Number.POSITIVE_INFINITY;
  /** b: the cost of finished polls divided by the weight, plus lifts. */
  banked = 0;
  /** x: the sum of the estimates of the polls in flight. */
  estimatesMs = 0;
  /** k: polls released and not finished. */
  inFlight = 0;
  /** Of those, how many a worker has started, and the sum of their start times: together they give e at any time. */
  running = 0;
  startsSumMs = 0;
  /** The cost of all finished polls. */
  finishedMs = 0;
  /** When the poll is due that it would give next: the earlier one goes first among equal tags. */
  nextDueMs = Number.POSITIVE_INFINITY;
  /** Place in its level's heap; -1 = it takes no turns now. */
  position = -1;

  /** e: slot time that the running polls have used. */
  elapsedMs(nowMs: number): number {
    return Math.max(this.running * nowMs - this.startsSumMs, 0);
  }

  get isCapped(): boolean {
    return this.inFlight >= this.inFlightMax;
  }

  charge(estimateMs: number): void {
    this.inFlight++;
    this.estimatesMs += estimateMs;
  }

  start(nowMs: number): void {
    this.running++;
    this.startsSumMs += nowMs;
  }

  /** Takes on (sign 1) or gives up (sign -1) the polls that `other` has in flight. */
  handOver(other: Contender, sign: 1 | -1): void {
    this.inFlight += sign * other.inFlight;
    this.estimatesMs += sign * other.estimatesMs;
    this.running += sign * other.running;
    this.startsSumMs += sign * other.startsSumMs;
  }

  /** Takes a poll out of flight. */
  settle({ estimateMs, startedAtMs, costMs }: SettledPoll): void {
    this.inFlight--;
    this.estimatesMs -= estimateMs;
    if (startedAtMs !== undefined) {
      this.running--;
      this.startsSumMs -= startedAtMs;
    }
    this.finishedMs += costMs;
    if (this.inFlight === 0) {
      // Sums of doubles drift; here their true value is known.
      this.estimatesMs = 0;
      this.running = 0;
      this.startsSumMs = 0;
    }
  }
}

export class Turns<C extends Contender> {
  /** v: the greatest tag released so far. */
  virtualTime = 0;
  readonly #rules: Rules;
  /**
   * A binary heap in two arrays: who waits, and beside each the tag it was last ordered by (at most its true tag).
   * The tags stand in an array of their own because comparing them is most of what a release does.
   */
  readonly #waiting: Contender[] = [];
  #heldTags = new Float64Array(16);

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** When the poll is due that would go next, as far as the held tags tell; undefined when nobody waits. */
  get nextDueMs(): number | undefined {
    return this.#waiting[0]?.nextDueMs;
  }

  /** b + max(x, e) / w. */
  tag(contender: Contender, nowMs: number): number {
    const rules = this.#rules;
    const estimates = rules.chargesEstimates ? contender.estimatesMs : 0;
    const elapsed = rules.chargesElapsed ? contender.elapsedMs(nowMs) : 0;
    return contender.banked + Math.max(elapsed, estimates) / (rules.weighs ? contender.weight : 1);
  }

  has(contender: C): boolean {
    return contender.position >= 0;
  }

  /** Lets a contender take turns that did not: at the present virtual time if it is behind that. */
  join(contender: C, nowMs: number): void {
    let tag = this.tag(contender, nowMs);
    if (tag < this.virtualTime && this.#rules.liftsOnReturn) {
      contender.banked += this.virtualTime - tag;
      tag = this.virtualTime;
    }
    this.#push(contender, tag);
  }

  leave(contender: C): void {
    if (contender.position >= 0) this.#remove(contender);
  }

  /** The contender with the least tag, exactly; ties by the earliest due poll. */
  first(nowMs: number): C | undefined {
    for (;;) {
      const head = this.#waiting[0];
      if (head === undefined) return undefined;
      const tag = this.tag(head, nowMs);
      if (tag <= this.#heldTag(0)) return head as C; // Only `join` pushes, and it takes a C.
      this.#sink(head, tag, 0);
    }
  }

  /** Notes that `first`, whose turn it is, is about to be charged for a poll. */
  turnTaken(): void {
    this.virtualTime = Math.max(this.virtualTime, this.#heldTag(0));
  }

  /** Restores the order after `contender` was charged or its next poll changed. */
  reordered(contender: C, nowMs: number): void {
    const from = contender.position;
    const tag = this.tag(contender, nowMs);
    this.#rise(contender, tag, from);
    if (contender.position === from) this.#sink(contender, tag, from);
  }

  /** Charges what a poll cost that is no more in flight. */
  settle(contender: C, settled: SettledPoll, nowMs: number): void {
    const { chargesCost, weighs } = this.#rules;
    contender.settle(settled);
    contender.banked += (chargesCost ? settled.costMs : 1) / (weighs ? contender.weight : 1);
    this.refunded(contender, nowMs);
  }

  /** Restores the order after something that may have lowered the tag. */
  refunded(contender: C, nowMs: number): void {
    if (contender.position < 0 || !this.#rules.movesForward) return;
    const tag = this.tag(contender, nowMs);
    // Held lower than it is: put right when it comes to the head.
    if (tag < this.#heldTag(contender.position)) this.#rise(contender, tag, contender.position);
  }

  /** Changes a weight without changing the present tag: what was used before is not priced anew. */
  reweigh(contender: C, weight: number, nowMs: number): void {
    const tag = this.tag(contender, nowMs);
    contender.weight = weight;
    contender.banked += tag - this.tag(contender, nowMs);
    if (contender.position >= 0) this.reordered(contender, nowMs);
  }

  /**
   * Sets a contender that comes from elsewhere to the present virtual time: another level's tags mean nothing here.
   */
  settleIn(contender: C, nowMs: number): void {
    contender.banked += this.virtualTime - this.tag(contender, nowMs);
  }

  get shouldRebase(): boolean {
    return this.virtualTime > VIRTUAL_TIME_MAX;
  }

  /** Counts virtual time from zero again. `contenders` is everyone of this level, waiting or not. */
  rebase(contenders: Iterable<C>, nowMs: number): void {
    // A whole number: subtracting it loses no bit of a tag near the virtual time.
    const origin = Math.floor(this.virtualTime);
    this.virtualTime -= origin;
    for (const contender of contenders) contender.banked -= origin;
    // Tags far apart may round to equal ones, which go by due time instead: order all anew.
    const waiting = this.#waiting.splice(0);
    for (const contender of waiting) this.#push(contender, this.tag(contender, nowMs));
  }

  #heldTag(position: number): number {
    return this.#heldTags[position] as number; // Callers stay below the heap's size.
  }

  #push(contender: Contender, tag: number): void {
    const at = this.#waiting.length;
    if (at === this.#heldTags.length) {
      const larger = new Float64Array(2 * at);
      larger.set(this.#heldTags);
      this.#heldTags = larger;
    }
    this.#waiting.push(contender);
    this.#rise(contender, tag, at);
  }

  #remove(contender: Contender): void {
    const hole = contender.position;
    const lastTag = this.#heldTag(this.#waiting.length - 1);
    const last = this.#waiting.pop();
    contender.position = -1;
    if (last === undefined || last === contender) return;
    this.#rise(last, lastTag, hole);
    if (last.position === hole) this.#sink(last, lastTag, hole);
  }

  #rise(contender: Contender, tag: number, from: number): void {
    const waiting = this.#waiting;
    const tags = this.#heldTags;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = waiting[above] as Contender; // Inside the array: 0 <= above < at.
      const parentTag = tags[above] as number;
      if (!(tag < parentTag || (tag === parentTag && contender.nextDueMs < parent.nextDueMs)))
        break;
      waiting[at] = parent;
      tags[at] = parentTag;
      parent.position = at;
      at = above;
    }
    waiting[at] = contender;
    tags[at] = tag;
    contender.position = at;
  }

  #sink(contender: Contender, tag: number, from: number): void {
    const waiting = this.#waiting;
    const tags = this.#heldTags;
    const size = waiting.length;
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= size) break;
      if (below + 1 < size && this.#isBefore(below + 1, below)) below++;
      const child = waiting[below] as Contender; // Inside the array: below < size.
      const childTag = tags[below] as number;
      if (!(childTag < tag || (childTag === tag && child.nextDueMs < contender.nextDueMs))) break;
      waiting[at] = child;
      tags[at] = childTag;
      child.position = at;
      at = below;
    }
    waiting[at] = contender;
    tags[at] = tag;
    contender.position = at;
  }

  #isBefore(a: number, b: number): boolean {
    const tagA = this.#heldTag(a);
    const tagB = this.#heldTag(b);
    if (tagA !== tagB) return tagA < tagB;
    return (this.#waiting[a]?.nextDueMs ?? 0) < (this.#waiting[b]?.nextDueMs ?? 0);
  }
}
