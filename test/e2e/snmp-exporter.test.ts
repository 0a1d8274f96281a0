import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { exporterIsAbsent, type SnmpExporter, startSnmpExporter } from "../snmp-exporter.ts";
import { parseSeries, registerRouters, type System, startSystem } from "../system.ts";

const SHARED = join(import.meta.dirname, "..", "..", "..", "shared");
const RECORDINGS = join(SHARED, "recordings");
const MODULES_FILE = join(SHARED, "snmp_exporter", "snmp.yml");
const MODULES = [
  "if_mib",
  "system",
  "hrStorage",
  "ip_mib",
  "ucd_memory",
  "eltex_mes",
  "paloalto_fw",
];
const SCRAPES_AT_ONCE = 8;

const absent = existsSync(MODULES_FILE) ? exporterIsAbsent : "../shared/snmp_exporter is absent";

/**
 * The same routers, the same snmp.yml, snmp_exporter beside us: whatever dashboards were made for it must find the same
 * series here. What may differ, and why:
 *
 * - `snmp_scrape_*`: how long it took is nobody's fault.
 * - A text of the router that has a NUL: ours ends there, as the MIB's DisplayString does; snmp_exporter shows the NUL.
 * - `ifIndex="0"`: an agent answered a column without an index. No interface has the index 0 (RFC 2863), so we drop it.
 * - A router with the same labels on two rows: snmp_exporter fails the whole scrape; we show the first of the rows.
 */
describe.skipIf(absent !== undefined)(`beside snmp_exporter${absent ? ` (${absent})` : ""}`, () => {
  let system: System;
  let simulator: Simulator;
  let exporter: SnmpExporter;
  let key: string;

  beforeAll(async () => {
    simulator = await startSimulator({ recordings: RECORDINGS });
    exporter = await startSnmpExporter(MODULES_FILE, MODULES);
    const backend = { kind: "postgres", url: inject("databaseUrl") } as const;
    system = await startSystem(backend, ["all"], { modulesFile: MODULES_FILE });
    ({ key } = await system.tenant("exporter"));
    await registerRouters(
      system,
      key,
      simulator.routers.map(({ name, address, port }) => ({
        name,
        address,
        port,
        intervalSeconds: 300,
        modules: MODULES,
      })),
    );
    await vi.waitFor(
      async () => {
        const series = parseSeries(await system.text("/v1/metrics", key));
        const polled = series.filter(({ name }) => name === "fairwalk_router_up");
        expect(polled.length).toBe(simulator.routers.length);
      },
      { timeout: 170_000, interval: 500 },
    );
  }, 240_000);

  afterAll(async () => {
    await system?.stop();
    await exporter?.stop();
    await simulator?.stop();
  });

  it.each(MODULES)(
    "%s: the same names, labels, values, types and helps on every router",
    async (module) => {
      let compared = 0;
      const compare = async ({ name, address, port }: Simulator["routers"][number]) => {
        const ours = await system.text(`/snmp?target=${name}&module=${module}`, key);
        expect(repeated(parsed(ours)), name).toEqual([]);
        const theirs = await exporter.scrape(`${address}:${port}`, module).catch(String);
        if (theirs.includes("was collected before with the same name and label values")) return;
        expect(comparable(ours), name).toEqual(comparable(theirs));
        compared += parsed(theirs).length;
      };
      const routers = [...simulator.routers];
      await Promise.all(
        Array.from({ length: SCRAPES_AT_ONCE }, async () => {
          for (let next = routers.pop(); next !== undefined; next = routers.pop())
            await compare(next);
        }),
      );
      expect(compared).toBeGreaterThan(0);
    },
  );
});

function parsed(text: string): string[] {
  return parseSeries(text)
    .filter(({ name, labels }) => !name.startsWith("snmp_scrape_") && labels["ifIndex"] !== "0")
    .map(({ name, labels, value }) => {
      const untilNul = Object.entries(labels).map(([label, it]) => [
        label,
        it.replace(/\0.*$/s, ""),
      ]);
      return `${name} ${JSON.stringify(untilNul)} ${Number(value)}`;
    });
}

/** Series and headers, in an order of their own. */
function comparable(text: string): string[] {
  const series = parsed(text);
  const names = new Set(series.map((it) => it.slice(0, it.indexOf(" "))));
  const headers = text
    .split("\n")
    .filter((line) => names.has(/^# \w+ (\S+)/.exec(line)?.[1] ?? ""));
  return [...series, ...headers].toSorted();
}

function repeated(items: readonly string[]): string[] {
  const seen = new Set<string>();
  return items.filter((item) => seen.size === seen.add(item).size);
}
