import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { AnswerLimits, RouterId } from "../../../src/routers/router.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";
import { type Learnt, LimitsKeeper } from "../../../src/worker/limits-keeper.ts";

const TENANT = "tenant" as TenantId;
const OTHER = "other" as TenantId;
const ROUTER = "router" as RouterId;
const limits = (repetitionsMax: number): AnswerLimits => {
  return { answerBytesMax: 1_400, repetitionsMax, varbindsMax: 100, limitsSinceMs: 0 };
};
const log = { debug() {}, info() {}, warn: vi.fn(), error() {} };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  log.warn.mockClear();
});

function keeper(save: (tenantId: TenantId, learnt: readonly Learnt[]) => Promise<void>) {
  return new LimitsKeeper(save, log);
}

describe("what polls learn about sizes", () => {
  test("is written some seconds later, the last word on each walk, in one statement a tenant", async () => {
    const saved: [TenantId, readonly Learnt[]][] = [];
    const kept = keeper((tenantId, learnt) => {
      saved.push([tenantId, learnt]);
      return Promise.resolve();
    });

    kept.keep(TENANT, ROUTER, new Map([["walk", limits(10)]]));
    kept.keep(TENANT, ROUTER, new Map([["walk", limits(5)]]));
    kept.keep(TENANT, ROUTER, new Map());
    kept.keep(OTHER, ROUTER, new Map([["walk", limits(7)]]));
    expect(saved).toEqual([]);
    await vi.advanceTimersByTimeAsync(60_000);

    expect(saved).toEqual([
      [TENANT, [{ routerId: ROUTER, walk: "walk", limits: limits(5) }]],
      [OTHER, [{ routerId: ROUTER, walk: "walk", limits: limits(7) }]],
    ]);
    await kept.stop();
  });

  test("is written at once when the worker stops", async () => {
    const save = vi.fn(() => Promise.resolve());
    const kept = keeper(save);
    kept.keep(TENANT, ROUTER, new Map([["walk", limits(10)]]));

    await kept.stop();

    expect(save).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(save).toHaveBeenCalledTimes(1);
  });

  test("is forgotten when Postgres will not have it, and polls go on", async () => {
    const kept = keeper(() => Promise.reject(new Error("no connection")));
    kept.keep(TENANT, ROUTER, new Map([["walk", limits(10)]]));

    await kept.stop();

    expect(log.warn).toHaveBeenCalledTimes(1);
  });
});
