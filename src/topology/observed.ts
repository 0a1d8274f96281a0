import type { RouterId } from "../routers/router.ts";

/**
 * What topology is computed from: what each router said of itself and of its neighbours. Text is as the inventory has
 * it, trimmed; absent = the router did not say. Names of fields follow LLDP-MIB, CISCO-CDP-MIB, BGP4-MIB, OSPF-MIB.
 */
export interface ObservedRouter {
  readonly id: RouterId;
  readonly name: string;
  readonly zone: string;
  readonly sysName?: string;
  /** lldpLocChassisIdSubtype and lldpLocChassisId. */
  readonly chassis?: ChassisId;
  /** dot1dBaseBridgeAddress. */
  readonly bridgeAddress?: string;
  /** entPhysicalSerialNum of its chassis. */
  readonly serialNumbers?: readonly string[];
  /** The address it is polled at, and those of its address table. */
  readonly addresses: readonly ObservedAddress[];
  readonly interfaces: readonly ObservedInterface[];
  readonly neighbours: readonly Neighbour[];
  readonly bgpPeers: readonly Peering[];
  readonly ospfNeighbours: readonly Peering[];
}

export interface ChassisId {
  readonly subtype: number;
  readonly id: string;
}

export interface ObservedAddress {
  readonly address: string;
  readonly ifIndex?: number;
}

export interface ObservedInterface {
  readonly ifIndex: number;
  readonly ifName?: string;
  readonly ifDescr?: string;
  readonly ifAlias?: string;
  readonly ifPhysAddress?: string;
  /** The ifIndex of the aggregate this interface is a member of (IEEE8023-LAG-MIB, or ifStackTable). */
  readonly aggregateIfIndex?: number;
}

/** When something was seen, in milliseconds since 1970. */
export interface Seen {
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

/** One row of lldpRemTable or cdpCacheTable. */
export interface NeighbourFacts {
  readonly protocol: "lldp" | "cdp";
  /** The row's index without LLDP's time mark, which changes at every change of anything. */
  readonly index: string;
  /** The local interface, where it is certain: lldpRemLocalPortNum is not an ifIndex. */
  readonly localIfIndex?: number;
  readonly remoteChassisIdSubtype?: number;
  readonly remoteChassisId?: string;
  readonly remotePortIdSubtype?: number;
  readonly remotePort?: string;
  readonly remotePortDesc?: string;
  /** LLDP: lldpRemSysName; CDP: cdpCacheDeviceId. */
  readonly remoteSysName?: string;
  readonly remotePlatform?: string;
  readonly remoteMgmtAddrs?: readonly string[];
}

export interface Neighbour extends NeighbourFacts, Seen {}

/** One row of bgpPeerTable or ospfNbrTable. */
export interface PeeringFacts {
  /** The other end: bgpPeerRemoteAddr, ospfNbrIpAddr. */
  readonly address: string;
  readonly localAddress?: string;
  /** bgpPeerState, ospfNbrState: `established`, `full`, `twoWay`; `down` for all others, through which sessions pass. */
  readonly state?: string;
  /** bgpPeerRemoteAs. */
  readonly remoteAs?: number;
}

export interface Peering extends PeeringFacts, Seen {}
