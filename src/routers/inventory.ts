/**
 * What a router is made of and whom it knows, as read from its tables: keys are MIB names where there is one. Absent = the
 * router did not say. Counters are decimal strings: 64 bits do not fit a JSON number.
 */

export interface InventorySystem {
  readonly sysDescr?: string;
  readonly sysObjectID?: string;
  /** Hundredths of a second. */
  readonly sysUpTime?: number;
  readonly sysContact?: string;
  readonly sysName?: string;
  readonly sysLocation?: string;
  readonly ifNumber?: number;
  readonly lldpLocal?: {
    readonly chassisIdSubtype?: number;
    readonly chassisId?: string;
    readonly sysName?: string;
  };
  readonly bgp?: { readonly localAs?: number; readonly identifier?: string };
  readonly ospf?: { readonly routerId: string };
  /** dot1dBaseBridgeAddress: what a switch may be called by its neighbours. */
  readonly bridgeAddress?: string;
}

/** A row of ifTable and ifXTable (RFC 2863). The counters, under their MIB names, are decimal strings. */
export interface InventoryInterface {
  readonly ifIndex: number;
  /** Which of the two tables has it. */
  readonly rows: "both" | "ifTable" | "ifXTable";
  readonly ifName?: string;
  readonly ifDescr?: string;
  readonly ifAlias?: string;
  readonly ifType?: number;
  readonly ifMtu?: number;
  /** aa:bb:cc:dd:ee:ff; "" where it has none. */
  readonly ifPhysAddress?: string;
  readonly ifAdminStatus?: number;
  readonly ifOperStatus?: number;
  readonly ifLastChange?: number;
  readonly ifSpeed?: number;
  readonly ifHighSpeed?: number;
  /** ifSpeed where it can hold the speed, else ifHighSpeed × 10^6. */
  readonly speedBps?: string;
  /** ifSpeed and ifHighSpeed contradict each other. */
  readonly speedAmbiguous?: true;
  readonly ifPromiscuousMode?: number;
  readonly ifConnectorPresent?: number;
}

/** The names of counters an interface may have: ifTable's, then ifXTable's. */
export const INTERFACE_COUNTERS = [
  "ifInOctets",
  "ifInUcastPkts",
  "ifInNUcastPkts",
  "ifInDiscards",
  "ifInErrors",
  "ifInUnknownProtos",
  "ifOutOctets",
  "ifOutUcastPkts",
  "ifOutNUcastPkts",
  "ifOutDiscards",
  "ifOutErrors",
  "ifInMulticastPkts",
  "ifInBroadcastPkts",
  "ifOutMulticastPkts",
  "ifOutBroadcastPkts",
  "ifHCInOctets",
  "ifHCInUcastPkts",
  "ifHCInMulticastPkts",
  "ifHCInBroadcastPkts",
  "ifHCOutOctets",
  "ifHCOutUcastPkts",
  "ifHCOutMulticastPkts",
  "ifHCOutBroadcastPkts",
] as const;
export type InterfaceCounter = (typeof INTERFACE_COUNTERS)[number];

/** How sure it is which interface a neighbour was heard on. */
export type PortConfidence = "certain" | "weak" | "ambiguous";

/** What a router says of the other end of one of its links. */
export interface Neighbour {
  readonly protocol: "lldp" | "cdp";
  /** The MIB of a vendor's own table; absent for the standard's. */
  readonly source?: string;
  /** The row's index as dotted decimals. */
  readonly index: string;
  readonly localPortNum?: number;
  readonly localPortId?: string;
  readonly localPortDesc?: string;
  readonly localIfIndex?: number;
  /** The rule by which localIfIndex was found. */
  readonly localIfIndexVia?: string;
  readonly localIfIndexConfidence?: PortConfidence;
  /** Where several interfaces fit. */
  readonly localIfIndexCandidates?: readonly number[];
  /** ifName of the local interface, else its ifDescr. */
  readonly localPort?: string;
  readonly remoteChassisIdSubtype?: number;
  readonly remoteChassisId?: string;
  readonly remotePortIdSubtype?: number;
  readonly remotePort?: string;
  readonly remotePortDesc?: string;
  readonly remoteSysName?: string;
  /** lldpRemSysDesc or cdpCachePlatform. */
  readonly remotePlatform?: string;
  readonly remoteVersion?: string;
  readonly remoteMgmtAddrs?: readonly string[];
  readonly nativeVlan?: number;
}

export interface BgpPeer {
  /** The MIB it comes from. */
  readonly source: string;
  readonly peer: string;
  readonly remoteAs?: number;
  /** A 4-byte AS number that came as a negative INTEGER. */
  readonly remoteAsWasNegative?: true;
  readonly state?: string;
  readonly adminStatus?: string;
  readonly localAddr?: string;
  readonly remoteAddr?: string;
  readonly identifier?: string;
  readonly inUpdates?: string;
  readonly outUpdates?: string;
  readonly inTotalMessages?: string;
  readonly outTotalMessages?: string;
  readonly fsmEstablishedTransitions?: string;
  /** Seconds. */
  readonly fsmEstablishedTime?: number;
  /** The routing instance, where the MIB has several. */
  readonly instance?: number;
}

export interface OspfNeighbour {
  readonly neighborAddr: string;
  readonly addressLessIndex?: number;
  readonly routerId?: string;
  readonly state?: string;
  readonly priority?: number;
}

export interface Processor {
  readonly source: string;
  readonly index: string;
  readonly percent: number;
  readonly percent1min?: number;
  readonly percent5sec?: number;
  readonly idlePercent?: number;
  readonly entPhysicalIndex?: number;
  readonly descr?: string;
}

/** Bytes as decimal strings, or a percentage, or (UCD) kilobytes. */
export interface MemoryPool {
  readonly source: string;
  readonly index: string;
  readonly kind?: "ram" | "virtual";
  readonly name?: string;
  readonly used?: string;
  readonly free?: string;
  readonly total?: string;
  readonly bits?: 32 | 64;
  readonly percent?: number;
  readonly totalKB?: number;
  readonly unit?: "kB";
  readonly totalReal?: number;
  readonly availReal?: number;
  readonly buffer?: number;
  readonly cached?: number;
  readonly totalSwap?: number;
  readonly availSwap?: number;
}

export interface Sensor {
  readonly source: string;
  readonly entPhysicalIndex: number;
  readonly type?: string;
  readonly scale?: number;
  readonly precision?: number;
  readonly rawValue: number;
  /** rawValue × 10^(3 × (scale − 9)) ÷ 10^precision, exact. */
  readonly value?: string;
  readonly status?: string;
  readonly name?: string;
}

export interface IpAddress {
  readonly address: string;
  readonly ifIndex?: number;
  readonly netmask?: string;
}

/** A row of the ARP table. */
export interface ArpEntry {
  readonly ifIndex: number;
  readonly address: string;
  readonly physAddress: string;
}

/** An interface that is a member of an aggregate. */
export interface AggregateMember {
  readonly ifIndex: number;
  readonly aggregateIfIndex: number;
}

/** A row of entPhysicalTable (RFC 6933). */
export interface PhysicalEntity {
  readonly entPhysicalIndex: number;
  readonly descr?: string;
  readonly containedIn?: number;
  readonly class?: number;
  readonly name?: string;
  readonly hardwareRev?: string;
  readonly firmwareRev?: string;
  readonly softwareRev?: string;
  readonly serialNum?: string;
  readonly mfgName?: string;
  readonly modelName?: string;
}

/** What each section of a router's inventory is a document of. */
export interface InventoryDocuments {
  readonly system: InventorySystem;
  readonly interfaces: readonly InventoryInterface[];
  readonly interfaceCounters: InterfaceCounters;
  readonly neighbours: readonly Neighbour[];
  readonly neighboursVendor: readonly Neighbour[];
  readonly neighboursMalformedIndex: readonly Neighbour[];
  readonly bgpPeers: readonly BgpPeer[];
  readonly bgpPeersVendor: readonly BgpPeer[];
  readonly ospfNeighbours: readonly OspfNeighbour[];
  readonly processors: readonly Processor[];
  readonly memory: readonly MemoryPool[];
  readonly sensors: readonly Sensor[];
  readonly ipAddresses: readonly IpAddress[];
  readonly arp: readonly ArpEntry[];
  readonly entities: readonly PhysicalEntity[];
  readonly aggregates: readonly AggregateMember[];
}
export type InventorySection = keyof InventoryDocuments;

/** Counters by column, each in the order of `ifIndex`: a quarter of the octets of one object a row. null = not said. */
export interface InterfaceCounters {
  readonly ifIndex: readonly number[];
  readonly columns: Readonly<Partial<Record<InterfaceCounter, readonly (string | null)[]>>>;
}

/** What the router says of changes to its tables, and what its interfaces are called: other values, another inventory. */
export interface Signals {
  /** Hundredths of a second; less than before = the router restarted. */
  readonly sysUpTime?: number;
  readonly ifNumber?: number;
  readonly ifTableLastChange?: number;
  /** Digest of the interfaces' numbers and names. */
  readonly names?: string;
}

/**
 * When a router's inventory was read and what it was like: kept beside it, so that any worker can go on where another
 * one stopped.
 */
export interface Discovery {
  /** When each section was read last, in milliseconds since the Unix epoch. */
  readonly readAtMs: Readonly<Record<string, number>>;
  readonly sysObjectID?: string;
  readonly sysDescr?: string;
  /** Of the OIDs that profiles ask about, those below which the router has something. */
  readonly answering: readonly string[];
  readonly signals: Signals;
}

/** A document as it was read. */
export interface ReadDocument {
  readonly section: InventorySection;
  readonly document: InventoryDocuments[InventorySection];
  /** A part is worth keeping only where nothing better is known. */
  readonly isComplete: boolean;
}
