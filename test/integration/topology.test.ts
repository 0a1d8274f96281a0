import { afterAll, beforeAll, beforeEach, expect, inject, it } from "vitest";
import type { InventoryDocuments, Neighbour, ReadDocument } from "../../src/routers/inventory.ts";
import type { RouterId } from "../../src/routers/router.ts";
import { saveInterfaces } from "../../src/storage/interfaces.ts";
import { saveInventory } from "../../src/storage/inventories.ts";
import { withTenant } from "../../src/storage/pool.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import { OBSERVATIONS_MAX } from "../../src/topology/observations.ts";
import {
  type ApiFixture,
  newCredential,
  openApiFixture,
  routerBodies,
  type TenantCaller,
} from "./api-fixture.ts";

const START_MS = Date.parse("2026-03-01T00:00:00Z");
const MINUTE_MS = 60_000;
const DISCOVERY = { readAtMs: {}, answering: [], signals: {} };

let api: ApiFixture;
let nowMs = START_MS;
let tenants = 0;

/** A tenant with two switches, each with ports 1 to 4 called `p1` to `p4`. */
let tenant: TenantCaller;
let west: RouterId;
let east: RouterId;

beforeAll(async () => {
  api = await openApiFixture(inject("databaseUrl"), { clock: { now: () => nowMs } });
});

beforeEach(async () => {
  nowMs = START_MS;
  tenant = await api.newTenant(`tenant-${++tenants}`, "business");
  [west, east] = await twoSwitches(tenant);
});

afterAll(() => api.close());

async function twoSwitches(owner: TenantCaller, zone?: string): Promise<[RouterId, RouterId]> {
  const credential = await newCredential(owner.call, `credential of ${zone ?? "all"}`);
  const body = routerBodies(credential);
  const ids: RouterId[] = [];
  for (const [place, name] of ["west", "east"].entries()) {
    const changes = {
      name: `${name} ${zone ?? ""}`.trim(),
      ...(zone === undefined ? {} : { zone }),
    };
    const { body: router } = await owner.call("POST", "/v1/routers", body(changes));
    ids.push(router.id);
    await withTenant(api.storage.app, owner.id as TenantId, async (client) => {
      const ports = [1, 2, 3, 4].map((ifIndex) => ({ ifIndex, ifName: `p${ifIndex}` }));
      await saveInterfaces(client, router.id, ports, new Date(START_MS));
      const lldpLocal = { chassisIdSubtype: 4, chassisId: macOf(place) };
      await saveInventory(
        client,
        router.id,
        { documents: [whole("system", { lldpLocal, sysName: name })], discovery: DISCOVERY },
        new Date(START_MS),
      );
    });
  }
  const [first, second] = ids;
  if (first === undefined || second === undefined) throw new Error("no routers were made");
  return [first, second];
}

const macOf = (place: number) => `02:00:00:00:0${place}:01`;

function whole<Section extends keyof InventoryDocuments>(
  section: Section,
  document: InventoryDocuments[Section],
  isComplete = true,
): ReadDocument {
  return { section, document, isComplete };
}

/** What LLDP says on `port` of the switch at the other `place`, seen through its `remotePort`. */
function sees(port: number, place: number, remotePort: number, more: Partial<Neighbour> = {}) {
  return {
    protocol: "lldp",
    index: `1000.${port}.1`,
    localIfIndex: port,
    localIfIndexConfidence: "certain",
    remoteChassisIdSubtype: 4,
    remoteChassisId: macOf(place),
    remotePortIdSubtype: 5,
    remotePort: `p${remotePort}`,
    remoteSysName: place === 0 ? "west" : "east",
    ...more,
  } satisfies Neighbour;
}

interface ShownLink {
  readonly a: { readonly ifIndex?: number };
  readonly b: { readonly ifIndex?: number };
  readonly oneSided: boolean;
}

interface Change {
  readonly change: string;
  readonly before?: ShownLink;
  readonly after?: ShownLink;
}

/** The router's tables are read at `minute`. */
async function read(
  router: RouterId,
  minute: number,
  documents: readonly ReadDocument[],
  owner = tenant,
): Promise<void> {
  await withTenant(api.storage.app, owner.id as TenantId, (client) =>
    saveInventory(client, router, { documents, discovery: DISCOVERY }, minuteOf(minute)),
  );
}

const minuteOf = (minute: number) => new Date(START_MS + minute * MINUTE_MS);
const textOf = (minute: number) => minuteOf(minute).toISOString();
const neighbours = (...rows: Neighbour[]) => [whole("neighbours", rows)];

async function topologyAfter(minute: number, query = "", owner = tenant) {
  nowMs = minuteOf(minute).getTime();
  const answer = await owner.call("GET", `/v1/topology${query}`);
  expect([answer.status, answer.text]).toEqual([200, answer.text]);
  return answer.body;
}

async function changes(from: number, to: number) {
  const query = `?from=${textOf(from)}&to=${textOf(to)}`;
  return (await tenant.call("GET", `/v1/topology/changes${query}`)).body.changes;
}

async function rowCount(): Promise<number> {
  const { rows } = await api.storage.owner.query<{ rows: number }>(
    "select count(*)::integer as rows from neighbour_observations where tenant_id = $1",
    [tenant.id],
  );
  return rows[0]?.rows ?? -1;
}

/** Both switches see each other, west through 1 and east through 2. */
async function connect(minute: number): Promise<void> {
  await read(west, minute, neighbours(sees(1, 1, 2)));
  await read(east, minute, neighbours(sees(2, 0, 1)));
}

it("a link both ends report is one, with ports, evidence and times", async () => {
  await connect(0);
  await read(west, 15, neighbours(sees(1, 1, 2, { index: "2000.1.1" })));

  const { at, nodes, links, incomplete } = await topologyAfter(20);

  expect({ at, incomplete }).toEqual({ at: textOf(20), incomplete: [] });
  expect(nodes).toMatchObject([
    { id: west, routerId: west, name: "west", kind: "router", zone: "default" },
    { id: east, routerId: east, name: "east", kind: "router", zone: "default" },
  ]);
  const ends = [
    { node: west, routerId: west, ifIndex: 1, ifName: "p1" },
    { node: east, routerId: east, ifIndex: 2, ifName: "p2" },
  ];
  expect(links).toHaveLength(1);
  expect(links[0]).toMatchObject({
    layer: "physical",
    protocols: ["lldp"],
    oneSided: false,
    stale: false,
    firstSeen: textOf(0),
    lastSeen: textOf(15),
  });
  expect([links[0].a, links[0].b]).toEqual(expect.arrayContaining(ends));
  expect(links[0].evidence).toHaveLength(2);
});

it("a port of an aggregate names it", async () => {
  await connect(0);
  await read(west, 0, [whole("aggregates", [{ ifIndex: 1, aggregateIfIndex: 4 }])]);

  const { links } = await topologyAfter(1);

  const ends: { ifIndex: number; aggregateIfIndex?: number }[] = [links[0].a, links[0].b];
  const told = ends.map(({ ifIndex, aggregateIfIndex }) => [ifIndex, aggregateIfIndex]);
  expect(told.toSorted()).toEqual([
    [1, 4],
    [2, undefined],
  ]);
});

it("what readings only confirm is written once", async () => {
  await connect(0);
  await read(west, 15, neighbours(sees(1, 1, 2, { index: "2000.1.1" })));
  await read(west, 30, neighbours(sees(1, 1, 2, { index: "3000.1.1" })));

  expect(await rowCount()).toBe(2);
});

it("a link nobody confirms is stale after two readings that were due, and stays", async () => {
  await connect(0);

  expect((await topologyAfter(30)).links).toMatchObject([{ stale: false }]);
  expect((await topologyAfter(31)).links).toMatchObject([{ stale: true, lastSeen: textOf(0) }]);
  expect((await topologyAfter(60 * 24 * 90)).links).toMatchObject([{ stale: true }]);
});

it("a router polled more seldom than neighbours are read has that much more time", async () => {
  await connect(0);
  await tenant.call("PATCH", `/v1/routers/${west}`, { intervalSeconds: 3_600 });

  expect((await topologyAfter(120)).links).toMatchObject([{ stale: false }]);
  expect((await topologyAfter(121)).links).toMatchObject([{ stale: true }]);
});

it("a part of a table ends no link, a whole one does", async () => {
  await connect(0);
  await read(west, 15, [whole("neighbours", [], false)]);
  await read(east, 15, [whole("neighbours", [sees(3, 0, 3)], false)]);

  expect((await topologyAfter(16)).links).toHaveLength(2);

  await read(west, 30, neighbours());
  expect((await topologyAfter(31)).links).toMatchObject([{ oneSided: true }, { oneSided: true }]);
  await read(east, 30, neighbours());
  expect((await topologyAfter(31)).links).toEqual([]);
});

it("a part of a table confirms what it lists", async () => {
  await connect(0);
  await read(west, 45, [whole("neighbours", [sees(1, 1, 2)], false)]);

  expect((await topologyAfter(46)).links).toMatchObject([{ stale: false, lastSeen: textOf(45) }]);
});

it("the topology as it was is there to be asked for", async () => {
  await connect(10);
  await read(west, 30, neighbours());
  await read(east, 30, neighbours());

  expect((await topologyAfter(40)).links).toEqual([]);
  expect((await topologyAfter(40, `?at=${textOf(5)}`)).links).toEqual([]);
  expect((await topologyAfter(40, `?at=${textOf(20)}`)).links).toMatchObject([
    { oneSided: false, firstSeen: textOf(10), lastSeen: textOf(10) },
  ]);
  const future = await tenant.call("GET", `/v1/topology?at=${textOf(41)}`);
  expect([future.status, future.body.errors]).toMatchObject([400, [{ pointer: "/at" }]]);
});

it("a renamed neighbour keeps its link and since when it is there", async () => {
  await connect(0);
  await read(west, 15, neighbours(sees(1, 1, 2, { remoteSysName: "east-new" })));

  const { links } = await topologyAfter(16);
  expect(links).toMatchObject([{ oneSided: false, firstSeen: textOf(0) }]);
  const [renamed] = links[0].evidence.filter((it: { seenBy: string }) => it.seenBy === west);
  expect(renamed).toMatchObject({ remoteSysName: "east-new", firstSeen: textOf(0) });
});

it("a device replaced on the same port is another neighbour, seen since it is there", async () => {
  await connect(0);
  const other = { remoteChassisId: "02:00:00:00:09:01", remoteSysName: "other" };
  await read(west, 15, neighbours(sees(1, 1, 2, other)));
  await read(east, 15, neighbours());

  const { links, nodes } = await topologyAfter(16);
  expect(links).toMatchObject([{ oneSided: true, firstSeen: textOf(15) }]);
  expect(nodes).toEqual(expect.arrayContaining([expect.objectContaining({ name: "other" })]));
});

it("changes between two times are links that appeared, disappeared or changed", async () => {
  await read(west, 0, neighbours(sees(1, 1, 2), sees(3, 1, 3)));
  await read(east, 0, neighbours(sees(3, 0, 3)));
  await read(west, 20, neighbours(sees(3, 1, 3), sees(4, 1, 4)));
  await read(east, 25, neighbours());
  nowMs = minuteOf(40).getTime();

  const found: Change[] = await changes(10, 30);

  const ports = (link?: Change["after"]) =>
    [link?.a, link?.b].flatMap((end) => end?.ifIndex ?? []).toSorted();
  const told = found.map(({ change, before, after }) => [
    change,
    ports(before ?? after),
    [before?.oneSided, after?.oneSided],
  ]);
  expect(told.toSorted()).toEqual([
    ["appeared", [4, 4], [undefined, true]],
    ["changed", [3, 3], [false, true]],
    ["disappeared", [1, 2], [true, undefined]],
  ]);
  const gone = found.find(({ change }) => change === "disappeared");
  expect(gone?.before).toMatchObject({ firstSeen: textOf(0), lastSeen: textOf(0) });
});

it("two times without a difference have no changes, whatever was confirmed between them", async () => {
  await connect(0);
  await connect(15);
  nowMs = minuteOf(20).getTime();

  expect(await changes(5, 20)).toEqual([]);
});

it("sessions of BGP and OSPF are layers of their own", async () => {
  const own = (address: string) => whole("ipAddresses", [{ address, ifIndex: 1 }]);
  await read(west, 0, [
    ...neighbours(sees(1, 1, 2)),
    own("198.51.100.1"),
    whole("bgpPeers", [
      {
        source: "BGP4-MIB",
        peer: "198.51.100.2",
        remoteAs: 65_001,
        state: "established",
        inUpdates: "1",
      },
      { source: "BGP4-MIB", peer: "198.51.100.9", remoteAs: 65_009, state: "active" },
    ]),
    whole("ospfNeighbours", [{ neighborAddr: "198.51.100.2", addressLessIndex: 0, state: "full" }]),
  ]);
  await read(east, 0, [own("198.51.100.2")]);

  const bgp = await topologyAfter(1, "?layer=bgp");
  expect(bgp.links.map((it: { layer: string }) => it.layer)).toEqual(["bgp", "bgp"]);
  const states = bgp.links.map((it: { evidence: { state: string }[] }) => it.evidence[0]?.state);
  expect(states.toSorted()).toEqual(["down", "established"]);
  expect(bgp.nodes.map((it: { kind: string }) => it.kind).toSorted()).toEqual([
    "router",
    "router",
    "unknown",
  ]);
  expect((await topologyAfter(1, "?layer=ospf")).links).toMatchObject([{ layer: "ospf" }]);
  expect((await topologyAfter(1, "?layer=physical")).links).toMatchObject([{ layer: "physical" }]);
  expect((await topologyAfter(1)).links).toHaveLength(4);
});

it("a zone alone can be asked for, and zones are never joined", async () => {
  await tenant.call("POST", "/v1/zones", { name: "site" });
  const [siteWest] = await twoSwitches(tenant, "site");
  await read(siteWest, 0, neighbours(sees(1, 1, 2)));
  await read(east, 0, neighbours(sees(2, 0, 1)));

  const all = await topologyAfter(1);
  expect(all.links).toMatchObject([{ oneSided: true }, { oneSided: true }]);
  const site = await topologyAfter(1, "?zone=site");
  expect(site.links).toHaveLength(1);
  expect(site.nodes.map((it: { zone: string }) => it.zone)).toEqual(["site", "site"]);
});

it("two tenants with the same routers share nothing", async () => {
  const other = await api.newTenant(`other-${tenants}`, "business");
  const [otherWest, otherEast] = await twoSwitches(other);
  await connect(0);
  await read(otherWest, 0, neighbours(sees(1, 1, 2)), other);

  const own = await topologyAfter(1);
  const foreign = await topologyAfter(1, "", other);

  expect(own.links).toMatchObject([{ oneSided: false }]);
  expect(foreign.links).toMatchObject([{ oneSided: true }]);
  for (const id of [otherWest, otherEast]) expect(JSON.stringify(own)).not.toContain(id);
  for (const id of [west, east]) expect(JSON.stringify(foreign)).not.toContain(id);
});

it.each([
  ["?format=cytoscape", {}, "application/json"],
  ["?format=grafana", {}, "application/json"],
  ["?format=d3", {}, "application/json"],
  ["?format=netjson", {}, "application/json"],
  ["?format=graphml", {}, "application/graphml+xml"],
  ["?format=dot", {}, "text/vnd.graphviz"],
  ["", { accept: "application/graphml+xml" }, "application/graphml+xml"],
  ["", { accept: "text/vnd.graphviz;q=0.9, */*;q=0.1" }, "text/vnd.graphviz"],
  ["", { accept: "*/*" }, "application/json"],
])("is written in the format asked for: %s %o", async (query, headers, contentType) => {
  await connect(0);

  const answer = await tenant.call("GET", `/v1/topology${query}`, undefined, headers);

  expect([answer.status, answer.headers["content-type"]]).toEqual([
    200,
    `${contentType}; charset=utf-8`,
  ]);
  for (const text of [west, east, "p1", "p2"]) expect(answer.text).toContain(text);
});

it("a format there is none of is refused", async () => {
  const answer = await tenant.call("GET", "/v1/topology?format=visio");

  expect([answer.status, answer.body.code]).toEqual([400, "validation-failed"]);
});

it("a router that lists too many neighbours is told of, and only so many are taken", async () => {
  const many = Array.from({ length: OBSERVATIONS_MAX + 10 }, (_, i) =>
    sees(1, 1, 2, {
      index: `1.1.${i + 1}`,
      remoteChassisId: `02:00:00:01:${hex(i >> 8)}:${hex(i & 255)}`,
      remoteSysName: `n${i}`,
    }),
  );
  await read(west, 0, neighbours(...many));

  const { incomplete, nodes } = await topologyAfter(1);

  expect(incomplete).toEqual([west]);
  expect(nodes).toHaveLength(OBSERVATIONS_MAX + 3); // Two routers and the segment they all share.
});

const hex = (octet: number) => octet.toString(16).padStart(2, "0");

it("names that Postgres cannot store are no change at every reading", async () => {
  const odd = sees(1, 1, 2, { remotePlatform: "a\0b" });
  await read(west, 0, neighbours(odd));
  await read(west, 15, neighbours(odd));

  expect(await rowCount()).toBe(1);
});

it("what is long gone is forgotten when more changes, and all of it with its router", async () => {
  const day = 24 * 60;
  await read(west, 0, neighbours(sees(1, 1, 2)));
  await read(west, 15, neighbours());
  await read(west, 30, neighbours(sees(3, 1, 3)));
  expect(await rowCount()).toBe(2);

  await read(west, 401 * day, neighbours(sees(4, 1, 4)));
  expect(await rowCount()).toBe(2);

  await tenant.call("DELETE", `/v1/routers/${west}`);
  expect(await rowCount()).toBe(0);
});
