import { expect, test } from "vitest";
import { Elapsed } from "../../../src/lib/elapsed.ts";

const HOUR_MS = 3_600_000;

test("time goes on by a clock that is set back", () => {
  let wallMs = 5 * HOUR_MS;
  const elapsed = new Elapsed({ now: () => wallMs }, 2_000);

  wallMs -= HOUR_MS;

  expect(elapsed.ms).toBeGreaterThanOrEqual(2_000);
  expect(elapsed.ms).toBeLessThan(HOUR_MS);
});

test("a clock that is set forward, or a machine that slept, makes it longer", () => {
  let wallMs = 5 * HOUR_MS;
  const elapsed = new Elapsed({ now: () => wallMs });

  wallMs += HOUR_MS;

  expect(elapsed.ms).toBe(HOUR_MS);
});
