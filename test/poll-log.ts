import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { TAG } from "../src/snmp/ber.ts";

/** A request as a router saw it. */
export interface LoggedRequest {
  readonly atMs: number;
  readonly pduType: number;
  readonly requestId: number;
  /** The process it came from, or the port where that is not known. */
  readonly source: string;
}

/** One visit to a router, as far as the router can tell. */
interface SeenPoll {
  readonly source: string;
  /** Of its first request, a GET. */
  readonly requestId: number;
  readonly beganAtMs: number;
  lastAtMs: number;
}

/** Between two requests of one poll it is less (an unanswered one is repeated after 2 s), between two polls it is more. */
const SAME_POLL_MS_MAX = 3_000;

/** A request that shows two polls of a router at the same time. */
export interface Overlap {
  readonly atMs: number;
  readonly source: string;
  readonly what: string;
}

/** A router's requests taken apart into polls, and what does not fit. */
export interface SeenPolls {
  readonly beganAtMs: readonly number[];
  readonly overlaps: readonly Overlap[];
}

/**
 * Reads one router's log, in the order of arrival. A poll begins with a GET, all its requests come from one process, and
 * it goes on only when that GET was answered, which takes `rttMs`. So two polls overlap where
 * - a poll begins before the last request of another process' can have been answered,
 * - a request comes before the GET that began its poll can have been answered,
 * - a request comes from a process whose poll is not the latest: it goes on with one it has lost,
 * - the GET of an earlier poll is repeated.
 */
export function seenPolls(log: readonly LoggedRequest[], rttMs: number): SeenPolls {
  const polls: SeenPoll[] = [];
  const overlaps: Overlap[] = [];
  for (const { atMs, pduType, requestId, source } of log) {
    const latest = polls.at(-1);
    const tell = (what: string) =>
      overlaps.push({
        atMs,
        source,
        what: `${new Date(atMs).toISOString()}: ${source} ${what}, ${atMs - (latest?.beganAtMs ?? atMs)} ms after ${latest?.source} began a poll`,
      });
    const isLatest = latest?.source === source;
    const quietMs = atMs - (latest?.lastAtMs ?? Number.NEGATIVE_INFINITY);
    if (isLatest && latest.requestId === requestId) {
      latest.lastAtMs = atMs;
    } else if (isLatest && (pduType !== TAG.getRequest || quietMs < SAME_POLL_MS_MAX)) {
      if (atMs - latest.beganAtMs < rttMs) tell("goes on before its poll was answered");
      latest.lastAtMs = atMs;
    } else if (pduType !== TAG.getRequest) {
      tell("goes on with an earlier poll");
    } else if (polls.some((poll) => poll.requestId === requestId && poll.source === source)) {
      tell("repeats the beginning of an earlier poll");
    } else {
      if (quietMs < rttMs) tell("begins another poll");
      polls.push({ source, requestId, beganAtMs: atMs, lastAtMs: atMs });
    }
  }
  return { beganAtMs: polls.map(({ beganAtMs }) => beganAtMs), overlaps };
}

/** The local ports of the UDP sockets that process `pid` has open (Linux); none when it is gone. */
export function udpPortsOf(pid: number): number[] {
  const inodes = new Set<string>();
  try {
    for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${descriptor}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    }
    const [, ...lines] = readFileSync("/proc/net/udp", "utf8").trim().split("\n");
    return lines.flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const port = Number.parseInt(fields[1]?.split(":")[1] ?? "", 16);
      return inodes.has(fields[9] ?? "") ? [port] : [];
    });
  } catch {
    return [];
  }
}

/** Where a link of /proc leads; "" when the descriptor was closed meanwhile. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
