import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import {
  certainPorts,
  comparable,
  expectedInventory,
  type Inventory,
  optional,
  portsOf,
  RECORDINGS,
  recordingNames,
  recordingsAreThere,
} from "../inventory-recordings.ts";
import { registerRouters, type System, startSystem } from "../system.ts";
import { type ComputedLink, linksBetweenRouters, recordedLinks } from "../topology-recordings.ts";

interface Page {
  readonly items: readonly { readonly id: string; readonly name: string }[];
}

interface Topology {
  readonly nodes: readonly { readonly id: string; readonly name: string }[];
  readonly links: readonly ComputedLink[];
}

/** What the answer names under readAt once everything was read. */
const SECTIONS = [
  "system",
  "interfaces",
  "neighbours",
  "ipAddresses",
  "bgpPeers",
  "ospfNeighbours",
  "processors",
  "memory",
  "sensors",
  "entities",
  "arp",
];

describe.skipIf(!recordingsAreThere)(
  "inventories of recordings of real devices, as the API shows them (needs ../shared/recordings)",
  () => {
    let system: System;
    let simulator: Simulator;
    let key: string;
    const ids = new Map<string, string>();
    /** Another tenant with the same routers under other names. */
    let twin: { readonly id: string; readonly key: string };

    const inventoryOf = (name: string) =>
      system.call<Inventory>("GET", `/v1/routers/${ids.get(name)}/inventory`, undefined, key);

    beforeAll(async () => {
      simulator = await startSimulator({ recordings: RECORDINGS });
      system = await startSystem({ kind: "postgres", url: "" });
      ({ key } = await system.tenant("recordings"));
      twin = await system.tenant("twin");
      const routers = simulator.routers.map(({ name, address, port }) => ({
        name,
        address,
        port,
        intervalSeconds: 60,
      }));
      await registerRouters(system, key, routers);
      await registerRouters(
        system,
        twin.key,
        routers.map((router) => ({ ...router, name: `twin of ${router.name}` })),
      );
      const { items } = await system.call<Page>("GET", "/v1/routers?limit=200", undefined, key);
      for (const { id, name } of items) ids.set(name, id);
    });

    afterAll(async () => {
      await system?.stop();
      await simulator?.stop();
    });

    it.each(recordingNames())("%s: every fact, and none that is not there", async (name) => {
      const expected = expectedInventory(name);

      const inventory = await vi.waitFor(
        async () => {
          const read = await inventoryOf(name);
          expect(Object.keys(read["readAt"] as object)).toEqual(expect.arrayContaining(SECTIONS));
          return read;
        },
        { timeout: 110_000, interval: 250 },
      );

      expect(comparable(inventory)).toEqual(comparable(expected));
      expect(optional(inventory)).toMatchObject(optional(expected));
      expect(portsOf(inventory["neighbours"] as never)).toMatchObject(certainPorts(expected));
    });

    it("make for each of two tenants the topology that was cabled, and nothing of the other's", async () => {
      const topologyOf = async (tenantKey: string, ownPrefix: string) => {
        const text = await system.text("/v1/topology", tenantKey);
        const { nodes, links } = JSON.parse(text) as Topology;
        const names = new Map(
          nodes.map(({ id, name }) => [
            id,
            name.startsWith(ownPrefix) ? name : `not mine: ${name}`,
          ]),
        );
        const nameOf = (id: string) => names.get(id)?.slice(ownPrefix.length) ?? `no node: ${id}`;
        return { text, nodes, links: linksBetweenRouters(links, nameOf) };
      };
      const tenants = [
        { tenantKey: key, prefix: "" },
        { tenantKey: twin.key, prefix: "twin of " },
      ];

      const [own, other] = await Promise.all(
        tenants.map(({ tenantKey, prefix }) =>
          vi.waitFor(
            async () => {
              const read = await topologyOf(tenantKey, prefix);
              expect(read.links).toEqual(recordedLinks());
              return read;
            },
            { timeout: 110_000, interval: 500 },
          ),
        ),
      );

      expect(own?.text).not.toContain("twin");
      expect(own?.text).not.toContain(twin.id);
      for (const id of ids.values()) {
        expect(own?.text).toContain(id);
        expect(other?.text).not.toContain(id);
      }
      const changes = await system.text("/v1/topology/changes", twin.key);
      for (const id of ids.values()) expect(changes).not.toContain(id);
    });
  },
);
