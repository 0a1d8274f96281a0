import { expect, test } from "vitest";
import type { RouterId } from "../../../src/routers/router.ts";
import type { ScheduledTenant } from "../../../src/scheduler/tenant-account.ts";
import { type PlannedRouter, ZoneSchedule } from "../../../src/scheduler/zone-schedule.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";

/** An MSP and its tenants in a zone, as the database has them: who shares what with whom. */

const START = 1_700_000_000_000;
const MSP = "msp" as TenantId;
const [ONE, TWO, RIVAL] = ["one", "two", "rival"] as [TenantId, TenantId, TenantId];
const POLLS = 240;

function routersOf(tenantId: TenantId): PlannedRouter[] {
  return Array.from({ length: POLLS }, (_, n) => ({
    id: `${tenantId}-${n}` as RouterId,
    tenantId,
    intervalSeconds: 60,
  }));
}

function tenantsOf(msp: Partial<ScheduledTenant> = {}): ReadonlyMap<TenantId, ScheduledTenant> {
  const plain = { tier: "business", weight: 1, isActive: true } as const;
  const tenants: ScheduledTenant[] = [
    { tenantId: MSP, tier: "msp", weight: 2, isActive: true, ...msp },
    { tenantId: ONE, ...plain, parent: MSP },
    { tenantId: TWO, ...plain, weight: 3, parent: MSP },
    { tenantId: RIVAL, ...plain, weight: 2 },
  ];
  return new Map(tenants.map((tenant) => [tenant.tenantId, tenant]));
}

function zone() {
  const nothing = () => undefined;
  const schedule = new ZoneSchedule(
    { failuresMax: 3, probeSpacingMsMax: 900_000 },
    { lateness: nothing, poll: nothing, skip: nothing, unheard: nothing, zoneSuspected: nothing },
  );
  schedule.reportSlots(10, START);
  schedule.setTenants(tenantsOf());
  return schedule;
}

/** How many of the next polls are each tenant's, everyone having enough of them due. */
function turns(schedule: ZoneSchedule): Record<string, number> {
  const counts: Record<string, number> = {};
  let nowMs = START + 61_000;
  schedule.takeDue(nowMs, 10_000);
  for (let n = 0; n < POLLS; n++) {
    const [job] = schedule.release(nowMs, 1);
    if (job === undefined) break;
    counts[job.tenantId] = (counts[job.tenantId] ?? 0) + 1;
    schedule.active(job.routerId, nowMs);
    const startedAtMs = nowMs;
    nowMs += 20;
    schedule.finished(job.routerId, { outcome: "answered", costMs: 20, startedAtMs }, nowMs);
  }
  return counts;
}

/** Half for the rival, of the other half a quarter and three quarters, give or take a few polls. */
function expectShares(counts: Record<string, number>): void {
  expect(Math.abs((counts[RIVAL] ?? 0) - POLLS / 2)).toBeLessThanOrEqual(4);
  expect(Math.abs((counts[ONE] ?? 0) - POLLS / 8)).toBeLessThanOrEqual(4);
  expect(Math.abs((counts[TWO] ?? 0) - (3 * POLLS) / 8)).toBeLessThanOrEqual(4);
}

test("an MSP's tenants share its weight by their own", () => {
  const schedule = zone();
  schedule.setRouters([ONE, TWO, RIVAL].flatMap(routersOf), START);

  expectShares(turns(schedule));
});

test("they go on in its share when it is suspended, whether it had routers or not", () => {
  for (const polled of [
    [ONE, TWO, RIVAL],
    [MSP, ONE, TWO, RIVAL],
  ]) {
    const schedule = zone();
    schedule.setRouters(polled.flatMap(routersOf), START);

    schedule.setTenants(tenantsOf({ isActive: false }));

    const counts = turns(schedule);
    expect(counts[MSP]).toBeUndefined();
    expectShares(counts);
  }
});

test("its row says how often polls came due and what they cost, once that was measured", () => {
  const schedule = zone();
  schedule.setRouters(routersOf(RIVAL), START);
  const rowOf = (nowMs: number) => schedule.rows(nowMs).find(({ tenantId }) => tenantId === RIVAL);
  expect(rowOf(START + 1_000)).toMatchObject({ meanCostMs: null, routers: POLLS });

  turns(schedule);

  const row = rowOf(START + 70_000);
  expect(row?.meanCostMs).toBe(20);
  expect(row?.pollsPerSecond).toBeGreaterThan(0);
  expect(row?.demandMsPerSecond).toBeCloseTo(20 * (row?.pollsPerSecond ?? 0), 6);
});
