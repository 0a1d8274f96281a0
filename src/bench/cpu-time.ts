import { readdirSync, readFileSync } from "node:fs";

/** CPU time of processes, as Linux's /proc counts it (proc(5)). */

/** Clock ticks a second: USER_HZ, 100 on every Linux of today. */
const TICKS_PER_SECOND = 100;

interface ProcessTimes {
  readonly parent: number;
  /** Microseconds the process itself used. */
  readonly ownUs: number;
  /** Microseconds of its children that have ended and been waited for. */
  readonly reapedUs: number;
}

function timesOf(pid: number): ProcessTimes | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined; // It has ended.
  }
  // The second field is the program's name in parentheses, and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const us = (first: number) =>
    ((Number(fields[first]) + Number(fields[first + 1])) * 1_000_000) / TICKS_PER_SECOND;
  return { parent: Number(fields[1]), ownUs: us(11), reapedUs: us(13) };
}

/** Microseconds of CPU the process has used, user and system; 0 when it is not there. */
export function cpuUs(pid: number): number {
  return timesOf(pid)?.ownUs ?? 0;
}

/** Microseconds of the children of a process that have ended. */
export function reapedCpuUs(pid: number): number {
  return timesOf(pid)?.reapedUs ?? 0;
}

/** Microseconds of a server and all its children, also those that have ended: Postgres and its backends. */
export function familyCpuUs(pid: number): number {
  const server = timesOf(pid);
  if (server === undefined) return 0;
  let total = server.ownUs + server.reapedUs;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const child = timesOf(Number(name));
    if (child?.parent === pid) total += child.ownUs;
  }
  return total;
}

/** The process that started it; 0 when it is not there. */
export function parentOf(pid: number): number {
  return timesOf(pid)?.parent ?? 0;
}
