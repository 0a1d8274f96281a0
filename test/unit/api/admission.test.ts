import { describe, expect, it } from "vitest";
import { type AdmissionInput, admissionOf, type RouterLoad } from "../../../src/api/admission.ts";

/** A tenant of weight 4 among others of weight 12 in a zone of 80 slots: 20 are guaranteed to it. */
const IDLE: AdmissionInput = {
  zone: "default",
  load: { zoneKey: "default", pollsPerSecond: 0, modulesPerSecond: 0, meanCostMs: null },
  standing: { slots: 80, othersWeight: 12, siblingsWeight: 0, othersDemandMsPerSecond: 0 },
  changes: [],
  tenant: { weight: 4, isOfMsp: false, policy: "refuse" },
  mspWeight: 16,
};

/** So many routers that are polled once a second for so long. */
function routers(count: number, costMs?: number): AdmissionInput["changes"] {
  const after: RouterLoad = { intervalSeconds: 1, modules: null, enabled: true, costMs };
  return Array.from({ length: count }, () => ({ after }));
}

function judge(changes: Partial<AdmissionInput>) {
  return admissionOf({ ...IDLE, ...changes });
}

describe("demand", () => {
  it("is cost ÷ interval, at a default for each module before anything was measured", () => {
    const after = { intervalSeconds: 10, modules: ["a", "b", "c"], enabled: true };

    expect(judge({ changes: [{ after }] })).toMatchObject({
      demandBefore: 0,
      demandAfter: 0.03,
      costMs: 300,
      costIs: "default",
    });
    expect(judge({ changes: [{ after: { ...after, modules: null } }] })).toMatchObject({
      demandAfter: 0.02,
      costMs: 200,
    });
  });

  it("is what the tenant's polls were measured to cost, where they were", () => {
    const load = { ...IDLE.load, pollsPerSecond: 5, modulesPerSecond: 10, meanCostMs: 40 };

    expect(judge({ load, changes: routers(5) })).toMatchObject({
      demandBefore: 0.2,
      demandAfter: 0.4,
      costMs: 40,
      costIs: "measured",
    });
  });

  it("of a router that was polled is its own", () => {
    const before = { intervalSeconds: 60, modules: null, enabled: true, costMs: 6_000 };
    const load = { ...IDLE.load, pollsPerSecond: 1, modulesPerSecond: 2, meanCostMs: 1_000 };

    const { demandBefore, demandAfter } = judge({
      load,
      changes: [{ before, after: { ...before, intervalSeconds: 10 } }],
    });

    expect([demandBefore, demandAfter]).toEqual([1, 1.5]);
  });

  it("of a disabled router is none, and never falls below none", () => {
    const before = { intervalSeconds: 1, modules: null, enabled: true, costMs: 500 };

    const { demandAfter, isRefused } = judge({
      changes: [{ before, after: { ...before, enabled: false } }],
    });

    expect([demandAfter, isRefused]).toEqual([0, false]);
  });
});

describe("the guaranteed share", () => {
  const shareOf = (changes: Partial<AdmissionInput>) => judge(changes).guaranteedShare;

  it("is the zone's slots by weight among those who share the zone", () => {
    expect(shareOf({})).toBe(20);
    expect(shareOf({ standing: { ...IDLE.standing, othersWeight: 0 } })).toBe(80);
  });

  it("of an MSP's tenant is a part of the MSP's share, with or without others of its", () => {
    const tenant = { ...IDLE.tenant, isOfMsp: true };
    const standing = { ...IDLE.standing, othersWeight: 16 };

    expect(shareOf({ tenant, standing })).toBe(40);
    expect(shareOf({ tenant, standing: { ...standing, siblingsWeight: 12 } })).toBe(10);
  });

  it("of an MSP itself is shared with its tenants", () => {
    const tenant = { ...IDLE.tenant, weight: 16 };
    const standing = { ...IDLE.standing, othersWeight: 16, siblingsWeight: 16 };

    expect(shareOf({ tenant, standing })).toBe(20);
  });
});

describe("the verdict", () => {
  const full = { ...IDLE.standing, othersDemandMsPerSecond: 80_000 };

  it("fits within the guaranteed share, even where others ask for the whole zone", () => {
    const verdict = judge({ standing: full, changes: routers(20, 1_000) });

    expect(verdict).toMatchObject({ verdict: "fits", warning: null, isRefused: false });
  });

  it("borrows beyond it while the zone has slots free, and says so", () => {
    const verdict = judge({ changes: routers(60, 1_000) });

    expect(verdict).toMatchObject({
      verdict: "borrows",
      zoneFreeRatio: 1,
      isRefused: false,
      warning: expect.stringContaining('in zone "default" ask for 60 poll slots, and 20 are'),
    });
    expect(verdict.warning).toContain("lengthen intervals");
  });

  it("exceeds where neither is enough: refused or warned of, as the tier has it", () => {
    const changes = routers(21, 1_000);

    expect(judge({ standing: full, changes })).toMatchObject({
      verdict: "exceeds",
      isRefused: true,
    });
    expect(
      judge({ standing: full, changes, tenant: { ...IDLE.tenant, policy: "warn" } }),
    ).toMatchObject({
      verdict: "exceeds",
      isRefused: false,
      warning: expect.stringContaining("of the zone's 80 slots too few are free"),
    });
  });

  it("refuses nothing that asks for no more than before", () => {
    const load = { ...IDLE.load, pollsPerSecond: 100, modulesPerSecond: 100, meanCostMs: 1_000 };
    const before = { intervalSeconds: 1, modules: null, enabled: true };
    const changes = [{ before, after: { ...before, intervalSeconds: 2 } }];

    expect(judge({ load, standing: full, changes })).toMatchObject({
      verdict: "borrows",
      demandBefore: 100,
      demandAfter: 99.5,
      isRefused: false,
    });
    expect(judge({ load, standing: full, changes: [{ before, after: before }] })).toMatchObject({
      verdict: "borrows",
      isRefused: false,
    });
  });

  it("is unknown where no worker lives, and refuses nothing", () => {
    const standing = { ...IDLE.standing, slots: null };

    expect(judge({ standing, changes: routers(10_000) })).toMatchObject({
      verdict: "unknown",
      guaranteedShare: null,
      zoneCapacity: null,
      zoneFreeRatio: null,
      isRefused: false,
      warning: expect.stringContaining('No worker serves zone "default"'),
    });
  });

  it("tells others' demand in twentieths of the zone alone, and goes by them", () => {
    const at = (othersDemandMsPerSecond: number) =>
      judge({
        standing: { ...IDLE.standing, othersDemandMsPerSecond },
        changes: routers(24, 1_000),
      });

    // 24 slots are asked for, 20 guaranteed: 24 free ones are 6 twentieths of 80.
    expect(at(56_000)).toMatchObject({ zoneFreeRatio: 0.3, verdict: "borrows" });
    expect(at(56_001)).toMatchObject({ zoneFreeRatio: 0.25, verdict: "exceeds" });
    expect(at(58_000)).toEqual(at(59_000));
  });
});
