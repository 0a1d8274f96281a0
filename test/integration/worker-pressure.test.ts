import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, expect, inject, test, vi } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { migrateQueue, type QueueBackend } from "../../src/queue/backend.ts";
import type { RouterId } from "../../src/routers/router.ts";
import type { PollResult } from "../../src/routers/samples.ts";
import { openTransport } from "../../src/snmp/transport.ts";
import { heartbeat, liveWorkers, removeWorker } from "../../src/storage/workers.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import { watchEventLoop } from "../../src/worker/event-loop-pressure.ts";
import { GroupCommit } from "../../src/worker/group-commit.ts";
import { type Pressure, shareOfRoom } from "../../src/worker/pressure.ts";
import { RouterDirectory } from "../../src/worker/router-directory.ts";
import { startWorker } from "../../src/worker/worker.ts";
import { openStorageFixture, type StorageFixture, silentLog } from "../storage-fixture.ts";

/** A worker as the scheduler sees it, in Postgres, while something it depends on is behind. */

const CONCURRENCY = 40;
const WAIT = { timeout: 50_000, interval: 100 };

let storage: StorageFixture;
let backend: QueueBackend;

beforeAll(async () => {
  storage = await openStorageFixture(inject("databaseUrl"));
  backend = { kind: "postgres", url: storage.url };
  await migrateQueue(backend);
});

afterAll(() => storage.close());

async function startWorkerUnder(pressures: readonly Pressure[], writer: GroupCommit) {
  const metrics = createMetrics();
  const transport = await openTransport();
  const worker = await startWorker(
    {
      backend,
      transport,
      directory: new RouterDirectory(async () => new Map()),
      writer,
      pressures,
      modulesOf: () => undefined,
      keepLimits: () => {},
      saveInventory: async () => undefined,
      discoveryOf: async () => undefined,
      heartbeat: ({ slots, ...beat }) =>
        heartbeat(storage.scheduler, { ...beat, version: "test", free: slots - beat.busy }),
      removeWorker: (workerId) => removeWorker(storage.scheduler, workerId),
      metrics,
      clock: systemClock,
      log: silentLog as never,
    },
    {
      zones: ["default"],
      concurrency: CONCURRENCY,
      pollDeadlineMsMax: 30_000,
      requestTimeoutMs: 2_000,
      requestRetries: 2,
      tableRowsMax: 1_000,
      pollValuesMax: 1_000_000,
      pollBytesMax: 33_554_432,
      inventorySeconds: 3_600,
      discoverySeconds: 900,
      probes: [],
    },
  );
  return {
    async freeSlots() {
      const workers = await liveWorkers(storage.scheduler, 60_000);
      return workers.find(({ workerId }) => workerId === worker.workerId)?.free;
    },
    async withheld(reason: string) {
      const { values } = await metrics.workerPressure.get();
      return values.find(({ labels }) => labels.reason === reason)?.value;
    },
    async stop() {
      await worker.stop();
      await transport.stop();
    },
  };
}

function pollOf(router: number): PollResult {
  return {
    poll: {
      tenantId: "t" as TenantId,
      routerId: `r${router}` as RouterId,
      polledAtMs: 0,
      dueAtMs: 0,
      startedAtMs: 0,
      durationMs: 1,
      outcome: "answered",
      costMs: 1,
      requests: 1,
      retries: 0,
      bytesIn: 1,
      modules: [],
    },
    blocks: [],
  };
}

/** A writer whose flushes wait until the test lets them go. */
function heldWriter() {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const writer = new GroupCommit(
    {
      store: async () => {
        await released;
        return { refused: [], postponed: [] };
      },
      spool: async () => undefined,
      observe: () => undefined,
      log: silentLog as never,
    },
    { gatherMs: 0, flushPollsMax: 1_000, storeMsMax: 120_000 },
  );
  return { writer, release };
}

test("a worker whose writer is behind offers fewer slots, and all when it has caught up", async () => {
  const { writer, release } = heldWriter();
  const pressure = { reason: "writer", share: () => shareOfRoom(writer.waitingPolls, 100) };
  const worker = await startWorkerUnder([pressure], writer);
  try {
    expect(await worker.freeSlots()).toBe(CONCURRENCY);

    const commits = Array.from({ length: 75 }, (_, router) => writer.add(pollOf(router)));
    await vi.waitFor(async () => expect(await worker.freeSlots()).toBe(CONCURRENCY / 2), WAIT);
    expect(await worker.withheld("writer")).toBe(0.5);
    commits.push(...Array.from({ length: 25 }, (_, router) => writer.add(pollOf(75 + router))));
    await vi.waitFor(async () => expect(await worker.freeSlots()).toBe(0), WAIT);

    release();
    await Promise.all(commits);
    await vi.waitFor(async () => expect(await worker.freeSlots()).toBe(CONCURRENCY), WAIT);
    expect(await worker.withheld("writer")).toBe(0);
  } finally {
    release();
    await worker.stop();
    await writer.stop();
  }
});

test("an event loop that lags asks for fewer slots, and for all again when it is on time", async () => {
  const pressure = watchEventLoop(1_000);
  try {
    let share = 1;
    for (let turn = 0; turn < 20 && share === 1; turn++) {
      blockFor(1_500);
      await nextTurn();
      share = pressure.share();
    }

    expect(share).toBeLessThan(1);
    await vi.waitFor(() => expect(pressure.share()).toBe(1), WAIT);
  } finally {
    await pressure.stop();
  }
});

/** Holds the event loop up as a computation would, without using a processor. */
function blockFor(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
