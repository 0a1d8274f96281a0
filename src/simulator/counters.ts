/**
 * How live values move: every counter by a whole number a second, known from the seed, so that a test that reads a
 * counter twice knows what the difference must be. Pure functions of (seed, router, interface, flow, time): thousands
 * of routers keep no counters at all.
 */
import { TAG } from "../snmp/ber.ts";

/** What flows through an interface, first in, then out; the 32-bit and 64-bit counters of a flow show the same number. */
export const FLOWS = [
  "inOctets",
  "inUcastPkts",
  "inMulticastPkts",
  "inBroadcastPkts",
  "outOctets",
  "outUcastPkts",
  "outMulticastPkts",
  "outBroadcastPkts",
] as const;
export type Flow = (typeof FLOWS)[number];

/** The counters of IF-MIB that move: their columns, flow by flow (RFC 2863). NUcast counters are left as they are. */
export const COUNTER_COLUMNS = [
  { name: "ifInOctets", oid: "1.3.6.1.2.1.2.2.1.10", flow: "inOctets", bits: 32 },
  { name: "ifInUcastPkts", oid: "1.3.6.1.2.1.2.2.1.11", flow: "inUcastPkts", bits: 32 },
  { name: "ifOutOctets", oid: "1.3.6.1.2.1.2.2.1.16", flow: "outOctets", bits: 32 },
  { name: "ifOutUcastPkts", oid: "1.3.6.1.2.1.2.2.1.17", flow: "outUcastPkts", bits: 32 },
  { name: "ifInMulticastPkts", oid: "1.3.6.1.2.1.31.1.1.1.2", flow: "inMulticastPkts", bits: 32 },
  { name: "ifInBroadcastPkts", oid: "1.3.6.1.2.1.31.1.1.1.3", flow: "inBroadcastPkts", bits: 32 },
  { name: "ifOutMulticastPkts", oid: "1.3.6.1.2.1.31.1.1.1.4", flow: "outMulticastPkts", bits: 32 },
  { name: "ifOutBroadcastPkts", oid: "1.3.6.1.2.1.31.1.1.1.5", flow: "outBroadcastPkts", bits: 32 },
  { name: "ifHCInOctets", oid: "1.3.6.1.2.1.31.1.1.1.6", flow: "inOctets", bits: 64 },
  { name: "ifHCInUcastPkts", oid: "1.3.6.1.2.1.31.1.1.1.7", flow: "inUcastPkts", bits: 64 },
  { name: "ifHCInMulticastPkts", oid: "1.3.6.1.2.1.31.1.1.1.8", flow: "inMulticastPkts", bits: 64 },
  { name: "ifHCInBroadcastPkts", oid: "1.3.6.1.2.1.31.1.1.1.9", flow: "inBroadcastPkts", bits: 64 },
  { name: "ifHCOutOctets", oid: "1.3.6.1.2.1.31.1.1.1.10", flow: "outOctets", bits: 64 },
  { name: "ifHCOutUcastPkts", oid: "1.3.6.1.2.1.31.1.1.1.11", flow: "outUcastPkts", bits: 64 },
  {
    name: "ifHCOutMulticastPkts",
    oid: "1.3.6.1.2.1.31.1.1.1.12",
    flow: "outMulticastPkts",
    bits: 64,
  },
  {
    name: "ifHCOutBroadcastPkts",
    oid: "1.3.6.1.2.1.31.1.1.1.13",
    flow: "outBroadcastPkts",
    bits: 64,
  },
] as const satisfies readonly { name: string; oid: string; flow: Flow; bits: 32 | 64 }[];

export type CounterName = (typeof COUNTER_COLUMNS)[number]["name"];

/** The largest rate of octets: 320 Mbit/s, at which a Counter32 wraps every 107 s. */
const OCTETS_PER_SECOND_MAX = 40_000_000;
const OCTETS_PER_PACKET = 700;

/**
 * By how much a live counter of an interface grows a second: a whole number, the same for the same arguments.
 * `router` is the router's place in the simulator, from 0.
 */
export function flowRate(seed: number, router: number, ifIndex: number, flow: Flow): number {
  return flowRateOf(routerKey(seed, router), ifIndex, FLOWS.indexOf(flow));
}

/** The same by a router's key and a flow's place in FLOWS. */
export function flowRateOf(key: number, ifIndex: number, flow: number): number {
  // Places 0 to 3 are in, 4 to 7 out: octets, unicast, multicast, broadcast.
  const salt = flow & 4;
  switch (flow & 3) {
    case 0:
      return octetRate(key, ifIndex, salt);
    case 1:
      return Math.ceil(octetRate(key, ifIndex, salt) / OCTETS_PER_PACKET);
    case 2:
      return 1 + Math.floor(unit(key, ifIndex, salt + 2) * 20);
    default:
      return 1 + Math.floor(unit(key, ifIndex, salt + 3) * 5);
  }
}

/** Squared, so that most links are nearly idle and a few are busy. */
function octetRate(key: number, ifIndex: number, salt: number): number {
  const share = unit(key, ifIndex, salt);
  return 1_000 + Math.floor(share * share * (OCTETS_PER_SECOND_MAX - 1_000));
}

/** How far a flow of `perSecond` gets in `elapsedMs`, rounded down; exact, because milliseconds are multiplied apart. */
export function flowed(perSecond: number, elapsedMs: number): number {
  const seconds = Math.floor(elapsedMs / 1_000);
  return perSecond * seconds + Math.floor((perSecond * (elapsedMs - seconds * 1_000)) / 1_000);
}

/** What a counter that stood at `base` shows after `elapsedMs`, wrapped to its width. */
export function counterAt(
  base: bigint,
  perSecond: number,
  elapsedMs: number,
  bits: 32 | 64,
): bigint {
  return BigInt.asUintN(bits, base + BigInt(flowed(perSecond, elapsedMs)));
}

/** All that a router's values depend on, in 32 bits. */
export function routerKey(seed: number, router: number): number {
  return mix(Math.imul(seed, 0x9e3779b9) ^ 0x7f4a7c15, router, 0);
}

/** Thirty-two well mixed bits, signed, of a key and two numbers; the same on every machine. */
export function mix(key: number, a: number, b: number): number {
  let h = Math.imul(key ^ a, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15) ^ Math.imul(b + 1, 0x9e3779b9), 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 13), 0x27d4eb2f);
  return h ^ (h >>> 16);
}

/** A number in [0, 1) of the same. */
export function unit(key: number, a: number, b: number): number {
  return (mix(key, a, b) >>> 0) / 4_294_967_296;
}

/** Makes what one interface says here independent of what it says there; flows have 0 to 7. */
export const SALT = { status: 8, lastChange: 9, number: 10, maker: 11, uptime: 12 } as const;

// Values written where they are wanted, tag and length before them, in the fewest octets (X.690, section 8.3.2).

/** A Counter32, Gauge32 or TimeTicks of the low 32 bits of `value`. Returns the end. */
export function writeUnsigned32(out: Uint8Array, at: number, tag: number, value: number): number {
  return writeUnsigned64(out, at, tag, 0, value);
}

/** A Counter64 of `high` × 2^32 + `low`, each taken for 32 unsigned bits. Returns the end. */
export function writeUnsigned64(
  out: Uint8Array,
  at: number,
  tag: number,
  high: number,
  low: number,
): number {
  const bits = high === 0 ? 32 - Math.clz32(low) : 64 - Math.clz32(high);
  // One bit more for the sign, which is never set.
  const octets = (bits >>> 3) + 1;
  out[at] = tag;
  out[at + 1] = octets;
  let to = at + 1 + octets;
  const end = to + 1;
  for (let rest = low; to > at + 1 && to > end - 5; to--, rest >>>= 8) out[to] = rest;
  for (let rest = high; to > at + 1; to--, rest >>>= 8) out[to] = rest;
  return end;
}

/** An INTEGER of 0 to 127. Returns the end. */
export function writeSmallInteger(out: Uint8Array, at: number, value: number): number {
  out[at] = TAG.integer;
  out[at + 1] = 1;
  out[at + 2] = value;
  return at + 3;
}
