import { setTimeout as delay } from "node:timers/promises";
import { seededRandom } from "../lib/seeded-random.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { newTenantId, openBenchZone } from "./bench-zone.ts";
import { progress, quantile, rounded } from "./report.ts";
import { startTimedWorker } from "./timed-worker.ts";

/**
 * A tenant nobody has seen adds ten routers while a neighbour of the same weight has 20,000 polls waiting: when does the
 * first of the ten start? Again and again, each time another newcomer, at moments that have nothing to do with the polls'.
 *
 * The product's dispatcher and queue, and its worker's shell in a process of its own; polls take a known time.
 */

const SLOTS = 50;
const COST_MS = 100;
const NEWCOMER_POLLS = 10;
const BACKLOG_WANTED = 20_000;
/** More than the backlog: those polled lately wait for their next due time. */
const NEIGHBOUR_ROUTERS = 30_000;
const NEIGHBOUR_INTERVAL_SECONDS = 30;
/** A newcomer's second polls never come due within the measurement. */
const NEWCOMER_INTERVAL_SECONDS = 86_400;
const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 300;
/** Newcomers present at once: ten polls are over long before two more have come. */
const PRESENT_MAX = 2;
const WARM_UP_MS = 5_000;

export async function measureNewcomers(
  redisUrl: string,
  { seconds, seed }: { readonly seconds: number; readonly seed: number },
) {
  const random = seededRandom(seed);
  const zoneKey = "bench-newcomer";
  const neighbour = newTenantId();
  const worker = await startTimedWorker({
    redisUrl,
    zoneKey,
    slots: SLOTS,
    shell: "product",
    costs: [],
    everyPoll: { costMs: COST_MS, timeoutShare: 0, timeoutMs: 0 },
    seed,
  });
  const zone = await openBenchZone(redisUrl, zoneKey, SLOTS);
  try {
    zone.setTenants([{ tenantId: neighbour, weight: 1 }]);
    zone.register(neighbour, NEIGHBOUR_ROUTERS, NEIGHBOUR_INTERVAL_SECONDS);
    progress(`newcomer: behind ${BACKLOG_WANTED} waiting polls, measuring ${seconds} s`);
    await delay(WARM_UP_MS);
    const addedMs = new Map<TenantId, number>();
    let backlogLeast = Number.POSITIVE_INFINITY;
    const endMs = performance.now() + 1_000 * seconds;
    while (performance.now() < endMs) {
      const newcomer = newTenantId();
      const present = [...addedMs.keys()].slice(-PRESENT_MAX);
      const left = present.length === PRESENT_MAX ? present.shift() : undefined;
      addedMs.set(newcomer, performance.timeOrigin + performance.now());
      zone.setTenants(
        [neighbour, ...present, newcomer].map((tenantId) => ({ tenantId, weight: 1 })),
      );
      if (left !== undefined) zone.remove(left);
      zone.register(newcomer, NEWCOMER_POLLS, NEWCOMER_INTERVAL_SECONDS);
      await delay(PAUSE_MS_MIN + (PAUSE_MS_MAX - PAUSE_MS_MIN) * random());
      backlogLeast = Math.min(backlogLeast, zone.backlogOf(neighbour));
    }
    await delay(1_000);
    const report = await worker.report();
    const startedMs = new Map(report.firstStartsMs);
    const waitsMs = [...addedMs]
      .map(([tenantId, atMs]) => (startedMs.get(tenantId) ?? report.atMs) - atMs)
      .sort((a, b) => a - b);
    return {
      newcomer_first_wait_ms: rounded(quantile(waitsMs, 0.99), 10),
      newcomer_first_wait_p50_ms: rounded(quantile(waitsMs, 0.5), 10),
      newcomer_first_wait_max_ms: rounded(waitsMs.at(-1) ?? Number.NaN, 10),
      slot_release_p99_ms: rounded(report.slotReleaseP99Ms, 10),
      newcomers: waitsMs.length,
      backlog_least: backlogLeast,
      slots: SLOTS,
      cost_ms: COST_MS,
      polls: "product's dispatcher, queue and worker shell; each poll takes a known time (no SNMP)",
    };
  } finally {
    await zone.stop();
    await worker.stop();
  }
}
