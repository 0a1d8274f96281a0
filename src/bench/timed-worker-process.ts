import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../lib/clock.ts";
import { seededRandom } from "../lib/seeded-random.ts";
import { createWorker } from "../queue/backend.ts";
import {
  decodeJob,
  encodeCompletion,
  type PollCompletion,
  type PollJob,
} from "../queue/poll-job.ts";
import { startPollWorker } from "../queue/poll-worker.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { quantile } from "./report.ts";
import type {
  PollCost,
  TimedWorkerQuestion,
  TimedWorkerReport,
  TimedWorkerSetup,
} from "./timed-worker.ts";

/** The process of timed-worker.ts. Lives until its parent lets go of it. */

const NO_COST: PollCost = { costMs: 0, timeoutShare: 0, timeoutMs: 0 };
/** Ends remembered for the time between slot releases. */
const ENDS_KEPT_MAX = 100_000;

class Logbook {
  readonly #usedMs = new Map<TenantId, number>();
  readonly #running = new Map<PollJob, number>();
  readonly #firstStartsMs = new Map<TenantId, number>();
  readonly #endsMs: number[] = [];
  #finished = 0;

  started(job: PollJob): number {
    const nowMs = preciseNowMs();
    this.#running.set(job, nowMs);
    if (!this.#firstStartsMs.has(job.tenantId)) this.#firstStartsMs.set(job.tenantId, nowMs);
    return nowMs;
  }

  ended(job: PollJob): number {
    const nowMs = preciseNowMs();
    const usedMs = nowMs - (this.#running.get(job) ?? nowMs);
    this.#running.delete(job);
    this.#usedMs.set(job.tenantId, (this.#usedMs.get(job.tenantId) ?? 0) + usedMs);
    this.#finished++;
    if (this.#endsMs.length < ENDS_KEPT_MAX) this.#endsMs.push(nowMs);
    return usedMs;
  }

  report(): TimedWorkerReport {
    const atMs = preciseNowMs();
    const used = new Map(this.#usedMs);
    for (const [{ tenantId }, startedAtMs] of this.#running) {
      used.set(tenantId, (used.get(tenantId) ?? 0) + atMs - startedAtMs);
    }
    const gaps = this.#endsMs.slice(1).map((endMs, i) => endMs - (this.#endsMs[i] ?? endMs));
    return {
      atMs,
      finished: this.#finished,
      lastEndMs: this.#endsMs.at(-1) ?? Number.NaN,
      usedMs: [...used],
      firstStartsMs: [...this.#firstStartsMs],
      slotReleaseP99Ms: quantile(
        gaps.sort((a, b) => a - b),
        0.99,
      ),
    };
  }
}

function preciseNowMs(): number {
  return performance.timeOrigin + performance.now();
}

async function run(setup: TimedWorkerSetup, logbook: Logbook): Promise<{ stop(): Promise<void> }> {
  const { redisUrl, zoneKey, slots, shell, seed, everyPoll = NO_COST } = setup;
  const backend = { kind: "redis", url: redisUrl } as const;
  const costs = new Map(setup.costs.map((each) => [each.tenantId, each]));
  const random = seededRandom(seed);
  const poll = async (job: PollJob): Promise<PollCompletion> => {
    const { costMs, timeoutShare, timeoutMs } = costs.get(job.tenantId) ?? everyPoll;
    const isTimeout = random() < timeoutShare;
    const startedAtMs = systemClock.now();
    logbook.started(job);
    await delay(isTimeout ? timeoutMs : costMs);
    // A router that stops answering amid its tables: it stays in full polls, whatever its time-outs cost.
    return { outcome: isTimeout ? "partial" : "answered", costMs: logbook.ended(job), startedAtMs };
  };
  if (shell === "product") {
    const log = { debug() {}, info() {}, warn: console.error, error: console.error };
    return startPollWorker({ backend, zoneKey, poll, clock: systemClock, log }, slots);
  }
  const worker = createWorker(
    backend,
    zoneKey,
    async (job) => encodeCompletion(await poll(decodeJob(job.id ?? "", job.data))),
    { concurrency: slots, lockDurationMs: 30_000, stalledIntervalMs: 30_000 },
  );
  await worker.waitUntilReady();
  return { stop: () => worker.close() };
}

const logbook = new Logbook();
let running: { stop(): Promise<void> } | undefined;
process.on("message", (question: TimedWorkerQuestion) => {
  void answer(question);
});
process.on("disconnect", () => {
  void running?.stop().then(() => process.exit(0));
});

async function answer(question: TimedWorkerQuestion): Promise<void> {
  if (question.ask === "setup") running = await run(question.setup, logbook);
  process.send?.(logbook.report());
}
