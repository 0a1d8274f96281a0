import type { AggregateMember, InventorySystem, IpAddress } from "../routers/inventory.ts";
import type { Interface, RouterId } from "../routers/router.ts";
import type { Observation } from "./observations.ts";
import type { Neighbour, ObservedInterface, ObservedRouter, Peering } from "./observed.ts";

/** What is stored of a router besides what it says of others. */
export interface RouterFacts {
  readonly id: RouterId;
  readonly name: string;
  readonly zone: string;
  /** The address it is polled at. */
  readonly address: string;
  readonly system: InventorySystem;
  readonly addresses: readonly IpAddress[];
  readonly serialNumbers: readonly string[];
  readonly interfaces: readonly Interface[];
  readonly aggregates: readonly AggregateMember[];
}

export type SeenObservation = Observation & {
  readonly firstSeenAt: Date;
  readonly lastSeenAt: Date;
};

/** A router as topology takes it. */
export function observedRouter(
  {
    id,
    name,
    zone,
    address,
    system,
    addresses,
    serialNumbers,
    interfaces,
    aggregates,
  }: RouterFacts,
  observations: readonly SeenObservation[],
): ObservedRouter {
  const aggregateOf = new Map(aggregates.map((it) => [it.ifIndex, it.aggregateIfIndex]));
  const { sysName, bridgeAddress, lldpLocal: { chassisIdSubtype, chassisId } = {} } = system;
  return {
    id,
    name,
    zone,
    ...(sysName !== undefined && { sysName: sysName.trim() }),
    ...(chassisIdSubtype !== undefined &&
      chassisId !== undefined && { chassis: { subtype: chassisIdSubtype, id: chassisId } }),
    ...(bridgeAddress !== undefined && { bridgeAddress }),
    ...(serialNumbers.length > 0 && { serialNumbers }),
    addresses: [{ address }, ...addresses],
    interfaces: interfaces.map((it) => observedInterface(it, aggregateOf.get(it.ifIndex))),
    neighbours: observations.flatMap((it): Neighbour[] =>
      it.kind === "neighbour" ? [{ ...it.facts, ...seen(it) }] : [],
    ),
    bgpPeers: peerings("bgp", observations),
    ospfNeighbours: peerings("ospf", observations),
  };
}

function observedInterface(
  { ifIndex, ifName, ifDescr, ifAlias, ifPhysAddress }: Interface,
  aggregateIfIndex: number | undefined,
): ObservedInterface {
  return {
    ifIndex,
    ...trimmed("ifName", ifName),
    ...trimmed("ifDescr", ifDescr),
    ...trimmed("ifAlias", ifAlias),
    ...(ifPhysAddress !== undefined && { ifPhysAddress }),
    ...(aggregateIfIndex !== undefined && { aggregateIfIndex }),
  };
}

function peerings(kind: "bgp" | "ospf", observations: readonly SeenObservation[]): Peering[] {
  return observations.flatMap((it) => (it.kind === kind ? [{ ...it.facts, ...seen(it) }] : []));
}

function seen({ firstSeenAt, lastSeenAt }: SeenObservation) {
  return { firstSeenMs: firstSeenAt.getTime(), lastSeenMs: lastSeenAt.getTime() };
}

function trimmed<Key extends string>(
  key: Key,
  text: string | undefined,
): { [key in Key]?: string } {
  // The cast: TypeScript widens a computed key to string.
  return text === undefined ? {} : ({ [key]: text.trim() } as { [key in Key]: string });
}
