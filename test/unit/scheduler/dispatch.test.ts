import { afterEach, expect, test, vi } from "vitest";
import { systemClock } from "../../../src/lib/clock.ts";
import { uuidv7 } from "../../../src/lib/uuid.ts";
import type { PollJob } from "../../../src/queue/poll-job.ts";
import type { RouterId } from "../../../src/routers/router.ts";
import {
  type Dispatch,
  openDispatch,
  type SchedulerMetrics,
  type UnfinishedPoll,
  type ZoneQueue,
  type ZoneQueueEvents,
} from "../../../src/scheduler/dispatch.ts";
import type { FairnessRow } from "../../../src/scheduler/tenant-account.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";

const silentLog = { debug() {}, info() {}, warn() {}, error() {} } as never;
const TENANT = "tenant-a" as TenantId;
const RULES = { tickMs: 20, unreachableAfterFailures: 3, probeSpacingSecondsMax: 900 };
const open: Dispatch[] = [];

afterEach(async () => {
  for (const dispatch of open.splice(0)) await dispatch.stop();
});

const metrics: SchedulerMetrics = {
  lateness() {},
  poll() {},
  skip() {},
  unheard() {},
  leading() {},
  window() {},
  demand() {},
  zoneSuspected() {},
  tenants() {},
};

/** Routers registered a moment ago: their first polls are due at once, their second not while a test lasts. */
function newRouters(count: number) {
  return Array.from({ length: count }, () => ({
    id: uuidv7() as RouterId,
    tenantId: TENANT,
    intervalSeconds: 7 * 86_400,
  }));
}

async function openZone(
  over: Partial<ZoneQueue> = {},
  slots = 100,
  signal?: AbortSignal,
  isSure = () => true,
) {
  const added: PollJob[][] = [];
  const saved: (readonly FairnessRow[])[] = [];
  let events: ZoneQueueEvents | undefined;
  const queue: ZoneQueue = {
    add: async (jobs) => void added.push([...jobs]),
    unfinished: async () => [],
    stateOf: async () => "waiting",
    withdraw: async () => false,
    stop: async () => undefined,
    ...over,
  };
  const dispatch = await openDispatch(
    {
      openQueue: async (_zoneKey, listener) => {
        events = listener;
        return queue;
      },
      liveWorkers: async () => [{ slots }],
      saveFairness: async (_zoneKey, rows) => void saved.push(rows),
      metrics,
      clock: systemClock,
      log: silentLog,
    },
    "default",
    RULES,
    signal ?? new AbortController().signal,
    isSure,
  );
  open.push(dispatch);
  dispatch.setTenants(
    new Map([[TENANT, { tenantId: TENANT, tier: "business", weight: 1, isActive: true }]]),
  );
  return {
    dispatch,
    added,
    saved,
    released: () => added.flat().map(({ routerId }) => routerId),
    finish(routerId: RouterId) {
      events?.finished(routerId, { outcome: "answered", costMs: 5, startedAtMs: Date.now() });
    },
  };
}

test("new routers are released in bulk, each once, and the rest as polls finish", async () => {
  const zone = await openZone({}, 10);
  zone.dispatch.setRouters(newRouters(30));

  await zone.dispatch.begin();
  await vi.waitFor(() => expect(zone.released()).toHaveLength(14));
  let finished = 0;
  await vi.waitFor(() => {
    for (; finished < zone.released().length; finished++) {
      zone.finish(zone.released()[finished] as RouterId);
    }
    expect(finished).toBe(30);
  });

  expect(zone.added[0]).toHaveLength(14);
  expect(new Set(zone.released()).size).toBe(30);
});

test("nothing is released before it begins, and nothing after it stops", async () => {
  const zone = await openZone();
  zone.dispatch.setRouters(newRouters(5));
  const before = zone.released().length;
  await zone.dispatch.begin();
  await vi.waitFor(() => expect(zone.released()).toHaveLength(5));

  await zone.dispatch.stop();
  zone.dispatch.setRouters(newRouters(5));
  await new Promise(setImmediate);

  expect(before).toBe(0);
  expect(zone.released()).toHaveLength(5);
});

test("nothing is released from the moment the lead is lost", async () => {
  const lead = new AbortController();
  const zone = await openZone({}, 100, lead.signal);
  await zone.dispatch.begin();

  lead.abort();
  zone.dispatch.setRouters(newRouters(5));
  await new Promise(setImmediate);
  await new Promise(setImmediate);

  expect(zone.released()).toEqual([]);
});

test("nothing is released while another may lead, and everything once that is known to be untrue", async () => {
  let isSure = false;
  let asked = 0;
  const zone = await openZone({}, 10, undefined, () => {
    asked++;
    return isSure;
  });
  zone.dispatch.setRouters(newRouters(5));

  await zone.dispatch.begin();
  await vi.waitFor(() => expect(asked).toBeGreaterThan(3));
  const releasedUnsure = zone.released();
  isSure = true;
  await vi.waitFor(() => expect(zone.released()).toHaveLength(5));

  expect(releasedUnsure).toEqual([]);
});

test("a batch that the queue refuses is tried again, less what has been heard of since", async () => {
  const attempts: RouterId[][] = [];
  const zone = await openZone({
    add: async (jobs) => {
      attempts.push(jobs.map(({ routerId }) => routerId));
      if (attempts.length === 1) {
        // One arrived all the same, and was polled.
        zone.finish(attempts[0]?.[0] as RouterId);
        throw new Error("connection lost");
      }
    },
  });
  zone.dispatch.setRouters(newRouters(3));

  await zone.dispatch.begin();
  await vi.waitFor(() => expect(attempts).toHaveLength(2));

  expect(attempts[0]).toHaveLength(3);
  expect(attempts[1]).toEqual(attempts[0]?.slice(1));
});

test("while the queue does not answer nothing more is released", async () => {
  const attempts: number[] = [];
  let answer = () => {};
  const zone = await openZone({
    add: (jobs) => {
      attempts.push(jobs.length);
      return new Promise((resolve) => {
        answer = resolve;
      });
    },
  });
  const routers = newRouters(3);
  zone.dispatch.setRouters(routers);
  await zone.dispatch.begin();
  await vi.waitFor(() => expect(attempts).toEqual([3]));

  zone.dispatch.setRouters([...routers, ...newRouters(4)]);
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  const meanwhile = [...attempts];
  answer();

  await vi.waitFor(() => expect(attempts).toEqual([3, 4]));
  expect(meanwhile).toEqual([3]);
});

test("a new leader counts what is in flight, and takes back what waits for routers it does not know", async () => {
  const [known, ...others] = newRouters(3);
  if (known === undefined) throw new Error("no router");
  const inherited = (routerId: RouterId, state: "waiting" | "active"): UnfinishedPoll => ({
    routerId,
    tenantId: TENANT,
    dueAtMs: Date.now(),
    expiresAtMs: Date.now() + 60_000,
    kind: "full",
    state,
  });
  const withdrawn: RouterId[] = [];
  const strangers = newRouters(2).map(({ id }) => id);
  const zone = await openZone({
    unfinished: async () => [
      inherited(known.id, "active"),
      ...strangers.map((id) => inherited(id, "waiting")),
    ],
    withdraw: async (routerId) => {
      withdrawn.push(routerId);
      return true;
    },
  });
  zone.dispatch.setRouters([known, ...others]);

  await zone.dispatch.begin();
  await vi.waitFor(() => expect(zone.released().length).toBeGreaterThan(0));

  expect(withdrawn).toEqual(strangers);
  expect(new Set(zone.released())).toEqual(new Set(others.map(({ id }) => id)));
});

test("a removed router's released poll is withdrawn and its slot is free again", async () => {
  const withdrawn: RouterId[] = [];
  const zone = await openZone(
    {
      withdraw: async (routerId) => {
        withdrawn.push(routerId);
        return true;
      },
    },
    1,
  );
  const routers = newRouters(6);
  zone.dispatch.setRouters(routers);
  await zone.dispatch.begin();
  await vi.waitFor(() => expect(zone.released()).toHaveLength(2));
  const [first] = zone.released();

  zone.dispatch.setRouters(routers.filter(({ id }) => id !== first));

  await vi.waitFor(() => expect(zone.released()).toHaveLength(3));
  expect(withdrawn).toEqual([first]);
});

test("how tenants were served is saved", async () => {
  const zone = await openZone();
  zone.dispatch.setRouters(newRouters(2));

  await zone.dispatch.begin();
  await vi.waitFor(() => expect(zone.saved.at(-1)).toHaveLength(1), { timeout: 4_000 });

  expect(zone.saved.at(-1)?.[0]).toMatchObject({ tenantId: TENANT, weight: 1, routers: 2 });
});

test("a zone whose queue never opens can be given up", async () => {
  const over = new AbortController();
  const opening = openDispatch(
    {
      openQueue: () => new Promise(() => undefined),
      liveWorkers: async () => [],
      saveFairness: async () => undefined,
      metrics,
      clock: systemClock,
      log: silentLog,
    },
    "default",
    RULES,
    over.signal,
  );

  over.abort();

  await expect(opening).rejects.toThrow(/leading it no longer/);
});
