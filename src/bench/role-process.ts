import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** Where package.json lies. */
const PROGRAM_ROOT = join(import.meta.dirname, "..", "..");

/** A `fairwalk` command running as a process of its own: for benchmarks and end-to-end tests. */
export interface RoleProcess {
  readonly pid: number;
  /** What it has printed so far, both streams, as it came. */
  output(): string;
  /** Resolves to the exit code, or the signal's name, when it has ended. */
  readonly ended: Promise<number | string>;
  signal(name: NodeJS.Signals): void;
  /** Asks it to stop and waits; kills it when it has not after `graceMs`. */
  stop(graceMs?: number): Promise<number | string>;
}

const OUTPUT_KEPT_MAX = 200_000;

/** Starts `fairwalk <args>` from this source tree with exactly the given environment besides PATH and HOME. */
export function startRole(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): RoleProcess {
  const child: ChildProcess = spawn(
    process.execPath,
    ["--import", "tsx", join(PROGRAM_ROOT, "src", "cli.ts"), ...args],
    {
      cwd: PROGRAM_ROOT,
      env: definedOnly({ PATH: process.env["PATH"], HOME: process.env["HOME"], ...env }),
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-OUTPUT_KEPT_MAX);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const ended = once(child, "exit").then(
    ([code, signal]: unknown[]) => (code as number | null) ?? (signal as string),
  );
  const { pid } = child;
  if (pid === undefined) throw new Error(`Cannot start "fairwalk ${args.join(" ")}"`);
  return {
    pid,
    output: () => output,
    ended,
    signal: (name) => child.kill(name),
    async stop(graceMs = 45_000) {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      const code = await ended;
      clearTimeout(timer);
      return code;
    },
  };
}

function definedOnly(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
