import { createHash } from "node:crypto";

/**
 * The id of a part of a flush: always the same for the same part, and of the flush's time, so that it is forgotten with
 * the flush's own id. Pure.
 */
export function partId(flushId: string, part: string): string {
  const hash = createHash("sha256").update(`${flushId}/${part}`).digest("hex");
  // The time and the version of a UUIDv7 stay; the rest is the hash's, with the variant of RFC 9562.
  return `${flushId.slice(0, 15)}${hash.slice(0, 3)}-8${hash.slice(3, 6)}-${hash.slice(6, 18)}`;
}

/** When a flush was made, in milliseconds since the Unix epoch. Pure. */
export function flushTimeMs(flushId: string): number {
  return Number.parseInt(flushId.slice(0, 8) + flushId.slice(9, 13), 16);
}
