import { setTimeout as delay } from "node:timers/promises";

/** Waits; ends early, without an error, when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

/**
 * Waits for `work` to settle, but not longer than `ms`: what hangs on something that is away may not hold up a stop.
 */
export async function settledWithin(ms: number, work: Promise<unknown>): Promise<void> {
  const settled = new AbortController();
  const done = () => settled.abort();
  work.then(done, done);
  await pause(ms, settled.signal);
}
