import type { Log } from "../lib/log.ts";
import { uuidv7 } from "../lib/uuid.ts";
import type { Flush, FlushOutcome } from "../routers/flush.ts";
import type { PollResult } from "../routers/samples.ts";

/**
 * Group commit: polls that end while a flush is on its way wait and go together in the next one.
 *
 * One flush is under way at a time, and each waits a moment for company: a flush costs Postgres and us the same few
 * system calls for one poll as for fifty. Under load it carries what gathered during the one before it as well. A poll's
 * promise resolves only when Postgres has committed it, or when it is in the spool, from where it will be.
 *
 * Large polls have a lane of their own: a router that brings a hundred thousand values keeps its own slot for the second
 * its flush takes, and nobody else's.
 *
 * A flush that was cut off may have been committed without our hearing of it. It is repeated, or spooled, under the same
 * id: a repetition of a committed flush changes nothing. While Postgres is away, flushes go to the spool at once, until
 * `postgresIsBack` says that one from there was stored. What can go neither way stays here and is tried both ways again:
 * `isStuck` meanwhile, and the worker takes no more polls.
 */

export interface GroupCommitDependencies {
  /** Resolves when each poll is committed, refused for good or postponed. Repeating it changes nothing. */
  readonly store: (flush: Flush) => Promise<FlushOutcome>;
  /** Resolves when the flush is on disk, to be stored from there. */
  readonly spool: (flush: Flush) => Promise<void>;
  readonly observe: (event: FlushEvent) => void;
  readonly log: Log;
}

export type FlushEvent =
  | { readonly kind: "committed"; readonly rows: number; readonly seconds: number }
  | { readonly kind: "failed" }
  | { readonly kind: "refused"; readonly polls: number }
  | { readonly kind: "waiting"; readonly polls: number };

export interface GroupCommitLimits {
  readonly flushPollsMax: number;
  /** How long a flush waits for more polls, in milliseconds. */
  readonly gatherMs: number;
  /** How long Postgres may take for a flush before it goes to the spool, in milliseconds. */
  readonly storeMsMax: number;
}

interface WaitingPoll {
  readonly result: PollResult;
  readonly committed: () => void;
  readonly refused: (error: unknown) => void;
}

/** Values in one flush at most, 6 MB and below a second of Postgres's time: those in it wait for all of it. */
export const FLUSH_VALUES_MAX = 500_000;

/** A poll of more values than this, some 1,000 interfaces, is stored beside the others, not with them. */
export const USUAL_POLL_VALUES_MAX = 20_000;

/** Polls that are flushed one flush after the other. */
interface Lane {
  readonly waiting: WaitingPoll[];
  flushing: Promise<void> | undefined;
  underWay: number;
  isStuck: boolean;
}

/** A connection that was cut shows at the first attempt, a Postgres that is away at the second. */
const ATTEMPTS = 2;

const RETRY_DELAY_MS_MIN = 100;
const RETRY_DELAY_MS_MAX = 5_000;

/** Lives until `stop`: it then commits or spools what waits, and takes nothing more. */
export class GroupCommit {
  readonly #dependencies: GroupCommitDependencies;
  readonly #limits: GroupCommitLimits;
  readonly #usual: Lane = { waiting: [], flushing: undefined, underWay: 0, isStuck: false };
  readonly #large: Lane = { waiting: [], flushing: undefined, underWay: 0, isStuck: false };
  #isAway = false;
  #stopped = false;
  /** End the pauses that lanes are in. */
  readonly #wakes = new Set<() => void>();

  constructor(dependencies: GroupCommitDependencies, limits: GroupCommitLimits) {
    this.#dependencies = dependencies;
    this.#limits = limits;
  }

  /** Polls handed over and neither committed nor spooled yet. */
  get waitingPolls(): number {
    return this.#lanes.reduce((sum, { waiting, underWay }) => sum + waiting.length + underWay, 0);
  }

  /** Whether neither Postgres nor the spool takes anything. */
  get isStuck(): boolean {
    return this.#lanes.some(({ isStuck }) => isStuck);
  }

  get #lanes(): readonly Lane[] {
    return [this.#usual, this.#large];
  }

  /** Resolves when the result is committed or spooled; rejects when it is refused, or when stopped before it could be. */
  add(result: PollResult): Promise<void> {
    if (this.#stopped) return Promise.reject(new Error("Cannot take samples: stopping"));
    return new Promise((committed, refused) => {
      const lane = valuesOf(result) > USUAL_POLL_VALUES_MAX ? this.#large : this.#usual;
      lane.waiting.push({ result, committed, refused });
      lane.flushing ??= this.#flushAll(lane);
    });
  }

  /** A flush from the spool was stored: the next one goes to Postgres again. */
  postgresIsBack(): void {
    if (this.#isAway) this.#dependencies.log.info({}, "Postgres takes samples again");
    this.#isAway = false;
  }

  /**
   * Commits or spools what waits. Gives up where neither is possible, so that a stop never hangs: the polls concerned
   * reject, their jobs stay unfinished and are polled again by another worker.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const wake of this.#wakes) wake();
    await Promise.all(this.#lanes.map(({ flushing }) => flushing));
  }

  async #flushAll(lane: Lane): Promise<void> {
    while (lane.waiting.length > 0) {
      await this.#gather(lane);
      const batch = lane.waiting.splice(0, this.#batchLength(lane));
      lane.underWay = batch.length;
      this.#observeWaiting();
      const answer = await this.#settle(lane, batch);
      lane.underWay = 0;
      this.#observeWaiting();
      answer();
    }
    lane.flushing = undefined;
  }

  /** How many of those that wait go into the next flush; at least one. */
  #batchLength({ waiting }: Lane): number {
    let values = 0;
    const { flushPollsMax } = this.#limits;
    for (const [length, { result }] of waiting.entries()) {
      values += valuesOf(result);
      if (length === flushPollsMax || (length > 0 && values > FLUSH_VALUES_MAX)) return length;
    }
    return waiting.length;
  }

  /** Tries Postgres and the spool until each poll is in one of them or refused; resolves to what tells the polls so. */
  async #settle(lane: Lane, batch: readonly WaitingPoll[]): Promise<() => void> {
    const flush = { flushId: uuidv7(), results: batch.map(({ result }) => result) };
    for (let attempt = 0; ; attempt++) {
      const mayTryPostgres = !this.#isAway || lane.isStuck;
      const outcome = mayTryPostgres ? await this.#storedNow(lane, flush) : undefined;
      const failure = outcome === undefined ? await this.#spooled(flush) : undefined;
      lane.isStuck = failure !== undefined && !this.#stopped;
      if (failure === undefined) return () => answer(batch, outcome?.refused ?? []);
      if (this.#stopped) {
        return () => {
          for (const { refused } of batch) refused(failure);
        };
      }
      this.#dependencies.log.error(
        { polls: batch.length, error: failure.message },
        "samples neither stored nor spooled, trying again",
      );
      await this.#pause(Math.min(RETRY_DELAY_MS_MIN * 2 ** attempt, RETRY_DELAY_MS_MAX));
    }
  }

  /** What Postgres made of the flush, with what it postponed in the spool; undefined when it did not take it. */
  async #storedNow(lane: Lane, flush: Flush): Promise<FlushOutcome | undefined> {
    const { log, observe, store } = this.#dependencies;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const startedAt = performance.now();
      try {
        const outcome = await within(this.#limits.storeMsMax, store(flush));
        for (const postponed of outcome.postponed) await this.#dependencies.spool(postponed);
        this.#isAway = false;
        if (outcome.refused.length > 0) this.#reportRefused(outcome);
        observe({
          kind: "committed",
          rows: rowsStored(flush, outcome),
          seconds: (performance.now() - startedAt) / 1_000,
        });
        return outcome;
      } catch (error) {
        observe({ kind: "failed" });
        const isLast = attempt === ATTEMPTS || error instanceof TookTooLong || this.#stopped;
        log.warn(
          { polls: flush.results.length, error: messageOf(error) },
          isLast ? "samples not stored in Postgres" : "samples not stored, trying again",
        );
        // That much at once may take Postgres long which takes everything else in time.
        if (error instanceof TookTooLong && lane === this.#large) return undefined;
        if (isLast) break;
      }
    }
    this.#isAway = true;
    return undefined;
  }

  /** Resolves to nothing when the flush is in the spool, to what was in the way when it is not. */
  async #spooled(flush: Flush): Promise<Error | undefined> {
    try {
      await this.#dependencies.spool(flush);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #reportRefused({ refused }: FlushOutcome): void {
    this.#dependencies.observe({ kind: "refused", polls: refused.length });
    for (const { result, error } of refused) {
      const { tenantId, routerId } = result.poll;
      this.#dependencies.log.error(
        { tenant: tenantId, router: routerId, error: error.message },
        "samples refused by Postgres",
      );
    }
  }

  async #gather({ waiting }: Lane): Promise<void> {
    if (this.#stopped || waiting.length >= this.#limits.flushPollsMax) return;
    await this.#pause(this.#limits.gatherMs);
  }

  /** Waits; a stop ends it early. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wakes.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, delayMs);
      this.#wakes.add(wake);
    });
  }

  #observeWaiting(): void {
    this.#dependencies.observe({ kind: "waiting", polls: this.waitingPolls });
  }
}

function valuesOf({ blocks }: PollResult): number {
  return blocks.reduce((sum, { values }) => sum + values.length, 0);
}

function answer(batch: readonly WaitingPoll[], refused: FlushOutcome["refused"]): void {
  const errors = new Map(refused.map(({ result, error }) => [result, error]));
  for (const poll of batch) {
    const error = errors.get(poll.result);
    if (error === undefined) poll.committed();
    else poll.refused(error);
  }
}

function rowsStored({ results }: Flush, { refused, postponed }: FlushOutcome): number {
  const rowsOf = (polls: readonly PollResult[]) =>
    polls.reduce((rows, { blocks }) => rows + 1 + blocks.length, 0);
  return (
    rowsOf(results) -
    rowsOf(refused.map(({ result }) => result)) -
    postponed.reduce((rows, part) => rows + rowsOf(part.results), 0)
  );
}

class TookTooLong extends Error {}

/** What `work` comes to, unless it takes too long: then nobody listens to it any more. */
async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new TookTooLong(`no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
