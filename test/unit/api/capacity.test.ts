import { expect, it } from "vitest";
import { capacities } from "../../../src/api/capacity.ts";
import type { ZoneDemand } from "../../../src/storage/zone-loads.ts";

const NOW = new Date("2030-01-01T00:00:00Z");

/** 100 polls a second that hold a slot for 400 ms: 40 slots in use. */
const DEMAND: ZoneDemand = {
  zoneKey: "default",
  routers: 6_000,
  pollsPerSecond: 100,
  demandMsPerSecond: 40_000,
  demandP99MsPerSecond: 60_000,
  historySince: NOW,
  updatedAt: NOW,
};

function worker(concurrency: number, zones = ["default"], busy = 10) {
  return { zones, concurrency, busy, free: concurrency - busy };
}

function capacityOf(...workers: ReturnType<typeof worker>[]) {
  return capacities([DEMAND], workers).find(({ zone }) => zone === "default");
}

it("slots needed follow from Little's law, with a fifth to spare", () => {
  expect(capacityOf(worker(100), worker(50))).toMatchObject({
    routers: 6_000,
    workers: 2,
    slots: 150,
    slotsOffered: 150,
    arrivalsPerSecond: 100,
    meanServiceMs: 400,
    demand: 40,
    demandP99: 60,
    utilisation: 0.266667,
    slotsNeeded: { now: 50, atP99Demand: 75, withOneWorkerLost: 175 },
    headroom: -25,
  });
});

it("the recommendation names the first thing that is missing", () => {
  const words = (...workers: ReturnType<typeof worker>[]) => capacityOf(...workers)?.recommendation;

  expect(words()).toContain("No worker serves the zone: start workers with 75 slots");
  expect(words(worker(20), worker(20))).toContain("Polls are late now: raise 40 slots to 95");
  expect(words(worker(30), worker(30))).toContain("too few at p99 demand: raise 60 slots to 105");
  expect(words(worker(50), worker(50))).toContain("raise 100 slots to 125 (another worker");
  expect(words(worker(40), worker(40), worker(40))).toBe(
    "Enough, also with one worker lost: 120 slots, 115 needed",
  );
});

it("p99 demand is never below the present one", () => {
  const [zone] = capacities([{ ...DEMAND, demandP99MsPerSecond: null, historySince: null }], []);

  expect(zone).toMatchObject({ demand: 40, demandP99: 40, historySince: null, utilisation: null });
});

it("a worker of two zones gives each half, and a zone nobody asks of is there", () => {
  const zones = capacities([DEMAND], [worker(100, ["default", "lab"])]);

  expect(zones.map(({ zone, slots, demand }) => [zone, slots, demand])).toEqual([
    ["default", 50, 40],
    ["lab", 50, 0],
  ]);
  expect(zones[1]).toMatchObject({ meanServiceMs: null, updatedAt: null, routers: 0 });
  expect(capacities([], [])).toEqual([]);
});
