import fc from "fast-check";
import { expect, it } from "vitest";
import { parseFloats, parseIntegers } from "../../../src/storage/array-text.ts";

it("reads integers of 64 bits exactly, whatever they are", () => {
  const bigInt = fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -(10n ** 16n), max: 10n ** 16n }),
    fc.bigInt({ min: -5n, max: 5n }),
  );
  fc.assert(
    fc.property(fc.array(fc.option(bigInt)), (elements) => {
      const text = `{${elements.map((element) => element ?? "NULL").join(",")}}`;

      const { values, present } = parseIntegers(text, elements.length);

      expect([...values]).toEqual(elements.map((element) => element ?? 0n));
      expect([...present]).toEqual(elements.map((element) => (element === null ? 0 : 1)));
    }),
  );
});

it("reads floats, NaN and infinities too", () => {
  const { values, present } = parseFloats("{1.5,NaN,NULL,-Infinity,1e+300}", 5);

  expect([...values]).toEqual([1.5, Number.NaN, 0, -Infinity, 1e300]);
  expect([...present]).toEqual([1, 1, 0, 1, 1]);
});

it("refuses an array of another length than its shape", () => {
  expect(() => parseIntegers("{1,2,3}", 2)).toThrow(/an array of 3 values as 2/);
  expect(() => parseIntegers("{1}", 2)).toThrow(/an array of 1 values as 2/);
});
