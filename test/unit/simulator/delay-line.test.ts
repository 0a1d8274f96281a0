import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openDelayLine } from "../../../src/simulator/delay-line.ts";

describe("a delay line", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("releases everything in its order, each after the delay", () => {
    const released: [string, number][] = [];
    const line = openDelayLine<string>(20, (item) => released.push([item, performance.now()]));
    const start = performance.now();

    line.add("a");
    vi.advanceTimersByTime(5);
    line.add("b");
    line.add("c");
    vi.advanceTimersByTime(100);

    expect(released).toEqual([
      ["a", start + 20],
      ["b", start + 25],
      ["c", start + 25],
    ]);
  });

  it("needs one timer however much waits", () => {
    const line = openDelayLine<number>(20, () => {});

    for (let i = 0; i < 10_000; i++) line.add(i);

    expect(vi.getTimerCount()).toBe(1);
  });

  it("goes on with what is added while it releases", () => {
    const released: number[] = [];
    const line = openDelayLine<number>(20, (item) => {
      released.push(item);
      if (item < 3) line.add(item + 1);
    });

    line.add(1);
    vi.advanceTimersByTime(100);

    expect(released).toEqual([1, 2, 3]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("stopped, releases nothing and keeps no timer", () => {
    const line = openDelayLine<number>(20, () => {
      throw new Error("released");
    });

    line.add(1);
    line.stop();
    vi.advanceTimersByTime(100);

    expect(vi.getTimerCount()).toBe(0);
  });
});
