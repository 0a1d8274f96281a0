/**
 * What a router's inventory says of others, each as one observation that lasts: its key stays the same from reading to
 * reading, and its facts are those that links are made of. Counters, timers and LLDP's time mark are left out, so that
 * what only confirms is no change. Pure.
 */

import { isDeepStrictEqual } from "node:util";
import type {
  BgpPeer,
  InventoryDocuments,
  Neighbour,
  OspfNeighbour,
} from "../routers/inventory.ts";
import type { NeighbourFacts, PeeringFacts } from "./observed.ts";

export type ObservationKind = "neighbour" | "bgp" | "ospf";

/** Told apart by `kind`; its facts by the section they come from. */
export type Observation =
  | { readonly kind: "neighbour"; readonly key: string; readonly facts: NeighbourFacts }
  | { readonly kind: "bgp" | "ospf"; readonly key: string; readonly facts: PeeringFacts };

/** The inventory's section that observations of a kind come from. */
export const SECTION_OF_KIND = {
  neighbour: "neighbours",
  bgp: "bgpPeers",
  ospf: "ospfNeighbours",
} as const satisfies Readonly<Record<ObservationKind, keyof InventoryDocuments>>;

/** Observations of one kind that a router may have: a chassis of 500 ports with a telephone and a computer on each has 1,000. */
export const OBSERVATIONS_MAX = 2_000;

/** The first OBSERVATIONS_MAX of a kind; undefined when the section was not read. */
export function observationsOf(
  kind: ObservationKind,
  documents: Partial<InventoryDocuments>,
): Observation[] | undefined {
  if (documents[SECTION_OF_KIND[kind]] === undefined) return undefined;
  const all = { neighbour: neighboursOf, bgp: bgpPeersOf, ospf: ospfNeighboursOf }[kind](documents);
  const byKey = new Map<string, Observation>();
  for (const one of all) {
    if (byKey.size >= OBSERVATIONS_MAX) break;
    if (!byKey.has(one.key)) byKey.set(one.key, one);
  }
  return [...byKey.values()];
}

function neighboursOf(documents: Partial<InventoryDocuments>): Observation[] {
  const { neighbours = [], neighboursVendor = [], neighboursMalformedIndex = [] } = documents;
  return [...neighbours, ...neighboursVendor, ...neighboursMalformedIndex].map((row) => {
    const index = stableIndex(row);
    const key = row.source === undefined ? row.protocol : `${row.protocol} ${row.source}`;
    return { kind: "neighbour", key: `${key} ${index}`, facts: neighbourFacts(row, index) };
  });
}

/** Without lldpRemTimeMark, the first part, which changes at every change of anything. */
function stableIndex({ protocol, index }: Neighbour): string {
  const [, ...rest] = index.split(".");
  return protocol === "lldp" && rest.length > 1 ? rest.join(".") : index;
}

function neighbourFacts(row: Neighbour, index: string): NeighbourFacts {
  // A maker's table has the ifIndex itself in its index: there is nothing to be unsure of.
  const isCertain = row.localIfIndexConfidence === "certain" || row.source !== undefined;
  return {
    protocol: row.protocol,
    index,
    ...present("localIfIndex", isCertain ? row.localIfIndex : undefined),
    ...present("remoteChassisIdSubtype", row.remoteChassisIdSubtype),
    ...present("remoteChassisId", row.remoteChassisId?.trim()),
    ...present("remotePortIdSubtype", row.remotePortIdSubtype),
    ...present("remotePort", row.remotePort?.trim()),
    ...present("remotePortDesc", row.remotePortDesc?.trim()),
    ...present("remoteSysName", row.remoteSysName?.trim()),
    ...present("remotePlatform", row.remotePlatform?.trim()),
    ...present("remoteMgmtAddrs", row.remoteMgmtAddrs),
  };
}

/** Where a maker's table numbers the default routing instance otherwise than 0. Addresses of others are none of ours. */
const DEFAULT_INSTANCE: Readonly<Record<string, number>> = {
  "ARISTA-BGP4V2-MIB": 1,
  "TIMETRA-BGP-MIB": 1,
};

function bgpPeersOf({ bgpPeers = [], bgpPeersVendor = [] }: Partial<InventoryDocuments>) {
  const vendor = bgpPeersVendor.filter(
    ({ source, instance }) =>
      instance === undefined || instance === (DEFAULT_INSTANCE[source] ?? 0),
  );
  return [...bgpPeers, ...vendor].map((peer): Observation => {
    return { kind: "bgp", key: peer.peer, facts: bgpFacts(peer) };
  });
}

function bgpFacts({ peer, localAddr, remoteAs, state }: BgpPeer): PeeringFacts {
  return {
    address: peer,
    ...present("localAddress", localAddr),
    ...present("state", lastingState(state)),
    ...present("remoteAs", remoteAs),
  };
}

function ospfNeighboursOf({ ospfNeighbours = [] }: Partial<InventoryDocuments>) {
  return ospfNeighbours.map((neighbour): Observation => {
    const { neighborAddr, addressLessIndex = 0 } = neighbour;
    return {
      kind: "ospf",
      key: `${neighborAddr} ${addressLessIndex}`,
      facts: ospfFacts(neighbour),
    };
  });
}

function ospfFacts({ neighborAddr, state }: OspfNeighbour): PeeringFacts {
  return { address: neighborAddr, ...present("state", lastingState(state)) };
}

const LASTING_STATES = ["established", "full", "twoWay"];

/** A session that is not up runs through the other states by the second: that is one fact, not many. */
function lastingState(state: string | undefined): string | undefined {
  return state === undefined || LASTING_STATES.includes(state) ? state : "down";
}

/** An observation as it was kept. */
export type KnownObservation = Observation & { readonly firstSeenAt: Date };

export interface ObservationChanges {
  /** No longer as it was: the router does not list it any more, or says something else of it. */
  readonly closed: readonly Observation[];
  /** As it is from now on; first seen before when only something about it changed. */
  readonly opened: readonly KnownObservation[];
  /** Listed as before. */
  readonly confirmed: readonly Observation[];
}

/**
 * What a reading changes in what is known of one kind. A part of a table proves nothing about what it does not list:
 * only a complete one ends what it lacks.
 */
export function observationChanges(
  known: readonly KnownObservation[],
  listed: readonly Observation[],
  { isComplete, readAt }: { readonly isComplete: boolean; readonly readAt: Date },
): ObservationChanges {
  const listedByKey = new Map(listed.map((one) => [one.key, one]));
  const knownByKey = new Map(known.map((one) => [one.key, one]));
  const same = (before: Observation) => {
    const now = listedByKey.get(before.key);
    return now !== undefined && isDeepStrictEqual(now.facts, before.facts);
  };
  return {
    closed: known.filter((one) => (listedByKey.has(one.key) ? !same(one) : isComplete)),
    opened: listed.flatMap((one) => {
      const before = knownByKey.get(one.key);
      if (before !== undefined && same(before)) return [];
      const firstSeenAt =
        before !== undefined && isSameOther(before, one) ? before.firstSeenAt : readAt;
      return [{ ...one, firstSeenAt }];
    }),
    confirmed: known.filter(same),
  };
}

/** Whether two observations of one key are of the same other end: a device may be replaced, and its row's number used again. */
function isSameOther(before: Observation, now: Observation): boolean {
  if (before.kind !== "neighbour" || now.kind !== "neighbour") return true;
  const isSame = (key: "remoteChassisId" | "remoteSysName") =>
    Boolean(now.facts[key]) && now.facts[key] === before.facts[key];
  return isSame("remoteChassisId") || isSame("remoteSysName");
}

/** `{ key: value }`, or nothing where the router did not say. */
function present<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { readonly [key in Key]?: Value } {
  // The cast: TypeScript widens a computed key to string.
  return value === undefined ? {} : ({ [key]: value } as { [key in Key]: Value });
}
