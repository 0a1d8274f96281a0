import { expect, it } from "vitest";
import { computeTopology } from "../../../src/topology/compute-topology.ts";
import { linkChanges } from "../../../src/topology/link-changes.ts";
import type { Neighbour } from "../../../src/topology/observed.ts";
import { aRouter, lldp } from "./routers.ts";

const MACS = { a: "00:00:00:00:0a:01", b: "00:00:00:00:0b:01" };

function network(...seenByA: Neighbour[]) {
  return computeTopology([
    aRouter("a", { chassis: { subtype: 4, id: MACS.a }, neighbours: seenByA }),
    aRouter("b", { chassis: { subtype: 4, id: MACS.b } }),
  ]);
}

function told(before: Neighbour[], after: Neighbour[]): string[] {
  return linkChanges(network(...before), network(...after)).map(({ change }) => change);
}

const one = lldp(1, MACS.b, "Gi1");

it("a link that is there before and after has not changed by being seen again", () => {
  expect(told([one], [{ ...one, firstSeenMs: 5_000, lastSeenMs: 9_000 }])).toEqual([]);
});

it("a link that only one of two times has, appeared or disappeared", () => {
  expect(told([], [one])).toEqual(["appeared"]);
  expect(told([one], [])).toEqual(["disappeared"]);
});

it("a link of which something else is said has changed", () => {
  expect(told([one], [{ ...one, remoteSysName: "renamed" }])).toEqual(["changed"]);
});
