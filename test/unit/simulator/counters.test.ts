import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  counterAt,
  FLOWS,
  flowed,
  flowRate,
  writeUnsigned32,
  writeUnsigned64,
} from "../../../src/simulator/counters.ts";
import { BerWriter, counter64Value, TAG } from "../../../src/snmp/ber.ts";

const counter64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

describe("a written counter", () => {
  function expected(tag: number, value: bigint): string {
    const writer = new BerWriter();
    writer.octets(tag, counter64Value(value));
    return Buffer.from(writer.bytes()).toString("hex");
  }

  function written(write: (out: Uint8Array) => number): string {
    const out = Buffer.alloc(20, 0xee);
    const end = write(out);
    expect(out.subarray(end).every((octet) => octet === 0xee)).toBe(true);
    return out.subarray(3, end).toString("hex");
  }

  const edges = [7n, 8n, 15n, 16n, 31n, 32n, 39n, 40n, 52n, 53n, 62n, 63n]
    .flatMap((bits) => [2n ** bits - 1n, 2n ** bits])
    .concat(0n, 2n ** 64n - 1n);

  it("of 64 bits has the fewest octets that hold it without a sign", () => {
    const check = (value: bigint) => {
      const high = Number(value >> 32n);
      const low = Number(value & 0xffff_ffffn);
      expect(written((out) => writeUnsigned64(out, 3, TAG.counter64, high, low))).toBe(
        expected(TAG.counter64, value),
      );
    };
    edges.forEach(check);
    fc.assert(fc.property(counter64, check));
  });

  it("of 32 bits is the low 32 bits of a larger number", () => {
    const check = (value: bigint) => {
      expect(written((out) => writeUnsigned32(out, 3, TAG.counter32, Number(value)))).toBe(
        expected(TAG.counter32, value & 0xffff_ffffn),
      );
    };
    edges.filter((value) => value < 2n ** 53n).forEach(check);
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }), check));
  });
});

describe("a live counter", () => {
  it("grows by its rate every second, exactly, for years", () => {
    for (const seconds of [1, 59, 86_400, 10 * 365 * 86_400]) {
      expect(counterAt(5n, 39_999_999, seconds * 1_000, 64)).toBe(
        5n + 39_999_999n * BigInt(seconds),
      );
    }
  });

  it("never falls between two times, and is rounded down within a second", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 40_000_000 }),
        fc.integer({ min: 0, max: 10 ** 10 }),
        fc.integer({ min: 0, max: 5_000 }),
        (rate, elapsedMs, laterMs) => {
          const exact = (BigInt(rate) * BigInt(elapsedMs)) / 1_000n;

          expect(BigInt(flowed(rate, elapsedMs))).toBe(exact);
          expect(flowed(rate, elapsedMs + laterMs)).toBeGreaterThanOrEqual(flowed(rate, elapsedMs));
        },
      ),
    );
  });

  it("wraps at its width", () => {
    expect(counterAt(2n ** 32n - 10n, 20, 1_000, 32)).toBe(10n);
    expect(counterAt(2n ** 64n - 10n, 20, 1_000, 64)).toBe(10n);
  });

  it("has a rate that depends on seed, router, interface and flow, and on nothing else", () => {
    const rates = [1, 2].flatMap((seed) =>
      [0, 1, 2].flatMap((router) =>
        [1, 2, 3].flatMap((ifIndex) =>
          (["inOctets", "outOctets"] as const).map((flow) => flowRate(seed, router, ifIndex, flow)),
        ),
      ),
    );

    expect(new Set(rates).size).toBe(rates.length);
    expect(flowRate(1, 2, 3, "inOctets")).toBe(flowRate(1, 2, 3, "inOctets"));
  });

  it("has a whole rate above zero that a Counter32 of octets survives for 107 s", () => {
    for (let router = 0; router < 200; router++) {
      for (const flow of FLOWS) {
        const rate = flowRate(1, router, 2_147_467_776, flow);

        expect(Number.isInteger(rate)).toBe(true);
        expect(rate).toBeGreaterThan(0);
        expect(rate).toBeLessThanOrEqual(40_000_000);
      }
    }
  });
});
