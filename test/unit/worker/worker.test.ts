import { describe, expect, it } from "vitest";
import { offeredSlots } from "../../../src/worker/worker.ts";

describe("the slots a worker offers", () => {
  it("are all of them while its writer keeps up", () => {
    expect(offeredSlots(200, 0, 1_000)).toBe(200);
    expect(offeredSlots(200, 500, 1_000)).toBe(200);
  });

  it("shrink as the writer falls behind, and are none at its bound", () => {
    expect(offeredSlots(200, 750, 1_000)).toBe(100);
    expect(offeredSlots(200, 1_000, 1_000)).toBe(0);
    expect(offeredSlots(200, 5_000, 1_000)).toBe(0);
  });
});
