import { describe, expect, it } from "vitest";
import {
  counterAgeMs,
  type Halves,
  increaseOf,
  isSameEpoch,
  type MetricKind,
  mayGoAround,
  routerAgeMs,
  speedOf,
  uptimePastEnd,
} from "../../../src/routers/counters.ts";

const TICKS_END = 2 ** 32;

describe("the increase of a counter", () => {
  const increase = (kind: MetricKind, before: bigint, after: bigint): bigint | undefined => {
    const halves = (value: bigint): Halves => ({
      high: Number(value >> 32n),
      low: Number(value & 0xffff_ffffn),
    });
    const into: Halves = { high: 0, low: 0 };
    if (!increaseOf(kind, halves(before), halves(after), into)) return undefined;
    return BigInt(into.high) * 2n ** 32n + BigInt(into.low);
  };

  it.each<[MetricKind, bigint, bigint, bigint | undefined]>([
    ["counter", 0n, 2n ** 64n - 1n, 2n ** 64n - 1n],
    ["counter", 2n ** 53n, 2n ** 53n + 1n, 1n],
    ["counter", 2n ** 32n - 1n, 2n ** 32n, 1n],
    ["counter", 5n, 5n, 0n],
    ["counter", 6n, 5n, undefined],
    ["counter", 2n ** 64n - 1n, 0n, undefined],
    ["counter", 2n ** 32n - 1n, 0n, undefined],
    ["counter32", 2n ** 32n - 1n, 0n, 1n],
    ["counter32", 2n ** 31n + 1n, 0n, 2n ** 31n - 1n],
    ["counter32", 2n ** 31n, 0n, undefined],
    ["counter32", 7n, 3n, undefined],
    ["counter32", 2n ** 32n, 3n, undefined],
  ])("%s from %s to %s is %s", (kind, before, after, expected) => {
    expect(increase(kind, before, after)).toBe(expected);
  });
});

describe("an epoch", () => {
  it.each<[string, number | undefined, number | undefined, boolean]>([
    ["of a router that says nothing of its age goes on", undefined, undefined, true],
    ["goes on while the router is older than the interval", 6_001, undefined, true],
    ["goes on where clocks tell a little differently", 5_850, undefined, true],
    ["ends with a restart", 4_000, undefined, false],
    ["goes on where the last discontinuity is old", 1e7, 1e6, true],
    ["ends with a discontinuity", 1e7, 1e7 - 3_000, false],
    ["goes on where the discontinuity is yet to come", 1e7, 2e7, true],
    ["goes on where the times are negative numbers", -1, -1, true],
  ])("%s", (_name, uptimeTicks, discontinuityTicks, expected) => {
    const ageMs = counterAgeMs(routerAgeMs(uptimeTicks), discontinuityTicks);

    expect(isSameEpoch(ageMs, 60_000)).toBe(expected);
  });

  it.each<[string, number | undefined, number | undefined, number | undefined]>([
    ["counts on", 12_000, 6_000, 12_000],
    ["passes its end", 5_000, TICKS_END - 1_000, TICKS_END + 5_000],
    ["passes its end, a second off", 5_100, TICKS_END - 1_000, TICKS_END + 5_100],
    ["begins anew just before its end", 5_000, TICKS_END - 5_000, 5_000],
    ["begins anew", 5_000, 1e8, 5_000],
    ["was not told before", 5_000, undefined, 5_000],
    ["is not told", undefined, 5_000, undefined],
  ])("knows whether sysUpTime %s", (_name, now, before, expected) => {
    expect(uptimePastEnd(now, before, 60_000)).toBe(expected);
  });

  it("goes on for interfaces too when sysUpTime passes its end, unless they tell of a discontinuity", () => {
    const ageMs = routerAgeMs(uptimePastEnd(5_000, TICKS_END - 1_000, 60_000));

    expect(isSameEpoch(counterAgeMs(ageMs, 0), 60_000)).toBe(true);
    expect(isSameEpoch(counterAgeMs(ageMs, TICKS_END - 500), 60_000)).toBe(false);
  });
});

describe("a counter of 32 bits", () => {
  it.each<[string, number | undefined, number, boolean]>([
    ["ifInOctets", 10_000_000, 300_000, false],
    ["ifInOctets", 100_000_000, 300_000, false],
    ["ifInOctets", 100_000_000, 344_000, true],
    ["ifInOctets", 1_000_000_000, 30_000, false],
    ["ifInOctets", 1_000_000_000, 60_000, true],
    ["ifInOctets", undefined, 86_400_000, false],
    ["ifInUcastPkts", 1_000_000_000, 60_000, false],
    ["ifInUcastPkts", 1_000_000_000, 3_600_000, true],
  ])("of %s at %s bit/s can go around in %s ms: %s", (metric, speed, elapsedMs, expected) => {
    expect(mayGoAround(metric, speed, elapsedMs)).toBe(expected);
  });

  it("is judged by ifHighSpeed, and by ifSpeed where that is all there is and fits", () => {
    expect(speedOf(1_000, 4_294_967_295)).toBe(1e9);
    expect(speedOf(0, 64_000)).toBe(64_000);
    expect(speedOf(undefined, 1e8)).toBe(1e8);
    expect(speedOf(undefined, 4_294_967_295)).toBeUndefined();
    expect(speedOf(0, 0)).toBeUndefined();
  });
});
