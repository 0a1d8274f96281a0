import { setImmediate } from "node:timers/promises";

/** How long others wait at most, unless a single step takes longer. */
const TURN_MS = 10;

/** Runs a long computation to its end in turns, so that other requests are answered between them. */
export async function inTurns<Result>(
  steps: Iterator<undefined, Result, undefined>,
): Promise<Result> {
  for (;;) {
    const endMs = performance.now() + TURN_MS;
    do {
      const { done, value } = steps.next();
      if (done === true) return value;
    } while (performance.now() < endMs);
    await setImmediate();
  }
}
