import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { vi } from "vitest";
import { parse, stringify } from "yaml";
import {
  makeTemporaryDirectory,
  removeTemporaryDirectory,
} from "../src/bench/temporary-directory.ts";

/** Debian's package of snmp_exporter puts it here. */
const PROGRAM = "/usr/bin/prometheus-snmp-exporter";

/** Why the exporter cannot be asked; undefined when it can. */
export const exporterIsAbsent = existsSync(PROGRAM)
  ? undefined
  : "snmp_exporter is absent: apt-get install prometheus-snmp-exporter";

export interface SnmpExporter {
  /** What one scrape answers. Rejects when it answers anything but 200. */
  scrape(target: string, module: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts the installed snmp_exporter with some modules of an `snmp.yml` of today. */
export async function startSnmpExporter(
  modulesFile: string,
  modules: readonly string[],
): Promise<SnmpExporter> {
  const folder = await makeTemporaryDirectory("snmp-exporter");
  const config = join(folder, "snmp.yml");
  await writeFile(config, await configurationOf021(modulesFile, modules));
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(PROGRAM, [`--config.file=${config}`, `--web.listen-address=${address}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (text) => {
    said += text;
  });
  const ended = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill();
    await ended;
    await removeTemporaryDirectory(folder);
  };
  try {
    await vi.waitFor(
      async () => {
        if (child.exitCode === null) await fetch(`http://${address}/`);
      },
      { timeout: 30_000, interval: 100 },
    );
    if (child.exitCode !== null) throw new Error(`snmp_exporter ended:\n${said}`);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async scrape(target, module) {
      const query = new URLSearchParams({ target, module });
      const response = await fetch(`http://${address}/snmp?${query}`);
      const text = await response.text();
      if (!response.ok) throw new Error(`snmp_exporter answered ${response.status}: ${text}`);
      return text;
    },
    stop,
  };
}

/** Version 0.21 has modules at the top, and version and community in each. */
async function configurationOf021(file: string, modules: readonly string[]): Promise<string> {
  // As maps, or the numbers that enumerations have for keys would become texts, which the exporter refuses.
  const document = parse(await readFile(file, "utf8"), { mapAsMap: true }) as Map<string, unknown>;
  const all = document.get("modules") as Map<string, Map<string, unknown>>;
  const login = { version: 2, auth: { community: "public" } };
  const chosen = modules.map((name): [string, unknown] => [
    name,
    new Map([...(all.get(name) ?? []), ...Object.entries(login)]),
  ]);
  return stringify(new Map(chosen), { aliasDuplicateObjects: false });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("No port was given");
  return address.port;
}
