import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { describeOnBackends } from "../backends.ts";
import { parseSeries, registerRouters, type Series, type System, startSystem } from "../system.ts";

/** Recordings of real devices with the facts a correct poller must report; they lie beside the project, not in it. */
const RECORDINGS = join(import.meta.dirname, "..", "..", "..", "shared", "recordings");
const isThere = existsSync(join(RECORDINGS, "MANIFEST.json"));

interface ExpectedInterface {
  readonly ifIndex: number;
  readonly rows: "both" | "ifTable" | "ifXTable";
  readonly ifName?: string;
  readonly ifOperStatus?: number;
  readonly ifHCInOctets?: string;
  readonly ifHCOutOctets?: string;
  readonly ifInOctets?: string;
  readonly ifOutOctets?: string;
}

/** What one interface must look like in Prometheus text, and what it does look like. */
type InterfaceFacts = Readonly<Record<string, string>>;

const COUNTERS = [
  ["ifHCInOctets", "ifInOctets"],
  ["ifHCOutOctets", "ifOutOctets"],
] as const;

/** Prometheus values are doubles; a Counter64 is exposed modulo 2^53, as snmp_exporter does. */
function exposed(counter: string): string {
  return String(Number(BigInt(counter) % 2n ** 53n));
}

function expectedFacts(expected: readonly ExpectedInterface[]): Record<string, InterfaceFacts> {
  const facts: Record<string, InterfaceFacts> = {};
  for (const row of expected) {
    const of: Record<string, string> = {};
    if (row.ifOperStatus !== undefined) of["ifOperStatus"] = String(row.ifOperStatus);
    for (const [wide, narrow] of COUNTERS) {
      const wideValue = row[wide];
      const narrowValue = row[narrow];
      if (wideValue !== undefined) of[wide] = exposed(wideValue);
      else if (narrowValue !== undefined) of[narrow] = exposed(narrowValue);
    }
    if (Object.keys(of).length === 0) continue;
    facts[row.ifIndex] = { ...of, ifName: (row.ifName ?? "").trim() };
  }
  return facts;
}

const COMPARED = new Set(["ifOperStatus", ...COUNTERS.flat()]);

function exposedFacts(series: readonly Series[]): Record<string, InterfaceFacts> {
  const facts: Record<string, Record<string, string>> = {};
  for (const { name, labels, value } of series) {
    if (!COMPARED.has(name)) continue;
    const ifIndex = labels["ifIndex"] ?? "none";
    facts[ifIndex] ??= {};
    const of = facts[ifIndex];
    if (name in of) throw new Error(`${name} of interface ${ifIndex} is there twice`);
    of[name] = String(Number(value));
    of["ifName"] = (labels["ifName"] ?? "").trim();
  }
  return facts;
}

describe.skipIf(!isThere)("recordings of real devices (needs ../shared/recordings)", () => {
  const names = isThere
    ? readdirSync(RECORDINGS)
        .filter((file) => file.endsWith(".snmprec"))
        .map((file) => file.slice(0, -".snmprec".length))
    : [];

  describeOnBackends("polled as one tenant's routers", (backend) => {
    let system: System;
    let simulator: Simulator;
    let byRouter: Map<string, Series[]>;

    beforeAll(async () => {
      simulator = await startSimulator({ recordings: RECORDINGS });
      system = await startSystem(backend);
      const { key } = await system.tenant("recordings");
      await registerRouters(
        system,
        key,
        simulator.routers.map(({ name, address, port }) => ({
          name,
          address,
          port,
          intervalSeconds: 60,
          modules: ["system", "if_mib"],
        })),
      );
      await vi.waitFor(
        async () => {
          const series = parseSeries(await system.text("/v1/metrics", key));
          const up = series.filter(
            ({ name, value }) => name === "fairwalk_router_up" && value === "1",
          );
          expect(up.length).toBe(names.length);
          byRouter = groupByRouter(series);
        },
        { timeout: 110_000, interval: 500 },
      );
    }, 150_000);

    afterAll(async () => {
      await system?.stop();
      await simulator?.stop();
    });

    it.each(names)(
      "%s: every interface, with its name, state and counters, and no other",
      (name) => {
        const expected = JSON.parse(
          readFileSync(join(RECORDINGS, `${name}.expected.json`), "utf8"),
        ) as { interfaces: ExpectedInterface[] };

        expect(exposedFacts(byRouter.get(name) ?? [])).toEqual(expectedFacts(expected.interfaces));
      },
    );
  });
});

function groupByRouter(series: readonly Series[]): Map<string, Series[]> {
  const groups = new Map<string, Series[]>();
  for (const each of series) {
    const router = each.labels["router"] ?? "";
    const group = groups.get(router);
    if (group === undefined) groups.set(router, [each]);
    else group.push(each);
  }
  return groups;
}
