import type { Clock } from "./clock.ts";

/**
 * Time since a moment, for rights that end: by the clock that says more of two. The wall's clock may be set back, which
 * would lengthen the right; the steady one may stand still while the machine sleeps.
 */
export class Elapsed {
  readonly #clock: Clock;
  readonly #wallMs: number;
  readonly #steadyMs: number;

  /** Counts from now, or from `agoMs` before. */
  constructor(clock: Clock, agoMs = 0) {
    this.#clock = clock;
    this.#wallMs = clock.now() - agoMs;
    this.#steadyMs = performance.now() - agoMs;
  }

  get ms(): number {
    return Math.max(this.#clock.now() - this.#wallMs, performance.now() - this.#steadyMs);
  }
}
