import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { enablingCommand, ensureDebianTool } from "../debian-package.ts";

/**
 * Net-SNMP's own tools walk every recording that lies beside the repository, and must see exactly its rows. What they
 * print is compared with the recording as read by a few lines here, not by the simulator's parser.
 */
const RECORDINGS = join(import.meta.dirname, "../../../shared/recordings");
const snmpbulkwalk = ensureDebianTool("snmpbulkwalk", "snmp");
const snmpwalk = ensureDebianTool("snmpwalk", "snmp");
const missing = !existsSync(RECORDINGS)
  ? "../shared/recordings is absent"
  : snmpbulkwalk === null
    ? `snmpbulkwalk is absent: ${enablingCommand("snmp")}`
    : undefined;
const files =
  missing === undefined ? readdirSync(RECORDINGS).filter((file) => file.endsWith(".snmprec")) : [];

/** Numeric OIDs, strings in hexadecimal, enums and time ticks as numbers, no MIBs. */
const FORMAT = ["-v2c", "-c", "public", "-m", "", "-OnxetU", "-t", "5"];

describe.skipIf(missing !== undefined)(
  `Net-SNMP walks every recording${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    let simulator: Simulator;
    beforeAll(async () => {
      simulator = await startSimulator({ recordings: RECORDINGS });
    });
    afterAll(() => simulator?.stop());

    it.each(files)("%s", async (file) => {
      const router = simulator.routers.find(({ recording }) => `${recording}.snmprec` === file);
      const recorded = rowsOfRecording(await readFile(join(RECORDINGS, file), "latin1"));

      const walked = await walk([...FORMAT, "-Cr200", `127.0.0.1:${router?.port}`, ".1"]);

      expect(walked).toEqual(recorded);
    });
  },
);

describe.skipIf(snmpbulkwalk === null)(
  `Net-SNMP walks a generated router${snmpbulkwalk === null ? ` (skipped: ${enablingCommand("snmp")})` : ""}`,
  () => {
    const INTERFACES = 200;
    const COUNTER64_COLUMNS = 8;
    const ROWS = 9 + 41 * INTERFACES;
    let simulator: Simulator;
    beforeAll(async () => {
      simulator = await startSimulator({ generate: 1, interfaces: INTERFACES });
    });
    afterAll(() => simulator?.stop());

    it.each([
      ["GETBULK in messages of 1,472 octets", ["-Cr100"]],
      ["GETBULK of 3 rows", ["-Cr3"]],
    ])("by %s", async (_, options) => {
      const { port } = simulator.routers[0] ?? {};

      expect(await walk([...FORMAT, ...options, `127.0.0.1:${port}`, ".1"])).toHaveLength(ROWS);
    });

    it("by GETNEXT of v1, which has no Counter64", async () => {
      const { port } = simulator.routers[0] ?? {};
      const args = ["-v1", "-c", "public", "-m", "", "-Onet", `127.0.0.1:${port}`, ".1"];

      const { stdout } = await promisify(execFile)(snmpwalk ?? "", args);

      const rows = stdout.split("\n").filter((line) => line.startsWith("."));
      expect(rows).toHaveLength(ROWS - COUNTER64_COLUMNS * INTERFACES);
      expect(stdout).not.toContain("Counter64");
    });
  },
);

async function walk(args: readonly string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(snmpbulkwalk ?? "", args, {
    maxBuffer: 64 * 2 ** 20,
    encoding: "latin1",
  });
  const rows: string[] = [];
  for (const line of stdout.trimEnd().split("\n")) {
    // Long strings go on in lines of their own.
    if (line.startsWith(".")) rows.push(line);
    else rows.push(`${rows.pop()}${line}`);
  }
  expect(rows.pop()).toContain("No more variables left in this MIB View");
  return rows.map((row) => row.trimEnd());
}

/** Each row as Net-SNMP prints it. */
function rowsOfRecording(recording: string): string[] {
  return recording
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [oid = "", tag = "", ...values] = line.split("|");
      return `.${oid} = ${printed(tag, values.join("|"))}`.trimEnd();
    });
}

function printed(tag: string, value: string): string {
  const hex = tag.endsWith("x") ? Buffer.from(value, "hex") : Buffer.from(value, "latin1");
  switch (tag) {
    case "2":
      return `INTEGER: ${value}`;
    case "4":
    case "4x":
      return hex.length === 0 ? '""' : `Hex-STRING: ${spaced(hex)}`;
    case "5":
      return "NULL";
    case "6":
      return `OID: .${value}`;
    case "64":
      return `IpAddress: ${value}`;
    case "64x":
      return `IpAddress: ${[...hex].join(".")}`;
    case "65":
      return `Counter32: ${value}`;
    case "66":
      return `Gauge32: ${value}`;
    case "67":
      return value;
    case "68x":
      return `OPAQUE: ${spaced(hex)}`;
    case "70":
      return `Counter64: ${value}`;
    default:
      throw new Error(`No recording here has tag ${tag}`);
  }
}

function spaced(bytes: Buffer): string {
  return [...bytes].map((octet) => octet.toString(16).toUpperCase().padStart(2, "0")).join(" ");
}
