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

interface Page {
  readonly items: readonly { readonly id: string; readonly name: string }[];
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

    const inventoryOf = (name: string) =>
      system.call<Inventory>("GET", `/v1/routers/${ids.get(name)}/inventory`, undefined, key);

    beforeAll(async () => {
      simulator = await startSimulator({ recordings: RECORDINGS });
      system = await startSystem({ kind: "postgres", url: "" });
      ({ key } = await system.tenant("recordings"));
      await registerRouters(
        system,
        key,
        simulator.routers.map(({ name, address, port }) => ({
          name,
          address,
          port,
          intervalSeconds: 60,
        })),
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
  },
);
