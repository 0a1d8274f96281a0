/**
 * Cleans up after a test run, however the run ends. A process of its own, in a session of its own, holds one end of a
 * pipe to the run: the pipe closes when the run is over, also when it was killed with SIGKILL.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { removeTemporaryDirectory } from "../src/bench/temporary-directory.ts";
import { clusterFolder, recordedHome } from "../src/embedded/cluster-home.ts";
import { endOrphanedPostmaster } from "../src/embedded/postmaster.ts";
import { endPostmaster, processStart } from "../src/embedded/processes.ts";

export interface Watchdog {
  /** Ends process `pid` when the run is over. */
  watchProcess(pid: number): void;
  /** Removes `folder` when the run is over, and before that ends the embedded Postgres of `folder/data`, if any. */
  watchFolder(folder: string): void;
  /** The run is over: resolves when all is clean. */
  stop(): Promise<void>;
}

type Charge = { readonly pid: number; readonly start: string } | { readonly folder: string };

export function startWatchdog(): Watchdog {
  const script = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, ["--import", "tsx", script, "--watch-this-pipe"], {
    cwd: dirname(script),
    stdio: ["pipe", "ignore", "inherit"],
    detached: true,
  });
  const ended = once(child, "exit");
  child.unref();
  const charge = (entry: Charge): void => void child.stdin.write(`${JSON.stringify(entry)}\n`);
  return {
    watchProcess: (pid) => charge({ pid, start: processStart(pid) ?? "" }),
    watchFolder: (folder) => charge({ folder }),
    stop: async () => {
      child.ref();
      child.stdin.end();
      await ended;
    },
  };
}

async function keepWatch(): Promise<void> {
  const charges: Charge[] = [];
  for await (const line of createInterface({ input: process.stdin })) {
    charges.push(JSON.parse(line) as Charge);
  }
  // What was started last is ended first.
  for (const charge of charges.reverse()) {
    if ("pid" in charge) await endProcess(charge.pid, charge.start);
    else await clearFolder(charge.folder);
  }
}

async function endProcess(pid: number, start: string): Promise<void> {
  if (processStart(pid) === start) await endPostmaster(pid, start);
}

async function clearFolder(folder: string): Promise<void> {
  const data = `${folder}/data`;
  const home = (await recordedHome(data).catch(() => undefined)) ?? data;
  await endOrphanedPostmaster(clusterFolder(home));
  await removeTemporaryDirectory(data);
  await removeTemporaryDirectory(folder);
}

if (process.argv.includes("--watch-this-pipe")) await keepWatch();
