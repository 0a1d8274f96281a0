import { describe, expect, it } from "vitest";
import {
  HAND_OVER_AFTER_MS,
  LEFT_TO_OTHERS_MS,
  ZoneBalance,
} from "../../../src/scheduler/zone-balance.ts";

const ZONES = ["a", "b", "c", "d"];

function surveyed(candidates: number, led: readonly string[], nowMs = 0): ZoneBalance {
  const balance = new ZoneBalance();
  balance.survey(ZONES, { candidates, led: new Set(led) }, nowMs);
  return balance;
}

describe("the balance of zones between schedulers", () => {
  it("lets a scheduler alone have every zone at once", () => {
    const balance = surveyed(1, []);

    for (const [ledHere, zone] of ZONES.entries()) {
      expect(balance.mayStandFor(zone, ledHere, 0)).toBe(true);
    }
    expect(balance.hasOneTooMany(4, 1e9)).toBe(false);
  });

  it("lets anyone have any zone before the first survey", () => {
    expect(new ZoneBalance().mayStandFor("a", 100, 0)).toBe(true);
  });

  it("leaves a zone beyond the share to others for a moment, and then takes it", () => {
    const balance = surveyed(2, ["a", "b", "c"]);

    expect(balance.mayStandFor("d", 1, 0)).toBe(true);
    expect(balance.mayStandFor("d", 2, LEFT_TO_OTHERS_MS - 1)).toBe(false);
    expect(balance.mayStandFor("d", 2, LEFT_TO_OTHERS_MS)).toBe(true);
  });

  it("counts the moment from when the zone was last seen without a leader", () => {
    const balance = surveyed(2, ["a", "b", "c"]);
    balance.survey(ZONES, { candidates: 2, led: new Set(ZONES) }, 1_000);
    balance.survey(ZONES, { candidates: 2, led: new Set(["a", "b", "c"]) }, 2_000);

    expect(balance.mayStandFor("d", 2, 1_999 + LEFT_TO_OTHERS_MS)).toBe(false);
    expect(balance.mayStandFor("d", 2, 2_000 + LEFT_TO_OTHERS_MS)).toBe(true);
  });

  it("takes a dead scheduler's zones at once, whose end makes the share larger", () => {
    const balance = surveyed(2, ZONES);
    balance.survey(ZONES, { candidates: 1, led: new Set(["a", "b"]) }, 1_000);

    expect(balance.mayStandFor("c", 2, 1_000)).toBe(true);
  });

  it("hands one over that has been too many for a while, and then waits again", () => {
    const balance = surveyed(2, ZONES);

    expect(balance.hasOneTooMany(4, 0)).toBe(false);
    expect(balance.hasOneTooMany(4, HAND_OVER_AFTER_MS - 1)).toBe(false);
    expect(balance.hasOneTooMany(4, HAND_OVER_AFTER_MS)).toBe(true);
    balance.handedOver("d");

    expect(balance.hasOneTooMany(3, HAND_OVER_AFTER_MS)).toBe(false);
    expect(balance.hasOneTooMany(3, 2 * HAND_OVER_AFTER_MS)).toBe(true);
    balance.handedOver("c");
    expect(balance.hasOneTooMany(2, 1e9)).toBe(false);
  });

  it("begins the wait anew when the imbalance passed", () => {
    const balance = surveyed(2, ZONES);
    balance.hasOneTooMany(3, 0);
    balance.hasOneTooMany(2, 1_000);

    expect(balance.hasOneTooMany(3, HAND_OVER_AFTER_MS)).toBe(false);
  });

  it("is more patient when a zone that was handed over came back", () => {
    const balance = surveyed(2, ZONES);
    balance.handedOver("d");
    balance.taken("d");
    balance.hasOneTooMany(4, 0);

    expect(balance.hasOneTooMany(4, HAND_OVER_AFTER_MS)).toBe(false);
    expect(balance.hasOneTooMany(4, 2 * HAND_OVER_AFTER_MS)).toBe(true);
  });
});
