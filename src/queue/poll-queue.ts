import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../lib/log.ts";
import type { RouterId } from "../routers/router.ts";
import { createQueue, createQueueEvents, type QueueBackend } from "./backend.ts";
import {
  decodeCompletion,
  decodeJob,
  encodeJob,
  LOCK_DURATION_MS,
  type PollCompletion,
  type PollJob,
} from "./poll-job.ts";
import { watchQueueAge } from "./queue-age.ts";

/** What the queue tells the scheduler. Events may be lost or come twice: the receiver asks `stateOf` when in doubt. */
export interface PollEvents {
  /** A worker took the poll. `atMs` is when we heard of it. */
  active(routerId: RouterId, atMs: number): void;
  finished(routerId: RouterId, completion: PollCompletion): void;
  /** The poll ended without a completion: its worker died or threw. */
  lost(routerId: RouterId, reason: string): void;
}

export interface UnfinishedPoll extends PollJob {
  readonly state: "waiting" | "active";
  /** When a worker took it; undefined while it waits. */
  readonly startedAtMs: number | undefined;
}

export interface PollQueue {
  /**
   * Releases polls in order. A router that has an unfinished poll keeps that one: the second is refused by its id.
   * Not atomic: after a rejection some may be in the queue; adding them again is harmless.
   */
  add(polls: readonly PollJob[]): Promise<void>;
  unfinished(): Promise<UnfinishedPoll[]>;
  /**
   * `gone`: the queue knows no such poll: finished, or never added. `forgotten`: it does not, but has lost its data so
   * lately that a worker may be running one.
   */
  stateOf(routerId: RouterId): Promise<"waiting" | "active" | "gone" | "forgotten">;
  /** Takes back a poll no worker has taken; false when one has, or there is none. */
  withdraw(routerId: RouterId): Promise<boolean>;
  stop(): Promise<void>;
}

/**
 * Opens the scheduler's end of a zone's queue. Rejects when the back end cannot be reached at first.
 *
 * `wasLed`: whether polls of the zone may have been released before. Where they may, a queue that has just lost its data
 * opens when the last of them that it forgot cannot run any more.
 */
export async function openPollQueue(
  backend: QueueBackend,
  zoneKey: string,
  listener: PollEvents,
  log: Log,
  wasLed: () => Promise<boolean> = async () => false,
): Promise<PollQueue> {
  const queue = createQueue(backend, zoneKey);
  const events = createQueueEvents(backend, zoneKey);
  const age = watchQueueAge(backend, zoneKey, log);
  const forgottenPollsEnd = async (): Promise<void> => {
    for (;;) {
      const leftMs = LOCK_DURATION_MS - (await age.sinceLossMs());
      if (leftMs <= 0) return;
      if (!(await wasLed())) return age.setWhole();
      log.warn({ zone: zoneKey, ms: leftMs }, "the queue lost its data: polls it forgot may run");
      await delay(leftMs);
    }
  };
  const complain = logOncePerOutage(log, zoneKey);
  queue.on("error", complain);
  events.on("error", complain);

  events.on("active", ({ jobId }) => listener.active(jobId as RouterId, Date.now()));
  events.on("completed", ({ jobId, returnvalue }) => {
    const completion = decodeCompletion(parsed(returnvalue));
    if (completion === undefined) listener.lost(jobId as RouterId, "unreadable completion");
    else listener.finished(jobId as RouterId, completion);
  });
  events.on("failed", ({ jobId, failedReason }) => listener.lost(jobId as RouterId, failedReason));

  const stop = async () => {
    age.stop();
    await events.close();
    await queue.close();
  };
  try {
    await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
    await forgottenPollsEnd();
  } catch (error) {
    await stop().catch(() => undefined); // What could not be opened may not close in order.
    throw error;
  }

  return {
    async add(polls) {
      await queue.addBulk(
        polls.map((poll) => ({
          name: "poll",
          data: encodeJob(poll),
          opts: { jobId: poll.routerId, removeOnComplete: true, removeOnFail: true, attempts: 1 },
        })),
      );
    },
    async unfinished() {
      const [active, waiting] = await Promise.all([
        queue.getJobs(["active"]),
        queue.getJobs(["wait", "prioritized", "delayed"]),
      ]);
      const read = (state: "active" | "waiting") => (job: (typeof active)[number]) => ({
        ...decodeJob(job.id ?? "", job.data),
        state,
        startedAtMs: state === "active" ? (job.processedOn ?? undefined) : undefined,
      });
      return [...active.map(read("active")), ...waiting.map(read("waiting"))];
    },
    async stateOf(routerId) {
      const state = await queue.getJobState(routerId);
      if (state === "active") return "active";
      if (state !== "unknown" && state !== "completed" && state !== "failed") return "waiting";
      return (await age.sinceLossMs()) < LOCK_DURATION_MS ? "forgotten" : "gone";
    },
    async withdraw(routerId) {
      return (await queue.remove(routerId)) === 1;
    },
    stop,
  };
}

/** Redis hands return values to event readers as JSON text, Postgres as the value. */
function parsed(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

/** BullMQ repeats a connection's error on each retry: one line an outage of ten seconds is enough. */
export function logOncePerOutage(log: Log, zoneKey: string): (error: Error) => void {
  let quietUntilMs = 0;
  return (error) => {
    const nowMs = Date.now();
    if (nowMs < quietUntilMs) return;
    quietUntilMs = nowMs + 10_000;
    log.warn({ zone: zoneKey, error: error.message }, "queue not reachable, trying again");
  };
}
