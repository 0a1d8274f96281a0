import { setTimeout as delay } from "node:timers/promises";
import { createQueue, createQueueEvents } from "../queue/backend.ts";
import { encodeJob } from "../queue/poll-job.ts";
import type { RouterId, ScheduledRouter } from "../routers/router.ts";
import { intervalMsOf } from "../scheduler/due-times.ts";
import { Timetable, TimetableEntry } from "../scheduler/timetable.ts";
import type { TenantId } from "../tenants/tenant.ts";

/**
 * What most would build on BullMQ alone, to compare with: every router is put into the zone's queue when it is due, by the
 * product's own due times and for the product's own workers, and the queue's order decides.
 *
 * `fifo`: first come, first served. `priority`: the usual cure, a poll's priority falls with each unfinished poll of its
 * tenant, so the queue serves the modest first. In either a router has one unfinished poll at most.
 */
export interface PlainScheduler {
  stop(): Promise<void>;
}

export type PlainOrder = "fifo" | "priority";

const TICK_MS = 5;
const DUES_MAX = 5_000;
/** Nothing expires in a plain queue. */
const EXPIRES_IN_MS = 3_600_000;
/** BullMQ's least urgent. */
const PRIORITY_MAX = 2 ** 21;

class Entry extends TimetableEntry {
  readonly tenantId: TenantId;
  isUnfinished = false;

  constructor(id: RouterId, tenantId: TenantId, intervalMs: number) {
    super(id, intervalMs);
    this.tenantId = tenantId;
  }
}

export async function startPlainScheduler(
  redisUrl: string,
  zoneKey: string,
  routers: readonly ScheduledRouter[],
  order: PlainOrder,
): Promise<PlainScheduler> {
  const backend = { kind: "redis", url: redisUrl } as const;
  const queue = createQueue(backend, zoneKey);
  const events = createQueueEvents(backend, zoneKey);
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
  const entries = new Map<string, Entry>();
  const unfinished = new Map<TenantId, number>();
  const count = (tenantId: TenantId, change: number): number => {
    const polls = (unfinished.get(tenantId) ?? 0) + change;
    unfinished.set(tenantId, polls);
    return polls;
  };
  const ended = ({ jobId }: { readonly jobId: string }): void => {
    const entry = entries.get(jobId);
    if (!entry?.isUnfinished) return;
    entry.isUnfinished = false;
    count(entry.tenantId, -1);
  };
  events.on("completed", ended);
  events.on("failed", ended);

  const timetable = new Timetable<Entry>();
  for (const { id, tenantId, intervalSeconds } of routers) {
    const entry = new Entry(id, tenantId, intervalMsOf(intervalSeconds));
    entries.set(id, entry);
    timetable.add(entry, Date.now());
  }
  const due: Parameters<typeof queue.addBulk>[0] = [];
  const comeDue = ({ id, tenantId }: Entry, dueAtMs: number): void => {
    const routerId = id as RouterId; // Entries are made of routers' ids above.
    const expiresAtMs = dueAtMs + EXPIRES_IN_MS;
    const polls = count(tenantId, 1);
    due.push({
      name: "poll",
      data: encodeJob({ routerId, tenantId, dueAtMs, expiresAtMs, kind: "full" }),
      opts: {
        jobId: id,
        removeOnComplete: true,
        removeOnFail: true,
        attempts: 1,
        ...(order === "priority" ? { priority: Math.min(polls, PRIORITY_MAX) } : {}),
      },
    });
  };

  const stopping = new AbortController();
  const running = (async () => {
    while (!stopping.signal.aborted) {
      timetable.takeDue(Date.now(), DUES_MAX, (entry, dueAtMs) => {
        if (entry.isUnfinished) return;
        entry.isUnfinished = true;
        comeDue(entry, dueAtMs);
      });
      if (due.length > 0) await queue.addBulk(due.splice(0));
      await delay(TICK_MS);
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await running;
      await events.close();
      await queue.close();
    },
  };
}
