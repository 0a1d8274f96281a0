import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AssemblyMemory } from "../../src/modules/assemble.ts";
import { collectionPlan } from "../../src/modules/collection-plan.ts";
import { loadModules } from "../../src/modules/load-modules.ts";
import type { HostileMode } from "../../src/simulator/hostile.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { openSession } from "../../src/snmp/session.ts";
import { openTransport, type Transport } from "../../src/snmp/transport.ts";
import { type PlannedModule, pollRouter, probeRouter } from "../../src/worker/poll-router.ts";

/** What a poll makes of routers over real UDP: the well-behaved one, and each way to misbehave. */

const MODES = [
  "silent",
  "garbage",
  "truncated",
  "wrong-request-id",
  "wrong-source-port",
  "wrong-community",
  "gen-err",
  "non-increasing",
  "endless",
  "empty-varbinds",
  "huge-length",
  "report",
] as const satisfies readonly HostileMode[];

const INTERFACES = 6;
const HEALTHY = MODES.length;
/** Knows none of the names it is asked for. */
const IGNORANT = MODES.length + 1;
const ROWS_MAX = 200;
const LIMITS = { tableRowsMax: ROWS_MAX, pollValuesMax: 1_000_000, pollBytesMax: 33_554_432 };

let simulator: Simulator;
let transport: Transport;
let modules: PlannedModule[];

beforeAll(async () => {
  simulator = await startSimulator({
    generate: MODES.length + 2,
    interfaces: INTERFACES,
    hostileOf: (router) => (router === IGNORANT ? "no-such-name" : MODES[router]),
  });
  transport = await openTransport();
  const loaded = await loadModules(join(import.meta.dirname, "..", "..", "config", "modules"));
  modules = ["system", "if_mib"].flatMap((name) => {
    const module = loaded.get(name);
    return module === undefined ? [] : [{ module, plan: collectionPlan(module) }];
  });
});

afterAll(async () => {
  await transport.stop();
  await simulator.stop();
});

function sessionWith(router: number, mayStillSend: () => boolean = () => true) {
  const { address = "", port = 0 } = simulator.routers[router] ?? {};
  return openSession(
    transport,
    {
      address,
      port,
      context: "",
      credential: { version: "2c", community: "public" },
      usmKey: `${router}`,
    },
    { deadlineMs: Date.now() + 5_000, timeoutMs: 300, retries: 1, mayStillSend },
  );
}

const poll = (router: number) =>
  pollRouter(sessionWith(router), modules, LIMITS, () => new AssemblyMemory());

describe("polling a router that behaves", () => {
  it("brings every interface, the system's texts and a report of each module", async () => {
    const polled = await poll(HEALTHY);

    expect(polled.outcome).toBe("answered");
    expect(polled.interfaces).toHaveLength(INTERFACES);
    expect(polled.texts.map(({ metric }) => metric)).toContain("sysDescr");
    expect(polled.modules.map(({ module, outcome }) => [module, outcome])).toEqual([
      ["system", "answered"],
      ["if_mib", "answered"],
    ]);
    const octets = polled.blocks.find(({ metrics }) => metrics.includes("ifHCInOctets"));
    expect(octets?.instances).toHaveLength(INTERFACES);
    expect(octets?.present.every((said) => said === 1)).toBe(true);
  });

  it("tells of each walk what it took", async () => {
    const { scalars, modules: reports } = await poll(HEALTHY);

    expect(scalars).toMatchObject({ oid: "", outcome: "answered", requests: 1, rows: 1 });
    const [ofSystem, ofIfMib] = reports;
    expect(ofSystem).toMatchObject({ walks: [], walkMs: scalars.durationMs });
    const walks = ofIfMib?.walks ?? [];
    expect(walks.map(({ oid }) => oid)).toEqual(["1.3.6.1.2.1.2.2.1"]);
    for (const walk of walks) {
      expect(walk).toMatchObject({ outcome: "answered", rows: INTERFACES, retries: 0 });
      expect(walk.varbinds).toBeGreaterThan(INTERFACES);
      expect(walk.asked).toMatch(/^\d+ × \d+$/);
      expect(walk.rttMsMax).toBeGreaterThanOrEqual(walk.rttMsP50);
      expect(walk.durationMs).toBeGreaterThan(0);
    }
    const values = walks.reduce((sum, { varbinds }) => sum + varbinds, 0);
    expect(ofIfMib?.varbinds).toBeGreaterThanOrEqual(values);
    expect(ofIfMib?.requests).toBe(walks.reduce((sum, { requests }) => sum + requests, 0));
  });

  it("probes it with a single request", async () => {
    const session = sessionWith(HEALTHY);

    expect((await probeRouter(session)).outcome).toBe("answered");
    expect(session.stats.requests).toBe(1);
  });

  it("invents nothing for one that has none of what it is asked for", async () => {
    const polled = await poll(IGNORANT);

    expect(polled.outcome).toBe("answered");
    expect([polled.blocks, polled.texts, polled.interfaces]).toEqual([[], [], undefined]);
  });

  it("sends nothing once its lease is over", async () => {
    const before = simulator.requestsOf(HEALTHY).requests;

    const polled = await pollRouter(
      sessionWith(HEALTHY, () => false),
      modules,
      LIMITS,
      () => new AssemblyMemory(),
    );

    expect(polled.outcome).not.toBe("answered");
    expect(simulator.requestsOf(HEALTHY).requests).toBe(before);
  });
});

describe("polling a router that does not", () => {
  it.each(MODES)("ends with a named outcome, within its deadline: %s", async (mode) => {
    const startedAt = performance.now();

    const polled = await poll(MODES.indexOf(mode));

    expect(polled.outcome).not.toBe("answered");
    expect(performance.now() - startedAt).toBeLessThan(6_000);
    for (const { outcome, reason } of polled.modules) {
      if (outcome !== "answered") expect(reason).toBeTruthy();
    }
  });

  it.each(["non-increasing", "endless"] as const)(
    "ends as soon where a module allows instances in any order: %s",
    async (mode) => {
      const anyOrder = modules.map(({ module, plan }) => ({
        module: { ...module, allowNonIncreasingOids: true },
        plan,
      }));

      const { modules: reports } = await pollRouter(
        sessionWith(MODES.indexOf(mode)),
        anyOrder,
        LIMITS,
        () => new AssemblyMemory(),
      );

      for (const { walks = [] } of reports) {
        for (const { rows } of walks) expect(rows).toBeLessThanOrEqual(ROWS_MAX);
      }
      expect(reports.find(({ module }) => module === "if_mib")?.outcome).not.toBe("answered");
    },
  );

  it("keeps the rows read of a table that never ends, and says it was cut", async () => {
    const polled = await poll(MODES.indexOf("endless"));
    const table = polled.modules.find(({ module }) => module === "if_mib");

    expect(table?.outcome).toBe("partial");
    expect(table?.rows).toBeGreaterThan(0);
    expect(table?.rows).toBeLessThanOrEqual(2 * ROWS_MAX);
    expect(polled.interfaces).toBeUndefined();
  });

  it.each([
    ["values", { pollValuesMax: 600 }],
    ["octets", { pollBytesMax: 8_000 }],
  ])("reads no more %s than one poll may bring, keeps those, and says why", async (_, limit) => {
    const twice = modules.flatMap((planned) => [planned, planned]);

    const { blocks, modules: reports } = await pollRouter(
      sessionWith(MODES.indexOf("endless")),
      twice,
      { ...LIMITS, ...limit },
      () => new AssemblyMemory(),
    );

    const varbinds = reports.reduce((sum, report) => sum + (report.varbinds ?? 0), 0);
    expect(varbinds).toBeLessThan(1_500);
    expect(blocks.some(({ module }) => module === "if_mib")).toBe(true);
    const reasons = reports.flatMap(({ module, reason }) => (module === "if_mib" ? [reason] : []));
    expect(reasons).toEqual([
      expect.stringMatching(/ has more than \d+ rows| takes more than \d+ octets/),
      expect.stringMatching(
        / has more than \d+ rows|(table|poll) takes more than \d+ (octets|values)/,
      ),
    ]);
  });
});
