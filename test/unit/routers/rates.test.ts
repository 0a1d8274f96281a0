import { describe, expect, it } from "vitest";
import { COUNTER_MAX } from "../../../src/routers/counters.ts";
import { type Ages, type CounterPoint, ratesOf } from "../../../src/routers/rates.ts";

const silent: Ages = { uptimeTicks: () => undefined, discontinuityTicks: () => undefined };
const up = (ticks: (atMs: number) => number): Ages => ({ ...silent, uptimeTicks: ticks });
const points = (...values: (bigint | number)[]): CounterPoint[] =>
  values.map((value, minute) => ({ atMs: minute * 60_000, value }));
const at = (minute: number, perSecond: number) => ({ atMs: minute * 60_000, perSecond });

describe("rates", () => {
  it("are of each sample since the one before it", () => {
    expect(ratesOf("counter", points(0n, 60n, 180n), silent)).toEqual([at(1, 1), at(2, 2)]);
    expect(ratesOf("counter", points(0.5, 6.5), silent)).toEqual([at(1, 0.1)]);
    expect(ratesOf("counter", points(5n), silent)).toEqual([]);
  });

  it("are none where a counter went down or its router restarted", () => {
    expect(ratesOf("counter", points(100n, 40n, 100n), silent)).toEqual([at(2, 1)]);
    const restartedAt90s = up((atMs) => (atMs < 90_000 ? 9e6 + atMs / 10 : (atMs - 90_000) / 10));
    expect(ratesOf("counter", points(0n, 60n, 600n, 660n), restartedAt90s)).toEqual([
      at(1, 1),
      at(3, 1),
    ]);
  });

  it("are none across a discontinuity the interface tells of", () => {
    const ages: Ages = {
      uptimeTicks: (atMs) => 1e6 + atMs / 10,
      discontinuityTicks: (atMs) => (atMs < 120_000 ? 0 : 1e6 + 10_000),
    };
    expect(ratesOf("counter", points(0n, 60n, 6_000n, 6_060n), ages)).toEqual([at(1, 1), at(3, 1)]);
  });

  it("know 64 bits, and the end of 32", () => {
    const high = BigInt.asIntN(64, COUNTER_MAX - 60n);
    expect(ratesOf("counter", points(high, -1n), silent)).toEqual([at(1, 1)]);
    expect(ratesOf("counter32", points(2n ** 32n - 30n, 30n), silent)).toEqual([at(1, 1)]);
    expect(ratesOf("counter", points(2n ** 32n - 30n, 30n), silent)).toEqual([]);
  });
});
