import { setTimeout as delay } from "node:timers/promises";
import { uuidv7 } from "../lib/uuid.ts";
import { createQueue } from "../queue/backend.ts";
import { encodeJob } from "../queue/poll-job.ts";
import type { RouterId } from "../routers/router.ts";
import { newTenantId, openBenchZone } from "./bench-zone.ts";
import { progress, quantile, rounded } from "./report.ts";
import { startTimedWorker, type TimedWorker } from "./timed-worker.ts";

/**
 * What fair release costs: polls a second from the first one handed over to the last one ended, of polls that take 20 ms,
 * in turns with plain BullMQ on the same Redis.
 *
 * Fair: the product's dispatcher (a choice a poll, a bulk add a batch, every completion heard as an event) in this process,
 * the worker's own shell with its leases in another. Plain: `addBulk` in this process as fast as it goes, BullMQ's Worker
 * in another, nobody listening.
 */

const SLOTS = 50;
const COST_MS = 20;
const POLLS = 15_000;
const PLAIN_BATCH = 500;
const TENANTS = 10;
const ROUNDS = 3;
/** A second poll of a router never comes due within the measurement. */
const INTERVAL_SECONDS = 86_400;
const RUN_MS_MAX = 120_000;

export async function measureThroughput(redisUrl: string, { seed }: { readonly seed: number }) {
  const plain: number[] = [];
  const fair: number[] = [];
  const alone: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const run = async (
      rates: number[],
      name: string,
      shell: "plain" | "product",
      begin: (redisUrl: string, zoneKey: string) => Promise<() => Promise<void>>,
    ) => {
      rates.push(await pollsPerSecond(redisUrl, `bench-${name}-${round}`, { shell, seed }, begin));
      progress(`throughput: ${name} ${rates.at(-1)} polls/s`);
    };
    await run(plain, "plain", "plain", addPlainly);
    await run(fair, "fair", "product", (url, zoneKey) => releaseFairly(url, zoneKey, TENANTS));
    await run(alone, "one-tenant", "product", (url, zoneKey) => releaseFairly(url, zoneKey, 1));
  }
  const middle = (rates: readonly number[]) =>
    quantile(
      [...rates].sort((a, b) => a - b),
      0.5,
    );
  return {
    throughput_ratio: rounded(middle(fair) / middle(plain), 1_000),
    one_tenant_throughput_ratio: rounded(middle(alone) / middle(plain), 1_000),
    fair_polls_per_second: fair,
    one_tenant_polls_per_second: alone,
    plain_polls_per_second: plain,
    polls_a_run: POLLS,
    slots: SLOTS,
    cost_ms: COST_MS,
    plain: "BullMQ addBulk in batches of 500 and BullMQ's Worker; no events read, no leases",
    fair: `product's dispatcher, queue events and worker shell; ${TENANTS} tenants with polls waiting`,
    one_tenant:
      "the same with one busy tenant beside nine idle ones: their reserved slots stay free",
  };
}

async function pollsPerSecond(
  redisUrl: string,
  zoneKey: string,
  { shell, seed }: { readonly shell: "plain" | "product"; readonly seed: number },
  begin: (redisUrl: string, zoneKey: string) => Promise<() => Promise<void>>,
): Promise<number> {
  const everyPoll = { costMs: COST_MS, timeoutShare: 0, timeoutMs: 0 };
  const worker = await startTimedWorker({
    redisUrl,
    zoneKey,
    slots: SLOTS,
    shell,
    costs: [],
    everyPoll,
    seed,
  });
  try {
    const beganMs = performance.timeOrigin + performance.now();
    const stop = await begin(redisUrl, zoneKey);
    const { lastEndMs } = await everythingDone(worker);
    await stop();
    return rounded((1_000 * POLLS) / (lastEndMs - beganMs), 1);
  } finally {
    await worker.stop();
  }
}

async function everythingDone(worker: TimedWorker) {
  const deadlineMs = performance.now() + RUN_MS_MAX;
  while (performance.now() < deadlineMs) {
    const report = await worker.report();
    if (report.finished >= POLLS) return report;
    await delay(500);
  }
  throw new Error(`Not all of ${POLLS} polls ended within ${RUN_MS_MAX / 1_000} s`);
}

async function addPlainly(redisUrl: string, zoneKey: string): Promise<() => Promise<void>> {
  const queue = createQueue({ kind: "redis", url: redisUrl }, zoneKey);
  const tenantId = newTenantId();
  for (let added = 0; added < POLLS; added += PLAIN_BATCH) {
    await queue.addBulk(
      Array.from({ length: PLAIN_BATCH }, () => {
        const routerId = uuidv7() as RouterId; // What the platform makes a router's id of.
        const dueAtMs = Date.now();
        const expiresAtMs = dueAtMs + 1_000 * INTERVAL_SECONDS;
        return {
          name: "poll" as const,
          data: encodeJob({ routerId, tenantId, dueAtMs, expiresAtMs, kind: "full" }),
          opts: { jobId: routerId, removeOnComplete: true, removeOnFail: true, attempts: 1 },
        };
      }),
    );
  }
  return () => queue.close();
}

/** The zone has TENANTS tenants; the first `busy` of them share the polls. */
async function releaseFairly(
  redisUrl: string,
  zoneKey: string,
  busy: number,
): Promise<() => Promise<void>> {
  const zone = await openBenchZone(redisUrl, zoneKey, SLOTS);
  const tenants = Array.from({ length: TENANTS }, () => ({ tenantId: newTenantId(), weight: 1 }));
  zone.setTenants(tenants);
  for (const { tenantId } of tenants.slice(0, busy)) {
    zone.register(tenantId, POLLS / busy, INTERVAL_SECONDS);
  }
  return () => zone.stop();
}
