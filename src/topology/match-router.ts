import { isIPv4, isIPv6 } from "node:net";
import type { RouterId } from "../routers/router.ts";
import { Candidates } from "./candidates.ts";
import { deviceMac } from "./mac.ts";
import { comparableName, shortName, withoutSerial } from "./names.ts";
import type { Neighbour, ObservedRouter } from "./observed.ts";

/** By what a neighbour was recognised. */
export type RouterRule =
  | "chassis id"
  | "bridge address"
  | "interface address"
  | "serial number"
  | "management address"
  | "device id"
  | "system name"
  | "peer address";

/** One router of ours, or none for certain; then the routers it may be. */
export type RemoteRouter =
  | { readonly routerId: RouterId; readonly matchedBy: RouterRule }
  | { readonly routerId?: never; readonly candidates: readonly RouterId[] };

/** LldpChassisIdSubtype (IEEE 802.1AB). */
const CHASSIS_COMPONENT = 1;
const CHASSIS_MAC = 4;
const CHASSIS_NETWORK_ADDRESS = 5;
/** Five octets in text. */
const OCTETS_OF_ONE_DEVICE = "00:00:00:00:00:".length;

interface Match {
  readonly matchedBy: RouterRule;
  readonly candidates: readonly RouterId[];
}

/**
 * Recognises neighbours among the routers of one tenant's zone. Evidence is tried from strong to weak and the first
 * that fits exactly one router decides: chassis id, MAC addresses, serial number, management address, CDP's device id,
 * and a name only when it is unique on its own and nothing speaks against it. Where strong evidence fits several
 * routers, weaker may choose among them, and among no others.
 */
export class RouterMatcher {
  readonly #chassisMacs = new Candidates<string, RouterId>();
  readonly #chassisIds = new Candidates<string, RouterId>();
  readonly #bridges = new Candidates<string, RouterId>();
  readonly #interfaceMacs = new Candidates<string, RouterId>();
  readonly #serials = new Candidates<string, RouterId>();
  readonly #addresses = new Candidates<string, RouterId>();
  readonly #names = new Candidates<string, RouterId>();
  readonly #shortNames = new Candidates<string, RouterId>();
  readonly #ownChassis = new Map<RouterId, string>();

  /** All routers are added before the first question. */
  add(router: ObservedRouter): void {
    const { id, chassis } = router;
    if (chassis !== undefined) {
      const mac = chassis.subtype === CHASSIS_MAC ? deviceMac(chassis.id) : undefined;
      if (mac !== undefined) {
        this.#chassisMacs.add(mac, id);
        this.#ownChassis.set(id, mac);
      } else {
        this.#chassisIds.add(chassisKey(chassis.subtype, chassis.id), id);
      }
    }
    const bridge = deviceMac(router.bridgeAddress ?? "");
    if (bridge !== undefined) this.#bridges.add(bridge, id);
    for (const { ifPhysAddress } of router.interfaces) {
      const mac = deviceMac(ifPhysAddress ?? "");
      if (mac !== undefined) this.#interfaceMacs.add(mac, id);
    }
    for (const serial of router.serialNumbers ?? []) this.#serials.add(serial, id);
    for (const { address } of router.addresses) {
      if (isDistinctive(address)) this.#addresses.add(address, id);
    }
    const name = comparableName(router.sysName ?? "");
    if (name === "") return;
    this.#names.add(name, id);
    this.#shortNames.add(shortName(name), id);
  }

  /**
   * Who the neighbour is that `seenBy` sees. Never itself: what looks like it is a loop, or a device with a copied
   * address, and neither is a link of two routers.
   */
  neighbour(neighbour: Neighbour, seenBy: RouterId): RemoteRouter {
    let candidates: readonly RouterId[] = [];
    for (const match of this.#evidence(neighbour)) {
      const others = match.candidates.filter((id) => id !== seenBy);
      const fitting =
        candidates.length === 0 ? others : others.filter((id) => candidates.includes(id));
      const [routerId, another] = fitting;
      if (routerId !== undefined && another === undefined) {
        return { routerId, matchedBy: match.matchedBy };
      }
      if (fitting.length > 0) candidates = fitting;
    }
    return { candidates };
  }

  /** Who has an address, as BGP and OSPF name their peers. */
  address(address: string): RemoteRouter {
    const candidates = this.#addresses.of(address);
    const [routerId, another] = candidates;
    return routerId !== undefined && another === undefined
      ? { routerId, matchedBy: "peer address" }
      : { candidates };
  }

  *#evidence(neighbour: Neighbour): Generator<Match> {
    const { remoteChassisIdSubtype: subtype, remoteChassisId: chassisId } = neighbour;
    const consistent = (ids: readonly RouterId[]): readonly RouterId[] =>
      ids.filter((id) => !this.#isContradicted(id, neighbour));
    if (subtype !== undefined && chassisId !== undefined) {
      yield* this.#byChassis(subtype, chassisId);
    }
    for (const address of neighbour.remoteMgmtAddrs ?? []) {
      yield { matchedBy: "management address", candidates: consistent(this.#byAddress(address)) };
    }
    const name = withoutSerial(neighbour.remoteSysName ?? "");
    const idMac = neighbour.protocol === "cdp" ? deviceMac(name) : undefined;
    if (idMac !== undefined) yield* this.#byMac(idMac, "device id");
    else yield { matchedBy: "system name", candidates: consistent(this.#byName(name)) };
  }

  *#byChassis(subtype: number, chassisId: string): Generator<Match> {
    const mac = subtype === CHASSIS_MAC ? deviceMac(chassisId) : undefined;
    if (mac !== undefined) {
      yield* this.#byMac(mac);
      return;
    }
    if (subtype === CHASSIS_MAC) return;
    if (subtype === CHASSIS_NETWORK_ADDRESS && isDistinctive(chassisId)) {
      yield { matchedBy: "chassis id", candidates: this.#addresses.of(chassisId) };
    }
    const key = chassisKey(subtype, chassisId);
    yield { matchedBy: "chassis id", candidates: this.#chassisIds.of(key) };
    if (subtype === CHASSIS_COMPONENT) {
      yield { matchedBy: "serial number", candidates: this.#serials.of(chassisId) };
    }
  }

  *#byMac(mac: string, matchedBy?: RouterRule): Generator<Match> {
    yield { matchedBy: matchedBy ?? "chassis id", candidates: this.#chassisMacs.of(mac) };
    yield { matchedBy: matchedBy ?? "bridge address", candidates: this.#bridges.of(mac) };
    yield { matchedBy: matchedBy ?? "interface address", candidates: this.#interfaceMacs.of(mac) };
  }

  #byAddress(address: string): readonly RouterId[] {
    return isDistinctive(address) ? this.#addresses.of(address) : [];
  }

  /** By the whole name; by the first label when one side has no domain and that label is one router's alone. */
  #byName(deviceName: string): readonly RouterId[] {
    const name = comparableName(deviceName);
    if (name === "") return [];
    const ids = this.#names.of(name);
    if (ids.length > 0) return ids;
    const short = shortName(name);
    const isOneWithoutDomain = name === short || this.#names.of(short).length > 0;
    return isOneWithoutDomain ? this.#shortNames.of(short) : [];
  }

  /**
   * A router that says which chassis it is, is not the neighbour that says it is another. Some give a port's own
   * address for the chassis: those differ in the last octet alone.
   */
  #isContradicted(id: RouterId, neighbour: Neighbour): boolean {
    if (neighbour.remoteChassisIdSubtype !== CHASSIS_MAC) return false;
    const said = deviceMac(neighbour.remoteChassisId ?? "");
    const own = this.#ownChassis.get(id);
    if (said === undefined || own === undefined) return false;
    return said.slice(0, OCTETS_OF_ONE_DEVICE) !== own.slice(0, OCTETS_OF_ONE_DEVICE);
  }
}

function chassisKey(subtype: number, id: string): string {
  return `${subtype}:${id.trim()}`;
}

/** Whether an address can tell one device in a zone: not loopback, link-local, unspecified, or a group's. */
export function isDistinctive(address: string): boolean {
  if (isIPv4(address)) return !/^(0|127|169\.254|22[4-9]|23\d|255)\./.test(address);
  return isIPv6(address) && !/^(::1?$|fe[89ab]|ff)/i.test(address);
}
