import type { ModuleReport, PollRecord, WalkReport } from "./samples.ts";

/** What a poll's record says to somebody who asks which router is slow, and why. Pure. */

/** A poll that took, from its due time to its end, less than this was not slow. */
const SLOW_MS = 1_000;

type Timed = Omit<PollRecord, "tenantId" | "routerId">;

/** Everything that was decided or noticed on the way: cut tables, smaller requests, modules that were left out. */
export function decisionsOf({ scalars, modules }: Pick<Timed, "scalars" | "modules">): string[] {
  const decisions = walkDecisions("single values", scalars === undefined ? [] : [scalars]);
  for (const { module, outcome, reason, walks = [] } of modules) {
    const ofWalks = walkDecisions(module, walks);
    // A module's reason is mostly that of one of its walks.
    const isTold = reason === undefined || ofWalks.some((decision) => decision.endsWith(reason));
    if (!isTold) {
      decisions.push(`${module}${outcome === "answered" ? "" : ` (${outcome})`}: ${reason}`);
    }
    decisions.push(...ofWalks);
  }
  return decisions;
}

function walkDecisions(of: string, walks: readonly WalkReport[]): string[] {
  return walks.flatMap(({ oid, remarks = [], sizing }) => {
    const where = oid === "" ? of : `${of} ${oid}`;
    return [...remarks, ...(sizing === undefined ? [] : [sizing])].map((it) => `${where}: ${it}`);
  });
}

/** Where most of the time went from when the poll was due to when it ended; undefined where it was not slow. */
export function slowestPart(poll: Timed): string | undefined {
  const parts = partsOf(poll);
  const totalMs = poll.startedAtMs + poll.durationMs - poll.dueAtMs;
  const [slowest] = parts.toSorted((a, b) => b.durationMs - a.durationMs);
  if (totalMs < SLOW_MS || slowest === undefined) return undefined;
  return `${seconds(slowest.durationMs)} of ${seconds(totalMs)}: ${slowest.what}`;
}

interface Part {
  readonly what: string;
  readonly durationMs: number;
}

function partsOf({ dueAtMs, startedAtMs, scalars, modules, ...poll }: Timed): Part[] {
  const releasedAtMs = poll.releasedAtMs ?? startedAtMs;
  const parts = [
    { what: "waited for its turn among all polls", durationMs: releasedAtMs - dueAtMs },
    { what: "waited in the queue for a worker", durationMs: startedAtMs - releasedAtMs },
  ];
  if (scalars !== undefined) parts.push(partOf("single values", scalars));
  for (const module of modules) parts.push(...partsOfModule(module));
  return parts;
}

function partsOfModule({ module, walks = [] }: ModuleReport): Part[] {
  return walks.map((walk) => partOf(`${module} ${walk.oid}`, walk));
}

function partOf(what: string, walk: WalkReport): Part {
  const { durationMs, requests, retries, varbinds, rttMsP50, rttMsMax } = walk;
  const unanswered = retries === 0 ? "" : `, ${retries} of them again after a silence`;
  const trips = rttMsMax === 0 ? "no answer" : `round trips ${rttMsP50} ms, ${rttMsMax} at most`;
  return {
    what: `${what}: ${requests} requests${unanswered}, ${varbinds} values, ${trips}`,
    durationMs,
  };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
