import type { Log } from "../lib/log.ts";
import { uuidv7 } from "../lib/uuid.ts";
import type { PollResult } from "../routers/samples.ts";

/**
 * Group commit: polls that end while a flush is on its way wait and go together in the next one.
 *
 * One flush is under way at a time, and each waits a moment for company: a flush costs Postgres and us the same few
 * system calls for one poll as for fifty. Under load it carries what gathered during the one before it as well. A poll's
 * promise resolves only when Postgres has committed it.
 *
 * A flush that was cut off may have been committed without our hearing of it. It is repeated under the same id, which
 * Postgres records in the same transaction: a repetition of a committed flush changes nothing.
 */

export interface GroupCommitDependencies {
  /** Writes all or nothing; a second call with the same id and results after a success changes nothing. */
  readonly flush: (flushId: string, results: readonly PollResult[]) => Promise<void>;
  /** Whether an error of `flush` is about its contents (a bad row, a missing leaf) rather than about reaching Postgres. */
  readonly isRefusal: (error: unknown) => boolean;
  readonly observe: (event: FlushEvent) => void;
  readonly log: Log;
}

export type FlushEvent =
  | { readonly kind: "committed"; readonly rows: number; readonly seconds: number }
  | { readonly kind: "failed" }
  | { readonly kind: "waiting"; readonly polls: number };

export interface GroupCommitLimits {
  readonly flushPollsMax: number;
  /** How long a flush waits for more polls, in milliseconds. */
  readonly gatherMs: number;
}

interface WaitingPoll {
  readonly result: PollResult;
  readonly committed: () => void;
  readonly refused: (error: unknown) => void;
}

const RETRY_DELAY_MS_MIN = 100;
const RETRY_DELAY_MS_MAX = 5_000;

/** Lives until `stop`: it then commits what waits, as long as Postgres can be reached, and takes nothing more. */
export class GroupCommit {
  readonly #dependencies: GroupCommitDependencies;
  readonly #limits: GroupCommitLimits;
  readonly #waiting: WaitingPoll[] = [];
  #flushing: Promise<void> | undefined;
  #underWay = 0;
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor(dependencies: GroupCommitDependencies, limits: GroupCommitLimits) {
    this.#dependencies = dependencies;
    this.#limits = limits;
  }

  /** Polls handed over and not committed yet. */
  get waitingPolls(): number {
    return this.#waiting.length + this.#underWay;
  }

  /** Resolves when the result is committed; rejects when Postgres refuses it, or when stopped before it could be. */
  add(result: PollResult): Promise<void> {
    if (this.#stopped) return Promise.reject(new Error("Cannot take samples: stopping"));
    return new Promise((committed, refused) => {
      this.#waiting.push({ result, committed, refused });
      this.#flushing ??= this.#flushAll();
    });
  }

  /**
   * Commits what waits. Gives up at the first failure, so that a stop never hangs on a Postgres that is away: the polls
   * concerned reject, their jobs stay unfinished and are polled again by another worker.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    await this.#flushing;
  }

  async #flushAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#gather();
      const batch = this.#waiting.splice(0, this.#limits.flushPollsMax);
      this.#underWay = batch.length;
      this.#observeWaiting();
      await this.#commit(batch);
      this.#underWay = 0;
      this.#observeWaiting();
    }
    this.#flushing = undefined;
  }

  async #commit(batch: readonly WaitingPoll[]): Promise<void> {
    const flushId = uuidv7();
    const results = batch.map(({ result }) => result);
    for (let attempt = 0; ; attempt++) {
      const startedAt = performance.now();
      try {
        await this.#dependencies.flush(flushId, results);
        this.#dependencies.observe({
          kind: "committed",
          rows: results.reduce((rows, { blocks }) => rows + 1 + blocks.length, 0),
          seconds: (performance.now() - startedAt) / 1_000,
        });
        for (const { committed } of batch) committed();
        return;
      } catch (error) {
        this.#dependencies.observe({ kind: "failed" });
        if (this.#dependencies.isRefusal(error)) {
          await this.#commitApart(batch, error);
          return;
        }
        if (this.#stopped) {
          for (const { refused } of batch) refused(error);
          return;
        }
        this.#dependencies.log.warn(
          { attempt, polls: batch.length, error: messageOf(error) },
          "samples not committed, trying again",
        );
        await this.#retryDelay(attempt);
      }
    }
  }

  /** Postgres refused something in the batch: each tenant's polls go alone, then each poll, until only the bad ones fail. */
  async #commitApart(batch: readonly WaitingPoll[], error: unknown): Promise<void> {
    const byTenant = groupByTenant(batch);
    if (byTenant.size > 1) {
      for (const polls of byTenant.values()) await this.#commit(polls);
      return;
    }
    const [first, ...rest] = batch;
    if (first === undefined) return;
    if (rest.length > 0) {
      for (const poll of batch) await this.#commit([poll]);
      return;
    }
    const { tenantId, routerId } = first.result.poll;
    this.#dependencies.log.error(
      { tenant: tenantId, router: routerId, error: messageOf(error) },
      "samples refused by Postgres",
    );
    first.refused(error);
  }

  async #gather(): Promise<void> {
    if (this.#stopped || this.#waiting.length >= this.#limits.flushPollsMax) return;
    await this.#pause(this.#limits.gatherMs);
  }

  #retryDelay(attempt: number): Promise<void> {
    return this.#pause(Math.min(RETRY_DELAY_MS_MIN * 2 ** attempt, RETRY_DELAY_MS_MAX));
  }

  /** Waits; a stop ends it early. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #observeWaiting(): void {
    this.#dependencies.observe({ kind: "waiting", polls: this.waitingPolls });
  }
}

function groupByTenant(batch: readonly WaitingPoll[]): Map<string, WaitingPoll[]> {
  const groups = new Map<string, WaitingPoll[]>();
  for (const poll of batch) {
    const { tenantId } = poll.result.poll;
    const group = groups.get(tenantId);
    if (group === undefined) groups.set(tenantId, [poll]);
    else group.push(poll);
  }
  return groups;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
