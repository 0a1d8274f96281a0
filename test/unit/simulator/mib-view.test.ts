import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MibView } from "../../../src/simulator/mib-view.ts";
import { decodeOid, encodeOid, integerValue, TAG } from "../../../src/snmp/ber.ts";

function viewOf(oids: readonly string[]): MibView {
  return new MibView(
    oids.map((oid) => ({
      oid: encodeOid(oid),
      tag: TAG.integer,
      value: integerValue(1),
      moving: 0,
    })),
  );
}

function namesOf(view: MibView): string[] {
  return Array.from({ length: view.count }, (_, entry) =>
    decodeOid(view.bytes, view.oidStarts[entry], view.oidEnds[entry]),
  );
}

/** What an independent reading of "numerically" says. */
function compare(a: string, b: string): number {
  const left = a.split(".").map(Number);
  const right = b.split(".").map(Number);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = (left[i] as number) - (right[i] as number);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function firstAfter(view: MibView, oid: string): number {
  const octets = encodeOid(oid);
  // Not at the beginning of its array, as in a message.
  const message = Uint8Array.from([6, octets.length, ...octets, 5, 0]);
  return view.firstAfter(message, 2, 2 + octets.length);
}

const subId = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.constantFrom(127, 128, 255, 256, 16_383, 16_384, 2_097_152, 4_294_967_295),
);
const oid = fc.array(subId, { maxLength: 4 }).map((tail) => ["1", "3", ...tail].join("."));

describe("a view of a MIB", () => {
  it("holds its rows in numeric order of their OIDs", () => {
    fc.assert(
      fc.property(fc.uniqueArray(oid, { minLength: 1, maxLength: 40 }), (oids) => {
        expect(namesOf(viewOf(oids))).toEqual([...oids].sort(compare));
      }),
    );
  });

  it("finds the first OID after any other, itself in the view or not", () => {
    fc.assert(
      fc.property(fc.uniqueArray(oid, { maxLength: 40 }), oid, (oids, asked) => {
        const view = viewOf(oids);

        const expected = namesOf(view).filter((name) => compare(name, asked) <= 0).length;

        expect(firstAfter(view, asked)).toBe(expected);
      }),
    );
  });

  it("finds exactly the OIDs it has", () => {
    fc.assert(
      fc.property(fc.uniqueArray(oid, { maxLength: 40 }), oid, (oids, asked) => {
        const view = viewOf(oids);
        const octets = encodeOid(asked);

        expect(view.find(octets, 0, octets.length)).toBe(namesOf(view).indexOf(asked));
      }),
    );
  });

  it("knows whether anything lies below an OID", () => {
    const view = viewOf(["1.3.6.1.2.1", "1.3.6.1.200.1"]);
    const below = (text: string) => view.hasBelow(encodeOid(text), 0, encodeOid(text).length);

    expect(["1.3.6.1", "1.3.6.1.2", "1.3.6.1.200"].map(below)).toEqual([true, true, true]);
    expect(["1.3.6.1.2.1", "1.3.6.1.3", "1.3.6.2"].map(below)).toEqual([false, false, false]);
  });

  it("refuses two rows of one OID", () => {
    expect(() => viewOf(["1.3.6.1", "1.3.6.2", "1.3.6.1"])).toThrow(
      "Cannot serve OID 1.3.6.1 twice",
    );
  });
});
