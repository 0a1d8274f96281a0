import { fnv1a32 } from "../lib/hash.ts";
import type { SectionPlan } from "../modules/inventory/section.ts";
import type { Discovery, Signals } from "../routers/inventory.ts";
import type { RouterId } from "../routers/router.ts";

/**
 * When which section of a router's inventory is worth reading again: after its interval, or as soon as the router says
 * that something changed. Pure.
 */

export interface InventoryIntervals {
  /** Of what changes when someone works on the router: names, addresses, parts. */
  readonly inventorySeconds: number;
  /** Of what changes by itself: neighbours, peers, sensors. */
  readonly discoverySeconds: number;
}

/** Interfaces of subscribers come and go all the time: what the router says of changes is heard this often at most. */
const HEARD_AGAIN_MS = 60_000;

/** A section's interval is up to this part shorter, by router: those registered together are not read together for ever. */
const SPREAD = 0.2;

/** The sections to read now, in their order. */
export function dueSections(
  sections: readonly SectionPlan[],
  router: {
    readonly id: RouterId;
    readonly discovery: Discovery | undefined;
    readonly signals: Signals;
  },
  intervals: InventoryIntervals,
  nowMs: number,
): readonly SectionPlan[] {
  const { discovery } = router;
  if (discovery === undefined) return sections;
  const isChanged = hasChanged(discovery.signals, router.signals);
  const share = 1 - (SPREAD * (fnv1a32(router.id) % 1_000)) / 1_000;
  return sections.filter(({ name, rate }) => {
    const readAtMs = discovery.readAtMs[name];
    if (readAtMs === undefined) return true;
    const seconds = rate === "slow" ? intervals.inventorySeconds : intervals.discoverySeconds;
    const age = nowMs - readAtMs;
    return age >= seconds * 1_000 * share || (isChanged && age >= HEARD_AGAIN_MS);
  });
}

/** Whether the router restarted or its interfaces changed. What it did not say this time proves nothing. */
export function hasChanged(before: Signals, now: Signals): boolean {
  const isRestarted = (now.sysUpTime ?? 0) < (before.sysUpTime ?? 0) && now.sysUpTime !== undefined;
  const differs = (key: "ifNumber" | "ifTableLastChange" | "names") =>
    now[key] !== undefined && now[key] !== before[key];
  return isRestarted || differs("ifNumber") || differs("ifTableLastChange") || differs("names");
}
