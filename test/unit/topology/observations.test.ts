import { describe, expect, it } from "vitest";
import type { InventoryDocuments, Neighbour } from "../../../src/routers/inventory.ts";
import {
  type KnownObservation,
  OBSERVATIONS_MAX,
  type Observation,
  type ObservationKind,
  observationChanges,
  observationsOf,
} from "../../../src/topology/observations.ts";

function observed(kind: ObservationKind, documents: Partial<InventoryDocuments>): Observation[] {
  return observationsOf(kind, documents) ?? [];
}

const lldp = (more: Partial<Neighbour>): Neighbour => ({
  protocol: "lldp",
  index: "9.1.1",
  ...more,
});

describe("what an inventory says of others", () => {
  it("is nothing known where the section was not read, and nobody where it is empty", () => {
    expect(observationsOf("bgp", { neighbours: [] })).toBeUndefined();
    expect(observationsOf("neighbour", { neighbours: [] })).toEqual([]);
  });

  it("keeps its key whatever LLDP's time mark is", () => {
    const keys = (index: string) =>
      observed("neighbour", { neighbours: [lldp({ index })] }).map(({ key }) => key);

    expect(keys("77.4.1")).toEqual(["lldp 4.1"]);
    expect(keys("900.4.1")).toEqual(["lldp 4.1"]);
  });

  it("keeps CDP's whole index, and one that is no LLDP index at all", () => {
    const neighbours: Neighbour[] = [{ protocol: "cdp", index: "5.2" }];
    const neighboursMalformedIndex = [lldp({ index: "3" })];

    const found = observed("neighbour", { neighbours, neighboursMalformedIndex });

    expect(found.map(({ key }) => key)).toEqual(["cdp 5.2", "lldp 3"]);
  });

  it("has the local port only where it is certain, or a maker's table has it as its index", () => {
    const localPort = (neighbour: Neighbour) =>
      observed("neighbour", { neighbours: [neighbour] }).map(
        (it) => it.kind === "neighbour" && it.facts.localIfIndex,
      );

    expect(localPort(lldp({ localIfIndex: 4, localIfIndexConfidence: "certain" }))).toEqual([4]);
    expect(localPort(lldp({ localIfIndex: 4, localIfIndexConfidence: "weak" }))).toEqual([
      undefined,
    ]);
    expect(localPort(lldp({ localIfIndex: 4, localIfIndexConfidence: "ambiguous" }))).toEqual([
      undefined,
    ]);
    expect(localPort(lldp({ localIfIndex: 4, source: "LLDP-V2-MIB" }))).toEqual([4]);
  });

  it("is cut where a router lists without end", () => {
    const neighbours = Array.from({ length: OBSERVATIONS_MAX + 1 }, (_, i) =>
      lldp({ index: `1.${i}.1` }),
    );

    expect(observed("neighbour", { neighbours })).toHaveLength(OBSERVATIONS_MAX);
  });

  it("takes peers of the default routing instance, each once, and no counters of theirs", () => {
    const bgpPeers = [
      { source: "BGP4-MIB", peer: "192.0.2.1", state: "established", inUpdates: "5" },
      { source: "BGP4-MIB", peer: "192.0.2.2", state: "connect" },
    ];
    const bgpPeersVendor = [
      { source: "CISCO-BGP4-MIB", peer: "192.0.2.1", state: "established" },
      { source: "CISCO-BGP4-MIB", peer: "2001:db8::1", state: "established" },
      { source: "ARISTA-BGP4V2-MIB", peer: "192.0.2.3", instance: 1 },
      { source: "ARISTA-BGP4V2-MIB", peer: "192.0.2.4", instance: 2 },
      { source: "BGP4-V2-MIB-JUNIPER", peer: "192.0.2.5", instance: 1 },
    ];

    expect(observed("bgp", { bgpPeers, bgpPeersVendor }).map(({ facts }) => facts)).toEqual([
      { address: "192.0.2.1", state: "established" },
      { address: "192.0.2.2", state: "down" },
      { address: "2001:db8::1", state: "established" },
      { address: "192.0.2.3" },
    ]);
  });
});

describe("a reading", () => {
  const before = new Date(1_000);
  const readAt = new Date(2_000);
  const neighbour = (index: string, more: Partial<Neighbour> = {}): Observation => {
    const [one] = observed("neighbour", { neighbours: [{ protocol: "cdp", index, ...more }] });
    if (one === undefined) throw new Error("no observation");
    return one;
  };
  const known = (...observations: Observation[]): KnownObservation[] =>
    observations.map((one) => ({ ...one, firstSeenAt: before }));
  const whole = { isComplete: true, readAt };

  it("confirms what is as before, whatever the order of its facts", () => {
    const now = neighbour("1.1", { remoteSysName: "a", remotePort: "b" });
    const stored = known(
      JSON.parse(
        '{"kind":"neighbour","key":"cdp 1.1","facts":{"remotePort":"b","remoteSysName":"a","index":"1.1","protocol":"cdp"}}',
      ),
    );

    expect(observationChanges(stored, [now], whole)).toEqual({
      closed: [],
      opened: [],
      confirmed: stored,
    });
  });

  it("that is whole ends what it lacks, and a part does not", () => {
    const stored = known(neighbour("1.1"));

    expect(observationChanges(stored, [], whole).closed).toEqual(stored);
    expect(observationChanges(stored, [], { ...whole, isComplete: false }).closed).toEqual([]);
  });

  it("opens what is new from then on, and what changed from when it was first seen", () => {
    const stored = known(neighbour("1.1", { remoteSysName: "a", remotePort: "1" }));
    const moved = neighbour("1.1", { remoteSysName: "a", remotePort: "2" });
    const fresh = neighbour("2.1", { remoteSysName: "c" });

    const changes = observationChanges(stored, [moved, fresh], { ...whole, isComplete: false });

    expect(changes.closed).toEqual(stored);
    expect(changes.opened).toEqual([
      { ...moved, firstSeenAt: before },
      { ...fresh, firstSeenAt: readAt },
    ]);
  });

  it("takes another device in the same row for another", () => {
    const stored = known(neighbour("1.1", { remoteSysName: "a" }));

    const { opened } = observationChanges(
      stored,
      [neighbour("1.1", { remoteSysName: "b" })],
      whole,
    );

    expect(opened.map(({ firstSeenAt }) => firstSeenAt)).toEqual([readAt]);
  });
});
