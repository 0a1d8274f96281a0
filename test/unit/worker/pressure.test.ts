import { describe, expect, it } from "vitest";
import { nextShare, SHARE_MIN } from "../../../src/worker/event-loop-pressure.ts";
import { offeredSlots, shareOfRoom } from "../../../src/worker/pressure.ts";

describe("the slots a worker offers", () => {
  it("are all of them without pressure", () => {
    expect(offeredSlots(200, [], 1)).toBe(200);
    expect(offeredSlots(200, [1, 1], 1)).toBe(200);
  });

  it("follow the tightest pressure", () => {
    expect(offeredSlots(200, [0.9, 0.25, 0.5], 1)).toBe(50);
  });

  it("are some while there is any share, and none without", () => {
    expect(offeredSlots(10, [0.01], 2)).toBe(2);
    expect(offeredSlots(1, [0.5], 2)).toBe(1);
    expect(offeredSlots(10, [1, 0], 2)).toBe(0);
    expect(offeredSlots(10, [Number.NaN], 2)).toBe(0);
  });
});

describe("the pressure of something that fills", () => {
  it("is none up to half of its bound, and all at its bound", () => {
    expect(shareOfRoom(0, 1_000)).toBe(1);
    expect(shareOfRoom(500, 1_000)).toBe(1);
    expect(shareOfRoom(750, 1_000)).toBe(0.5);
    expect(shareOfRoom(1_000, 1_000)).toBe(0);
    expect(shareOfRoom(5_000, 1_000)).toBe(0);
  });
});

describe("the pressure of an event loop that lags", () => {
  const shareAfter = (share: number, ...lagsMs: number[]) =>
    lagsMs.reduce((before, lagMs) => nextShare(before, lagMs, 200), share);

  it("halves the slots each heartbeat the lag is above its bound, down to a few", () => {
    expect(shareAfter(1, 201)).toBe(0.5);
    expect(shareAfter(1, 201, 900)).toBe(0.25);
    expect(shareAfter(1, ...Array<number>(50).fill(1_000))).toBe(SHARE_MIN);
  });

  it("gives them back step by step once the lag is below half of its bound", () => {
    expect(shareAfter(0.5, 99)).toBe(0.625);
    expect(shareAfter(SHARE_MIN, ...Array<number>(8).fill(0))).toBe(1);
    expect(shareAfter(1, 0)).toBe(1);
  });

  it("changes nothing in between, nor for a lag that is no number", () => {
    expect(shareAfter(0.5, 100, 150, 200)).toBe(0.5);
    expect(shareAfter(0.5, Number.NaN)).toBe(0.5);
  });
});
