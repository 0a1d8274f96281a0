import type { RouterId } from "../routers/router.ts";
import { deviceMac } from "./mac.ts";
import { isDistinctive } from "./match-router.ts";
import { macOf, nameOf, type Sighting } from "./sightings.ts";
import type { TopologyNode } from "./topology.ts";
import { UnionFind } from "./union-find.ts";

/** LldpChassisIdSubtype: what may be equal on many devices, such as an interface's name. */
const NOT_GLOBAL = new Set([2, 3, 6, 7]);

/**
 * Gives each neighbour that is none of our routers a node: one for all who see the same device, by its chassis id or
 * MAC address, or by name and management address together; a name alone joins nothing.
 */
export function unknownNodes(
  zone: string,
  sightings: readonly Sighting[],
): Map<Sighting, TopologyNode> {
  const unknown = sightings.filter((it) => it.remote.routerId === undefined);
  const identities = unknown.map(identitiesOf);
  const devices = new UnionFind(unknown.length);
  const firstWith = new Map<string, number>();
  for (const [i, keys] of identities.entries()) {
    for (const key of keys) {
      const first = firstWith.get(key);
      if (first === undefined) firstWith.set(key, i);
      else devices.union(i, first);
    }
  }
  const nodes = new Map<Sighting, TopologyNode>();
  for (const group of devices.groups()) {
    const key = group.flatMap((i) => identities[i] ?? []).toSorted()[0] ?? "";
    const members = group.flatMap((i) => unknown[i] ?? []);
    const node = unknownNode(`unknown:${zone}:${key}`, zone, members);
    for (const member of members) nodes.set(member, node);
  }
  return nodes;
}

/** What tells the device of a sighting, each enough to find it again; at least one. */
function identitiesOf(sighting: Sighting): string[] {
  const keys = sighting.neighbours.flatMap((neighbour) => {
    const mac = macOf(neighbour);
    const name = nameOf(neighbour);
    const addresses = (neighbour.remoteMgmtAddrs ?? []).filter(isDistinctive);
    const { remoteChassisIdSubtype: subtype, remoteChassisId: chassisId } = neighbour;
    const isChassis = mac === undefined && subtype !== undefined && chassisId;
    const owner = subtype !== undefined && NOT_GLOBAL.has(subtype) ? ` ${name}` : "";
    return [
      ...(mac === undefined ? [] : [`mac:${mac}`]),
      ...(isChassis && (owner !== " " || name !== "")
        ? [`chassis:${subtype}:${chassisId}${owner}`]
        : []),
      ...(name === "" ? [] : addresses.map((address) => `name:${name} ${address}`)),
    ];
  });
  if (keys.length > 0) return [...new Set(keys)];
  const { seenBy, localIfIndex, neighbours } = sighting;
  const port = localIfIndex ?? neighbours.map((it) => `${it.protocol} ${it.index}`).join();
  const told = neighbours.map((it) => nameOf(it) || it.remotePort || "").join();
  return [`seen:${seenBy}:${port}:${told}`];
}

function unknownNode(id: string, zone: string, sightings: readonly Sighting[]): TopologyNode {
  const neighbours = sightings.flatMap((it) => it.neighbours);
  const addresses = [...new Set(neighbours.flatMap((it) => it.remoteMgmtAddrs ?? []))].toSorted();
  const names = neighbours
    .map((it) => it.remoteSysName)
    .filter((it) => it !== undefined && it !== "" && deviceMac(it) === undefined);
  const chassis = neighbours.map((it) => it.remoteChassisId).find(Boolean);
  const platform = neighbours.map((it) => it.remotePlatform).find(Boolean);
  const candidates = candidatesOf(sightings);
  return {
    id,
    kind: "unknown",
    name: names[0] ?? addresses[0] ?? chassis ?? "unknown",
    zone,
    ...(candidates.length > 0 && { candidates }),
    ...(platform !== undefined && { platform }),
    ...(addresses.length > 0 && { addresses }),
  };
}

function candidatesOf(sightings: readonly Sighting[]): RouterId[] {
  const ids = sightings.flatMap(({ remote }) =>
    remote.routerId === undefined ? remote.candidates : [],
  );
  return [...new Set(ids)].toSorted();
}
