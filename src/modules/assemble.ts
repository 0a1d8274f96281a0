/**
 * From what was fetched to what is stored: sample blocks, texts and interfaces.
 *
 * A table's metrics become at most two rectangles, whole numbers and numbers with a fraction. A row is in a rectangle
 * only when the router gave one of its values: a row known by name alone has no samples. A metric no row has a value of
 * is left out, so a fallback costs nothing where it is not needed.
 *
 * Numbers stay the 64 bits they came as. A Counter32 or Gauge32 an agent encoded as negative is made unsigned again; so
 * is a negative INTEGER in a counter's place. Enumerations are kept as numbers, their names belong to the exposition.
 *
 * snmp_exporter exposes 0 for a number's column that holds a string or NULL; here that is no value.
 */

import type { Interface } from "../routers/router.ts";
import type { Labels, SampleBlock, TextFact } from "../routers/samples.ts";
import type { CollectionPlan, LabelScheme, PlannedMetric } from "./collection-plan.ts";
import { emptyTable, type FetchedColumn, type FetchedTable, VALUE_TAG } from "./fetched-table.ts";
import { interfacesOf, interfaceTableOf } from "./interfaces.ts";
import {
  MadeOfNames,
  type NamesToken,
  type RememberedBlock,
  RememberedNames,
} from "./label-memory.ts";
import { metricText } from "./metric-values.ts";
import type { Module } from "./module.ts";
import { addFloats, addIntegers, blockOf, Draft, type Rows } from "./rectangle.ts";
import { labelsOfRows } from "./row-labels.ts";
import { TableNames } from "./table-names.ts";
import { TableView, tableViews } from "./table-views.ts";

export interface Assembled {
  readonly blocks: readonly SampleBlock[];
  readonly texts: readonly TextFact[];
  /** Empty for a module without IF-MIB's tables. The same array as last time when nothing changed. */
  readonly interfaces: readonly Interface[];
}

/**
 * What is kept between polls of one router with one module: names and shapes, so that a poll whose rows are called as
 * before gets the same `instances`, `labels` and `metrics` arrays. Never shared between routers.
 */
export class AssemblyMemory {
  readonly names: RememberedNames[] = [];
  readonly labels: MadeOfNames<readonly Labels[]>[] = [];
  readonly blocks: (RememberedBlock | undefined)[] = [];
  readonly interfaces = new MadeOfNames<readonly Interface[]>();
  readonly #tableNames: TableNames[] = [];

  /** What names the rows of the plan's table at `place`. */
  tableNames(place: number): TableNames {
    this.#tableNames[place] ??= new TableNames();
    return this.#tableNames[place];
  }
}

interface FetchedTables {
  readonly scalars: FetchedTable;
  readonly tables: readonly FetchedTable[];
}

/**
 * Makes samples, texts and interfaces of what one poll fetched for one module. `tables` is in the order of
 * `plan.tables`; a table that was not fetched may be missing. Never throws for what a router sent.
 */
export function assemble(
  module: Module,
  plan: CollectionPlan,
  fetched: FetchedTables,
  memory: AssemblyMemory = new AssemblyMemory(),
): Assembled {
  const steps = assembleInSteps(module, plan, fetched, memory);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** As `assemble`, with a pause after each table's names and each set of labels: of 20,000 rows that takes a tenth of a second. */
export function* assembleInSteps(
  module: Module,
  plan: CollectionPlan,
  fetched: FetchedTables,
  memory: AssemblyMemory,
): Generator<undefined, Assembled, undefined> {
  const views = tableViews(plan, module.filters, fetched);
  const blocks: SampleBlock[] = [];
  const texts: TextFact[] = [];
  const planned = [...plan.tables, ...plan.rows];
  let slot = 0;

  const scalars: Rows = {
    module: module.name,
    view: new TableView({ instances: SCALAR_INSTANCES, columns: fetched.scalars.columns }),
    labels: SCALAR_LABELS,
  };
  collect(scalars, plan.scalarMetrics, memory, slot++, blocks, texts);

  const tokens: NamesToken[] = [];
  for (const [position, { nameColumns }] of planned.entries()) {
    memory.names[position] ??= new RememberedNames();
    tokens.push(memory.names[position].tokenOf(views[position] ?? NO_ROWS, nameColumns));
    yield;
  }
  const named: NamedViews = { views, tokens };
  for (const [position, view] of views.entries()) {
    for (const scheme of planned[position]?.schemes ?? []) {
      const labels = labelsIn(named, position, scheme, memory, slot);
      yield;
      collect({ module: module.name, view, labels }, scheme.metrics, memory, slot++, blocks, texts);
      yield;
    }
  }
  return { blocks, texts, interfaces: interfacesIn(named, interfaceTableOf(plan), memory) };
}

const SCALAR_INSTANCES = [""];
const SCALAR_LABELS: readonly Labels[] = [{}];
const NO_ROWS = new TableView(emptyTable());

/** Tables, and for each a token of its names as they are. */
interface NamedViews {
  readonly views: readonly TableView[];
  readonly tokens: readonly NamesToken[];
}

function labelsIn(
  { views, tokens }: NamedViews,
  position: number,
  scheme: LabelScheme,
  memory: AssemblyMemory,
  slot: number,
): readonly Labels[] {
  const from = [position, ...scheme.lookups.flatMap(({ sources }) => sources)];
  const view = views[position] ?? NO_ROWS;
  memory.labels[slot] ??= new MadeOfNames();
  return memory.labels[slot].get(
    from.map((source) => tokens[source] ?? NO_ROWS),
    () => labelsOfRows(view, scheme, views),
  );
}

function interfacesIn(
  { views, tokens }: NamedViews,
  position: number,
  memory: AssemblyMemory,
): readonly Interface[] {
  const view = views[position];
  const token = tokens[position];
  if (view === undefined || token === undefined) return [];
  return memory.interfaces.get([token], () => interfacesOf(view));
}

function collect(
  rows: Rows,
  metrics: readonly PlannedMetric[],
  memory: AssemblyMemory,
  slot: number,
  blocks: SampleBlock[],
  texts: TextFact[],
): void {
  const length = rows.view.instances.length;
  if (length === 0) return;
  const integers = new Draft(metrics.length * length, length, "integers");
  let floats: Draft | undefined;
  for (const planned of metrics) {
    const column = rows.view.columns.get(planned.column);
    if (column === undefined) continue;
    if (planned.kind === "text") {
      addTexts(rows, planned, column, texts);
    } else if (planned.kind === "float" || holdsOpaque(column, length)) {
      floats ??= new Draft(floatMetrics(metrics) * length, length, "floats");
      addFloats(rows, planned, column, floats);
    } else {
      addIntegers(rows, planned, column, integers);
    }
  }
  for (const [draft, place] of [[integers, slot * 2] as const, [floats, slot * 2 + 1] as const]) {
    if (draft === undefined || draft.metrics.length === 0) continue;
    const block = blockOf(rows, draft, memory.blocks[place]);
    memory.blocks[place] = block.remembered;
    blocks.push(block.block);
  }
}

function addTexts(
  rows: Rows,
  planned: PlannedMetric,
  column: FetchedColumn,
  texts: TextFact[],
): void {
  rows.view.instances.forEach((instance, row) => {
    const value = metricText(rows.view, planned, column, row);
    if (value === undefined) return;
    const labels = rows.labels[row] ?? {};
    texts.push({ module: rows.module, metric: planned.metric.name, instance, labels, value });
  });
}

/** Places for metrics with a fraction: each may be several by regex, and a whole number may turn out to be an Opaque float. */
function floatMetrics(metrics: readonly PlannedMetric[]): number {
  return metrics.reduce((sum, { metric }) => sum + Math.max(metric.regexExtracts.length, 1), 0);
}

function holdsOpaque({ tags }: FetchedColumn, rows: number): boolean {
  for (let row = 0; row < rows; row++) if (tags[row] === VALUE_TAG.opaque) return true;
  return false;
}
