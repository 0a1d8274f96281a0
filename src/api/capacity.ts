/**
 * How many poll slots a zone needs. Pure. Little's law: the slots in use are the polls that come due a second times the
 * time one holds its slot, whatever the distribution of either. What a zone needs is more than that by the utilisation
 * above which polls begin to wait for one another.
 */
import { Type } from "typebox";
import type { LiveWorker } from "../storage/workers.ts";
import type { ZoneDemand } from "../storage/zone-loads.ts";
import { TIME } from "./schemas.ts";

/** Slots in use ÷ slots: above it lateness grows quickly. */
export const UTILISATION_MAX = 0.8;

const SLOTS = Type.Integer();

export const ZONE_CAPACITY = Type.Object({
  zone: Type.String({ description: "The zone's key on the whole platform" }),
  routers: Type.Integer(),
  workers: Type.Integer({ description: "Live workers that serve it" }),
  slots: Type.Number({
    description: "Slots they run with; a worker of several zones divides its slots among them",
  }),
  slotsOffered: Type.Number({
    description: "Slots they offer now: fewer while a writer is behind",
  }),
  arrivalsPerSecond: Type.Number({ description: "Polls that come due" }),
  meanServiceMs: Type.Union([Type.Number(), Type.Null()], {
    description: "How long a poll holds its slot; null = none came due",
  }),
  demand: Type.Number({
    description: "Slots in use if every poll starts on time: arrivals × mean service time",
  }),
  demandP99: Type.Number({
    description:
      "Demand that was not exceeded for 99 % of the last day, by means over five minutes; at least the present one",
  }),
  historySince: Type.Union([TIME, Type.Null()], {
    description: "How far back that looks; null = no history yet",
  }),
  utilisation: Type.Union([Type.Number(), Type.Null()], {
    description: "demand ÷ slots; null = no slots",
  }),
  slotsNeeded: Type.Object(
    {
      now: SLOTS,
      atP99Demand: SLOTS,
      withOneWorkerLost: Type.Integer({
        description: "So that p99 demand is met when the largest worker is gone",
      }),
    },
    { description: `Slots at which utilisation is ${UTILISATION_MAX}` },
  ),
  headroom: Type.Number({
    description: "Slots beyond those needed with one worker lost; negative = so many are missing",
  }),
  recommendation: Type.String(),
  updatedAt: Type.Union([TIME, Type.Null()], {
    description: "When the zone's leader last reported; null = nobody leads it",
  }),
});

type Worker = Pick<LiveWorker, "zones" | "concurrency" | "busy" | "free">;

/** Every zone that is reported of or served, by key. */
export function capacities(demands: readonly ZoneDemand[], workers: readonly Worker[]) {
  const served = workers.flatMap(({ zones }) => zones);
  const keys = new Set([...demands.map(({ zoneKey }) => zoneKey), ...served]);
  const demandOf = new Map(demands.map((demand) => [demand.zoneKey, demand]));
  return [...keys].sort().map((key) => capacityOf(key, demandOf.get(key), workers));
}

function capacityOf(zone: string, load: ZoneDemand | undefined, workers: readonly Worker[]) {
  const here = workers.filter(({ zones }) => zones.includes(zone));
  const ofZone = (worker: Worker, slots: number) => slots / worker.zones.length;
  const sizes = here.map((worker) => ofZone(worker, worker.concurrency));
  const slots = sum(sizes);
  const arrivals = load?.pollsPerSecond ?? 0;
  const demand = (load?.demandMsPerSecond ?? 0) / 1_000;
  const demandP99 = Math.max(demand, (load?.demandP99MsPerSecond ?? 0) / 1_000);
  const atP99Demand = slotsFor(demandP99);
  const slotsNeeded = {
    now: slotsFor(demand),
    atP99Demand,
    withOneWorkerLost: Math.ceil(atP99Demand + Math.max(0, ...sizes)),
  };
  return {
    zone,
    routers: load?.routers ?? 0,
    workers: here.length,
    slots,
    slotsOffered: sum(here.map((worker) => ofZone(worker, worker.busy + worker.free))),
    arrivalsPerSecond: rounded(arrivals),
    meanServiceMs: arrivals > 0 ? rounded((1_000 * demand) / arrivals) : null,
    demand: rounded(demand),
    demandP99: rounded(demandP99),
    historySince: load?.historySince?.toISOString() ?? null,
    utilisation: slots > 0 ? rounded(demand / slots) : null,
    slotsNeeded,
    headroom: rounded(slots - slotsNeeded.withOneWorkerLost),
    recommendation: recommendation({ workers: here.length, slots, demandP99, slotsNeeded }),
    updatedAt: load?.updatedAt.toISOString() ?? null,
  };
}

function recommendation({
  workers,
  slots,
  demandP99,
  slotsNeeded: { now, atP99Demand, withOneWorkerLost },
}: {
  readonly workers: number;
  readonly slots: number;
  readonly demandP99: number;
  readonly slotsNeeded: {
    readonly now: number;
    readonly atP99Demand: number;
    readonly withOneWorkerLost: number;
  };
}): string {
  if (workers === 0) {
    return demandP99 === 0
      ? "No worker serves the zone, and nothing is asked of it"
      : `No worker serves the zone: start workers with ${atP99Demand} slots in all (FAIRWALK_ZONES, FAIRWALK_CONCURRENCY)`;
  }
  if (slots < now) {
    return `Polls are late now: raise ${slots} slots to ${withOneWorkerLost} (PATCH /v1/admin/workers, or another worker)`;
  }
  if (slots < atP99Demand) {
    return `Enough now, too few at p99 demand: raise ${slots} slots to ${withOneWorkerLost} (PATCH /v1/admin/workers, or another worker)`;
  }
  if (slots < withOneWorkerLost) {
    return `Enough while every worker lives: for one to be lost at p99 demand, raise ${slots} slots to ${withOneWorkerLost} (another worker rather than a larger one)`;
  }
  return `Enough, also with one worker lost: ${slots} slots, ${withOneWorkerLost} needed`;
}

function slotsFor(demand: number): number {
  return Math.ceil(demand / UTILISATION_MAX);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
