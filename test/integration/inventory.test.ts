import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { interfaceRows } from "../../src/modules/inventory/interfaces.ts";
import { SECTIONS } from "../../src/modules/inventory/sections.ts";
import type { InventoryDocuments } from "../../src/routers/inventory.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { openSession } from "../../src/snmp/session.ts";
import { openTransport, type Transport } from "../../src/snmp/transport.ts";
import { collectInventory } from "../../src/worker/collect-inventory.ts";
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

describe.skipIf(!recordingsAreThere)(
  "inventories of recordings (needs ../shared/recordings)",
  () => {
    let simulator: Simulator;
    let transport: Transport;

    beforeAll(async () => {
      simulator = await startSimulator({ recordings: RECORDINGS });
      transport = await openTransport({});
    });

    afterAll(async () => {
      await simulator?.stop();
      await transport?.stop();
    });

    async function inventoryOf(name: string): Promise<Inventory> {
      const router = simulator.routers.find((other) => other.name === name);
      if (router === undefined) throw new Error(`The simulator has no router "${name}"`);
      const session = openSession(
        transport,
        {
          address: router.address,
          port: router.port,
          context: "",
          credential: { version: "2c", community: "public" },
          usmKey: name,
        },
        { deadlineMs: Date.now() + 60_000, timeoutMs: 10_000, retries: 2 },
      );
      const { sections } = await collectInventory(session, SECTIONS, [], {
        tableRowsMax: 50_000,
        pollBytesMax: 33_554_432,
        beginUntilMs: Number.POSITIVE_INFINITY,
        deadlineMs: Number.POSITIVE_INFINITY,
      });
      expect(sections.filter(({ isComplete }) => !isComplete)).toEqual([]);
      const documents: Partial<InventoryDocuments> = Object.assign(
        {},
        ...sections.map((section) => section.documents),
      );
      const { interfaces = [], interfaceCounters } = documents;
      return { ...documents, interfaces: interfaceRows(interfaces, interfaceCounters) };
    }

    it.each(recordingNames())("%s: every fact, and none that is not there", async (name) => {
      const expected = expectedInventory(name);

      const inventory = await inventoryOf(name);

      expect(comparable(inventory)).toEqual(comparable(expected));
      expect(optional(inventory)).toMatchObject(optional(expected));
      expect(portsOf(inventory["neighbours"] as never)).toMatchObject(certainPorts(expected));
    });
  },
);
