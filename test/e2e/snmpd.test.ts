import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { describeOnBackends } from "../backends.ts";
import { enablingCommand, ensureDebianTool } from "../debian-package.ts";
import { SNMPD_COMMUNITY, type Snmpd, startSnmpd } from "../snmpd.ts";
import { parseSeries, registerRouters, type Series, type System, startSystem } from "../system.ts";

const snmpd = ensureDebianTool("snmpd", "snmpd");
const snmpwalk = ensureDebianTool("snmpbulkwalk", "snmp");
const isThere = snmpd !== null && snmpwalk !== null;

/** A column of IF-MIB as Net-SNMP's own tool reads it: value by ifIndex. */
function columnOf(port: number, oid: string): Map<string, string> {
  const output = execFileSync(
    snmpwalk ?? "",
    ["-v2c", "-c", SNMPD_COMMUNITY, "-Oqn", "-OU", "-Oe", `127.0.0.1:${port}`, oid],
    { encoding: "utf8" },
  );
  const rows = new Map<string, string>();
  for (const line of output.trim().split("\n")) {
    const match = /^\.([\d.]+) (.*)$/.exec(line);
    if (match)
      rows.set((match[1] ?? "").slice(oid.length + 1), (match[2] ?? "").replaceAll('"', ""));
  }
  return rows;
}

describe.skipIf(!isThere)(
  `a real Net-SNMP agent (to run it: ${enablingCommand("snmpd snmp")})`,
  () => {
    describeOnBackends("polled", (backend) => {
      let agent: Snmpd;
      let system: System;
      let port: number;
      let key: string;

      beforeAll(async () => {
        agent = await startSnmpd(snmpd ?? "", ["sysName edge-agent"]);
        port = agent.port;
        system = await startSystem(backend);
        ({ key } = await system.tenant("net-snmp"));
        await registerRouters(
          system,
          key,
          [{ name: "edge", address: "127.0.0.1", port, intervalSeconds: 10 }],
          SNMPD_COMMUNITY,
        );
      });

      afterAll(async () => {
        await system?.stop();
        await agent?.stop();
      });

      async function exposed(): Promise<Series[]> {
        return parseSeries(await system.text("/v1/metrics", key));
      }

      it("gives every interface the name, state and octets that Net-SNMP's own walk reads", async () => {
        const names = columnOf(port, "1.3.6.1.2.1.31.1.1.1.1");
        const states = columnOf(port, "1.3.6.1.2.1.2.2.1.8");
        await vi.waitFor(
          async () => {
            const octetsBefore = columnOf(port, "1.3.6.1.2.1.31.1.1.1.6");
            const series = await exposed();
            const octets = series.filter(({ name }) => name === "ifHCInOctets");
            expect(octets.map(({ labels }) => labels["ifIndex"]).sort()).toEqual(
              [...octetsBefore.keys()].sort(),
            );
            for (const { labels, value } of octets) {
              const ifIndex = labels["ifIndex"] ?? "";
              expect(labels["ifName"]).toBe(names.get(ifIndex));
              // Traffic goes on: what was read at the poll is at most what is read now.
              expect(Number(value)).toBeLessThanOrEqual(
                Number(columnOf(port, "1.3.6.1.2.1.31.1.1.1.6").get(ifIndex)),
              );
            }
            const operStatus = series.filter(({ name }) => name === "ifOperStatus");
            for (const { labels, value } of operStatus) {
              expect(value).toBe(states.get(labels["ifIndex"] ?? ""));
            }
            expect(operStatus.length).toBe(octets.length);
          },
          { timeout: 60_000, interval: 500 },
        );
      });

      it("has its loopback octets grow from poll to poll", async () => {
        const loopback = async () =>
          Number(
            (await exposed()).find(
              ({ name, labels }) => name === "ifHCInOctets" && labels["ifName"] === "lo",
            )?.value,
          );
        const before = await loopback();

        await vi.waitFor(async () => expect(await loopback()).toBeGreaterThan(before), {
          timeout: 60_000,
          interval: 500,
        });
      });
    });
  },
);
