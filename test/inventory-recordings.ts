import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Recordings of real devices with the facts a correct poller must report; they lie beside the project, not in it. */
export const RECORDINGS = join(import.meta.dirname, "..", "..", "shared", "recordings");
export const recordingsAreThere = existsSync(join(RECORDINGS, "MANIFEST.json"));

export function recordingNames(): string[] {
  if (!recordingsAreThere) return [];
  return readdirSync(RECORDINGS)
    .filter((file) => file.endsWith(".snmprec"))
    .map((file) => file.slice(0, -".snmprec".length));
}

/** A fact by its name; texts are compared without white space at their ends. */
export type Facts = Readonly<Record<string, unknown>>;
type Row = Readonly<Record<string, unknown>>;

/** An inventory or the facts expected of one: by section, each an object or a list of rows. */
export type Inventory = Readonly<Record<string, unknown>>;

export function expectedInventory(name: string): Inventory {
  const file = readFileSync(join(RECORDINGS, `${name}.expected.json`), "utf8");
  const facts = JSON.parse(file) as Record<string, unknown>;
  const system = Object.fromEntries(
    ["sysDescr", "sysObjectID", "sysUpTime", "sysContact", "sysName", "sysLocation", "ifNumber"]
      .filter((key) => facts[key] !== null)
      .map((key) => [key, facts[key]]),
  );
  return { ...facts, system };
}

/** How the rows of a section are told apart. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  interfaces: ["ifIndex"],
  neighbours: ["protocol", "index"],
  bgpPeers: ["source", "peer"],
  ospfNeighbours: ["neighborAddr", "addressLessIndex"],
  processors: ["source", "index"],
  memory: ["source", "index"],
  sensors: ["source", "entPhysicalIndex"],
  ipAddresses: ["address"],
};

/** Sections that a poller may leave out, and may say more in than the recordings' facts do. */
const OPTIONAL_KEYS: Readonly<Record<string, readonly string[]>> = {
  neighboursVendor: ["index"],
  neighboursMalformedIndex: ["index"],
  bgpPeersVendor: ["source", "peer", "instance"],
};

/** The sections, each with a map of its rows, the columns that are not compared left out. */
export function comparable(inventory: Inventory): Facts {
  return { system: rowFacts(inventory["system"] as Row, []), ...sections(inventory, KEYS) };
}

/** The same of the sections a poller may leave out. */
export function optional(inventory: Inventory): Facts {
  return sections(inventory, OPTIONAL_KEYS);
}

function sections(inventory: Inventory, keysOf: typeof KEYS): Facts {
  return Object.fromEntries(
    Object.entries(keysOf).map(([section, keys]) => [
      section,
      Object.fromEntries(
        ((inventory[section] ?? []) as Row[]).map((row) => [
          keys.map((key) => String(row[key])).join(" "),
          rowFacts(row, keys),
        ]),
      ),
    ]),
  );
}

/** What is not a fact of the router, is judged apart, or may be told better than as the recording's text rule has it. */
const NOT_COMPARED = new Set([
  "id",
  "localPortId",
  "lldpLocal",
  "bgp",
  "ospf",
  "bridgeAddress",
  "ifCounterDiscontinuityTime",
  "localIfIndexVia",
  "localIfIndex",
  "localIfIndexConfidence",
  "localIfIndexCandidates",
  "localPort",
]);

function rowFacts(row: Row, keys: readonly string[]): Facts {
  return Object.fromEntries(
    Object.entries(row)
      .filter(([key]) => !keys.includes(key) && !NOT_COMPARED.has(key))
      .map(([key, value]) => [key, typeof value === "string" ? value.trim() : value]),
  );
}

/** localIfIndex of the neighbours whose local interface is certain, by protocol and index. */
export function certainPorts(expected: Inventory): Facts {
  const rows = (expected["neighbours"] as Row[]).filter(
    (row) => row["localIfIndexConfidence"] === "certain",
  );
  return portsOf(rows);
}

export function portsOf(rows: readonly Row[]): Facts {
  return Object.fromEntries(
    rows.map((row) => [`${row["protocol"]} ${row["index"]}`, row["localIfIndex"]]),
  );
}
