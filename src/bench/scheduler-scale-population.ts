import type { RouterId } from "../routers/router.ts";
import type { ScheduledTenant } from "../scheduler/tenant-account.ts";
import type { PlannedRouter } from "../scheduler/zone-schedule.ts";
import type { TenantId, Tier } from "../tenants/tenant.ts";

/**
 * An imagined platform: tenants from a few routers to a hundredth of all, each in a tier by its size, every hundredth an
 * MSP with the nine that follow as its children. What a router is like is a function of seed and number, so that a
 * million of them need no table beside the scheduler's own, whose memory is measured.
 */

export interface PopulationOptions {
  readonly routers: number;
  readonly tenants: number;
  readonly seed: number;
}

export interface Population {
  readonly tenants: ReadonlyMap<TenantId, ScheduledTenant>;
  /** Tenants by number. */
  readonly tenantIds: readonly TenantId[];
  /** The routers as a new leader reads them. */
  plannedRouters(): PlannedRouter[];
  /** Polls that come due in a second. */
  readonly pollsPerSecond: number;
}

/** Weights as in config/tiers.yaml; intervals as their tenants choose them. */
const TIERS: Readonly<Record<Tier, { readonly weight: number; readonly intervalSeconds: number }>> =
  {
    free: { weight: 1, intervalSeconds: 300 },
    professional: { weight: 4, intervalSeconds: 120 },
    business: { weight: 8, intervalSeconds: 60 },
    enterprise: { weight: 16, intervalSeconds: 60 },
    msp: { weight: 16, intervalSeconds: 60 },
  };

/** Tenants an MSP stands for: itself and its children. */
const MSP_EVERY = 100;
const MSP_CHILDREN = 9;

/** Sizes fall with the rank as (rank + shift) ^ -exponent: the largest of 10,000 has a hundredth of all routers. */
const SIZE_SHIFT = 10;
const SIZE_EXPONENT = 0.9;

/** 2023-11-14T22:13:20Z. Routers were registered long before: none is new. */
export const START_MS = 1_700_000_000_000;

export function populate({ routers, tenants, seed }: PopulationOptions): Population {
  const sizes = sizesOf(routers, tenants);
  const scheduled = Array.from({ length: tenants }, (_, rank) => tenantOf(rank, tenants));
  const tenantIds = scheduled.map(({ tenantId }) => tenantId);
  const intervalOf = (rank: number) => TIERS[scheduled[rank]?.tier ?? "free"].intervalSeconds;
  return {
    tenants: new Map(scheduled.map((tenant) => [tenant.tenantId, tenant])),
    tenantIds,
    plannedRouters() {
      const planned: PlannedRouter[] = [];
      for (const [rank, size] of sizes.entries()) {
        const tenantId = tenantIds[rank] as TenantId; // One a size.
        const intervalSeconds = intervalOf(rank);
        for (let i = 0; i < size; i++) {
          planned.push({ id: routerIdOf(planned.length, seed), tenantId, intervalSeconds });
        }
      }
      return planned;
    },
    pollsPerSecond: sizes.reduce((sum, size, rank) => sum + size / intervalOf(rank), 0),
  };
}

/** A number in [0, 1) that depends on nothing but its arguments. */
export function diceOf(seed: number, router: number, throwNumber: number): number {
  let t = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(router + 1, 0xc2b2ae35);
  t = Math.imul(t ^ (t >>> 15) ^ throwNumber, 0x2c1b3c6d);
  t = Math.imul(t ^ (t >>> 12), 0x297a2d39);
  return ((t ^ (t >>> 15)) >>> 0) / 4_294_967_296;
}

/** A UUIDv7 that ends in the router's number. */
function routerIdOf(router: number, seed: number): RouterId {
  const random = Math.floor(diceOf(seed, router, 1) * 4_294_967_296);
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(START_MS - 86_400_000, 0, 6);
  bytes.writeUInt16BE(0x7000 | (random & 0xfff), 6);
  bytes.writeUInt16BE(0x8000 | (random >>> 20), 8);
  bytes.writeUIntBE(router, 10, 6);
  const hex = bytes.toString("hex");
  const text = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  // A text made of parts keeps the parts; a database's driver gives one of its own bytes.
  return Buffer.from(text, "latin1").toString("latin1") as RouterId;
}

export function numberOf(routerId: RouterId): number {
  return Number.parseInt(routerId.slice(24), 16);
}

/** Sizes of tenants by rank, at least one router each; they sum to `routers`, or to one a tenant if that is more. */
function sizesOf(routers: number, tenants: number): number[] {
  const parts = Array.from({ length: tenants }, (_, rank) => (rank + SIZE_SHIFT) ** -SIZE_EXPONENT);
  const whole = parts.reduce((sum, part) => sum + part, 0);
  const sizes = parts.map((part) => Math.max(1, Math.floor((routers * part) / whole)));
  const rest = routers - sizes.reduce((sum, size) => sum + size, 0);
  for (let i = 0; i < rest; i++) sizes[i % tenants] = (sizes[i % tenants] ?? 0) + 1;
  return sizes;
}

function tenantOf(rank: number, tenants: number): ScheduledTenant {
  const place = rank % MSP_EVERY;
  const tier = place === 0 ? "msp" : tierOf(rank / tenants);
  const isChild = place >= 1 && place <= MSP_CHILDREN;
  return {
    tenantId: tenantIdOf(rank),
    tier,
    weight: TIERS[tier].weight,
    isActive: true,
    parent: isChild ? tenantIdOf(rank - place) : undefined,
  };
}

function tierOf(rankShare: number): Tier {
  if (rankShare < 0.01) return "enterprise";
  if (rankShare < 0.1) return "business";
  return rankShare < 0.4 ? "professional" : "free";
}

function tenantIdOf(rank: number): TenantId {
  return `00000000-0000-7000-8000-${rank.toString(16).padStart(12, "0")}` as TenantId;
}
