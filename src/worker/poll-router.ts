import { type Assembled, type AssemblyMemory, assemble } from "../modules/assemble.ts";
import type { CollectionPlan } from "../modules/collection-plan.ts";
import { type FetchedTable, joinTables } from "../modules/fetched-table.ts";
import type { Module } from "../modules/module.ts";
import { neededFallbacks } from "../modules/table-views.ts";
import type { Interface, PollOutcome } from "../routers/router.ts";
import type { ModuleReport, SampleBlock, TextFact } from "../routers/samples.ts";
import type { Session } from "../snmp/session.ts";
import { type FetchOutcome, getScalars, walkColumns } from "../snmp/walk.ts";

/** sysUpTime.0 (RFC 3418): every agent has it, and it fits any packet: the whole of a probe. */
const PROBE_OID = "1.3.6.1.2.1.1.3.0";

/** A module and how to collect it, worked out once when the modules are loaded. */
export interface PlannedModule {
  readonly module: Module;
  readonly plan: CollectionPlan;
}

/** What one visit to a router brought. Never an exception: silence, refusal and nonsense are outcomes. */
export interface PolledRouter {
  readonly outcome: PollOutcome;
  readonly modules: readonly ModuleReport[];
  readonly blocks: readonly SampleBlock[];
  readonly texts: readonly TextFact[];
  /** Undefined when no module that lists interfaces was read to its end: then nothing is known about missing ones. */
  readonly interfaces: readonly Interface[] | undefined;
}

/** One small GET to a router that has been silent. */
export async function probeRouter(session: Session): Promise<PolledRouter> {
  const { outcome } = await getScalars(session, [PROBE_OID]);
  return { ...NOTHING, outcome, modules: [] };
}

/**
 * Polls all modules of a router within the session's deadline. All scalars go first and together: one packet tells
 * whether the router is there, and a silent one is not asked for its tables. What was read before a failure is kept, and
 * each module says how it went. Rejects only for bugs.
 */
export async function pollRouter(
  session: Session,
  modules: readonly PlannedModule[],
  limits: WalkLimits,
  memoryOf: (module: Module) => AssemblyMemory,
): Promise<PolledRouter> {
  const scalarOids = [...new Set(modules.flatMap(({ plan }) => plan.scalars))];
  const scalars = await getScalars(session, scalarOids.length > 0 ? scalarOids : [PROBE_OID]);
  if (scalars.outcome !== "answered" && scalars.outcome !== "partial") {
    return { ...NOTHING, outcome: scalars.outcome, modules: unread(modules, scalars, session) };
  }

  const reports: ModuleReport[] = [];
  const assembled: Assembled[] = [];
  let interfaces: readonly Interface[] | undefined;
  for (const { module, plan } of modules) {
    const before = { ...session.stats };
    const walked = await walkTables(session, plan, limits);
    const read = assemble(
      module,
      plan,
      { scalars: scalars.table, tables: walked.tables },
      memoryOf(module),
    );
    assembled.push(read);
    // Only a table read to its end tells that an interface is gone.
    if (walked.outcome === "answered" && read.interfaces.length > 0) {
      interfaces ??= read.interfaces;
    }
    reports.push({
      module: module.name,
      outcome: walked.outcome,
      requests: session.stats.requests - before.requests,
      retries: session.stats.retries - before.retries,
      rows: walked.tables.reduce((rows, table) => rows + table.instances.length, 0),
      ...(walked.reason === undefined ? {} : { reason: walked.reason }),
    });
  }

  return {
    outcome: reports.every(({ outcome }) => outcome === "answered") ? "answered" : "partial",
    modules: reports,
    blocks: assembled.flatMap(({ blocks }) => blocks),
    texts: assembled.flatMap(({ texts }) => texts),
    interfaces,
  };
}

export interface WalkLimits {
  /** Rows of one table at which its walk is cut. */
  readonly tableRowsMax: number;
}

interface WalkedTables {
  readonly tables: readonly FetchedTable[];
  readonly outcome: FetchOutcome;
  readonly reason: string | undefined;
}

/** Walks a module's tables one after the other, each with its second pass where rows lack a metric that has a fallback. */
async function walkTables(
  session: Session,
  plan: CollectionPlan,
  limits: WalkLimits,
): Promise<WalkedTables> {
  const tables: FetchedTable[] = [];
  const failures: { outcome: FetchOutcome; reason: string | undefined }[] = [];
  let rowsRead = 0;
  const walk = async (columns: readonly string[]): Promise<FetchedTable> => {
    const { table, outcome, reason } = await walkColumns(session, columns, {
      rowsMax: limits.tableRowsMax,
    });
    if (outcome !== "answered") failures.push({ outcome, reason });
    rowsRead += table.instances.length;
    return table;
  };
  for (const planned of plan.tables) {
    const first = await walk(planned.columns);
    const missing = neededFallbacks(planned, first);
    tables.push(missing.length === 0 ? first : joinTables(first, await walk(missing)));
  }
  const [failure] = failures;
  if (failure === undefined) return { tables, outcome: "answered", reason: undefined };
  const outcome = rowsRead > 0 ? "partial" : failure.outcome;
  return { tables, outcome, reason: failure.reason };
}

const NOTHING = { blocks: [], texts: [], interfaces: undefined };

/** The modules of a router that did not answer the first request: none was read, all for the same reason. */
function unread(
  modules: readonly PlannedModule[],
  failed: { readonly outcome: FetchOutcome; readonly reason?: string | undefined },
  session: Session,
): ModuleReport[] {
  return modules.map(({ module }, position) => ({
    module: module.name,
    outcome: failed.outcome,
    requests: position === 0 ? session.stats.requests : 0,
    retries: position === 0 ? session.stats.retries : 0,
    rows: 0,
    ...(failed.reason === undefined ? {} : { reason: failed.reason }),
  }));
}
