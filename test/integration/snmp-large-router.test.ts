import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AssemblyMemory } from "../../src/modules/assemble.ts";
import { collectionPlan } from "../../src/modules/collection-plan.ts";
import { loadModules } from "../../src/modules/load-modules.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { openSession } from "../../src/snmp/session.ts";
import { openTransport, type Transport } from "../../src/snmp/transport.ts";
import { type PlannedModule, pollRouter } from "../../src/worker/poll-router.ts";

/** A router as large as they come, polled as the product polls. */

const INTERFACES = 20_000;
/** The longest a poll may take by the configuration's default. */
const DEADLINE_MS = 30_000;
/** Until sizes are learnt a poll may take longer here: an agent in the same process, on a machine that does other things. */
const FIRST_DEADLINE_MS = 120_000;
const POLLS = 6;
const RSS_GROWTH_MB_MAX = 500;

let simulator: Simulator;
let transport: Transport;
let modules: PlannedModule[];

beforeAll(async () => {
  simulator = await startSimulator({
    generate: 1,
    interfaces: INTERFACES,
    messageBytesMax: 65_507,
  });
  transport = await openTransport();
  const loaded = await loadModules(join(import.meta.dirname, "..", "..", "config", "modules"));
  modules = ["system", "if_mib"].flatMap((name) => {
    const module = loaded.get(name);
    return module === undefined ? [] : [{ module, plan: collectionPlan(module) }];
  });
}, 120_000);

afterAll(async () => {
  await transport?.stop();
  await simulator?.stop();
});

describe(`a router of ${INTERFACES} interfaces`, () => {
  const memories = new Map<string, AssemblyMemory>();

  async function poll(deadlineMs: number) {
    const { address = "", port = 0 } = simulator.routers[0] ?? {};
    const session = openSession(
      transport,
      {
        address,
        port,
        context: "",
        credential: { version: "2c", community: "public" },
        usmKey: "large",
      },
      { deadlineMs: Date.now() + deadlineMs, timeoutMs: 2_000, retries: 2 },
    );
    const polled = await pollRouter(
      session,
      modules,
      { tableRowsMax: 50_000, pollValuesMax: 1_000_000, pollBytesMax: 33_554_432 },
      ({ name }) => {
        const memory = memories.get(name) ?? new AssemblyMemory();
        memories.set(name, memory);
        return memory;
      },
    );
    return { polled, requests: session.stats.requests };
  }

  test("is read whole, in few requests once its sizes are learnt, within bounded memory", async () => {
    const first = await poll(FIRST_DEADLINE_MS);
    expect(first.polled.outcome).toBe("answered");
    expect(first.polled.interfaces).toHaveLength(INTERFACES);
    const rssAfterFirst = process.memoryUsage().rss;

    let last = first;
    for (let i = 1; i < POLLS; i++) last = await poll(FIRST_DEADLINE_MS);
    last = await poll(DEADLINE_MS);

    expect(last.polled.outcome).toBe("answered");
    const octets = last.polled.blocks.find(({ metrics }) => metrics.includes("ifHCInOctets"));
    expect(octets?.instances).toHaveLength(INTERFACES);
    expect(octets?.present.every((said) => said === 1)).toBe(true);
    expect(last.requests).toBeLessThan(first.requests / 4);
    const grownMb = (process.memoryUsage().rss - rssAfterFirst) / 2 ** 20;
    expect(grownMb, "MB of memory after five more polls").toBeLessThan(RSS_GROWTH_MB_MAX);
  }, 600_000);
});
