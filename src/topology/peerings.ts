import { type EndOf, makeLink, uniqueById } from "./link.ts";
import type { RouterMatcher } from "./match-router.ts";
import type { ObservedRouter, Peering } from "./observed.ts";
import type { Evidence, Link, Topology, TopologyNode } from "./topology.ts";

/**
 * The layers above the wire: one link for two routers that peer, with every session as its evidence. Their ends have
 * no ports, for a session runs over whatever path there is.
 */
export function peeringsOf(
  zone: string,
  routers: readonly ObservedRouter[],
  matcher: RouterMatcher,
  end: EndOf,
): Topology {
  const strangers = new Map<string, TopologyNode>();
  const links: Link[] = [];
  for (const router of routers) {
    const peerings = [
      ...router.bgpPeers.map((peering) => ({ layer: "bgp" as const, peering })),
      ...router.ospfNeighbours.map((peering) => ({ layer: "ospf" as const, peering })),
    ];
    for (const { layer, peering } of peerings) {
      const remote = matcher.address(peering.address);
      const far =
        remote.routerId === undefined
          ? { node: strangerOf(zone, peering, remote.candidates, strangers).id }
          : end(remote.routerId, undefined);
      const evidence = evidenceOf(router, layer, peering, remote.routerId !== undefined);
      links.push(makeLink(layer, end(router.id, undefined), far, [evidence], true));
    }
  }
  return { nodes: [...strangers.values()], links: uniqueById(links) };
}

function strangerOf(
  zone: string,
  { address, remoteAs }: Peering,
  candidates: TopologyNode["candidates"] & object,
  strangers: Map<string, TopologyNode>,
): TopologyNode {
  const known = strangers.get(address);
  if (known !== undefined) return known;
  const node: TopologyNode = {
    id: `unknown:${zone}:address:${address}`,
    kind: "unknown",
    name: remoteAs === undefined ? address : `AS${remoteAs} ${address}`,
    zone,
    addresses: [address],
    ...(candidates.length > 0 && { candidates }),
  };
  strangers.set(address, node);
  return node;
}

function evidenceOf(
  router: ObservedRouter,
  protocol: "bgp" | "ospf",
  peering: Peering,
  isKnown: boolean,
): Evidence {
  const { address, state, remoteAs, firstSeenMs, lastSeenMs } = peering;
  return {
    protocol,
    seenBy: router.id,
    remoteAddress: address,
    ...(state !== undefined && { state }),
    ...(remoteAs !== undefined && { remoteAs }),
    ...(isKnown && { matchedBy: "peer address" }),
    firstSeenMs,
    lastSeenMs,
  };
}
