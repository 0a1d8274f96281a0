import { describe, expect, it } from "vitest";
import { COUNTER_MAX, type MetricKind } from "../../../src/routers/counters.ts";
import {
  type Circumstances,
  type CounterPoint,
  type Rates,
  ratesOf,
} from "../../../src/routers/rates.ts";

const silent: Circumstances = {
  uptimeTicks: () => undefined,
  discontinuityTicks: () => undefined,
  bitsPerSecond: () => undefined,
};
const up = (ticks: (atMs: number) => number): Circumstances => ({ ...silent, uptimeTicks: ticks });
const points = (...values: (bigint | number)[]): CounterPoint[] =>
  values.map((value, minute) => ({ atMs: minute * 60_000, value }));
const at = (minute: number, perSecond: number) => ({ atMs: minute * 60_000, perSecond });

const rates = (
  kind: MetricKind,
  its: readonly CounterPoint[],
  said: Circumstances,
): Rates["points"] => ratesOf({ metric: "ifInOctets", kind }, its, said).points;

describe("rates", () => {
  it("are of each sample since the one before it", () => {
    expect(rates("counter", points(0n, 60n, 180n), silent)).toEqual([at(1, 1), at(2, 2)]);
    expect(rates("counter", points(0.5, 6.5), silent)).toEqual([at(1, 0.1)]);
    expect(rates("counter", points(5n), silent)).toEqual([]);
  });

  it("are none where a counter went down or its router restarted", () => {
    expect(rates("counter", points(100n, 40n, 100n), silent)).toEqual([at(2, 1)]);
    const restartedAt90s = up((atMs) => (atMs < 90_000 ? 9e6 + atMs / 10 : (atMs - 90_000) / 10));
    expect(rates("counter", points(0n, 60n, 600n, 660n), restartedAt90s)).toEqual([
      at(1, 1),
      at(3, 1),
    ]);
  });

  it("are none across a discontinuity the interface tells of", () => {
    const ages: Circumstances = {
      ...silent,
      uptimeTicks: (atMs) => 1e6 + atMs / 10,
      discontinuityTicks: (atMs) => (atMs < 120_000 ? 0 : 1e6 + 10_000),
    };
    expect(rates("counter", points(0n, 60n, 6_000n, 6_060n), ages)).toEqual([at(1, 1), at(3, 1)]);
  });

  it("know 64 bits, and the end of 32", () => {
    const high = BigInt.asIntN(64, COUNTER_MAX - 60n);
    expect(rates("counter", points(high, -1n), silent)).toEqual([at(1, 1)]);
    expect(rates("counter32", points(2n ** 32n - 30n, 30n), silent)).toEqual([at(1, 1)]);
    expect(rates("counter", points(2n ** 32n - 30n, 30n), silent)).toEqual([]);
  });

  it("go on where sysUpTime passes its end after 497 days, and only there", () => {
    const passes = up((atMs) => (2 ** 32 - 9_000 + atMs / 10) % 2 ** 32);
    expect(rates("counter", points(0n, 60n, 120n, 180n), passes)).toEqual([
      at(1, 1),
      at(2, 1),
      at(3, 1),
    ]);
    const restarts = up((atMs) => (atMs < 90_000 ? 2 ** 32 - 90_000 + atMs / 10 : 3_000));
    expect(rates("counter", points(0n, 60n, 120n), restarts)).toEqual([at(1, 1)]);
  });

  it("are none, and said to be unreliable, of 32 bits that the interface can fill between two samples", () => {
    const isUnreliable = (bitsPerSecond: number | undefined, metric = "ifInOctets") => {
      const said = { ...silent, bitsPerSecond: () => bitsPerSecond };
      const found = ratesOf({ metric, kind: "counter32" }, points(0n, 60n), said);
      expect(found.points).toEqual(found.mayGoAround ? [] : [at(1, 1)]);
      return found.mayGoAround;
    };

    expect([1e8, 5.7e8, 5.8e8, 1e9, undefined].map((speed) => isUnreliable(speed))).toEqual([
      false,
      false,
      true,
      true,
      false,
    ]);
    expect([1e9, 4e10, 1e11].map((speed) => isUnreliable(speed, "ifInUcastPkts"))).toEqual([
      false,
      false,
      true,
    ]);
    const fast = { ...silent, bitsPerSecond: () => 1e11 };
    expect(rates("counter", points(0n, 60n), fast)).toEqual([at(1, 1)]);
  });

  it("come back after a reset, whatever the counter said before", () => {
    const high = 2n ** 63n - 1n;
    expect(rates("counter", points(high, 3n, 63n, 123n), silent)).toEqual([at(2, 1), at(3, 1)]);
  });
});
