import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/**
 * When process `pid` was started, as text to compare; undefined when there is no such process or it is a zombie. With
 * the pid it names one process for good: pids are used again.
 */
export function processStart(pid: number): string | undefined {
  if (process.platform !== "linux") return ps(pid, "lstart=");
  try {
    // proc(5): the name in parentheses may hold anything; after it come the state (3rd field) and the start time (22nd).
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** The command line of process `pid`, its arguments separated by spaces; undefined when there is none to read. */
export function processCommand(pid: number): string | undefined {
  if (process.platform !== "linux") return ps(pid, "command=");
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim() || undefined;
  } catch {
    return undefined;
  }
}

/** The signals of an orderly end, each with the time it is given: Postgres' fast shutdown, its immediate one, force. */
const ENDINGS = [
  { signal: "SIGINT", waitMs: 20_000 },
  { signal: "SIGQUIT", waitMs: 5_000 },
  { signal: "SIGKILL", waitMs: 5_000 },
] as const;

/** Ends a postmaster, gently at first; resolves when it is gone. `start` guards against a pid used again. */
export async function endPostmaster(pid: number, start: string): Promise<void> {
  for (const { signal, waitMs } of ENDINGS) {
    sendSignal(pid, signal);
    const until = Date.now() + waitMs;
    while (Date.now() < until) {
      if (processStart(pid) !== start) return;
      await delay(10);
    }
  }
  throw new Error(`Cannot end the embedded Postgres: process ${pid} does not react to SIGKILL`);
}

/** Sends a signal to a process that may be gone already. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function ps(pid: number, column: string): string | undefined {
  try {
    const text = execFileSync("ps", ["-o", "state=", "-o", column, "-p", String(pid)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      env: { LC_ALL: "C" },
    }).trim();
    const space = text.indexOf(" ");
    return text.startsWith("Z") || space < 0 ? undefined : text.slice(space).trim();
  } catch {
    return undefined;
  }
}
