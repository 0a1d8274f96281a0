/** The pollers of `bench snmp` that are programs of others: each is measured where it is installed. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { Agent, get } from "node:http";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { cpuUs, reapedCpuUs } from "./cpu-time.ts";
import { type Lanes, openLanes, type PollOnce } from "./snmp-lanes.ts";
import type { BenchRouter, Poller, Running } from "./snmp-parts.ts";
import {
  BENCH_COMMUNITY,
  BENCH_SCALARS,
  BENCH_TABLES,
  exporterConfiguration,
} from "./snmp-workload.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "./temporary-directory.ts";

const READY_MS_MAX = 10_000;

/** The path of a program that may be installed; null when it is not. */
export function findProgram(name: string): string | null {
  for (const folder of [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"]) {
    const path = join(folder, name);
    if (folder !== "" && existsSync(path)) return path;
  }
  return null;
}

/** snmp_exporter with a module of the same walks and no metrics: one scrape is one poll. */
export async function startExporter(program: string): Promise<Running<Poller>> {
  const folder = await makeTemporaryDirectory("exporter");
  const configuration = join(folder, "snmp.yml");
  await writeFile(configuration, exporterConfiguration());
  const port = 20_000 + (process.pid % 20_000);
  const child = spawn(
    program,
    [`--config.file=${configuration}`, `--web.listen-address=127.0.0.1:${port}`],
    { stdio: "ignore" },
  );
  const ended = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill();
    await ended;
    await removeTemporaryDirectory(folder);
  };
  const agent = new Agent({ keepAlive: true, maxSockets: 1_000 });
  const scrape = ({ address, port: target }: BenchRouter): Promise<boolean> =>
    httpGet(agent, `http://127.0.0.1:${port}/snmp?module=walks&target=${address}:${target}`);
  const until = Date.now() + READY_MS_MAX;
  while (!(await httpGet(agent, `http://127.0.0.1:${port}/`).catch(() => false))) {
    if (Date.now() > until || child.exitCode !== null) {
      await stop();
      throw new Error(`Cannot start "${program}"`);
    }
    await delay(50);
  }
  const { pid = 0 } = child;
  const meters = { cpuUs: () => cpuUs(pid), rssBytes: () => rssBytesOf(pid) };
  let lanes: Lanes | undefined;
  return {
    async warm(options) {
      lanes = openLanes(options, scrape, meters);
      await lanes.warm();
    },
    measure: () => warmed(lanes).measure(),
    async stop() {
      agent.destroy();
      await stop();
    },
  };
}

function httpGet(agent: Agent, url: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode === 200));
    });
    request.on("error", reject);
  });
}

/** Resident memory of another process (proc(5)); 0 when it is not there. */
function rssBytesOf(pid: number): number {
  try {
    const [, kb = "0"] =
      /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
    return Number(kb) * 1_024;
  } catch {
    return 0;
  }
}

const run = promisify(execFile);

/**
 * Net-SNMP's own tools: a process for the scalars and one for each of the two tables, which hold twice the columns. What
 * such a process costs before it asks anything is counted too, and is most of it.
 */
export function openNetSnmpTools(): Running<Poller> | undefined {
  const [snmpbulkwalk, snmpget] = [findProgram("snmpbulkwalk"), findProgram("snmpget")];
  if (snmpbulkwalk === null || snmpget === null) return undefined;
  const common = ["-v2c", "-c", BENCH_COMMUNITY, "-m", "", "-On"];
  const pollWith =
    (rows: number, interfaces: number): PollOnce =>
    async ({ address, port }) => {
      const target = `${address}:${port}`;
      await run(snmpget, [...common, target, ...BENCH_SCALARS]);
      for (const table of BENCH_TABLES) {
        const { stdout } = await run(snmpbulkwalk, [...common, `-Cr${rows}`, target, table], {
          maxBuffer: 1 << 24,
        });
        if (stdout.split("\n").length <= interfaces) return false;
      }
      return true;
    };
  const meters = { cpuUs: () => reapedCpuUs(process.pid), rssBytes: () => 0 };
  let lanes: Lanes | undefined;
  return {
    async warm(options) {
      const rows = Math.floor(options.messageBytesMax / VARBIND_BYTES);
      lanes = openLanes(options, pollWith(Math.min(rows, ROWS_MAX), options.interfaces), meters);
      // A process learns nothing from the one before it.
      await Promise.resolve();
    },
    measure: () => warmed(lanes).measure(),
    stop: () => Promise.resolve(),
  };
}

/** Octets of a varbind, headers included. */
const VARBIND_BYTES = 23;
/** What one walk asks for at once at most. */
const ROWS_MAX = 1_000;

function warmed(lanes: Lanes | undefined): Lanes {
  if (lanes === undefined) throw new Error("Measured before it was warm");
  return lanes;
}
