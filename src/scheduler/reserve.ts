/**
 * The last free slots, and who may take them. Fair-queue.ts says why there are any and what that does to its guarantee;
 * this file is its mechanism.
 *
 * A tenant saturates when it has had polls waiting for SATURATED_AFTER_MS without a break: it asks for more than it gets.
 * All others are modest. Of the slots that the modest are guaranteed by their weights some are kept free of the saturating;
 * when nobody is modest none are. A modest tenant may take one as long as it holds no more for its share than the
 * saturating would with every free slot: the reserve makes nobody wait for less than its share, and gives nobody more.
 * O(1) a poll, and O(tenants) after weights have changed.
 */

/** Who holds slots and waits for more; the fields below `group` belong to the reserve. */
export interface SlotHolder {
  readonly weight: number;
  readonly inFlight: number;
  readonly isCapped: boolean;
  /** The MSP's, for one of its tenants. */
  readonly group: { readonly weight: number; readonly isCapped: boolean } | undefined;
  readonly held: HeldShare;
}

/** What workers can take now. */
export interface RoomNow {
  readonly slots: number;
  /** Slots that no released poll is meant for; below zero when more are released than there are slots. */
  readonly free: number;
  /** So many released polls have not started yet that more would be in the way of others. */
  readonly isCrowded: boolean;
}

/** The reserve's notes of a holder. */
export class HeldShare {
  /** Its weight's part of all slots, 0 … 1; an MSP's tenants divide the MSP's. All sum to 1. */
  share = 0;
  /** Since when polls of it wait without a break; NaN while none does. */
  waitingSinceMs = Number.NaN;
  saturates = false;
  /** It stands among the modest that wait. */
  isListed = false;
}

/** A wait longer than any that a slot or two in common use makes, and short beside the deadline of a poll. */
export const SATURATED_AFTER_MS = 1_000;
/** Few slots need a larger reserve, since what a tenant uses swings more: up to so many, and so large a part. */
const FEW_RESERVED = 4;
const FEW_PART_MAX = 0.2;
/** How soon the most that the modest held together is forgotten: longer than dead polls that began together take. */
const PEAK_MEMORY_MS = 10_000;
/** Sums of shares are rounded: what is less than this above a whole number of slots is that number. */
const ROUNDING = 1e-6;
/** Modest tenants looked at for one release; those that may not go are looked at again later. */
const LOOKS_MAX = 16;

export class Reserve<H extends SlotHolder> {
  readonly #holders: ReadonlyMap<unknown, H>;
  readonly #partMax: number;
  #areSharesStale = true;
  #saturatingShare = 0;
  /** Slots that saturating tenants hold. */
  #saturatingInFlight = 0;
  /** The most that the modest held together, as of then; it fades. */
  #modestPeak = 0;
  #modestPeakAtMs = 0;
  /** Who began to wait, in that order; those who stopped since, or began anew, are passed by. */
  readonly #beginnings = new Line<{ readonly holder: H; readonly sinceMs: number }>();
  /** Modest tenants that wait, the one that went longest ago first; some may wait or be modest no more. */
  readonly #modest = new Line<H>();

  /** `partMax`: the largest part of all slots that is reserved, 0 … 1. */
  constructor(holders: ReadonlyMap<unknown, H>, partMax: number) {
    this.#holders = holders;
    this.#partMax = partMax;
  }

  /** Whether the tenant whose turn it is may take one of the free slots, as far as the reserve goes. */
  mayGo(holder: H, { slots, free, isCrowded }: RoomNow, nowMs: number): boolean {
    if (this.#partMax === 0 || slots === Number.POSITIVE_INFINITY) return true;
    this.#noteSaturation(nowMs);
    if (isCrowded && holder.held.saturates) return false;
    const modestInFlight = Math.max(0, slots - free - this.#saturatingInFlight);
    const peak = this.#notePeak(modestInFlight, nowMs);
    if (free > this.#leastOf(slots) + peak) return true;

    if (this.#areSharesStale) this.#workOutShares();
    const { saturates, share } = holder.held;
    const reserve = this.#leastOf(slots);
    const wanted = Math.max(reserve, peak - modestInFlight + reserve / 2);
    // What the others among the modest are guaranteed and do not hold.
    const unused = saturates
      ? slots * (1 - this.#saturatingShare) - modestInFlight
      : slots * (1 - this.#saturatingShare - share) - (modestInFlight - holder.inFlight);
    const reserved = Math.min(wanted, Math.ceil(unused - ROUNDING));
    if (reserved <= 0 || free > reserved) return true;
    if (saturates) return false;
    // A burst of one that has not waited for long yet is not to fill what is left.
    if (holder.inFlight < Math.max(reserve, Math.floor(slots * share))) return true;
    return this.#doSomeSaturate && this.#holdsLess(holder, free);
  }

  /** A modest tenant with polls waiting that may go ahead of its turn, the one that did longest ago. */
  nextAheadOfTurn({ slots, free }: RoomNow): H | undefined {
    const looks = Math.min(LOOKS_MAX, this.#modest.size);
    for (let look = 0; look < looks; look++) {
      this.#dropEnded();
      const holder = this.#modest.take();
      if (holder === undefined) break;
      this.#modest.add(holder);
      if (holder.isCapped || holder.group?.isCapped === true) continue;
      const mayGo = this.#doSomeSaturate
        ? this.#holdsLess(holder, free)
        : holder.inFlight < this.#leastOf(slots);
      if (mayGo) return holder;
    }
    return undefined;
  }

  /** Notes that a weight changed, or that a tenant came, went or moved. */
  weightsChanged(): void {
    this.#areSharesStale = true;
  }

  /** Notes that a tenant has a poll more, or less, in flight. */
  noteInFlight({ held }: H, change: 1 | -1): void {
    if (held.saturates) this.#saturatingInFlight += change;
  }

  /** Notes whether polls of a tenant wait. */
  noteWaiting(holder: H, isWaiting: boolean, nowMs: number): void {
    const { held } = holder;
    if (isWaiting !== Number.isNaN(held.waitingSinceMs)) return;
    if (!isWaiting) {
      held.waitingSinceMs = Number.NaN;
      if (held.saturates) {
        held.saturates = false;
        this.#saturatingShare -= held.share;
        this.#saturatingInFlight -= holder.inFlight;
      }
      return;
    }
    this.#noteSaturation(nowMs);
    this.#dropEnded();
    held.waitingSinceMs = nowMs;
    this.#beginnings.add({ holder, sinceMs: nowMs });
    if (held.isListed) return;
    held.isListed = true;
    this.#modest.add(holder);
  }

  get #doSomeSaturate(): boolean {
    return this.#saturatingShare > ROUNDING;
  }

  /** The reserve while the modest hold what they held lately. */
  #leastOf(slots: number): number {
    const few = Math.min(FEW_RESERVED, Math.floor(slots * FEW_PART_MAX));
    return Math.max(few, Math.floor(slots * this.#partMax));
  }

  /** Whether with one slot more it holds no more for its share than the saturating would with every free slot. */
  #holdsLess({ inFlight, held }: H, free: number): boolean {
    const toSaturating = this.#saturatingInFlight + Math.max(free, 0);
    return (inFlight + 1) * this.#saturatingShare <= toSaturating * held.share;
  }

  #notePeak(modestInFlight: number, nowMs: number): number {
    const faded = this.#modestPeak * Math.exp((this.#modestPeakAtMs - nowMs) / PEAK_MEMORY_MS);
    this.#modestPeak = Math.max(modestInFlight, faded);
    this.#modestPeakAtMs = nowMs;
    return this.#modestPeak;
  }

  /** Keeps the modest from gathering those that are so no more while nobody asks for them. */
  #dropEnded(): void {
    for (;;) {
      const holder = this.#modest.first;
      if (holder === undefined || waitsModestly(holder)) return;
      holder.held.isListed = false;
      this.#modest.take();
    }
  }

  #noteSaturation(nowMs: number): void {
    for (;;) {
      const beginning = this.#beginnings.first;
      if (beginning === undefined || nowMs - beginning.sinceMs < SATURATED_AFTER_MS) return;
      this.#beginnings.take();
      const { held, inFlight } = beginning.holder;
      if (held.waitingSinceMs !== beginning.sinceMs || held.saturates) continue;
      held.saturates = true;
      this.#saturatingShare += held.share;
      this.#saturatingInFlight += inFlight;
      this.#modestPeak = Math.max(0, this.#modestPeak - inFlight);
    }
  }

  #workOutShares(): void {
    this.#areSharesStale = false;
    const insideOf = new Map<object, number>();
    let atRoot = 0;
    for (const { weight, group } of this.#holders.values()) {
      if (group === undefined) {
        atRoot += weight;
      } else {
        const inside = insideOf.get(group);
        if (inside === undefined) atRoot += group.weight;
        insideOf.set(group, (inside ?? 0) + weight);
      }
    }
    this.#saturatingShare = 0;
    for (const { weight, group, held } of this.#holders.values()) {
      const ofGroup = group === undefined ? 1 : group.weight / (insideOf.get(group) ?? weight);
      held.share = (weight * ofGroup) / atRoot;
      if (held.saturates) this.#saturatingShare += held.share;
    }
  }
}

function waitsModestly({ held }: SlotHolder): boolean {
  return !held.saturates && !Number.isNaN(held.waitingSinceMs);
}

/** First in, first out. */
class Line<T> {
  #items: T[] = [];
  #taken = 0;

  get size(): number {
    return this.#items.length - this.#taken;
  }

  get first(): T | undefined {
    return this.#items[this.#taken];
  }

  add(item: T): void {
    this.#items.push(item);
  }

  take(): T | undefined {
    const item = this.#items[this.#taken];
    if (item === undefined) return undefined;
    this.#taken++;
    // Moved down when half of it is gone: each item once on average.
    if (2 * this.#taken > this.#items.length) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }
}
