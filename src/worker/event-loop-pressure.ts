import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Pressure } from "./pressure.ts";

/**
 * Pressure of a process whose event loop lags: answers of routers lie in the sockets' buffers meanwhile, round trips seem
 * long, and requests are repeated that were answered.
 *
 * The lag is judged once a heartbeat, by the tenth that was worst: one long collection of garbage is no reason, a loop
 * that is late all the time is. Above its bound the share of slots is halved, below half of the bound it grows by a
 * step; in between it stays, so that a worker at its limit does not swing.
 */

/** The share is never halved below this: some polls go on, and show when the lag is over. */
export const SHARE_MIN = 1 / 16;

/** How much the share grows a heartbeat: from the least to all in about eight. */
export const SHARE_STEP = 1 / 8;

/** How often the lag is sampled. */
const SAMPLE_MS = 20;

const WORST_TENTH_PERCENTILE = 90;

/** The next share after a heartbeat with this lag. Pure; a lag that is no number changes nothing. */
export function nextShare(share: number, lagMs: number, lagMsMax: number): number {
  if (lagMs > lagMsMax) return Math.max(SHARE_MIN, share / 2);
  if (lagMs < lagMsMax / 2) return Math.min(1, share + SHARE_STEP);
  return share;
}

/** Watches this process's event loop until stopped. */
export function watchEventLoop(lagMsMax: number): Pressure & { stop(): Promise<void> } {
  const delays = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  delays.enable();
  let share = 1;
  return {
    reason: "event_loop",
    share() {
      if (delays.count === 0) return share;
      // A sample is the time between two ticks of the sampler, in nanoseconds.
      const lagMs = delays.percentile(WORST_TENTH_PERCENTILE) / 1e6 - SAMPLE_MS;
      delays.reset();
      share = nextShare(share, lagMs, lagMsMax);
      return share;
    },
    async stop() {
      delays.disable();
    },
  };
}
