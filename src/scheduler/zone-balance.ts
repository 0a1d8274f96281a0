/**
 * How the zones spread over several schedulers. Each takes zones up to an equal share of them, rounded up; a zone beyond
 * that only when it has been without a leader for a moment, so that one with fewer goes first. A scheduler that leads
 * more than its share for a while, because another came, hands one zone over, and then looks again.
 *
 * Nothing here decides who leads: that is the lock alone, and a zone is given up before another can have it. Pure: the
 * time is an argument, and steady.
 */

export interface Survey {
  /** Schedulers that stand for zones, this one included. */
  readonly candidates: number;
  /** Zones that have a leader. */
  readonly led: ReadonlySet<string>;
}

/** So long a zone is left to schedulers that lead fewer: two of their rounds, and well within a takeover's 5 s. */
export const LEFT_TO_OTHERS_MS = 1_500;

/** So long a scheduler leads more than its share before it hands a zone over: others are restarting, perhaps. */
export const HAND_OVER_AFTER_MS = 5_000;

/** Twice as long each time a zone came back because nobody took it, up to this. */
export const HAND_OVER_AFTER_MS_MAX = 600_000;

export class ZoneBalance {
  #share = Number.POSITIVE_INFINITY;
  /** When a zone was first seen without a leader. */
  readonly #freeSinceMs = new Map<string, number>();
  readonly #handedOver = new Set<string>();
  #patienceMs = HAND_OVER_AFTER_MS;
  #tooManySinceMs: number | undefined;

  /** Notes who leads what. */
  survey(zoneKeys: readonly string[], { candidates, led }: Survey, nowMs: number): void {
    this.#share = Math.ceil(zoneKeys.length / Math.max(1, candidates));
    const free = new Set(zoneKeys.filter((zoneKey) => !led.has(zoneKey)));
    for (const zoneKey of this.#freeSinceMs.keys()) {
      if (!free.has(zoneKey)) this.#freeSinceMs.delete(zoneKey);
    }
    for (const zoneKey of free) {
      if (!this.#freeSinceMs.has(zoneKey)) this.#freeSinceMs.set(zoneKey, nowMs);
    }
  }

  /** Whether a scheduler that leads `ledHere` zones should stand for this one. */
  mayStandFor(zoneKey: string, ledHere: number, nowMs: number): boolean {
    if (ledHere < this.#share) return true;
    return nowMs - (this.#freeSinceMs.get(zoneKey) ?? nowMs) >= LEFT_TO_OTHERS_MS;
  }

  /** Whether a scheduler that leads `ledHere` zones should hand one over now. */
  hasOneTooMany(ledHere: number, nowMs: number): boolean {
    if (ledHere <= this.#share) {
      this.#tooManySinceMs = undefined;
      return false;
    }
    this.#tooManySinceMs ??= nowMs;
    return nowMs - this.#tooManySinceMs >= this.#patienceMs;
  }

  /** This scheduler gave the zone up for another. */
  handedOver(zoneKey: string): void {
    this.#tooManySinceMs = undefined;
    this.#handedOver.add(zoneKey);
  }

  /** This scheduler leads the zone now. */
  taken(zoneKey: string): void {
    if (!this.#handedOver.delete(zoneKey)) return;
    this.#patienceMs = Math.min(2 * this.#patienceMs, HAND_OVER_AFTER_MS_MAX);
  }
}
