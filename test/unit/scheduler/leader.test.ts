import { afterEach, expect, test, vi } from "vitest";
import { systemClock } from "../../../src/lib/clock.ts";
import { type Leader, type Leadership, startLeader } from "../../../src/scheduler/leader.ts";
import type { Survey } from "../../../src/scheduler/zone-balance.ts";

const silentLog = { debug() {}, info() {}, warn() {}, error() {} } as never;
const leaders: Leader[] = [];

afterEach(async () => {
  for (const leader of leaders.splice(0)) await leader.stop();
});

/** Locks as Postgres has them: one holder a zone, freed when it stops or loses its session. */
function locks() {
  const held = new Map<string, AbortController>();
  return {
    held,
    survey: async (zoneKeys: readonly string[]): Promise<Survey> => ({
      candidates: 1,
      led: new Set(zoneKeys.filter((zoneKey) => held.has(zoneKey))),
    }),
    tryLead: async (zoneKey: string): Promise<Leadership | undefined> => {
      if (held.has(zoneKey)) return undefined;
      const session = new AbortController();
      held.set(zoneKey, session);
      return {
        lost: session.signal,
        isSure: () => true,
        stop: async () => {
          if (held.get(zoneKey) === session) held.delete(zoneKey);
        },
      };
    },
    /** The session of a zone's leader ends. */
    cut(zoneKey: string) {
      const session = held.get(zoneKey);
      held.delete(zoneKey);
      session?.abort();
    },
  };
}

function start(
  { tryLead, survey }: ReturnType<typeof locks>,
  zones: string[],
  lead?: (zoneKey: string) => Promise<void>,
) {
  const working = new Set<string>();
  const led: string[] = [];
  const leader = startLeader({
    tryLead,
    survey,
    zoneKeys: async () => [...zones],
    lead: async (zoneKey) => {
      await lead?.(zoneKey);
      working.add(zoneKey);
      led.push(zoneKey);
      return {
        stop: async () => {
          working.delete(zoneKey);
        },
      };
    },
    leading: () => undefined,
    clock: systemClock,
    log: silentLog,
  });
  leaders.push(leader);
  return { leader, working, led };
}

test("of two processes one leads each zone, and the other follows it within five seconds", async () => {
  const world = locks();
  const first = start(world, ["default", "isp.core"]);
  await vi.waitFor(() => expect(first.working.size).toBe(2));
  const second = start(world, ["default", "isp.core"]);

  const before = Date.now();
  await first.leader.stop();
  await vi.waitFor(() => expect(second.working.size).toBe(2), { timeout: 5_000 });

  expect(first.working.size).toBe(0);
  expect(Date.now() - before).toBeLessThan(5_000);
});

test("who loses the lock stops working at once", async () => {
  const world = locks();
  const { working, led } = start(world, ["default"]);
  await vi.waitFor(() => expect(working.size).toBe(1));

  world.cut("default");
  world.held.set("default", new AbortController());

  await vi.waitFor(() => expect(working.size).toBe(0), { timeout: 200 });
  expect(led).toEqual(["default"]);
});

test("a new zone is led soon after it is heard of, a zone without routers is given up", async () => {
  const world = locks();
  const zones = ["default"];
  const { leader, working } = start(world, zones);
  await vi.waitFor(() => expect(working.size).toBe(1));

  zones.splice(0, 1, "isp.core");
  leader.refresh();

  await vi.waitFor(() => expect([...working]).toEqual(["isp.core"]), { timeout: 3_000 });
  expect([...world.held.keys()]).toEqual(["isp.core"]);
});

test("a zone that cannot be worked on is given up and tried again", async () => {
  const world = locks();
  let failures = 0;
  const { working } = start(world, ["default"], async () => {
    if (failures++ === 0) throw new Error("the queue is away");
  });

  await vi.waitFor(() => expect(working.size).toBe(1), { timeout: 4_000 });

  expect(failures).toBe(2);
});
