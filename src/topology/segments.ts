import type { RouterId } from "../routers/router.ts";
import { compare, endKey, makeLink } from "./link.ts";
import type { ObservedRouter } from "./observed.ts";
import type { Evidence, Link, LinkEnd, Topology, TopologyNode } from "./topology.ts";
import { UnionFind } from "./union-find.ts";

/**
 * Puts a segment where several neighbours share a port: there is a hub, or a switch that passes LLDP on, between them,
 * and a link from the port to each of them would show cables that do not exist. A connection that both ends confirm and
 * whose far port sees nothing else is a cable all the same: what else is reported on the near port is old, or sits
 * behind the neighbour.
 */
export function shareSegments(
  zone: string,
  links: readonly Link[],
  routers: ReadonlyMap<RouterId, ObservedRouter>,
): Topology {
  const linksOfPort = new Map<string, number[]>();
  for (const [i, link] of links.entries()) {
    for (const key of portsOf(link)) append(linksOfPort, key, i);
  }
  const isCable = (link: Link): boolean =>
    !link.oneSided && portsOf(link).some((key) => linksOfPort.get(key)?.length === 1);
  const shared = new UnionFind(links.length);
  for (const onPort of linksOfPort.values()) {
    const [first, ...others] = onPort.filter((i) => {
      const link = links[i];
      return link !== undefined && !isCable(link);
    });
    if (first !== undefined) for (const other of others) shared.union(first, other);
  }

  const nodes: TopologyNode[] = [];
  const result: Link[] = [];
  for (const group of shared.groups()) {
    const members = group.flatMap((i) => links[i] ?? []);
    if (members.length === 1) {
      result.push(...members);
      continue;
    }
    const segment = segmentNode(zone, members, routers);
    nodes.push(segment);
    result.push(...linksTo(segment, members));
  }
  return { nodes, links: result };
}

/** The ends of a link that are certain ports of routers. */
function portsOf(link: Link): string[] {
  return [link.a, link.b]
    .filter((end) => end.routerId !== undefined && end.ifIndex !== undefined)
    .map(endKey);
}

function segmentNode(
  zone: string,
  members: readonly Link[],
  routers: ReadonlyMap<RouterId, ObservedRouter>,
): TopologyNode {
  const ports = endsOf(members).filter((end) => end.routerId !== undefined);
  const first = ports.toSorted((x, y) => compare(endKey(x), endKey(y)))[0];
  const router = first?.routerId === undefined ? undefined : routers.get(first.routerId);
  return {
    id: `segment:${first === undefined ? "" : endKey(first).replace(" ", ":")}`,
    kind: "segment",
    name: `${router?.name ?? ""} ${first?.ifName ?? first?.ifIndex ?? ""}`.trim(),
    zone,
  };
}

/** One link from each member to the segment, with what it says and what is said of it. */
function linksTo(segment: TopologyNode, members: readonly Link[]): Link[] {
  const evidenceAt = new Map<string, Evidence[]>();
  for (const { a, b, evidence } of members) {
    for (const end of [a, b]) for (const it of evidence) append(evidenceAt, endKey(end), it);
  }
  return endsOf(members).map((end) => {
    const evidence = evidenceAt.get(endKey(end)) ?? [];
    const isOwn = (it: Evidence): boolean => it.seenBy === end.routerId;
    const oneSided = evidence.every(isOwn) || !evidence.some(isOwn);
    return makeLink("physical", end, { node: segment.id }, evidence, oneSided);
  });
}

function endsOf(links: readonly Link[]): LinkEnd[] {
  const ends = new Map(links.flatMap(({ a, b }) => [a, b]).map((end) => [endKey(end), end]));
  return [...ends.values()];
}

function append<Item>(lists: Map<string, Item[]>, key: string, item: Item): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}
