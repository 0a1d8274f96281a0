import type { Flush, FlushOutcome, RefusedPoll } from "../routers/flush.ts";
import type { PollResult } from "../routers/samples.ts";
import type { SampleWriter } from "./copy.ts";
import { FlushError, isRefusal, sqlStateOf } from "./errors.ts";
import { partId } from "./flush-ids.ts";
import { type ShapeRegistry, shapeParts } from "./shapes.ts";

/**
 * Stores flushes, so that what Postgres refuses of one poll or tenant never keeps the others out: a flush that is refused
 * is taken apart by tenant, then by poll.
 *
 * Exactly once, also when the process ends anywhere in between and another begins again with the whole flush. The ids of
 * parts are made of the flush's, so they are the same every time. And before its parts are sent, a flush's id is used up
 * in Postgres together with a second one that says so: from then on it cannot be committed as a whole any more, and
 * whoever finds its id used finds out what for (`SampleWriter.takeApart`).
 */

export interface SampleStore {
  /**
   * Resolves when each poll is committed, refused for good or postponed. Rejects when Postgres cannot be reached or can
   * store nothing for now: repeat it then, with the same flush.
   */
  store(flush: Flush): Promise<FlushOutcome>;
}

export interface SampleStoreParts {
  readonly writer: SampleWriter;
  readonly shapes: Pick<ShapeRegistry, "register">;
}

type Attempt =
  | { readonly kind: "committed" }
  | { readonly kind: "found" }
  | { readonly kind: "refused" | "blocked"; readonly error: Error };

const NOTHING_LEFT: FlushOutcome = { refused: [], postponed: [] };

export function openSampleStore({ writer, shapes }: SampleStoreParts): SampleStore {
  async function store(flush: Flush): Promise<FlushOutcome> {
    const { results } = flush;
    const [first, ...more] = results;
    if (first === undefined) return NOTHING_LEFT;
    const attempt = await attemptWhole(flush);
    if (attempt.kind === "committed") return NOTHING_LEFT;
    if (attempt.kind === "blocked" && isOfOneTenant(results)) {
      return { refused: [], postponed: [flush] };
    }
    if (more.length === 0) {
      return attempt.kind === "found"
        ? NOTHING_LEFT // A poll alone has no parts: it was committed.
        : {
            refused: [{ flushId: flush.flushId, result: first, error: attempt.error }],
            postponed: [],
          };
    }
    if ((await writer.takeApart(flush.flushId)) === "whole") return NOTHING_LEFT;
    const refused: RefusedPoll[] = [];
    const postponed: Flush[] = [];
    for (const part of partsOf(flush)) {
      const outcome = await store(part);
      refused.push(...outcome.refused);
      postponed.push(...outcome.postponed);
    }
    return { refused, postponed };
  }

  async function attemptWhole(flush: Flush): Promise<Attempt> {
    try {
      for (const { blocks } of flush.results) blocks.forEach(partsOfBlock);
      await shapes.register(flush.results);
      return { kind: await writer.flush(flush) };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (isBlocked(error)) return { kind: "blocked", error };
      if (isAboutContents(error)) return { kind: "refused", error };
      throw error;
    }
  }

  return { store };
}

/** Finds out whether a block can be stored at all, before Postgres is troubled. */
function partsOfBlock(block: PollResult["blocks"][number]): void {
  try {
    shapeParts(block);
  } catch (cause) {
    throw new FlushError("refused", (cause as Error).message, { cause });
  }
}

/** Locked by others for longer than a flush waits (lock_not_available), or each waits for the other (deadlock_detected). */
const BLOCKED = ["55P03", "40P01"];

function isBlocked(error: Error): boolean {
  return BLOCKED.includes(stateOf(error) ?? "");
}

/** Data exceptions and violations of integrity, also where a shape is stored. */
function isAboutContents(error: Error): boolean {
  return (
    isRefusal(error) || (!(error instanceof FlushError) && /^2[23]/.test(stateOf(error) ?? ""))
  );
}

function stateOf(error: Error): string | undefined {
  return error instanceof FlushError ? error.sqlState : sqlStateOf(error);
}

function isOfOneTenant(results: readonly PollResult[]): boolean {
  return results.every(({ poll }) => poll.tenantId === results[0]?.poll.tenantId);
}

/** The flush by tenants, or by polls when it is of one tenant; always in the same order and under the same ids. */
function partsOf({ flushId, results }: Flush): Flush[] {
  if (isOfOneTenant(results)) {
    return results.map((result, index) => ({
      flushId: partId(flushId, String(index)),
      results: [result],
    }));
  }
  const byTenant = new Map<string, PollResult[]>();
  for (const result of results) {
    const ofTenant = byTenant.get(result.poll.tenantId);
    if (ofTenant === undefined) byTenant.set(result.poll.tenantId, [result]);
    else ofTenant.push(result);
  }
  return [...byTenant].map(([tenantId, ofTenant]) => ({
    flushId: partId(flushId, tenantId),
    results: ofTenant,
  }));
}
