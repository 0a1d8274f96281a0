/** Numbers of stored samples as Prometheus text. */

import { endianness } from "node:os";

const LOW = endianness() === "LE" ? 0 : 1;
const TWO_32 = 4_294_967_296;

/** A block's values as pairs of 32 bits: whole numbers become text without becoming BigInts. */
export function wordsOf(values: BigInt64Array | Float64Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length * 2);
}

/**
 * The 64-bit integer at `cell`. Signed only where its upper half is all ones and it is no counter: a negative INTEGER has
 * 32 bits, so anything else below zero is a Counter64 of 2^63 and above. With `wrap`, modulo 2^53.
 */
export function integerText(
  words: Int32Array,
  cell: number,
  format: { readonly isCounter: boolean; readonly wrap: boolean },
): string {
  const low = (words[cell * 2 + LOW] ?? 0) >>> 0;
  const high = words[cell * 2 + 1 - LOW] ?? 0;
  if (high === 0) return String(low);
  if (high === -1 && !format.isCounter) return String(low - TWO_32);
  if (format.wrap) return String((high & 0x1f_ffff) * TWO_32 + low);
  return ((BigInt(high >>> 0) << 32n) | BigInt(low)).toString();
}

/** A float as Prometheus reads it. */
export function floatText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? "+Inf" : "-Inf";
}
