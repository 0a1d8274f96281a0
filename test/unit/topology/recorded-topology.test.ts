import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RouterId } from "../../../src/routers/router.ts";
import { computeTopology } from "../../../src/topology/compute-topology.ts";
import type { Neighbour, ObservedRouter } from "../../../src/topology/observed.ts";
import { RECORDINGS, recordingsAreThere } from "../../inventory-recordings.ts";
import { linksBetweenRouters, recordedLinks } from "../../topology-recordings.ts";
import { SEEN } from "./routers.ts";

const BRIDGE_ADDRESS = /^1\.3\.6\.1\.2\.1\.17\.1\.1\.0\|4x\|([0-9a-fA-F]{12})$/m;

interface Expected {
  readonly name: string;
  readonly sysName?: string;
  readonly lldpLocal: { readonly chassisIdSubtype?: number; readonly chassisId?: string };
  readonly interfaces: ObservedRouter["interfaces"];
  readonly ipAddresses: ObservedRouter["addresses"];
  readonly neighbours: readonly (Omit<Neighbour, "firstSeenMs" | "lastSeenMs"> & {
    readonly localIfIndexConfidence?: string;
  })[];
}

/** The device's expected facts as the inventory would have them. */
function observed(file: string): ObservedRouter {
  const facts: Expected = JSON.parse(readFileSync(join(RECORDINGS, file), "utf8"));
  const recording = readFileSync(join(RECORDINGS, `${facts.name}.snmprec`), "latin1");
  const bridgeAddress = BRIDGE_ADDRESS.exec(recording)?.[1];
  const { chassisIdSubtype, chassisId } = facts.lldpLocal;
  return {
    id: facts.name as RouterId,
    name: facts.name,
    zone: "default",
    ...(facts.sysName !== undefined && { sysName: facts.sysName }),
    ...(chassisIdSubtype !== undefined &&
      chassisId !== undefined && { chassis: { subtype: chassisIdSubtype, id: chassisId } }),
    ...(bridgeAddress !== undefined && { bridgeAddress }),
    addresses: facts.ipAddresses,
    interfaces: facts.interfaces,
    neighbours: facts.neighbours.map(({ localIfIndexConfidence, localIfIndex, ...neighbour }) => ({
      ...neighbour,
      ...(localIfIndexConfidence === "certain" && localIfIndex !== undefined && { localIfIndex }),
      ...SEEN,
    })),
    bgpPeers: [],
    ospfNeighbours: [],
  };
}

describe.skipIf(!recordingsAreThere)("real networks (needs ../shared/recordings)", () => {
  it("have exactly the links that were cabled, each once, with the right ports", () => {
    const files = readdirSync(RECORDINGS).filter((file) => file.endsWith(".expected.json"));

    const { links } = computeTopology(files.map(observed));

    expect(linksBetweenRouters(links)).toEqual(recordedLinks());
  });
});
