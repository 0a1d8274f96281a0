import { randomFillSync, randomInt } from "node:crypto";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** The counter begins below half its 26 bits, so that a millisecond has room for 33 million more. */
const COUNTER_START_LIMIT = 2 ** 25;

let counterMs = -1;
let counter = 0;

/** Whether `text` is a UUID in its lower-case canonical form (RFC 9562, section 4). */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/**
 * A UUID of version 7 (RFC 9562, section 5.7): 48 bits of `nowMs`, a counter of 26 bits, 48 random bits. Sorts by
 * time of creation, also within a millisecond of this process (section 6.2, method 1): rows come back in the order
 * they were made in.
 */
export function uuidv7(nowMs: number = Date.now()): string {
  if (nowMs === counterMs) counter++;
  else counter = randomInt(COUNTER_START_LIMIT);
  counterMs = nowMs;

  const bytes = Buffer.allocUnsafe(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes.writeUInt16BE(0x7000 | (counter >>> 14), 6);
  bytes.writeUInt16BE(0x8000 | (counter & 0x3fff), 8);
  randomFillSync(bytes, 10);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
