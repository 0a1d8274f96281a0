import type { ModuleReport, WalkReport } from "../routers/samples.ts";
import type { Fetched } from "../snmp/walk.ts";

/** What a poll's walks were like, for its timeline: stored with every poll, so it is kept small. */

/** Walks told of one module: the slowest. A poll's row stays below some 2 kB a module, mostly 200 octets. */
const WALKS_A_MODULE_MAX = 8;
/** What walks remark is told of so many at most; the text of one has up to 200 characters. */
const REMARKS_MAX = 4;

export function reportOfWalk(oid: string, { outcome, reason, table, effort }: Fetched): WalkReport {
  const remarks = reason === undefined ? effort.remarks : [reason, ...effort.remarks];
  return {
    oid,
    outcome,
    columns: table.columns.size,
    // The one row of single values is there even where none was said.
    rows: effort.varbinds === 0 ? 0 : table.instances.length,
    requests: effort.requests,
    retries: effort.retries,
    bytesIn: effort.bytesIn,
    varbinds: effort.varbinds,
    durationMs: rounded(effort.durationMs),
    rttMsP50: rounded(effort.rttMsMedian),
    rttMsMax: rounded(effort.rttMsMax),
    ...(effort.columnsMost > 0 && { asked: `${effort.columnsMost} × ${effort.repetitionsMost}` }),
    ...(effort.sizing !== undefined && { sizing: effort.sizing }),
    ...(remarks.length > 0 && { remarks: remarks.slice(0, REMARKS_MAX) }),
  };
}

/** What a module's report says of its walks, and of the single values it got besides. */
export function reportOfWalks(
  walks: readonly WalkReport[],
  scalars: Pick<WalkReport, "varbinds" | "durationMs"> = { varbinds: 0, durationMs: 0 },
): Required<Pick<ModuleReport, "varbinds" | "walkMs" | "walks">> {
  return {
    varbinds: walks.reduce((sum, { varbinds }) => sum + varbinds, scalars.varbinds),
    walkMs: rounded(walks.reduce((sum, { durationMs }) => sum + durationMs, scalars.durationMs)),
    walks: slowest(walks),
  };
}

function slowest(walks: readonly WalkReport[]): readonly WalkReport[] {
  if (walks.length <= WALKS_A_MODULE_MAX) return walks;
  const bySlowness = walks.toSorted((a, b) => b.durationMs - a.durationMs);
  const kept = new Set(bySlowness.slice(0, WALKS_A_MODULE_MAX));
  return walks.filter((walk) => kept.has(walk));
}

/** To a hundredth: what is left of a double's digits is noise, and takes its place in every row. */
function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
