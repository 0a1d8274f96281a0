import { type TSchema, Type } from "typebox";
import { isFresh } from "../../modules/exposition.ts";
import { interfaceRows } from "../../modules/inventory/interfaces.ts";
import { INTERFACE_COUNTERS } from "../../routers/inventory.ts";
import { listInterfaces, type StoredInterface } from "../../storage/interfaces.ts";
import { inventoryOf, type StoredInventory } from "../../storage/inventories.ts";
import { type TenantClient, withTenant } from "../../storage/pool.ts";
import { routerById, type StoredRouter } from "../../storage/routers.ts";
import { latestSamples, ShapeCache } from "../../storage/samples.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { interfaceMetrics, NewestInterfaces } from "../newest-interfaces.ts";
import { notFound } from "../problems.ts";
import { ID_PATH, TIME } from "../schemas.ts";
import { routerId } from "./routers.ts";

/** What a router is made of and whom it knows: keys are MIB names, and what the router did not say is absent. */

const text = (description?: string) =>
  Type.Optional(Type.String(description === undefined ? {} : { description }));
const integer = (description?: string) =>
  Type.Optional(Type.Integer(description === undefined ? {} : { description }));

const SYSTEM = Type.Object({
  sysDescr: text(),
  sysObjectID: text(),
  sysUpTime: integer("Hundredths of a second"),
  sysContact: text(),
  sysName: text(),
  sysLocation: text(),
  ifNumber: integer(),
  lldpLocal: Type.Optional(
    Type.Object({ chassisIdSubtype: integer(), chassisId: text(), sysName: text() }),
  ),
  bgp: Type.Optional(Type.Object({ localAs: integer(), identifier: text() })),
  ospf: Type.Optional(Type.Object({ routerId: Type.String() })),
});

const INTERFACE = Type.Object({
  id: text("Its identity: the same though the router gives it another ifIndex"),
  ifIndex: Type.Integer(),
  rows: Type.String({ description: "Which of IF-MIB's tables has it: both, ifTable or ifXTable" }),
  ifName: text(),
  ifDescr: text(),
  ifAlias: text(),
  ifType: integer(),
  ifMtu: integer(),
  ifPhysAddress: text('aa:bb:cc:dd:ee:ff; "" where it has none'),
  ifAdminStatus: integer("1 up, 2 down, 3 testing"),
  ifOperStatus: integer("1 up, 2 down … 7 lowerLayerDown"),
  ifLastChange: integer(),
  ifSpeed: integer(),
  ifHighSpeed: integer(),
  speedBps: text("ifSpeed where it can hold the speed, else ifHighSpeed × 10^6"),
  speedAmbiguous: Type.Optional(Type.Boolean()),
  ifPromiscuousMode: integer(),
  ifConnectorPresent: integer(),
  ...Object.fromEntries(INTERFACE_COUNTERS.map((name) => [name, text("A decimal string")])),
});

const NEIGHBOUR = Type.Object({
  protocol: Type.String({ description: "lldp or cdp" }),
  source: text("The MIB of a maker's own table"),
  index: Type.String(),
  localPortNum: integer(),
  localPortId: text(),
  localPortDesc: text(),
  localIfIndex: integer(),
  localIfIndexVia: text("The rule by which localIfIndex was found"),
  localIfIndexConfidence: text("certain, weak or ambiguous"),
  localIfIndexCandidates: Type.Optional(Type.Array(Type.Integer())),
  localPort: text(),
  remoteChassisIdSubtype: integer(),
  remoteChassisId: text(),
  remotePortIdSubtype: integer(),
  remotePort: text(),
  remotePortDesc: text(),
  remoteSysName: text(),
  remotePlatform: text("lldpRemSysDesc or cdpCachePlatform"),
  remoteVersion: text(),
  remoteMgmtAddrs: Type.Optional(Type.Array(Type.String())),
  nativeVlan: integer(),
});

const BGP_PEER = Type.Object({
  source: Type.String(),
  peer: Type.String(),
  remoteAs: integer(),
  remoteAsWasNegative: Type.Optional(Type.Boolean()),
  state: text(),
  adminStatus: text(),
  localAddr: text(),
  remoteAddr: text(),
  identifier: text(),
  inUpdates: text("A decimal string"),
  outUpdates: text("A decimal string"),
  inTotalMessages: text("A decimal string"),
  outTotalMessages: text("A decimal string"),
  fsmEstablishedTransitions: text("A decimal string"),
  fsmEstablishedTime: integer("Seconds"),
  instance: integer(),
});

const OSPF_NEIGHBOUR = Type.Object({
  neighborAddr: Type.String(),
  addressLessIndex: integer(),
  routerId: text(),
  state: text(),
  priority: integer(),
});

const PROCESSOR = Type.Object({
  source: Type.String({ description: "The MIB object" }),
  index: Type.String(),
  percent: Type.Integer(),
  percent1min: integer(),
  percent5sec: integer(),
  idlePercent: integer(),
  entPhysicalIndex: integer(),
  descr: text(),
});

const MEMORY = Type.Object({
  source: Type.String({ description: "The MIB object" }),
  index: Type.String(),
  kind: text("ram or virtual"),
  name: text(),
  used: text("Bytes, a decimal string"),
  free: text("Bytes, a decimal string"),
  total: text("Bytes, a decimal string"),
  bits: integer("How wide the counters are it was read from"),
  percent: integer(),
  totalKB: integer(),
  unit: text("of the keys below"),
  totalReal: integer(),
  availReal: integer(),
  buffer: integer(),
  cached: integer(),
  totalSwap: integer(),
  availSwap: integer(),
});

const SENSOR = Type.Object({
  source: Type.String(),
  entPhysicalIndex: Type.Integer(),
  type: text("celsius, voltsDC, …"),
  scale: integer(),
  precision: integer(),
  rawValue: Type.Integer(),
  value: text("rawValue × 10^(3 × (scale − 9)) ÷ 10^precision, a decimal string"),
  status: text("ok, unavailable or nonoperational"),
  name: text(),
});

const IP_ADDRESS = Type.Object({
  address: Type.String(),
  ifIndex: integer(),
  netmask: text(),
});

const ENTITY = Type.Object({
  entPhysicalIndex: Type.Integer(),
  descr: text(),
  containedIn: integer(),
  class: integer(),
  name: text(),
  hardwareRev: text(),
  firmwareRev: text(),
  softwareRev: text(),
  serialNum: text(),
  mfgName: text(),
  modelName: text(),
});

const rows = (item: TSchema, description: string) => Type.Array(item, { description });

const INVENTORY = Type.Object({
  system: SYSTEM,
  interfaces: rows(INTERFACE, "By ifIndex; states and counters as of the last poll that told them"),
  neighbours: rows(NEIGHBOUR, "By LLDP and CDP"),
  neighboursVendor: rows(NEIGHBOUR, "By the tables of makers that left LLDP-MIB"),
  neighboursMalformedIndex: rows(NEIGHBOUR, "Rows of LLDP-MIB that do not say on which port"),
  bgpPeers: rows(BGP_PEER, "By BGP4-MIB"),
  bgpPeersVendor: rows(BGP_PEER, "By makers' tables: IPv6 peers and routing instances as well"),
  ospfNeighbours: rows(OSPF_NEIGHBOUR, "By OSPF-MIB"),
  processors: rows(PROCESSOR, "Whatever the router has that tells their load"),
  memory: rows(MEMORY, "Whatever the router has that tells its memory"),
  sensors: rows(SENSOR, "By ENTITY-SENSOR-MIB and CISCO-ENTITY-SENSOR-MIB"),
  ipAddresses: rows(IP_ADDRESS, "By IP-MIB"),
  entities: rows(ENTITY, "By ENTITY-MIB"),
  readAt: Type.Record(Type.String(), TIME, {
    description: "When each section was read last; one that was not is missing, and its list empty",
  }),
});

export function inventoryRoutes(app: Api, { pools, modules, clock }: ApiDeps): void {
  const metrics = interfaceMetrics(modules);
  const shapes = new ShapeCache();

  /** What polls said since the interfaces were read, of those that are not too old to be shown. */
  async function newestOf(
    client: TenantClient,
    { id, intervalSeconds }: StoredRouter,
    readAt: Date | undefined,
  ): Promise<NewestInterfaces> {
    const newest = new NewestInterfaces(metrics);
    if (readAt === undefined) return newest;
    for await (const row of latestSamples(client, client.tenantId, {
      routerId: id,
      since: readAt,
      shapes,
    })) {
      if (isFresh(row.polledAt.getTime(), intervalSeconds, clock.now())) newest.add(row);
    }
    return newest;
  }

  app.get(
    "/v1/routers/:id/inventory",
    {
      config: { access: "routers:read" },
      schema: {
        operationId: "getInventory",
        summary: "What the router is made of and whom it knows, as last read",
        tags: ["readings"],
        params: ID_PATH,
        response: { 200: INVENTORY },
      },
    },
    (request) =>
      withTenant(pools.app, tenantCaller(request).tenant.id, async (client) => {
        const id = routerId(request);
        const router = await routerById(client, id);
        if (router === undefined) throw notFound("router");
        const stored = await inventoryOf(client, id);
        const newest = await newestOf(client, router, stored.readAt.interfaceCounters);
        return shown(stored, newest, await listInterfaces(client, id));
      }),
  );
}

function shown(
  { documents, readAt }: StoredInventory,
  newest: NewestInterfaces,
  identities: readonly StoredInterface[],
) {
  const idOf = new Map(identities.map(({ ifIndex, id }) => [ifIndex, id]));
  return {
    system: documents.system ?? {},
    interfaces: interfaceRows(documents.interfaces ?? [], documents.interfaceCounters).map(
      (one) => {
        const id = idOf.get(one.ifIndex);
        const current = newest.over(one);
        return id === undefined ? current : { id, ...current };
      },
    ),
    neighbours: [...(documents.neighbours ?? [])],
    neighboursVendor: [...(documents.neighboursVendor ?? [])],
    neighboursMalformedIndex: [...(documents.neighboursMalformedIndex ?? [])],
    bgpPeers: [...(documents.bgpPeers ?? [])],
    bgpPeersVendor: [...(documents.bgpPeersVendor ?? [])],
    ospfNeighbours: [...(documents.ospfNeighbours ?? [])],
    processors: [...(documents.processors ?? [])],
    memory: [...(documents.memory ?? [])],
    sensors: [...(documents.sensors ?? [])],
    ipAddresses: [...(documents.ipAddresses ?? [])],
    entities: [...(documents.entities ?? [])],
    readAt: Object.fromEntries(
      Object.entries({
        ...readAt,
        ...(newest.polledAt === undefined ? {} : { interfaceCounters: newest.polledAt }),
      }).map(([section, at]) => [section, at.toISOString()]),
    ),
  };
}
