import { describe, expect, test } from "vitest";
import { fuzzTransport } from "../../src/bench/snmp-fuzz.ts";
import { expectSameDecoding } from "../snmp-differential.ts";

/** Half a minute of what `bench snmp --fuzz` does for a million datagrams, and the whole comparison of decoders. */

const FUZZ_SECONDS = 30;
const MESSAGES = 100_000;

describe("datagrams nobody can be prepared for", () => {
  test(`throw nothing, hold no walk up and leave nothing behind, for ${FUZZ_SECONDS} s`, async () => {
    const seed = 20_250_104;

    const result = await fuzzTransport({
      seed,
      datagrams: Number.POSITIVE_INFINITY,
      seconds: FUZZ_SECONDS,
    });

    const where = `seed ${seed}: ${JSON.stringify(result)}`;
    expect(result.datagrams, where).toBeGreaterThan(5_000);
    expect(result.malformed, where).toBeGreaterThan(500);
    expect(result.responses, where).toBeGreaterThan(100);
    expect(result.inFlightAtEnd, where).toBe(0);
    // Deadlines are seconds away; what is awaited is that no walk goes on by itself.
    expect(result.overdueMsMax, where).toBeLessThan(10_000);
    expect(Object.keys(result.outcomes), where).toEqual(
      expect.arrayContaining(["partial", "malformed"]),
    );
    expect(result.rssMb.end - result.rssMb.early, where).toBeLessThan(300);
  }, 180_000);
});

describe(`${MESSAGES} valid messages`, () => {
  test("are decoded as net-snmp does, by the hot path and by the plain one", () => {
    expectSameDecoding({ seed: 1_158, messages: MESSAGES });
  }, 180_000);
});
