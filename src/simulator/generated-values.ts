/**
 * What makes one generated router another than the next: names, addresses, states, counters, all computed from (seed,
 * router, interface, time) when they are asked for, never stored.
 */
import { TAG } from "../snmp/ber.ts";
import {
  FLOWS,
  type Flow,
  flowed,
  flowRateOf,
  routerKey,
  SALT,
  unit,
  writeSmallInteger,
  writeUnsigned32,
  writeUnsigned64,
} from "./counters.ts";
import { COUNTER, FIELD, type GeneratedFamily } from "./generated-view.ts";
import type { WriteMoving } from "./mib-view.ts";

/** Longest uptime a router begins with. */
const UPTIME_SECONDS_MAX = 200 * 86_400;

/** What router number `router` calls itself: sysName, and its name in the simulator. */
export function generatedName(router: number): string {
  return `sim-${String(router + 1).padStart(5, "0")}`;
}

/** By how much a flow's counters grow a second while the routers are live; an interface that is not up stands still. */
export function generatedRate(seed: number, router: number, ifIndex: number, flow: Flow): number {
  return rateOf(routerKey(seed, router), ifIndex, FLOWS.indexOf(flow));
}

/** What a flow's 64-bit counters show `elapsedMs` after the routers went live; 32-bit ones its low 32 bits. Below 2^53. */
export function generatedCounter(
  seed: number,
  router: number,
  ifIndex: number,
  flow: Flow,
  elapsedMs: number,
): number {
  const key = routerKey(seed, router);
  return counterOf(key, uptimeSecondsOf(key), ifIndex, FLOWS.indexOf(flow), elapsedMs);
}

/** Writes what one router says for the rows its view leaves open. */
export class GeneratedValues {
  readonly #router: number;
  readonly #key: number;
  /** Seconds it was up before the simulator started. */
  readonly #uptimeSeconds: number;
  readonly #liveSinceMs: number | undefined;

  constructor(family: GeneratedFamily, router: number) {
    this.#router = router;
    this.#key = routerKey(family.seed, router);
    this.#uptimeSeconds = uptimeSecondsOf(this.#key);
    this.#liveSinceMs = family.liveSinceMs;
  }

  readonly write: WriteMoving = (moving, out, at, nowMs) => {
    const field = moving & 0xff;
    const ifIndex = moving >>> 8;
    if (field >= COUNTER) return this.#writeCounter(field - COUNTER, ifIndex, out, at, nowMs);
    const key = this.#key;
    switch (field) {
      case FIELD.sysUpTime: {
        const ticks = this.#uptimeSeconds * 100 + Math.floor(this.#elapsedMs(nowMs) / 10);
        return writeUnsigned32(out, at, TAG.timeTicks, ticks);
      }
      case FIELD.ifTableLastChange:
      case FIELD.ifLastChange: {
        const ticks = Math.floor(this.#uptimeSeconds * 100 * unit(key, ifIndex, SALT.lastChange));
        return writeUnsigned32(out, at, TAG.timeTicks, ticks);
      }
      case FIELD.ifPhysAddress:
        return writePhysAddress(out, at, this.#router, ifIndex);
      case FIELD.ifAdminStatus:
        return writeSmallInteger(out, at, isDisabled(key, ifIndex) ? 2 : 1);
      case FIELD.ifOperStatus:
        return writeSmallInteger(out, at, isUp(key, ifIndex) ? 1 : 2);
      case FIELD.inNUcast:
        return this.#writeNUcast(FLOWS.indexOf("inMulticastPkts"), ifIndex, out, at, nowMs);
      case FIELD.outNUcast:
        return this.#writeNUcast(FLOWS.indexOf("outMulticastPkts"), ifIndex, out, at, nowMs);
      case FIELD.faults:
        return writeUnsigned32(out, at, TAG.counter32, numberBelow(1_000, key, ifIndex));
      case FIELD.sysName:
        return writeText(out, at, generatedName(this.#router));
      case FIELD.sysLocation:
        return writeText(out, at, `Site ${numberBelow(1_000, key, 0)}`);
      case FIELD.ifAlias:
        return writeText(out, at, `Customer ${numberBelow(100_000, key, ifIndex)}`);
      default:
        throw new Error(`No generated router has field ${field}`);
    }
  };

  #writeCounter(
    place: number,
    ifIndex: number,
    out: Uint8Array,
    at: number,
    nowMs: number,
  ): number {
    const isWide = place >= FLOWS.length;
    const flow = isWide ? place - FLOWS.length : place;
    const elapsedMs = this.#elapsedMs(nowMs);
    const value = counterOf(this.#key, this.#uptimeSeconds, ifIndex, flow, elapsedMs);
    if (!isWide) return writeUnsigned32(out, at, TAG.counter32, value);
    return writeUnsigned64(out, at, TAG.counter64, Math.floor(value / 4_294_967_296), value);
  }

  /** Multicast and broadcast, which follows it in FLOWS, together. */
  #writeNUcast(flow: number, ifIndex: number, out: Uint8Array, at: number, nowMs: number): number {
    const elapsedMs = this.#elapsedMs(nowMs);
    const multicast = counterOf(this.#key, this.#uptimeSeconds, ifIndex, flow, elapsedMs);
    const broadcast = counterOf(this.#key, this.#uptimeSeconds, ifIndex, flow + 1, elapsedMs);
    return writeUnsigned32(out, at, TAG.counter32, multicast + broadcast);
  }

  #elapsedMs(nowMs: number): number {
    return this.#liveSinceMs === undefined ? 0 : Math.max(0, nowMs - this.#liveSinceMs);
  }
}

function counterOf(
  key: number,
  uptimeSeconds: number,
  ifIndex: number,
  flow: number,
  elapsedMs: number,
): number {
  const perSecond = flowRateOf(key, ifIndex, flow);
  const history = perSecond * uptimeSeconds;
  return isUp(key, ifIndex) ? history + flowed(perSecond, elapsedMs) : history;
}

function rateOf(key: number, ifIndex: number, flow: number): number {
  return isUp(key, ifIndex) ? flowRateOf(key, ifIndex, flow) : 0;
}

function isUp(key: number, ifIndex: number): boolean {
  return unit(key, ifIndex, SALT.status) >= 0.08;
}

/** Half of the interfaces that are not up. */
function isDisabled(key: number, ifIndex: number): boolean {
  return unit(key, ifIndex, SALT.status) < 0.04;
}

function numberBelow(limit: number, key: number, ifIndex: number): number {
  return Math.floor(unit(key, ifIndex, SALT.number) * limit);
}

function uptimeSecondsOf(key: number): number {
  return 3_600 + Math.floor(unit(key, 0, SALT.uptime) * (UPTIME_SECONDS_MAX - 3_600));
}

/** Plain ASCII of fewer than 100 characters. */
function writeText(out: Uint8Array, at: number, text: string): number {
  out[at] = TAG.octetString;
  out[at + 1] = text.length;
  for (let i = 0; i < text.length; i++) out[at + 2 + i] = text.charCodeAt(i);
  return at + 2 + text.length;
}

/** A locally administered unicast address, another for every interface of the first 65,536 routers. */
function writePhysAddress(out: Uint8Array, at: number, router: number, ifIndex: number): number {
  out[at] = TAG.octetString;
  out[at + 1] = 6;
  out[at + 2] = 0x02;
  out[at + 3] = router >>> 8;
  out[at + 4] = router;
  out[at + 5] = ifIndex >>> 16;
  out[at + 6] = ifIndex >>> 8;
  out[at + 7] = ifIndex;
  return at + 8;
}
