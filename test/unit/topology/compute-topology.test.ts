import { describe, expect, it } from "vitest";
import type { RouterId } from "../../../src/routers/router.ts";
import { computeTopology } from "../../../src/topology/compute-topology.ts";
import type { ObservedRouter } from "../../../src/topology/observed.ts";
import { aRouter, cdp, drawn, linkBetween, lldp, SEEN } from "./routers.ts";

const MAC_A = "aa:00:00:00:00:01";
const MAC_B = "bc:00:00:00:00:01";
const MAC_C = "cc:00:00:00:00:01";
const STRANGER = "d0:00:00:00:00:01";

function withMac(name: string, mac: string, over: Partial<ObservedRouter> = {}): ObservedRouter {
  return aRouter(name, { chassis: { subtype: 4, id: mac }, ...over });
}

describe("a connection", () => {
  it("seen from both ends is one link with both as evidence", () => {
    const topology = computeTopology([
      withMac("a", MAC_A, { neighbours: [lldp(1, MAC_B, "Gi2")] }),
      withMac("b", MAC_B, { neighbours: [lldp(2, MAC_A, "Gi1")] }),
    ]);

    expect(drawn(topology)).toEqual(["a:Gi1 -- b:Gi2"]);
    expect(topology.links[0]?.evidence.map((it) => it.seenBy)).toEqual(["a", "b"]);
  });

  it("seen from one end is kept, and flagged", () => {
    const topology = computeTopology([
      withMac("a", MAC_A, { neighbours: [lldp(1, MAC_B, "Gi2")] }),
      withMac("b", MAC_B),
    ]);

    expect(drawn(topology)).toEqual(["a:Gi1 -- b:Gi2 (one side)"]);
  });

  it("seen by LLDP and CDP is one link", () => {
    const topology = computeTopology([
      withMac("a", MAC_A, {
        neighbours: [
          lldp(1, MAC_B, "Gi2"),
          cdp(1, "b.example.net", { remotePort: "GigabitEthernet2" }),
        ],
      }),
      withMac("b", MAC_B, { sysName: "b.example.net" }),
    ]);

    expect(drawn(topology)).toEqual(["a:Gi1 -- b:Gi2 (one side)"]);
    expect(topology.links[0]?.protocols).toEqual(["cdp", "lldp"]);
  });

  it("keeps its id whoever sees it, and in whatever order routers come", () => {
    const a = withMac("a", MAC_A, { neighbours: [lldp(1, MAC_B, "Gi2")] });
    const b = withMac("b", MAC_B, { neighbours: [lldp(2, MAC_A, "Gi1")] });

    const ids = [
      [a, b],
      [b, a],
      [a, withMac("b", MAC_B)],
    ].map((routers) => computeTopology(routers).links[0]?.id);

    expect(new Set(ids).size).toBe(1);
  });

  it("lasts from when it was first seen to when it was last seen, by anyone", () => {
    const topology = computeTopology([
      withMac("a", MAC_A, {
        neighbours: [lldp(1, MAC_B, "Gi2", { firstSeenMs: 5, lastSeenMs: 7 })],
      }),
      withMac("b", MAC_B, {
        neighbours: [lldp(2, MAC_A, "Gi1", { firstSeenMs: 3, lastSeenMs: 6 })],
      }),
    ]);

    expect(topology.links[0]).toMatchObject({ firstSeenMs: 3, lastSeenMs: 7 });
  });
});

describe("parallel links", () => {
  it("are two, each with its own ports", () => {
    const topology = computeTopology([
      withMac("a", MAC_A, { neighbours: [lldp(1, MAC_B, "Gi3"), lldp(2, MAC_B, "Gi4")] }),
      withMac("b", MAC_B, { neighbours: [lldp(3, MAC_A, "Gi1"), lldp(4, MAC_A, "Gi2")] }),
    ]);

    expect(drawn(topology)).toEqual(["a:Gi1 -- b:Gi3", "a:Gi2 -- b:Gi4"]);
  });

  it("are told apart by what one end alone says of ports", () => {
    const topology = computeTopology([
      withMac("a", MAC_A, { neighbours: [lldp(1, MAC_B, ""), lldp(2, MAC_B, "")] }),
      withMac("b", MAC_B, { neighbours: [lldp(3, MAC_A, "Gi2"), lldp(4, MAC_A, "Gi1")] }),
    ]);

    expect(drawn(topology)).toEqual(["a:Gi1 -- b:Gi4", "a:Gi2 -- b:Gi3"]);
  });

  it("are never crossed on a guess", () => {
    const topology = computeTopology([
      withMac("a", MAC_A, { neighbours: [lldp(1, MAC_B, ""), lldp(2, MAC_B, "")] }),
      withMac("b", MAC_B, { neighbours: [lldp(3, MAC_A, ""), lldp(4, MAC_A, "")] }),
    ]);

    expect(topology.links.every((it) => it.oneSided)).toBe(true);
  });

  it("of an aggregate name it on the members, and are no third link", () => {
    const bundled = (mac: string, over: Partial<ObservedRouter>, name: string) =>
      withMac(name, mac, {
        interfaces: [1, 2].map((ifIndex) => ({
          ifIndex,
          ifName: `Gi${ifIndex}`,
          aggregateIfIndex: 100,
        })),
        ...over,
      });
    const topology = computeTopology([
      bundled(MAC_A, { neighbours: [lldp(1, MAC_B, "Gi1"), lldp(2, MAC_B, "Gi2")] }, "a"),
      bundled(MAC_B, { neighbours: [lldp(1, MAC_A, "Gi1"), lldp(2, MAC_A, "Gi2")] }, "b"),
    ]);

    expect(drawn(topology)).toEqual(["a:Gi1 -- b:Gi1", "a:Gi2 -- b:Gi2"]);
    expect(topology.links.map((it) => it.a.aggregateIfIndex)).toEqual([100, 100]);
  });
});

it("a ring is three links", () => {
  const topology = computeTopology([
    withMac("a", MAC_A, { neighbours: [lldp(1, MAC_B, "Gi2"), lldp(2, MAC_C, "Gi1")] }),
    withMac("b", MAC_B, { neighbours: [lldp(1, MAC_C, "Gi2"), lldp(2, MAC_A, "Gi1")] }),
    withMac("c", MAC_C, { neighbours: [lldp(1, MAC_A, "Gi2"), lldp(2, MAC_B, "Gi1")] }),
  ]);

  expect(drawn(topology)).toEqual(["a:Gi1 -- b:Gi2", "a:Gi2 -- c:Gi1", "b:Gi1 -- c:Gi2"]);
});

describe("the far port", () => {
  it("is found by pairing both ends where one MAC address stands for every port", () => {
    const ports = (mac: string) =>
      [1, 2].map((ifIndex) => ({ ifIndex, ifName: `1/${ifIndex}`, ifPhysAddress: mac }));
    const byMac = (port: number, mac: string) => lldp(port, mac, mac, { remotePortIdSubtype: 3 });
    const topology = computeTopology([
      withMac("a", MAC_A, { interfaces: ports(MAC_A), neighbours: [byMac(2, MAC_B)] }),
      withMac("b", MAC_B, { interfaces: ports(MAC_B), neighbours: [byMac(1, MAC_A)] }),
    ]);

    expect(drawn(topology)).toEqual(["a:1/2 -- b:1/1"]);
  });

  it("is not taken from a description, which is only noted", () => {
    const topology = computeTopology([
      withMac("a", MAC_A, {
        neighbours: [lldp(1, MAC_B, "", { remotePortDesc: "GigabitEthernet3" })],
      }),
      withMac("b", MAC_B),
    ]);

    expect(drawn(topology)).toEqual(["a:Gi1 -- b:? (one side)"]);
    expect(topology.links[0]?.evidence[0]).toMatchObject({
      portMatchedBy: "port description",
      portCandidate: 3,
    });
  });

  it("is a number only when no port has that name", () => {
    const numbered = [7, 8].map((ifIndex) => ({ ifIndex, ifName: `${ifIndex + 1}` }));
    const said = (port: string) =>
      computeTopology([
        withMac("a", MAC_A, { neighbours: [lldp(1, MAC_B, port, { remotePortIdSubtype: 7 })] }),
        withMac("b", MAC_B, { interfaces: numbered }),
      ]).links[0]?.b.ifIndex;

    expect(said("8")).toBe(7);
    expect(said("7")).toBe(7);
  });

  it("is none of several ports of one name", () => {
    const topology = computeTopology([
      withMac("a", MAC_A, { neighbours: [lldp(1, MAC_B, "port")] }),
      withMac("b", MAC_B, {
        interfaces: [1, 2].map((ifIndex) => ({ ifIndex, ifName: "port" })),
      }),
    ]);

    expect(drawn(topology)).toEqual(["a:Gi1 -- b:? (one side)"]);
  });
});

describe("a neighbour is recognised", () => {
  function recognised(
    neighbour: Parameters<typeof lldp>[3],
    peer: Partial<ObservedRouter>,
  ): string[] {
    const { remoteChassisId: _, remoteChassisIdSubtype: __, ...anonymous } = lldp(1, "", "Gi2");
    const topology = computeTopology([
      aRouter("a", { neighbours: [{ ...anonymous, ...neighbour }] }),
      aRouter("b", peer),
    ]);
    return drawn(topology);
  }
  const FOUND = ["a:Gi1 -- b:Gi2 (one side)"];

  it("by the address of its bridge or of any of its interfaces", () => {
    const chassis = { remoteChassisIdSubtype: 4, remoteChassisId: MAC_B };
    expect(recognised(chassis, { bridgeAddress: MAC_B })).toEqual(FOUND);
    const interfaces = [{ ifIndex: 2, ifName: "Gi2", ifPhysAddress: MAC_B.toUpperCase() }];
    expect(recognised(chassis, { interfaces })).toEqual(FOUND);
  });

  it("by a chassis id that is no MAC address, of the same kind", () => {
    const chassis = { subtype: 7, id: "\x01\x02binary" };
    expect(
      recognised({ remoteChassisIdSubtype: 7, remoteChassisId: chassis.id }, { chassis }),
    ).toEqual(FOUND);
    expect(
      recognised({ remoteChassisIdSubtype: 6, remoteChassisId: chassis.id }, { chassis }),
    ).not.toEqual(FOUND);
  });

  it("by its management address, IPv4 or IPv6", () => {
    for (const address of ["192.0.2.2", "2001:db8::2"]) {
      const addresses = [{ address }];
      expect(recognised({ remoteMgmtAddrs: [address] }, { addresses })).toEqual(FOUND);
    }
  });

  it("by no address that every device has", () => {
    for (const address of ["127.0.0.1", "169.254.0.1", "::1", "fe80::1", "0.0.0.0"]) {
      const addresses = [{ address }];
      expect(recognised({ remoteMgmtAddrs: [address] }, { addresses })).not.toEqual(FOUND);
    }
  });

  it("by a name that is unique, with or without a domain on one side", () => {
    expect(recognised({ remoteSysName: "B.example.net." }, { sysName: "b.EXAMPLE.net" })).toEqual(
      FOUND,
    );
    expect(recognised({ remoteSysName: "b" }, { sysName: "b.example.net" })).toEqual(FOUND);
    expect(
      recognised({ remoteSysName: "b.example.net" }, { sysName: "b.example.org" }),
    ).not.toEqual(FOUND);
    expect(recognised({ remoteSysName: "core1" }, { sysName: "core10" })).not.toEqual(FOUND);
  });

  it("by CDP's device id: a name with a serial number, or a MAC address", () => {
    const byCdp = (deviceId: string, peer: Partial<ObservedRouter>) =>
      drawn(
        computeTopology([
          aRouter("a", { neighbours: [cdp(1, deviceId, { remotePort: "Gi2" })] }),
          aRouter("b", peer),
        ]),
      );
    expect(byCdp("b.example.net(SSI1)", { sysName: "b.example.net" })).toEqual(FOUND);
    expect(byCdp("bc0000000001", { bridgeAddress: MAC_B })).toEqual(FOUND);
  });

  it("never as the router that sees it, whatever both have in common", () => {
    for (const neighbour of [cdp(1, "switch"), lldp(1, MAC_A, "Gi2")]) {
      const topology = computeTopology([
        withMac("a", MAC_A, { sysName: "switch", neighbours: [neighbour] }),
      ]);
      expect(topology.nodes.map((it) => it.kind)).toContain("unknown");
      expect(topology.links).toHaveLength(1);
    }
  });

  it("by nothing but its chassis when that says it is another", () => {
    const peer = {
      chassis: { subtype: 4, id: MAC_B },
      sysName: "b",
      addresses: [{ address: "192.0.2.2" }],
    };
    const chassis = { remoteChassisIdSubtype: 4, remoteChassisId: STRANGER };
    expect(recognised({ ...chassis, remoteSysName: "b" }, peer)).not.toEqual(FOUND);
    expect(recognised({ ...chassis, remoteMgmtAddrs: ["192.0.2.2"] }, peer)).not.toEqual(FOUND);
  });
});

describe("a neighbour that several routers fit", () => {
  const twins = [aRouter("b", { sysName: "switch" }), aRouter("c", { sysName: "switch" })];

  it("stays unknown, with all of them as candidates", () => {
    const topology = computeTopology([
      aRouter("a", { neighbours: [cdp(1, "switch", { remotePort: "Gi2" })] }),
      ...twins,
    ]);

    const unknown = topology.nodes.filter((it) => it.kind === "unknown");
    expect(unknown).toMatchObject([{ name: "switch", candidates: ["b", "c"] }]);
    expect(linkBetween(topology, "a", "b")).toEqual([]);
  });

  it("is the one of them that weaker evidence names", () => {
    const shared = { bridgeAddress: MAC_B };
    const topology = computeTopology([
      aRouter("a", { neighbours: [lldp(1, MAC_B, "Gi2", { remoteMgmtAddrs: ["192.0.2.3"] })] }),
      aRouter("b", { ...shared, addresses: [{ address: "192.0.2.2" }] }),
      aRouter("c", { ...shared, addresses: [{ address: "192.0.2.3" }] }),
    ]);

    expect(drawn(topology)).toEqual(["a:Gi1 -- c:Gi2 (one side)"]);
  });

  it("is none of them by the address of a redundancy protocol", () => {
    const vrrp = "00:00:5e:00:01:01";
    const topology = computeTopology([
      aRouter("a", { neighbours: [lldp(1, vrrp, "Gi2")] }),
      aRouter("b", { interfaces: [{ ifIndex: 2, ifName: "Gi2", ifPhysAddress: vrrp }] }),
    ]);

    expect(linkBetween(topology, "a", "b")).toEqual([]);
  });
});

describe("a neighbour that is none of ours", () => {
  it("is one node for all who see it", () => {
    const topology = computeTopology([
      aRouter("a", { neighbours: [lldp(1, STRANGER, "eth0", { remoteSysName: "phone" })] }),
      aRouter("b", { neighbours: [lldp(1, STRANGER, "eth1", { remoteSysName: "renamed" })] }),
    ]);

    expect(topology.nodes.filter((it) => it.kind === "unknown")).toHaveLength(1);
    expect(topology.links).toHaveLength(2);
  });

  it("is not another of the same name", () => {
    const topology = computeTopology([
      aRouter("a", { neighbours: [lldp(1, STRANGER, "eth0", { remoteSysName: "switch" })] }),
      aRouter("b", { neighbours: [lldp(1, MAC_C, "eth0", { remoteSysName: "switch" })] }),
    ]);

    expect(topology.nodes.filter((it) => it.kind === "unknown")).toHaveLength(2);
  });

  it("keeps its node when it is renamed", () => {
    const nodesFor = (remoteSysName: string) =>
      computeTopology([
        aRouter("a", { neighbours: [lldp(1, STRANGER, "eth0", { remoteSysName })] }),
      ]).nodes.map((it) => it.id);

    expect(nodesFor("before")).toEqual(nodesFor("after"));
  });

  it("has no name, no port, no address, and is still shown", () => {
    const topology = computeTopology([
      aRouter("a", { neighbours: [{ protocol: "lldp", index: "0.1", ...SEEN }] }),
    ]);

    expect(topology.links).toHaveLength(1);
    expect(topology.links[0]?.oneSided).toBe(true);
  });
});

describe("a port with several neighbours", () => {
  it("is a shared segment: a telephone and the computer behind it", () => {
    const topology = computeTopology([
      aRouter("a", {
        neighbours: [
          lldp(1, STRANGER, "port 1", { index: "1.1" }),
          lldp(1, MAC_C, "eth0", { index: "1.2" }),
        ],
      }),
    ]);

    expect(topology.nodes.map((it) => it.kind).toSorted()).toEqual([
      "router",
      "segment",
      "unknown",
      "unknown",
    ]);
    expect(topology.links).toHaveLength(3);
  });

  it("is one segment for three routers on one hub", () => {
    const macs = { a: MAC_A, b: MAC_B, c: MAC_C };
    const topology = computeTopology(
      Object.entries(macs).map(([name, mac]) =>
        withMac(name, mac, {
          neighbours: Object.entries(macs)
            .filter(([other]) => other !== name)
            .map(([other, otherMac]) => lldp(1, otherMac, "Gi1", { index: `1.${other}` })),
        }),
      ),
    );

    expect(topology.nodes.filter((it) => it.kind === "segment")).toHaveLength(1);
    expect(topology.links).toHaveLength(3);
    expect(topology.links.every((it) => !it.oneSided)).toBe(true);
  });

  it("is a cable beside an old entry when its far end sees nobody else", () => {
    const topology = computeTopology([
      withMac("a", MAC_A, { neighbours: [lldp(1, MAC_B, "Gi2"), lldp(1, STRANGER, "eth0")] }),
      withMac("b", MAC_B, { neighbours: [lldp(2, MAC_A, "Gi1")] }),
    ]);

    expect(drawn(topology)).toContain("a:Gi1 -- b:Gi2");
    expect(topology.nodes.filter((it) => it.kind === "segment")).toEqual([]);
  });

  it("may have five hundred", () => {
    const neighbours = Array.from({ length: 500 }, (_, i) =>
      lldp(1, `d2:00:00:00:${(i >> 8).toString(16)}:${(i & 255).toString(16)}`, "eth0", {
        index: `1.${i}`,
      }),
    );

    const topology = computeTopology([aRouter("a", { neighbours })]);

    expect(topology.links).toHaveLength(501);
  });
});

it("a router with no local port in its table still has its link", () => {
  const topology = computeTopology([
    withMac("a", MAC_A, { neighbours: [lldp(undefined, MAC_B, "Gi2")] }),
    withMac("b", MAC_B, { neighbours: [lldp(2, MAC_A, "Gi1")] }),
  ]);

  expect(drawn(topology)).toEqual(["a:Gi1 -- b:Gi2"]);
});

it("routers of two zones are never joined, whatever they have in common", () => {
  const topology = computeTopology([
    withMac("a", MAC_A, { zone: "north", neighbours: [lldp(1, MAC_B, "Gi2")] }),
    withMac("b", MAC_B, { zone: "south", neighbours: [lldp(2, MAC_A, "Gi1")] }),
  ]);

  expect(linkBetween(topology, "a", "b")).toEqual([]);
});

describe("BGP and OSPF", () => {
  const peer = (address: string, remoteAs: number) => ({
    address,
    remoteAs,
    state: "established",
    ...SEEN,
  });

  it("are layers of their own, one link for two routers", () => {
    const topology = computeTopology([
      aRouter("a", {
        addresses: [{ address: "192.0.2.1" }],
        bgpPeers: [peer("192.0.2.2", 65_002)],
        ospfNeighbours: [{ address: "192.0.2.2", state: "full", ...SEEN }],
      }),
      aRouter("b", {
        addresses: [{ address: "192.0.2.2" }],
        bgpPeers: [peer("192.0.2.1", 65_001)],
      }),
    ]);

    expect(topology.links.map(({ layer, oneSided }) => ({ layer, oneSided }))).toEqual(
      expect.arrayContaining([
        { layer: "bgp", oneSided: false },
        { layer: "ospf", oneSided: true },
      ]),
    );
    expect(topology.links).toHaveLength(2);
  });

  it("show a peer that is none of ours by its AS and address", () => {
    const topology = computeTopology([
      aRouter("a", { bgpPeers: [peer("198.51.100.1", 4_200_000_000)] }),
    ]);

    expect(topology.nodes).toContainEqual(
      expect.objectContaining({ kind: "unknown", name: "AS4200000000 198.51.100.1" }),
    );
  });
});

it("nothing of it depends on the order of routers", () => {
  const routers = [
    withMac("a", MAC_A, { neighbours: [lldp(1, MAC_B, "Gi2"), lldp(2, STRANGER, "x")] }),
    withMac("b", MAC_B, { neighbours: [lldp(2, MAC_A, "Gi1"), lldp(3, STRANGER, "y")] }),
    aRouter("c" as RouterId, { sysName: "c" }),
  ];

  const shape = (list: readonly ObservedRouter[]) => {
    const { nodes, links } = computeTopology(list);
    return { nodes: nodes.map((it) => it.id), links: links.map((it) => it.id) };
  };

  expect(shape(routers.toReversed())).toEqual(shape(routers));
});
