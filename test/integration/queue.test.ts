import pg from "pg";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { redisCommand } from "../../src/bench/redis-server.ts";
import {
  checkQueueBackend,
  migrateQueue,
  type QueueBackend,
  QueueBackendError,
} from "../../src/queue/backend.ts";
import type { PollCompletion, PollJob, TakenPollJob } from "../../src/queue/poll-job.ts";
import { openPollQueue } from "../../src/queue/poll-queue.ts";
import { type Lease, type PollWorker, startPollWorker } from "../../src/queue/poll-worker.ts";
import type { RouterId } from "../../src/routers/router.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import { describeOnBackends } from "../backends.ts";
import { createTestDatabase, type TestDatabase } from "../database.ts";

const silentLog = { debug() {}, info() {}, warn() {}, error() {} } as never;
const tenantId = "01900000-0000-7000-8000-00000000000a" as TenantId;
const WAIT = { timeout: 30_000, interval: 20 };

function jobOf(router: string): PollJob {
  const now = Date.now();
  return {
    routerId: router as RouterId,
    tenantId,
    dueAtMs: now,
    expiresAtMs: now + 60_000,
    kind: "full",
  };
}

describeOnBackends("the poll queue", (backend) => {
  let zones = 0;
  const open: { stop(): Promise<void> }[] = [];

  /** A zone of its own for each test, its scheduler's end, and a worker whose polls the test ends by hand. */
  async function openZone(concurrency = 10) {
    const zoneKey = `zone-${zones++}`;
    const heard: string[] = [];
    const completions = new Map<string, PollCompletion>();
    const queue = await openPollQueue(
      backend,
      zoneKey,
      {
        active: (id) => heard.push(`active ${id}`),
        finished: (id, completion) => {
          heard.push(`finished ${id}`);
          completions.set(id, completion);
        },
        lost: (id) => heard.push(`lost ${id}`),
      },
      silentLog,
    );
    const running = new Map<
      string,
      { job: TakenPollJob; lease: Lease; end: () => void; fail: () => void }
    >();
    const starts: string[] = [];
    const startWorker = async (clock = { now: () => Date.now() }): Promise<PollWorker> => {
      const worker = await startPollWorker(
        {
          backend,
          zoneKey,
          clock,
          log: silentLog,
          poll: (job, lease) =>
            new Promise((resolve, reject) => {
              starts.push(job.routerId);
              running.set(job.routerId, {
                job,
                lease,
                end: () => resolve({ outcome: "answered", costMs: 12.5, startedAtMs: 7 }),
                fail: () => reject(new Error("a bug")),
              });
            }),
        },
        concurrency,
      );
      open.unshift(worker);
      return worker;
    };
    open.push(queue);
    return { queue, heard, completions, running, starts, startWorker };
  }

  beforeAll(() => migrateQueue(backend));
  afterAll(async () => {
    for (const part of open) await part.stop();
  });

  async function started(zone: { running: Map<string, unknown> }, router: string): Promise<void> {
    await vi.waitFor(() => expect(zone.running.has(router)).toBe(true), WAIT);
  }

  it("takes a poll to a worker and its completion back", async () => {
    const zone = await openZone();
    await zone.startWorker();

    await zone.queue.add([jobOf("r1")]);
    await started(zone, "r1");
    zone.running.get("r1")?.end();

    await vi.waitFor(() => expect(zone.heard).toContain("finished r1"), WAIT);
    expect(zone.completions.get("r1")).toEqual({
      outcome: "answered",
      costMs: 12.5,
      startedAtMs: 7,
    });
    expect(zone.heard).toContain("active r1");
  });

  it("tells a worker when the poll was released, and when it was taken", async () => {
    const zone = await openZone();
    const beforeMs = Date.now();
    await zone.queue.add([jobOf("r1")]);
    const releasedMs = Date.now();

    await zone.startWorker();
    await started(zone, "r1");

    const { releasedAtMs, takenAtMs = Number.NaN } = zone.running.get("r1")?.job ?? {};
    expect(releasedAtMs).toBeGreaterThanOrEqual(beforeMs);
    expect(releasedAtMs).toBeLessThanOrEqual(releasedMs);
    expect(takenAtMs).toBeGreaterThanOrEqual(releasedMs);
    zone.running.get("r1")?.end();
  });

  it("refuses a second poll of a router while the first is unfinished, and takes one after", async () => {
    const zone = await openZone();
    await zone.queue.add([jobOf("r1"), jobOf("r1")]);
    await zone.queue.add([jobOf("r1")]);
    await zone.startWorker();
    await started(zone, "r1");
    await zone.queue.add([jobOf("r1"), jobOf("r2")]);
    await started(zone, "r2");
    expect(zone.starts).toEqual(["r1", "r2"]);

    zone.running.get("r1")?.end();
    await vi.waitFor(
      async () => expect(await zone.queue.stateOf("r1" as RouterId)).toBe("gone"),
      WAIT,
    );
    await zone.queue.add([jobOf("r1")]);

    await vi.waitFor(() => expect(zone.starts).toEqual(["r1", "r2", "r1"]), WAIT);
    for (const { end } of zone.running.values()) end();
  });

  it("tells which polls are unfinished and in which state", async () => {
    const zone = await openZone(1);
    await zone.startWorker();
    await zone.queue.add([jobOf("r1")]);
    await started(zone, "r1");
    await zone.queue.add([jobOf("r2")]);

    const unfinished = await zone.queue.unfinished();

    expect(unfinished.map(({ routerId, state }) => [routerId, state])).toEqual([
      ["r1", "active"],
      ["r2", "waiting"],
    ]);
    expect(unfinished[0]?.tenantId).toBe(tenantId);
    expect(unfinished[0]?.startedAtMs).toBeGreaterThan(Date.now() - 60_000);
    expect(await zone.queue.stateOf("r1" as RouterId)).toBe("active");
    expect(await zone.queue.stateOf("r2" as RouterId)).toBe("waiting");
    expect(await zone.queue.stateOf("r9" as RouterId)).toBe("gone");
    expect(await zone.queue.withdraw("r2" as RouterId)).toBe(true);
    expect(await zone.queue.stateOf("r2" as RouterId)).toBe("gone");
    zone.running.get("r1")?.end();
  });

  it("reports a poll lost whose code threw, and takes the router again", async () => {
    const zone = await openZone();
    await zone.startWorker();
    await zone.queue.add([jobOf("r1")]);
    await started(zone, "r1");

    zone.running.get("r1")?.fail();

    await vi.waitFor(() => expect(zone.heard).toContain("lost r1"), WAIT);
    await zone.queue.add([jobOf("r1")]);
    await vi.waitFor(() => expect(zone.starts).toEqual(["r1", "r1"]), WAIT);
    zone.running.get("r1")?.end();
  });

  it("changes concurrency while polls run", async () => {
    const zone = await openZone(1);
    const worker = await zone.startWorker();
    await zone.queue.add([jobOf("r1"), jobOf("r2"), jobOf("r3")]);
    await started(zone, "r1");
    expect(worker.running()).toBe(1);

    worker.setConcurrency(3);

    await vi.waitFor(() => expect(worker.running()).toBe(3), WAIT);
    for (const { end } of zone.running.values()) end();
  });

  it("takes no more polls once stopping, and waits for the running ones", async () => {
    const zone = await openZone(1);
    const worker = await zone.startWorker();
    await zone.queue.add([jobOf("r1"), jobOf("r2")]);
    await started(zone, "r1");

    let isStopped = false;
    const stopping = worker.stop().then(() => {
      isStopped = true;
    });
    expect(isStopped).toBe(false);
    zone.running.get("r1")?.end();
    await stopping;

    expect(zone.starts).toEqual(["r1"]);
    expect(await zone.queue.stateOf("r2" as RouterId)).toBe("waiting");
  });

  it("ends the lease of a worker that was paused past its lock, before it could send anything", async () => {
    const zone = await openZone();
    let pausedMs = 0;
    await zone.startWorker({ now: () => Date.now() + pausedMs });
    await zone.queue.add([jobOf("r1")]);
    await started(zone, "r1");
    const lease = zone.running.get("r1")?.lease;
    expect(lease?.isHeld()).toBe(true);

    pausedMs = 9_000;

    expect(lease?.isHeld()).toBe(false);
    zone.running.get("r1")?.end();
  });

  it("keeps the lease of a long poll while its worker is alive", async () => {
    const zone = await openZone();
    await zone.startWorker();
    await zone.queue.add([jobOf("r1")]);
    await started(zone, "r1");
    const startedAt = Date.now();

    // Longer than the lock: only renewals can have kept it.
    await vi.waitFor(() => expect(Date.now() - startedAt).toBeGreaterThan(12_000), WAIT);

    expect(zone.running.get("r1")?.lease.isHeld()).toBe(true);
    expect(zone.heard).not.toContain("lost r1");
    zone.running.get("r1")?.end();
    await vi.waitFor(() => expect(zone.heard).toContain("finished r1"), WAIT);
  });
});

describeOnBackends("the events of many polls that end at once", (backend) => {
  beforeAll(() => migrateQueue(backend));

  it("all reach the scheduler", { timeout: 120_000 }, async () => {
    const zoneKey = "busy";
    const taken = new Set<string>();
    const finished = new Set<string>();
    const queue = await openPollQueue(
      backend,
      zoneKey,
      {
        active: (id) => taken.add(id),
        finished: (id) => finished.add(id),
        lost: (id) => expect.unreachable(`lost ${id}`),
      },
      silentLog,
    );
    const poll = async (): Promise<PollCompletion> => ({
      outcome: "answered",
      costMs: 1,
      startedAtMs: 7,
    });
    const workers: PollWorker[] = [];
    for (let i = 0; i < 3; i++) {
      const clock = { now: () => Date.now() };
      workers.push(await startPollWorker({ backend, zoneKey, clock, log: silentLog, poll }, 40));
    }
    try {
      // A reader that has never had an event starts at whatever is newest when it first asks Redis.
      await vi.waitFor(async () => {
        await queue.add([jobOf("first")]);
        expect(finished).toContain("first");
      }, WAIT);

      const routers = Array.from({ length: 2_000 }, (_, i) => `r${i}`);
      for (let from = 0; from < routers.length; from += 50) {
        await queue.add(routers.slice(from, from + 50).map(jobOf));
      }

      await vi.waitFor(
        () => {
          expect(routers.filter((router) => !finished.has(router))).toEqual([]);
          expect(routers.filter((router) => !taken.has(router))).toEqual([]);
        },
        { timeout: 90_000, interval: 100 },
      );
    } finally {
      for (const worker of workers) await worker.stop();
      await queue.stop();
    }
  });
});

describe("the events of a queue in Postgres", () => {
  let database: TestDatabase;
  let backend: QueueBackend;
  beforeAll(async () => {
    database = await createTestDatabase(inject("databaseUrl"));
    backend = { kind: "postgres", url: database.url };
    await migrateQueue(backend);
  });
  afterAll(() => database.drop());

  /** The scheduler's end of a zone, and two workers' transactions as Postgres sees them. */
  async function openEvents(zoneKey: string) {
    const finished: string[] = [];
    const queue = await openPollQueue(
      backend,
      zoneKey,
      { active: () => undefined, finished: (id) => finished.push(id), lost: () => undefined },
      silentLog,
    );
    const clients = [new pg.Client(database.url), new pg.Client(database.url)] as const;
    for (const client of clients) await client.connect();
    /** Writes the event of a poll's end, announced to readers or not. */
    const complete = async (client: pg.Client, router: string, isAnnounced: boolean) => {
      await client.query(
        `insert into bullmq.event (queue, event, data, created_at_ms)
         values ($1, 'completed', jsonb_build_object('jobId', $2::text, 'returnvalue', $3::text), 0)`,
        [`poll-${zoneKey}`, router, JSON.stringify({ o: 0, c: 1, s: 7 })],
      );
      if (isAnnounced)
        await client.query("select pg_notify('bullmq_events', $1)", [`poll-${zoneKey}`]);
    };
    return {
      finished,
      complete,
      clients,
      async stop() {
        for (const client of clients) await client.end();
        await queue.stop();
      },
    };
  }

  it("are heard though an earlier one is committed after a later one, and nothing announces it", async () => {
    const { finished, complete, clients, stop } = await openEvents("out-of-order");
    const [slow, fast] = clients;
    try {
      await slow.query("begin");
      await complete(slow, "r1", false);
      await complete(fast, "r2", true);
      await vi.waitFor(() => expect(finished).toEqual(["r2"]), WAIT);

      await slow.query("commit");

      await vi.waitFor(() => expect(finished).toEqual(["r2", "r1"]), WAIT);
    } finally {
      await stop();
    }
  });

  it("are heard though the newest left its announcement to another's", async () => {
    const { finished, complete, clients, stop } = await openEvents("left-out");
    const [slow, fast] = clients;
    try {
      await slow.query("begin");
      await slow.query("select pg_current_xact_id()");
      await complete(fast, "r1", true);
      await vi.waitFor(() => expect(finished).toEqual(["r1"]), WAIT);
      await complete(slow, "r2", false);

      await slow.query("commit");

      await vi.waitFor(() => expect(finished).toEqual(["r1", "r2"]), WAIT);
    } finally {
      await stop();
    }
  });
});

describe("the check of a Redis", () => {
  it("names the remedy when nothing answers", async () => {
    await expect(
      checkQueueBackend({ kind: "redis", url: "redis://user:hunter2@127.0.0.1:1" }, 1_000),
    ).rejects.toThrow(/Cannot reach Redis at "redis:\/\/127.0.0.1:1".*REDIS_URL/);
  });

  const redisUrl = inject("redisUrl");
  it.skipIf(redisUrl === null)("refuses one that may evict polls", async () => {
    const url = redisUrl ?? "";
    await redisCommand(url, "CONFIG SET maxmemory-policy allkeys-lru");
    try {
      await expect(checkQueueBackend({ kind: "redis", url })).rejects.toThrow(QueueBackendError);
      await expect(checkQueueBackend({ kind: "redis", url })).rejects.toThrow(/noeviction/);
    } finally {
      await redisCommand(url, "CONFIG SET maxmemory-policy noeviction");
    }
    await checkQueueBackend({ kind: "redis", url });
  });
});
