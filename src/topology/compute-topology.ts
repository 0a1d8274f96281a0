import type { RouterId } from "../routers/router.ts";
import { compare, type EndOf, makeLink, uniqueById } from "./link.ts";
import { PortMatcher } from "./match-port.ts";
import { RouterMatcher } from "./match-router.ts";
import type { ObservedInterface, ObservedRouter } from "./observed.ts";
import { type Connection, pairSightings } from "./pair-sightings.ts";
import { peeringsOf } from "./peerings.ts";
import { shareSegments } from "./segments.ts";
import { type Sighting, sightingsOf } from "./sightings.ts";
import type { Link, LinkEnd, Topology, TopologyNode } from "./topology.ts";
import { unknownNodes } from "./unknown-neighbours.ts";

/**
 * The topology of one tenant's routers, from what they say of themselves and their neighbours. Pure: the same routers
 * give the same nodes, links and ids, in the same order.
 *
 * Routers are matched inside their zone alone: another zone may have the same addresses. Everything said is kept, as
 * evidence of exactly one link: a connection seen from both ends, by two protocols, or under two names is one link, and
 * one that only one end sees is a link too, flagged. A neighbour that is no router of ours is a node of its own kind,
 * never joined to a router on a guess.
 */
export function computeTopology(routers: readonly ObservedRouter[]): Topology {
  const steps = topologySteps(routers);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** The same in small steps, for those who have other things to do between them: large networks take a second. */
export function* topologySteps(
  routers: readonly ObservedRouter[],
): Generator<undefined, Topology, undefined> {
  const zones = [...new Set(routers.map((it) => it.zone))].toSorted();
  const parts: Topology[] = [];
  for (const zone of zones) {
    parts.push(
      yield* zoneSteps(
        zone,
        routers.filter((it) => it.zone === zone),
      ),
    );
  }
  return {
    nodes: parts.flatMap((it) => it.nodes),
    links: parts.flatMap((it) => it.links),
  };
}

function* zoneSteps(
  zone: string,
  routers: readonly ObservedRouter[],
): Generator<undefined, Topology, undefined> {
  const byId = new Map(routers.map((router) => [router.id, router]));
  const matcher = new RouterMatcher();
  for (const router of routers) {
    matcher.add(router);
    yield;
  }
  const portMatchers = new Map<RouterId, PortMatcher>();
  const portsOf = (id: RouterId): PortMatcher => {
    const router = byId.get(id);
    const known = portMatchers.get(id);
    if (known !== undefined || router === undefined) return known ?? NO_PORTS;
    const made = new PortMatcher(router);
    portMatchers.set(id, made);
    return made;
  };

  const sightings: Sighting[] = [];
  for (const router of routers) {
    sightings.push(...sightingsOf(router, matcher, portsOf));
    yield;
  }
  const unknown = unknownNodes(zone, sightings);
  yield;
  const end = endsOf(byId);
  const direct: Link[] = [];
  for (const connection of connectionsOf(sightings)) {
    direct.push(linkOf(connection, unknown, end));
    yield;
  }
  const { nodes: segments, links } = shareSegments(zone, uniqueById(direct), byId);
  yield;
  const peerings = peeringsOf(zone, routers, matcher, end);
  yield;
  return {
    nodes: byIdOrder([
      ...routers.map(routerNode),
      ...new Set(unknown.values()),
      ...segments,
      ...peerings.nodes,
    ]),
    links: byIdOrder([...links, ...peerings.links]),
  };
}

const NO_PORTS = new PortMatcher({
  id: "" as RouterId,
  name: "",
  zone: "",
  addresses: [],
  interfaces: [],
  neighbours: [],
  bgpPeers: [],
  ospfNeighbours: [],
});

function routerNode(router: ObservedRouter): TopologyNode {
  return {
    id: router.id,
    kind: "router",
    name: router.name,
    zone: router.zone,
    routerId: router.id,
    addresses: [...new Set(router.addresses.map((it) => it.address))].toSorted(),
  };
}

/** Sightings of routers by each other paired, those of unknown neighbours as they are. */
function connectionsOf(sightings: readonly Sighting[]): Connection[] {
  const singles: Connection[] = [];
  const byPair = new Map<string, { lower: Sighting[]; upper: Sighting[] }>();
  for (const sighting of sightings) {
    const remote = sighting.remote.routerId;
    if (remote === undefined) {
      singles.push([sighting]);
      continue;
    }
    const isLower = sighting.seenBy <= remote;
    const key = isLower ? `${sighting.seenBy} ${remote}` : `${remote} ${sighting.seenBy}`;
    const pair = byPair.get(key) ?? { lower: [], upper: [] };
    byPair.set(key, pair);
    pair[isLower ? "lower" : "upper"].push(sighting);
  }
  return [
    ...singles,
    ...[...byPair.values()].flatMap(({ lower, upper }) => pairSightings(lower, upper)),
  ];
}

function endsOf(routers: ReadonlyMap<RouterId, ObservedRouter>): EndOf {
  const interfaces = new Map<RouterId, ReadonlyMap<number, ObservedInterface>>();
  const interfacesOf = (id: RouterId): ReadonlyMap<number, ObservedInterface> => {
    let own = interfaces.get(id);
    if (own === undefined) {
      own = new Map(routers.get(id)?.interfaces.map((it) => [it.ifIndex, it]));
      interfaces.set(id, own);
    }
    return own;
  };
  return (routerId, ifIndex) => {
    if (ifIndex === undefined) return { node: routerId, routerId };
    const port = interfacesOf(routerId).get(ifIndex);
    const ifName = port?.ifName || port?.ifDescr;
    return {
      node: routerId,
      routerId,
      ifIndex,
      ...(ifName && { ifName }),
      ...(port?.aggregateIfIndex !== undefined && { aggregateIfIndex: port.aggregateIfIndex }),
    };
  };
}

function linkOf(
  [seen, back]: Connection,
  unknown: ReadonlyMap<Sighting, TopologyNode>,
  end: EndOf,
): Link {
  const near = end(seen.seenBy, seen.localIfIndex ?? certainPort(back));
  const evidence = [...seen.evidence, ...(back?.evidence ?? [])];
  if (seen.remote.routerId === undefined) {
    const node = unknown.get(seen)?.id ?? "";
    const portName = seen.neighbours.map((it) => it.remotePort).find(Boolean);
    const far: LinkEnd = { node, ...(portName && { ifName: portName }) };
    return makeLink("physical", near, far, evidence, true);
  }
  const far = end(seen.remote.routerId, back?.localIfIndex ?? certainPort(seen));
  return makeLink("physical", near, far, evidence, back === undefined);
}

function certainPort(sighting: Sighting | undefined): number | undefined {
  return sighting?.port?.isCertain === true ? sighting.port.ifIndex : undefined;
}

function byIdOrder<T extends { readonly id: string }>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => compare(a.id, b.id));
}
