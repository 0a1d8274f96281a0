import type { Clock } from "../lib/clock.ts";
import { Elapsed } from "../lib/elapsed.ts";
import type { Log } from "../lib/log.ts";
import {
  createWorker,
  type PollProcessor,
  type PollWorkerHandle,
  type QueueBackend,
} from "./backend.ts";
import {
  decodeJob,
  encodeCompletion,
  LOCK_DURATION_MS,
  type PollCompletion,
  type TakenPollJob,
} from "./poll-job.ts";
import { logOncePerOutage } from "./poll-queue.ts";

/**
 * The consuming end of a zone's queue, with leases a poll can rely on.
 *
 * BullMQ gives a worker a lock on a job for LOCK_DURATION_MS and, when the lock runs out, tells the scheduler the poll is
 * lost, which may then release it to another worker. So a worker may act on a poll only while it is certain of its lock.
 * It is certain from the moment it asked for the job (BullMQ's `processedOn`, our clock) until LOCK_DURATION_MS later,
 * less a margin for clocks that tick differently; each renewal we see acknowledged extends that, counted from the moment
 * it was asked for. A process that was paused past this finds the lease over when it wakes, before it sends anything; so
 * does one whose clock was set forward, and setting it back lengthens no lease.
 *
 * What no lease can prevent: a process that is paused between its last look at the lease and the system call that sends
 * sends that one datagram when it wakes.
 */

/** How long before the lock's end we no longer trust it. */
const LOCK_MARGIN_MS = 2_000;

const LEASE_MS = LOCK_DURATION_MS - LOCK_MARGIN_MS;

/** How often locks of running polls are renewed, all in one command. Polls shorter than this never pay for one. */
const LOCK_RENEWAL_MS = 2_500;

/** How often workers look for polls whose lock ran out. */
const STALLED_CHECK_MS = 2_000;

/** Lanes a zone may have: each costs two connections to the queue. A raise beyond them takes effect as polls end. */
const LANES_MAX = 8;

/** What a poll may rely on while it runs. */
export interface Lease {
  /** False once another worker may have been given the poll: then send nothing and report nothing. */
  isHeld(): boolean;
}

/** Thrown by a poll's code to end it without a completion, when its lease is over. */
export class LeaseLostError extends Error {
  constructor(routerId: string) {
    super(`Lease of poll "${routerId}" is over`);
  }
}

export interface PollWorker {
  /** Polls running now. */
  running(): number;
  /** Changes how many may run at once; running ones are never cut short. */
  setConcurrency(concurrency: number): void;
  /** Takes no more polls and resolves when the running ones have ended. */
  stop(): Promise<void>;
}

interface RunningPoll {
  readonly token: string;
  /** Since the last moment at which the lock was certain to be ours for its full length; undefined: it is not. */
  locked: Elapsed | undefined;
}

export interface PollWorkerDependencies {
  readonly backend: QueueBackend;
  readonly zoneKey: string;
  readonly poll: (job: TakenPollJob, lease: Lease) => Promise<PollCompletion>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Starts taking polls of a zone, `concurrency` at once. A poll that rejects is reported lost to the scheduler.
 *
 * A BullMQ worker looks at its concurrency only when one of its jobs ends: with every slot held by a silent router, a
 * raise would wait for a timeout. So slots come in lanes, each a BullMQ worker: a raise opens a lane, which starts at
 * once; a cut shrinks or closes the youngest ones, whose running polls end in peace.
 */
export async function startPollWorker(
  { backend, zoneKey, poll, clock, log }: PollWorkerDependencies,
  concurrency: number,
): Promise<PollWorker> {
  const running = new Map<string, RunningPoll>();
  const lanes: PollWorkerHandle[] = [];
  const closing = new Set<Promise<void>>();

  const processor: PollProcessor = async (job, token) => {
    const routerId = job.id ?? "";
    const lease: RunningPoll = { token: token ?? "", locked: lockedSince(clock, job.processedOn) };
    running.set(routerId, lease);
    try {
      const taken = {
        ...decodeJob(routerId, job.data),
        releasedAtMs: job.timestamp,
        ...(job.processedOn !== undefined && { takenAtMs: job.processedOn }),
      };
      const completion = await poll(taken, { isHeld: () => remainingMs(lease) > 0 });
      return encodeCompletion(completion);
    } finally {
      if (running.get(routerId) === lease) running.delete(routerId);
    }
  };

  const openLane = (slots: number): PollWorkerHandle => {
    const lane = createWorker(backend, zoneKey, processor, {
      concurrency: slots,
      lockDurationMs: LOCK_DURATION_MS,
      stalledIntervalMs: STALLED_CHECK_MS,
    });
    lane.on("error", logOncePerOutage(log, zoneKey));
    lane.on("failed", (job, error) => {
      if (error instanceof LeaseLostError) return;
      log.error({ zone: zoneKey, router: job?.id, error }, "poll ended by an unexpected error");
    });
    lanes.push(lane);
    return lane;
  };
  const closeLane = (lane: PollWorkerHandle): void => {
    const closed = lane.close().finally(() => closing.delete(closed));
    closing.add(closed);
  };

  const renewal = setInterval(() => void renew(), LOCK_RENEWAL_MS);
  const renew = async (): Promise<void> => {
    const asked = new Elapsed(clock);
    const due = [...running].filter(([, lease]) => needsRenewal(lease));
    const [lane] = lanes;
    if (due.length === 0 || lane === undefined) return;
    try {
      const refused = new Set(
        await lane.extendJobLocks(
          due.map(([routerId]) => routerId),
          due.map(([, lease]) => lease.token),
          LOCK_DURATION_MS,
        ),
      );
      for (const [routerId, lease] of due) {
        lease.locked = refused.has(routerId) ? undefined : asked;
      }
    } catch {
      // Not acknowledged: the leases run out by themselves.
    }
  };

  const first = openLane(concurrency);
  await first.waitUntilReady();
  return {
    running: () => running.size,
    setConcurrency(next) {
      let change = next - lanes.reduce((sum, lane) => sum + lane.concurrency, 0);
      const [oldest] = lanes;
      if (change > 0 && lanes.length >= LANES_MAX && oldest !== undefined) {
        oldest.concurrency += change;
      } else if (change > 0) {
        openLane(change);
      }
      while (change < 0) {
        const youngest = lanes.at(-1);
        if (youngest === undefined) return;
        if (youngest.concurrency + change > 0) {
          youngest.concurrency += change;
          return;
        }
        if (lanes.length === 1) return;
        change += youngest.concurrency;
        lanes.pop();
        closeLane(youngest);
      }
    },
    async stop() {
      for (const lane of lanes) closeLane(lane);
      await Promise.all(closing);
      clearInterval(renewal);
    },
  };
}

/** A worker whose clock went back since it asked for the job cannot tell when that was. */
function lockedSince(clock: Clock, askedAtMs: number | undefined): Elapsed | undefined {
  const agoMs = clock.now() - (askedAtMs ?? Number.NaN);
  return agoMs >= 0 ? new Elapsed(clock, agoMs) : undefined;
}

/** How much longer a poll may be acted on; not above zero: no longer. */
function remainingMs({ locked }: RunningPoll): number {
  return locked === undefined ? 0 : LEASE_MS - locked.ms;
}

/** Not before it is about LOCK_RENEWAL_MS old, and never after its end: the poll may have been given away. */
function needsRenewal(lease: RunningPoll): boolean {
  const leftMs = remainingMs(lease);
  return leftMs > 0 && leftMs < LEASE_MS - LOCK_RENEWAL_MS / 2;
}
