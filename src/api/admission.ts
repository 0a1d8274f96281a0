/**
 * Admission control: what a tenant's routers ask of a zone, against what the tenant is guaranteed there and what the
 * zone has left. Pure. Everything is in slots, that is slot-seconds a second: a router asks for cost ÷ interval.
 *
 * A tenant is always admitted up to its guaranteed share, whatever others ask for: the fair queue gives it that much.
 * Beyond it, it is admitted while the zone has slots that nobody asks for, and told that they are borrowed. Beyond both
 * its tier decides: refused, or warned. What asks for no more than before never exceeds, so it is never refused.
 *
 * Of other tenants an answer tells their sum alone, and coarsely: the free part of a zone in steps of a twentieth,
 * rounded down. The decision goes by the same number, so that many attempts tell no more than one.
 */
import { type Static, Type } from "typebox";
import type { OwnLoad, ZoneStanding } from "../storage/zone-loads.ts";
import { ADMISSION_POLICIES, type AdmissionPolicy } from "../tenants/tenant.ts";

/**
 * Slot time of a poll of a tenant that was never polled in the zone. What its polls really cost is known a minute later.
 */
export const DEFAULT_COST_MS_PER_MODULE = 100;
/** How many modules a router is taken to have whose profile chooses them. */
export const MODULES_BY_PROFILE = 2;

const FREE_STEPS = 20;

const VERDICTS = ["fits", "borrows", "exceeds", "unknown"] as const;

export const ADMISSION = Type.Object(
  {
    zone: Type.String({ description: "The zone as the tenant names it" }),
    verdict: Type.Enum([...VERDICTS], {
      description:
        "fits: within the guaranteed share. borrows: beyond it, in slots that nobody else asks for now. exceeds: beyond both; the tier refuses it or warns. unknown: no worker serves the zone",
    }),
    policy: Type.Enum([...ADMISSION_POLICIES], {
      description: "What the tier does with what exceeds",
    }),
    demandBefore: Type.Number({
      description: "Slots the tenant's routers in the zone asked for: the sum of cost ÷ interval",
    }),
    demandAfter: Type.Number({ description: "Slots they ask for with this change" }),
    guaranteedShare: Type.Union([Type.Number(), Type.Null()], {
      description:
        "Slots that are the tenant's however much others ask for: its weight ÷ the weights of the tenants in the zone × the zone's slots; inside its MSP's share for a tenant of an MSP. null = unknown",
    }),
    zoneCapacity: Type.Union([Type.Number(), Type.Null()], {
      description: "Slots of the zone's live workers; null = none lives",
    }),
    zoneFreeRatio: Type.Union([Type.Number(), Type.Null()], {
      description: "The part of them that nobody asks for, rounded down to twentieths",
    }),
    costMs: Type.Number({ description: "What a poll is taken to cost, in milliseconds of a slot" }),
    costIs: Type.Enum(["measured", "default"], {
      description: `measured: the mean of the tenant's polls in the zone. default: ${DEFAULT_COST_MS_PER_MODULE} for each module, ${MODULES_BY_PROFILE} modules where the profile chooses them`,
    }),
    warning: Type.Union([Type.String(), Type.Null()], {
      description: "What to expect and what helps; null = all is well",
    }),
  },
  { description: "What the change asks of a zone, against what there is; in slots" },
);
export type Admission = Static<typeof ADMISSION>;

/** A router as far as its load goes. */
export interface RouterLoad {
  readonly intervalSeconds: number;
  readonly modules: readonly string[] | null;
  readonly enabled: boolean;
  /** The mean of its own last polls; undefined: it has none. */
  readonly costMs?: number | undefined;
}

export interface LoadChange {
  /** Absent: it is not in the zone, before or after. */
  readonly before?: RouterLoad | undefined;
  readonly after?: RouterLoad | undefined;
}

export interface AdmissionInput {
  readonly zone: string;
  readonly load: OwnLoad;
  readonly standing: ZoneStanding;
  readonly changes: readonly LoadChange[];
  readonly tenant: {
    readonly weight: number;
    readonly isOfMsp: boolean;
    readonly policy: AdmissionPolicy;
  };
  /** The weight of an MSP with its tenants. */
  readonly mspWeight: number;
}

/** What is asked and what there is. It must be refused when `isRefused` says so. */
export function admissionOf(input: AdmissionInput): Admission & { readonly isRefused: boolean } {
  const { load, standing, tenant } = input;
  const isMeasured = load.meanCostMs !== null;
  const before = isMeasured
    ? (load.pollsPerSecond * (load.meanCostMs ?? 0)) / 1_000
    : (load.modulesPerSecond * DEFAULT_COST_MS_PER_MODULE) / 1_000;
  const added = input.changes.reduce(
    // A change that keeps the load adds exactly nothing.
    (sum, { before, after }) => sum + (slotsOf(after, load) - slotsOf(before, load)),
    0,
  );
  const after = Math.max(0, before + added);
  const guaranteed = standing.slots === null ? null : standing.slots * guaranteedPart(input);
  const freeRatio = standing.slots === null ? null : freeRatioOf(standing, before);
  const verdict = verdictOf({ after, added, guaranteed, slots: standing.slots, freeRatio });
  const admission = {
    zone: input.zone,
    verdict,
    policy: tenant.policy,
    demandBefore: rounded(before),
    demandAfter: rounded(after),
    guaranteedShare: guaranteed === null ? null : rounded(guaranteed),
    zoneCapacity: standing.slots === null ? null : rounded(standing.slots),
    zoneFreeRatio: freeRatio,
    costMs: rounded(load.meanCostMs ?? defaultCostMs(input)),
    costIs: isMeasured ? ("measured" as const) : ("default" as const),
  };
  return {
    ...admission,
    warning: warningOf(admission),
    isRefused: verdict === "exceeds" && tenant.policy === "refuse",
  };
}

/** The part of a zone that is the tenant's own: of the zone its group's, of that its own. */
function guaranteedPart({ standing, tenant, mspWeight }: AdmissionInput): number {
  const isGrouped = tenant.isOfMsp || standing.siblingsWeight > 0;
  const groupWeight = isGrouped ? mspWeight : tenant.weight;
  const ofGroup = groupWeight / (groupWeight + standing.othersWeight);
  return (ofGroup * tenant.weight) / (tenant.weight + standing.siblingsWeight);
}

function freeRatioOf(standing: ZoneStanding, ownDemand: number): number {
  const slots = standing.slots ?? 0;
  if (slots <= 0) return 0;
  const free = 1 - (standing.othersDemandMsPerSecond / 1_000 + ownDemand) / slots;
  return Math.min(Math.max(Math.floor(free * FREE_STEPS) / FREE_STEPS, 0), 1);
}

function verdictOf(asked: {
  readonly after: number;
  readonly added: number;
  readonly guaranteed: number | null;
  readonly slots: number | null;
  readonly freeRatio: number | null;
}): Admission["verdict"] {
  if (asked.guaranteed === null || asked.slots === null) return "unknown";
  if (asked.after <= asked.guaranteed) return "fits";
  return asked.added <= asked.slots * (asked.freeRatio ?? 0) ? "borrows" : "exceeds";
}

function warningOf(admission: Omit<Admission, "warning">): string | null {
  const { zone, zoneCapacity, guaranteedShare, demandAfter } = admission;
  const remedy = "lengthen intervals, choose fewer modules, or ask for a larger tier";
  const asked = `The tenant's routers in zone "${zone}" ask for ${shown(demandAfter)} poll slots, and ${shown(guaranteedShare ?? 0)} are guaranteed to it`;
  switch (admission.verdict) {
    case "fits":
      return null;
    case "borrows":
      return `${asked}: the rest is polled on time only while other tenants leave slots unused; to be safe, ${remedy}`;
    case "exceeds":
      return `${asked}; of the zone's ${shown(zoneCapacity ?? 0)} slots too few are free for the rest, so polls will be late or skipped: ${remedy}, or have workers added to the zone`;
    case "unknown":
      return `No worker serves zone "${zone}" now, so whether it has room is not known; its routers are polled once one does`;
  }
}

function slotsOf(router: RouterLoad | undefined, load: OwnLoad): number {
  if (router === undefined || !router.enabled) return 0;
  const costMs = router.costMs ?? load.meanCostMs ?? defaultCostOf(router);
  return costMs / 1_000 / router.intervalSeconds;
}

function defaultCostOf({ modules }: Pick<RouterLoad, "modules">): number {
  return DEFAULT_COST_MS_PER_MODULE * (modules?.length ?? MODULES_BY_PROFILE);
}

/** The mean of the tenant's routers in the zone, or of those that come. */
function defaultCostMs({ load, changes }: AdmissionInput): number {
  if (load.pollsPerSecond > 0) {
    return (DEFAULT_COST_MS_PER_MODULE * load.modulesPerSecond) / load.pollsPerSecond;
  }
  const coming = changes.flatMap(({ after }) => after ?? []);
  const total = coming.reduce((sum, router) => sum + defaultCostOf(router), 0);
  return coming.length === 0
    ? DEFAULT_COST_MS_PER_MODULE * MODULES_BY_PROFILE
    : total / coming.length;
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

function shown(slots: number): string {
  return String(Number(slots.toPrecision(3)));
}
