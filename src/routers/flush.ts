import type { PollResult } from "./samples.ts";

/** Polls on their way to Postgres together. */
export interface Flush {
  /** A UUIDv7: old ids are forgotten by their time. The same for every repetition. */
  readonly flushId: string;
  readonly results: readonly PollResult[];
}

/** A poll that Postgres will not take, however often it is sent, and why. `flushId` is its own: it was sent alone. */
export interface RefusedPoll {
  readonly flushId: string;
  readonly result: PollResult;
  readonly error: Error;
}

/** What became of a flush. What is in neither list is committed. */
export interface FlushOutcome {
  readonly refused: readonly RefusedPoll[];
  /** Parts that could not be stored now, for a reason that concerns their tenant alone: a leaf that is locked. */
  readonly postponed: readonly Flush[];
}
