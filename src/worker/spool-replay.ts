import type { Log } from "../lib/log.ts";
import type { Flush, FlushOutcome } from "../routers/flush.ts";

/**
 * Stores what is in the spool, the oldest first, at a bounded rate: the present polls go to Postgres beside it and must
 * not wait for those of an outage.
 *
 * What Postgres refuses is put into quarantine, what it cannot take now for reasons of one tenant goes to the end of the
 * spool: neither holds up the others. A flush leaves the spool only after that, so an end of the process anywhere in
 * between repeats it, under ids that change nothing.
 */

export interface SpoolReplayDependencies {
  readonly spool: SpoolToReplay;
  /** As in GroupCommitDependencies. */
  readonly store: (flush: Flush) => Promise<FlushOutcome>;
  /** Called after each flush that was stored: Postgres can be reached. */
  readonly stored: () => void;
  readonly log: Log;
}

export interface SpoolToReplay {
  readonly bytes: number;
  /** The oldest flush; the same until it is `done`. */
  next(): Promise<Flush | undefined>;
  done(polls: number): Promise<void>;
  append(flush: Flush): Promise<void>;
  quarantine(flushes: readonly Flush[]): Promise<void>;
  /** Takes over what ended processes have left. */
  adopt(): Promise<void>;
  onAppend(listener: () => void): void;
}

export interface SpoolReplayLimits {
  readonly pollsPerSecondMax: number;
}

const RETRY_DELAY_MS_MIN = 100;
const RETRY_DELAY_MS_MAX = 5_000;

/** After a flush of which nothing could be stored, because its tenant's tables are locked. */
const POSTPONED_MS = 1_000;

/** How often it is looked for what other processes left: a worker that died beside this one. */
const ADOPT_EVERY_MS = 30_000;

/** Replays until stopped. */
export function startSpoolReplay(
  { spool, store, stored, log }: SpoolReplayDependencies,
  { pollsPerSecondMax }: SpoolReplayLimits,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  let wake: (() => void) | undefined;
  let hasNew = false;
  spool.onAppend(() => {
    hasNew = true;
    wake?.();
  });

  const pause = (delayMs: number, endsEarly = false): Promise<void> =>
    new Promise((resolve) => {
      if (stopping.signal.aborted) {
        resolve();
        return;
      }
      const end = () => {
        clearTimeout(timer);
        stopping.signal.removeEventListener("abort", end);
        wake = undefined;
        resolve();
      };
      const timer = setTimeout(end, delayMs);
      stopping.signal.addEventListener("abort", end);
      if (endsEarly) wake = end;
    });

  /** Stores one flush; resolves to how long to wait before the next, in milliseconds. */
  const replay = async (flush: Flush): Promise<number> => {
    const { refused, postponed } = await store(flush);
    stored();
    for (const { result, error } of refused) {
      const { tenantId, routerId } = result.poll;
      log.error(
        { tenant: tenantId, router: routerId, error: error.message },
        "spooled samples refused by Postgres, put into quarantine",
      );
    }
    await spool.quarantine(refused.map(({ flushId, result }) => ({ flushId, results: [result] })));
    for (const part of postponed) await spool.append(part);
    const left = postponed.reduce((polls, { results }) => polls + results.length, 0);
    await spool.done(flush.results.length - left);
    const rateMs = (flush.results.length * 1_000) / pollsPerSecondMax;
    return left < flush.results.length ? rateMs : Math.max(rateMs, POSTPONED_MS);
  };

  const run = async (): Promise<void> => {
    let failures = 0;
    let replayed = 0;
    let adoptedAtMs = performance.now();
    while (!stopping.signal.aborted) {
      try {
        if (performance.now() - adoptedAtMs >= ADOPT_EVERY_MS) {
          adoptedAtMs = performance.now();
          await spool.adopt();
        }
        hasNew = false;
        const flush = await spool.next();
        if (flush === undefined) {
          if (replayed > 0) log.info({ polls: replayed }, "spool replayed");
          replayed = 0;
          if (!hasNew) await pause(ADOPT_EVERY_MS, true);
          continue;
        }
        const waitMs = await replay(flush);
        replayed += flush.results.length;
        failures = 0;
        await pause(waitMs);
      } catch (error) {
        if (failures === 0) {
          log.warn(
            { bytes: spool.bytes, error: (error as Error).message },
            "spool cannot be replayed yet",
          );
        }
        await pause(Math.min(RETRY_DELAY_MS_MIN * 2 ** failures, RETRY_DELAY_MS_MAX));
        failures++;
      }
    }
  };
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
