import { Candidates } from "./candidates.ts";
import { deviceMac } from "./mac.ts";
import { comparableInterfaceName } from "./names.ts";
import type { Neighbour, ObservedRouter } from "./observed.ts";

/** By what a neighbour's port was recognised among a router's interfaces. */
export type PortRule =
  | "ifName"
  | "ifDescr"
  | "ifAlias"
  | "ifIndex"
  | "ifPhysAddress"
  | "port description";

export interface RemotePort {
  readonly ifIndex: number;
  readonly matchedBy: PortRule;
  /** A description is text for people: it may choose between ports, and prove none. */
  readonly isCertain: boolean;
}

/** LldpPortIdSubtype (IEEE 802.1AB). */
const INTERFACE_ALIAS = 1;
const MAC_ADDRESS = 3;
const INTERFACE_NAME = 5;
const AGENT_CIRCUIT_ID = 6;
const LOCAL = 7;

/** The interfaces of one router by whatever a neighbour may call them. Only what names one interface counts. */
export class PortMatcher {
  readonly #indexes = new Set<number>();
  readonly #names = new Candidates<string, number>();
  readonly #descriptions = new Candidates<string, number>();
  readonly #aliases = new Candidates<string, number>();
  readonly #comparable = new Candidates<string, number>();
  readonly #macs = new Candidates<string, number>();

  constructor(router: ObservedRouter) {
    for (const { ifIndex, ifName, ifDescr, ifAlias, ifPhysAddress } of router.interfaces) {
      this.#indexes.add(ifIndex);
      const mac = deviceMac(ifPhysAddress ?? "");
      if (mac !== undefined) this.#macs.add(mac, ifIndex);
      if (ifAlias) this.#aliases.add(ifAlias, ifIndex);
      if (ifName) this.#names.add(ifName, ifIndex);
      if (ifDescr) this.#descriptions.add(ifDescr, ifIndex);
      for (const name of [ifName, ifDescr]) {
        if (name) this.#comparable.add(comparableInterfaceName(name), ifIndex);
      }
    }
  }

  /** Which interface the neighbour says it is seen through; undefined when it says nothing that fits one alone. */
  port(neighbour: Neighbour): RemotePort | undefined {
    return this.#byPortId(neighbour) ?? this.#byDescription(neighbour.remotePortDesc);
  }

  #byPortId({ protocol, remotePort, remotePortIdSubtype }: Neighbour): RemotePort | undefined {
    if (!remotePort) return undefined;
    if (protocol === "cdp") return this.#byName(remotePort);
    switch (remotePortIdSubtype) {
      case INTERFACE_ALIAS:
        return certain(this.#aliases.only(remotePort), "ifAlias");
      case MAC_ADDRESS:
        return certain(this.#macs.only(deviceMac(remotePort) ?? ""), "ifPhysAddress");
      case AGENT_CIRCUIT_ID:
        return undefined;
      case LOCAL:
        return this.#byName(remotePort) ?? this.#byNumber(remotePort);
      case INTERFACE_NAME:
        return this.#byName(remotePort);
      default:
        return this.#byName(remotePort);
    }
  }

  #byName(name: string): RemotePort | undefined {
    return (
      certain(this.#names.only(name), "ifName") ??
      certain(this.#descriptions.only(name), "ifDescr") ??
      certain(this.#comparable.only(comparableInterfaceName(name)), "ifName")
    );
  }

  #byNumber(text: string): RemotePort | undefined {
    const ifIndex = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    return certain(this.#indexes.has(ifIndex) ? ifIndex : undefined, "ifIndex");
  }

  #byDescription(description: string | undefined): RemotePort | undefined {
    if (!description) return undefined;
    const ifIndex =
      this.#descriptions.only(description) ??
      this.#names.only(description) ??
      this.#aliases.only(description);
    if (ifIndex === undefined) return undefined;
    return { ifIndex, matchedBy: "port description", isCertain: false };
  }
}

function certain(ifIndex: number | undefined, matchedBy: PortRule): RemotePort | undefined {
  return ifIndex === undefined ? undefined : { ifIndex, matchedBy, isCertain: true };
}
