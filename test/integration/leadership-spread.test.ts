import { afterEach, beforeAll, expect, inject, test, vi } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { type Leader, startLeader } from "../../src/scheduler/leader.ts";
import { type Candidate, standForLeadership } from "../../src/storage/leadership.ts";
import { createTestDatabase, type TestDatabase } from "../database.ts";

/** Several schedulers and several zones, on the locks of a real Postgres. */

const ZONES = ["default", "isp.core", "isp.edge", "isp.lab"];
const WAIT = { timeout: 60_000, interval: 50 };
const silentLog = { debug() {}, info() {}, warn() {}, error() {} } as never;

let database: TestDatabase;
const started: { readonly leader: Leader; readonly candidate: Candidate }[] = [];
/** Who works on a zone now; two at once is what must never be. */
const workers = new Map<string, Set<object>>(ZONES.map((zone) => [zone, new Set()]));
let conflicts: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase(inject("databaseUrl"));
  return () => database.drop();
});

afterEach(async () => {
  for (const scheduler of started.splice(0)) await stop(scheduler);
  expect(conflicts).toEqual([]);
  conflicts = [];
});

function startScheduler() {
  const candidate = standForLeadership(database.url);
  const working = new Set<string>();
  const leader = startLeader({
    tryLead: (zoneKey) => candidate.tryLead(zoneKey),
    survey: (zoneKeys) => candidate.survey(zoneKeys),
    zoneKeys: async () => ZONES,
    lead: async (zoneKey) => {
      const at = workers.get(zoneKey) ?? new Set();
      at.add(working);
      if (at.size > 1) conflicts.push(zoneKey);
      working.add(zoneKey);
      return {
        async stop() {
          at.delete(working);
          working.delete(zoneKey);
        },
      };
    },
    leading: () => undefined,
    clock: systemClock,
    log: silentLog,
  });
  const scheduler = { leader, candidate, working };
  started.push(scheduler);
  return scheduler;
}

async function stop({ leader, candidate }: (typeof started)[number]): Promise<void> {
  await leader.stop();
  await candidate.stop();
}

test("a scheduler that comes later gets its share of the zones, and gives them back when it goes", async () => {
  const first = startScheduler();
  await vi.waitFor(() => expect(first.working.size).toBe(4), WAIT);

  const second = startScheduler();
  await vi.waitFor(() => expect([first.working.size, second.working.size]).toEqual([2, 2]), WAIT);
  expect([...first.working, ...second.working].sort()).toEqual(ZONES);

  await stop(second);
  await vi.waitFor(() => expect([...first.working].sort()).toEqual(ZONES), WAIT);
});

test("the zones of one that dies go to those that are left", async () => {
  const schedulers = [startScheduler(), startScheduler()] as const;
  const [first, second] = schedulers;
  await vi.waitFor(() => expect([first.working.size, second.working.size]).toEqual([2, 2]), WAIT);

  // Its session ends and it never asks again.
  await first.candidate.stop();
  await first.leader.stop();

  await vi.waitFor(() => expect([...second.working].sort()).toEqual(ZONES), WAIT);
});
