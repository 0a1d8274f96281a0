import type { RouterId } from "../../../src/routers/router.ts";
import type { Neighbour, ObservedRouter } from "../../../src/topology/observed.ts";
import type { Link, Topology } from "../../../src/topology/topology.ts";

export const SEEN = { firstSeenMs: 1_000, lastSeenMs: 2_000 };

/** A router called `name` with ports 1 to 4 named `Gi1` to `Gi4`, and what a test says of it besides. */
export function aRouter(name: string, over: Partial<ObservedRouter> = {}): ObservedRouter {
  return {
    id: name as RouterId,
    name,
    zone: "default",
    addresses: [],
    interfaces: [1, 2, 3, 4].map((ifIndex) => ({
      ifIndex,
      ifName: `Gi${ifIndex}`,
      ifDescr: `GigabitEthernet${ifIndex}`,
    })),
    neighbours: [],
    bgpPeers: [],
    ospfNeighbours: [],
    ...over,
  };
}

/** What LLDP says on port `localIfIndex` of the router with chassis `mac`, seen through its port `remotePort`. */
export function lldp(
  localIfIndex: number | undefined,
  mac: string,
  remotePort: string,
  over: Partial<Neighbour> = {},
): Neighbour {
  return {
    protocol: "lldp",
    index: `${localIfIndex ?? 0}.1`,
    ...(localIfIndex !== undefined && { localIfIndex }),
    remoteChassisIdSubtype: 4,
    remoteChassisId: mac,
    remotePortIdSubtype: 5,
    remotePort,
    ...SEEN,
    ...over,
  };
}

export function cdp(
  localIfIndex: number,
  deviceId: string,
  over: Partial<Neighbour> = {},
): Neighbour {
  return {
    protocol: "cdp",
    index: `${localIfIndex}.1`,
    localIfIndex,
    remoteSysName: deviceId,
    ...SEEN,
    ...over,
  };
}

/** The links as text, `a:port -- b:port`, with `?` for a port not known and a mark when only one end says so. */
export function drawn({ links }: Topology): string[] {
  return links
    .map((link) => {
      const ends = [link.a, link.b].map((end) => `${end.node}:${end.ifName ?? "?"}`);
      return `${ends.join(" -- ")}${link.oneSided ? " (one side)" : ""}`;
    })
    .toSorted();
}

export function linkBetween({ links }: Topology, one: string, other: string): Link[] {
  return links.filter(({ a, b }) => {
    return (a.node === one && b.node === other) || (a.node === other && b.node === one);
  });
}
