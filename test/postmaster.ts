import { readdirSync, readFileSync } from "node:fs";

/** The process of the embedded Postgres whose data lies below `folder`. */
export function postmasterOf(folder: string): number {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      if (command[0]?.endsWith("/postgres") && command.some((part) => part.startsWith(folder))) {
        return Number(pid);
      }
    } catch {
      // It ended meanwhile.
    }
  }
  throw new Error("The embedded Postgres does not run");
}
