/**
 * Time for measuring how long things take, made of readings of a clock that may be set: it starts at 0 and never goes
 * back, and a step that is not believed (the clock was set forward, or the process was stopped) counts as the longest
 * that is. Small numbers: sums of many such times stay exact.
 */
export class SteadyTime {
  readonly #stepMsMax: number;
  #timeMs = 0;
  #readingMs = Number.NaN;

  constructor(stepMsMax: number) {
    this.#stepMsMax = stepMsMax;
  }

  /** As of the latest reading. */
  get nowMs(): number {
    return this.#timeMs;
  }

  /** Takes a reading of the clock. One that is not a number says nothing. */
  read(clockMs: number): number {
    const stepMs = clockMs - this.#readingMs;
    if (stepMs > 0) this.#timeMs += Math.min(stepMs, this.#stepMsMax);
    if (Number.isFinite(clockMs)) this.#readingMs = clockMs;
    return this.#timeMs;
  }
}
