import type { RouterId } from "../routers/router.ts";

/** A computed topology, in the order of its ids: the same routers give the same text. */
export interface Topology {
  readonly nodes: readonly TopologyNode[];
  readonly links: readonly Link[];
}

/**
 * `router`: one of the tenant's own. `unknown`: a neighbour that is none of them, or may be several. `segment`: what
 * several neighbours on one port share, a hub or a switch that is not seen.
 */
export interface TopologyNode {
  readonly id: string;
  readonly kind: "router" | "unknown" | "segment";
  readonly name: string;
  readonly zone: string;
  readonly routerId?: RouterId;
  /** The routers an unknown neighbour may be. */
  readonly candidates?: readonly RouterId[];
  readonly platform?: string;
  readonly addresses?: readonly string[];
}

export type LinkLayer = "physical" | "bgp" | "ospf";

/** One connection of two ports (or, above the wire, of two routers), however many say so. */
export interface Link {
  readonly id: string;
  readonly a: LinkEnd;
  readonly b: LinkEnd;
  readonly layer: LinkLayer;
  readonly protocols: readonly string[];
  /** Only one end says so: the other does not speak the protocol, is not ours, or says otherwise. */
  readonly oneSided: boolean;
  readonly evidence: readonly Evidence[];
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

export interface LinkEnd {
  /** A node's id. */
  readonly node: string;
  readonly routerId?: RouterId;
  readonly ifIndex?: number;
  readonly ifName?: string;
  /** The aggregate the port is a member of. */
  readonly aggregateIfIndex?: number;
}

/** What one router said, as it said it, and how it was understood. */
export interface Evidence {
  readonly protocol: "lldp" | "cdp" | "bgp" | "ospf";
  readonly seenBy: RouterId;
  readonly localIfIndex?: number;
  readonly remoteSysName?: string;
  readonly remoteChassisId?: string;
  readonly remotePort?: string;
  readonly remotePortDesc?: string;
  readonly remoteAddress?: string;
  readonly state?: string;
  readonly remoteAs?: number;
  /** How the neighbour was recognised; absent when it was not. */
  readonly matchedBy?: string;
  /** How its port was recognised; absent when it was not. */
  readonly portMatchedBy?: string;
  /** A port that only a description hints at. */
  readonly portCandidate?: number;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}
