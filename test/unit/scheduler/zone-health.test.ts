import { expect, test } from "vitest";
import { ZoneHealth } from "../../../src/scheduler/zone-health.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";

const A = "tenant-a" as TenantId;
const B = "tenant-b" as TenantId;

function fail(health: ZoneHealth, tenantId: TenantId, count: number, nowMs: number): boolean {
  let becameSuspected = false;
  for (let i = 0; i < count; i++)
    becameSuspected = health.failed(tenantId, nowMs) || becameSuspected;
  return becameSuspected;
}

test("a zone is suspected when nearly every router that answered before fails, and told so once", () => {
  const health = new ZoneHealth();

  const first = fail(health, A, 12, 1_000);
  const again = fail(health, A, 12, 2_000);

  expect([first, again]).toEqual([true, false]);
  expect(health.isSuspected).toBe(true);
});

test("a few failures say nothing", () => {
  const health = new ZoneHealth();

  fail(health, A, 9, 1_000);

  expect(health.isSuspected).toBe(false);
});

test("a tenant whose routers all fail does not bring suspicion on a zone where another's answer", () => {
  const health = new ZoneHealth();
  health.answered(B, 900);

  fail(health, A, 5_000, 1_000);

  expect(health.isSuspected).toBe(false);
});

test("an answer in between starts the count anew", () => {
  const health = new ZoneHealth();

  fail(health, A, 9, 1_000);
  health.answered(A, 1_001);
  fail(health, A, 9, 1_002);

  expect(health.isSuspected).toBe(false);
});

test("a tenant not heard of for ten minutes has no say", () => {
  const health = new ZoneHealth();
  health.answered(B, 0);

  fail(health, A, 12, 700_000);

  expect(health.isSuspected).toBe(true);
});

test("in a zone of many tenants five of them suffice", () => {
  const health = new ZoneHealth();
  const tenants = Array.from({ length: 40 }, (_, i) => `tenant-${i}` as TenantId);
  for (const tenantId of tenants) health.answered(tenantId, 0);

  for (const tenantId of tenants.slice(0, 4)) fail(health, tenantId, 5, 1_000);
  const byFour = health.isSuspected;
  fail(health, B, 1, 1_000);

  expect(byFour).toBe(false);
  expect(health.isSuspected).toBe(true);
});

test("one answer of anyone ends the suspicion", () => {
  const health = new ZoneHealth();
  fail(health, A, 12, 1_000);

  expect(health.answered(B, 2_000)).toBe(true);
  expect(health.isSuspected).toBe(false);
  expect(health.answered(B, 2_000)).toBe(false);
});

test("each tenant may probe at once, then every five seconds, also when the clock goes back", () => {
  const health = new ZoneHealth();

  const answers = [
    health.mayProbe(A, 10_000),
    health.mayProbe(A, 12_000),
    health.mayProbe(B, 12_000),
    health.mayProbe(A, 15_000),
    health.mayProbe(A, -3_600_000),
  ];

  expect(answers).toEqual([true, false, true, true, true]);
});
