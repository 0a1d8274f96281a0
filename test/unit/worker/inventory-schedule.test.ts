import { describe, expect, it } from "vitest";
import { SECTIONS } from "../../../src/modules/inventory/sections.ts";
import type { Discovery, Signals } from "../../../src/routers/inventory.ts";
import type { RouterId } from "../../../src/routers/router.ts";
import { dueSections, hasChanged } from "../../../src/worker/inventory-schedule.ts";

const NOW = Date.parse("2030-01-01T00:00:00Z");
const INTERVALS = { inventorySeconds: 3_600, discoverySeconds: 900 };
const SIGNALS: Signals = { sysUpTime: 1_000, ifNumber: 4, ifTableLastChange: 10, names: "a" };

function dueAfter(seconds: number, signals: Signals, readAtMs?: Record<string, number>): string[] {
  const discovery: Discovery = {
    readAtMs: readAtMs ?? Object.fromEntries(SECTIONS.map(({ name }) => [name, NOW])),
    answering: [],
    signals: SIGNALS,
  };
  const router = { id: "r1" as RouterId, discovery, signals };
  return dueSections(SECTIONS, router, INTERVALS, NOW + seconds * 1_000).map(({ name }) => name);
}

const ofRate = (rate: "fast" | "slow") =>
  SECTIONS.filter((section) => section.rate === rate).map(({ name }) => name);

describe("a section of the inventory is due", () => {
  it("all of them while nothing was ever read", () => {
    const router = { id: "r1" as RouterId, discovery: undefined, signals: {} };

    expect(dueSections(SECTIONS, router, INTERVALS, NOW)).toBe(SECTIONS);
  });

  it("after its interval, and no more than a fifth before", () => {
    expect(dueAfter(700, SIGNALS)).toEqual([]);
    expect(dueAfter(900, SIGNALS)).toEqual(ofRate("fast"));
    expect(dueAfter(3_600, SIGNALS)).toEqual(SECTIONS.map(({ name }) => name));
  });

  it("when it was left over by the poll before", () => {
    const { sensors: _, ...others } = Object.fromEntries(
      SECTIONS.map(({ name }) => [name, NOW] as const),
    );

    expect(dueAfter(60, SIGNALS, others)).toEqual(["sensors"]);
  });

  it.each<[string, Signals]>([
    ["restarted", { ...SIGNALS, sysUpTime: 5 }],
    ["has another number of interfaces", { ...SIGNALS, ifNumber: 5 }],
    ["says that its interfaces changed", { ...SIGNALS, ifTableLastChange: 900 }],
    ["calls its interfaces something else", { ...SIGNALS, names: "b" }],
  ])("when the router %s, but not within a minute of the last reading", (_, signals) => {
    expect(dueAfter(59, signals)).toEqual([]);
    expect(dueAfter(60, signals)).toEqual(SECTIONS.map(({ name }) => name));
  });

  it("not because of what the router did not say this time", () => {
    expect(hasChanged(SIGNALS, {})).toBe(false);
    expect(hasChanged(SIGNALS, { ...SIGNALS, sysUpTime: 2_000 })).toBe(false);
  });
});
