import { afterEach, describe, expect, inject, it, vi } from "vitest";
import { redisCommand } from "../../src/bench/redis-server.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { openPollQueue } from "../../src/queue/poll-queue.ts";
import { type Lease, startPollWorker } from "../../src/queue/poll-worker.ts";
import type { RouterId } from "../../src/routers/router.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import { enablingCommand } from "../debian-package.ts";

/** A Redis that lost its data does not know which polls run: nobody may believe that there are none. */

const silentLog = { debug() {}, info() {}, warn() {}, error() {} } as never;
const quiet = { active() {}, finished() {}, lost() {} };
const WAIT = { timeout: 30_000, interval: 20 };
const ROUTER = "01900000-0000-7000-8000-0000000000a1" as RouterId;

const open: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

describe.skipIf(inject("redisUrl") === null)(
  `a queue that lost its data (to run it: ${enablingCommand("redis-server")})`,
  () => {
    const url = inject("redisUrl") ?? "";
    const backend = { kind: "redis", url } as const;

    it("says that it forgot, and opens to a new leader when no forgotten poll can run any more", async () => {
      let lease: Lease | undefined;
      let end = () => {};
      const queue = await openPollQueue(backend, "loss", quiet, silentLog);
      open.push(queue);
      const poll = (_job: unknown, held: Lease) =>
        new Promise<{ outcome: "answered"; costMs: number; startedAtMs: number }>((resolve) => {
          lease = held;
          end = () => resolve({ outcome: "answered", costMs: 1, startedAtMs: Date.now() });
        });
      open.push(
        await startPollWorker(
          { backend, zoneKey: "loss", poll, clock: systemClock, log: silentLog },
          1,
        ),
      );
      const nowMs = Date.now();
      await queue.add([
        {
          routerId: ROUTER,
          tenantId: "01900000-0000-7000-8000-00000000000a" as TenantId,
          dueAtMs: nowMs,
          expiresAtMs: nowMs + 60_000,
          kind: "full",
        },
      ]);
      await vi.waitFor(() => expect(lease?.isHeld()).toBe(true), WAIT);

      await redisCommand(url, "FLUSHALL");
      const forgotten = await queue.stateOf(ROUTER);
      const next = await openPollQueue(backend, "loss", quiet, silentLog, async () => true);
      open.push(next);
      const isHeldThen = lease?.isHeld();
      end();

      expect(forgotten).toBe("forgotten");
      expect(isHeldThen).toBe(false);
      expect(await next.stateOf(ROUTER)).toBe("gone");
    });

    it("opens at once where it has its data, or nobody has led the zone before", async () => {
      const wasLed = vi.fn(async () => false);
      const first = await openPollQueue(backend, "kept", quiet, silentLog, wasLed);
      open.push(first);
      const second = await openPollQueue(backend, "kept", quiet, silentLog, async () => {
        throw new Error("It has its data: nobody asks");
      });
      open.push(second);

      expect(wasLed).toHaveBeenCalledTimes(1);
      expect(await second.stateOf(ROUTER)).toBe("gone");
    });
  },
);
