import { inTurns } from "../lib/in-turns.ts";
import {
  type Assembled,
  type AssemblyMemory,
  assemble,
  assembleInSteps,
} from "../modules/assemble.ts";
import type { CollectionPlan, PlannedTable } from "../modules/collection-plan.ts";
import { emptyTable, type FetchedTable, joinTables } from "../modules/fetched-table.ts";
import type { Module } from "../modules/module.ts";
import { onlyColumns, type TableNames } from "../modules/table-names.ts";
import { neededFallbacks } from "../modules/table-views.ts";
import { numberAt } from "../modules/value-text.ts";
import type { Signals } from "../routers/inventory.ts";
import type { Interface, PollOutcome } from "../routers/router.ts";
import type { ModuleReport, SampleBlock, TextFact, WalkReport } from "../routers/samples.ts";
import type { Session } from "../snmp/session.ts";
import { type FetchOutcome, getScalars, walkColumns } from "../snmp/walk.ts";
import { PollBudget, type PollLimits } from "./poll-budget.ts";
import { reportOfWalk, reportOfWalks } from "./walk-reports.ts";

/** sysUpTime.0 (RFC 3418): every agent has it, and it fits any packet: the whole of a probe. */
const PROBE_OID = "1.3.6.1.2.1.1.3.0";

/** What tells that names may have changed. It rides in the packet that asks for the other scalars. */
const SIGNALS = {
  sysUpTime: PROBE_OID,
  ifNumber: "1.3.6.1.2.1.2.1.0",
  ifTableLastChange: "1.3.6.1.2.1.31.1.5.0",
} as const;

/** More rows than these are put together in turns with what other routers answer. */
const ROWS_AT_ONCE_MAX = 1_000;

/** A module and how to collect it, worked out once when the modules are loaded. */
export interface PlannedModule {
  readonly module: Module;
  readonly plan: CollectionPlan;
}

/** What one visit to a router brought. Never an exception: silence, refusal and nonsense are outcomes. */
export interface PolledRouter {
  readonly outcome: PollOutcome;
  /** The first request, for the single values of all modules. */
  readonly scalars: WalkReport;
  readonly modules: readonly ModuleReport[];
  readonly blocks: readonly SampleBlock[];
  readonly texts: readonly TextFact[];
  /** Undefined when no module that lists interfaces was read to its end: then nothing is known about missing ones. */
  readonly interfaces: readonly Interface[] | undefined;
  readonly signals: Signals;
}

/** One small GET to a router that has been silent. */
export async function probeRouter(session: Session): Promise<PolledRouter> {
  const scalars = reportOfWalk("", await getScalars(session, [PROBE_OID]));
  return { ...NOTHING, outcome: scalars.outcome, scalars, modules: [] };
}

/**
 * Polls all modules of a router within the session's deadline. All scalars go first and together: one packet tells
 * whether the router is there, and a silent one is not asked for its tables. What was read before a failure is kept, and
 * each module says how it went. Rejects only for bugs.
 */
export async function pollRouter(
  session: Session,
  modules: readonly PlannedModule[],
  limits: PollLimits,
  memoryOf: (module: Module) => AssemblyMemory,
): Promise<PolledRouter> {
  session.setPace({});
  const scalars = await getScalars(session, scalarsOf(modules));
  const scalarsReport = reportOfWalk("", scalars);
  if (scalars.outcome !== "answered" && scalars.outcome !== "partial") {
    return {
      ...NOTHING,
      outcome: scalars.outcome,
      scalars: scalarsReport,
      modules: unread(modules, scalars, session),
    };
  }

  const signals = signalsIn(scalars.table);
  const reports: ModuleReport[] = [];
  const assembled: Assembled[] = [];
  let interfaces: readonly Interface[] | undefined;
  const budget = new PollBudget(session, limits);
  for (const { module, plan } of modules) {
    const before = { ...session.stats };
    const memory = memoryOf(module);
    const walked = await walkTables(session, { module, plan }, budget, memory, signals);
    const fetched = { scalars: scalars.table, tables: walked.tables };
    const rows = walked.tables.reduce((sum, { instances }) => sum + instances.length, 0);
    const read =
      rows <= ROWS_AT_ONCE_MAX
        ? assemble(module, plan, fetched, memory)
        : await inTurns(assembleInSteps(module, plan, fetched, memory));
    assembled.push(read);
    // Only a table read to its end tells that an interface is gone.
    if (walked.outcome === "answered" && read.interfaces.length > 0) {
      interfaces ??= read.interfaces;
    }
    const scalarsRead = countScalars(plan, scalars.table);
    const cut = scalars.outcome === "partial" && scalarsRead < plan.scalars.length;
    const reason = walked.reason ?? (cut ? scalars.reason : undefined);
    reports.push({
      module: module.name,
      outcome: cut && walked.outcome === "answered" ? "partial" : walked.outcome,
      requests: session.stats.requests - before.requests,
      retries: session.stats.retries - before.retries,
      rows,
      ...(reason === undefined ? {} : { reason }),
      ...reportOfWalks(walked.walks, {
        varbinds: scalarsRead,
        // The one request for all single values is what each module that has some would have waited for alone.
        durationMs: plan.scalars.length === 0 ? 0 : scalarsReport.durationMs,
      }),
    });
  }

  return {
    scalars: scalarsReport,
    outcome: reports.every(({ outcome }) => outcome === "answered") ? "answered" : "partial",
    modules: reports,
    blocks: assembled.flatMap(({ blocks }) => blocks),
    texts: assembled.flatMap(({ texts }) => texts),
    interfaces,
    signals,
  };
}

const scalarLists = new WeakMap<readonly PlannedModule[], readonly string[]>();

/** The scalars of all modules, each once: the same array for the same modules, so that it is encoded once. */
function scalarsOf(modules: readonly PlannedModule[]): readonly string[] {
  let oids = scalarLists.get(modules);
  if (oids === undefined) {
    const asked = modules.flatMap(({ plan }) => plan.scalars);
    oids = [...new Set([...Object.values(SIGNALS), ...asked])];
    scalarLists.set(modules, oids);
  }
  return oids;
}

/** How many of a module's single values the router said. */
function countScalars({ scalars }: CollectionPlan, fetched: FetchedTable): number {
  let count = 0;
  for (const oid of scalars) if ((fetched.columns.get(oid)?.tags[0] ?? 0) !== 0) count++;
  return count;
}

function signalsIn(scalars: FetchedTable): Signals {
  return Object.fromEntries(
    Object.entries(SIGNALS).flatMap(([name, oid]) => {
      const column = scalars.columns.get(oid);
      const value = column === undefined ? undefined : numberAt(column, 0);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

interface WalkedTables {
  readonly tables: readonly FetchedTable[];
  readonly outcome: FetchOutcome;
  readonly reason: string | undefined;
  readonly walks: readonly WalkReport[];
}

/** Walks a module's tables one after the other, each with its second pass where rows lack a metric that has a fallback. */
async function walkTables(
  session: Session,
  { module, plan }: PlannedModule,
  budget: PollBudget,
  memory: AssemblyMemory,
  signals: Signals,
): Promise<WalkedTables> {
  const failures: { outcome: FetchOutcome; reason: string | undefined }[] = [];
  const repetitions = module.maxRepetitions > 0 ? module.maxRepetitions : undefined;
  const walks: WalkReport[] = [];
  /** Why the first table that is asked for in small pieces is; no failure. */
  let sizing: string | undefined;
  const walk = async (entry: string, columns: readonly string[]): Promise<FetchedTable> => {
    const room = budget.roomFor(columns.length);
    if (room === undefined) {
      failures.push(budget.exhausted);
      return emptyTable();
    }
    const fetched = await walkColumns(session, columns, {
      ...room,
      anyOrder: module.allowNonIncreasingOids,
      ...(repetitions === undefined ? {} : { repetitions }),
    });
    budget.spend(fetched.table);
    const { outcome, reason, effort } = fetched;
    if (outcome !== "answered") failures.push({ outcome, reason });
    sizing ??= effort.sizing;
    walks.push(reportOfWalk(entry, fetched));
    return fetched.table;
  };
  session.setPace({ timeoutMs: module.timeoutMs, retries: module.retries });
  const tables: FetchedTable[] = [];
  for (const [place, planned] of plan.tables.entries()) {
    const names = memory.tableNames(place);
    const walker = {
      walk: (columns: readonly string[]) => walk(planned.entry, columns),
      failures: () => failures.length,
    };
    const first = await walkNamed(planned, walker, names, {
      signals,
      nowMs: session.clock.now(),
    });
    const missing = neededFallbacks(planned, first);
    tables.push(missing.length === 0 ? first : joinTables(first, await walker.walk(missing)));
  }
  session.setPace({});
  const [failure] = failures;
  if (failure === undefined) return { tables, outcome: "answered", reason: sizing, walks };
  const outcome = walks.some(({ rows }) => rows > 0) ? "partial" : failure.outcome;
  return { tables, outcome, reason: failure.reason, walks };
}

/**
 * The first pass over a table. Columns that only name its rows are walked when the router says that something changed,
 * when rows came, and once in a while; else what they said before stands. A walk that failed is remembered by nobody.
 */
async function walkNamed(
  planned: PlannedTable,
  walker: {
    readonly walk: (columns: readonly string[]) => Promise<FetchedTable>;
    readonly failures: () => number;
  },
  names: TableNames,
  now: { readonly signals: Signals; readonly nowMs: number },
): Promise<FetchedTable> {
  const failuresBefore = walker.failures();
  if (planned.lastingColumns.length === 0) return walker.walk(planned.columns);
  if (names.areFresh(now)) {
    const values = await walker.walk(planned.valueColumns);
    const named = names.joined(values);
    if (named !== undefined) return named;
    const lasting = await walker.walk(planned.lastingColumns);
    if (walker.failures() === failuresBefore) names.remember(lasting, now);
    return joinTables(values, lasting);
  }
  const whole = await walker.walk(planned.columns);
  if (walker.failures() === failuresBefore) {
    names.remember(onlyColumns(whole, planned.lastingColumns), now);
  }
  return whole;
}

const NOTHING = { blocks: [], texts: [], interfaces: undefined, signals: {} };

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
