/**
 * From a module to what is asked of a router: scalars to GET, and tables to walk, the columns of one conceptual table
 * side by side. A lookup's column is walked with the table it belongs to, once, whoever looks it up.
 *
 * snmp_exporter walks whole subtrees and drops what no metric names; we ask for the columns alone, which brings the same
 * samples in fewer packets. One difference follows: a metric without indexes is read at instance .0, as SMIv2 has it
 * (RFC 2578, section 7.8), or at the instances `get` lists; an agent that keeps it elsewhere is not searched.
 */

import { isFloatMetric, isTextMetric, type Lookup, type Metric, type Module } from "./module.ts";
import { hasTypeColumn } from "./value-text.ts";

/** A column read in a second pass, and only where a row lacks `whereMissing`. */
export interface Fallback {
  readonly column: string;
  readonly whereMissing: string;
}

/** What becomes of a column's values: whole numbers, numbers with a fraction, or text kept as inventory. */
export type MetricKind = "integer" | "float" | "text";

export interface PlannedMetric {
  readonly metric: Metric;
  readonly kind: MetricKind;
  readonly column: string;
  /** The column that says what an InetAddress or LldpPortId is; "" = the type says it. */
  readonly typeColumn: string;
  /** The column whose presence makes this metric's value unwanted; "" = always wanted. */
  readonly whereMissing: string;
}

export interface PlannedLookup {
  readonly lookup: Lookup;
  /** Positions in `tables`, then `rows`, of what holds the column. */
  readonly sources: readonly number[];
  readonly typeColumn: string;
}

/** Metrics of one table whose rows are labelled alike. */
export interface LabelScheme {
  readonly lookups: readonly PlannedLookup[];
  readonly metrics: readonly PlannedMetric[];
}

export interface PlannedTable {
  /** OID of the conceptual row. */
  readonly entry: string;
  /** The first part of the index, where the module walks only below it; "" = whole columns. */
  readonly prefix: string;
  /** OIDs to walk side by side in the first pass: columns, each with the prefix. */
  readonly columns: readonly string[];
  /**
   * Those of `columns` that only name rows and need not be read at each poll, and the others. Of IF-MIB's tables alone:
   * no other says when its names changed.
   */
  readonly lastingColumns: readonly string[];
  readonly valueColumns: readonly string[];
  readonly fallbacks: readonly Fallback[];
  /** Columns that names are made of, wherever they are used: while their bytes stay, so do the names. */
  readonly nameColumns: readonly string[];
  readonly schemes: readonly LabelScheme[];
}

/** Rows of a table that a module gets one by one. */
export interface PlannedRows {
  readonly entry: string;
  readonly cells: readonly {
    readonly oid: string;
    readonly column: string;
    readonly instance: string;
  }[];
  readonly nameColumns: readonly string[];
  readonly schemes: readonly LabelScheme[];
}

export interface CollectionPlan {
  /** Full OIDs of instances to GET: scalars, and the cells of `rows`. */
  readonly scalars: readonly string[];
  readonly tables: readonly PlannedTable[];
  readonly rows: readonly PlannedRows[];
  /** Metrics of the scalars; their `column` is the full OID. */
  readonly scalarMetrics: readonly PlannedMetric[];
}

export const IF_ENTRY = "1.3.6.1.2.1.2.2.1";
export const IF_X_ENTRY = "1.3.6.1.2.1.31.1.1.1";

/** ifDescr, ifType, ifPhysAddress, ifName, ifAlias: what an interface of the inventory is made of. */
export const INTERFACE_COLUMNS = [
  `${IF_ENTRY}.2`,
  `${IF_ENTRY}.3`,
  `${IF_ENTRY}.6`,
  `${IF_X_ENTRY}.1`,
  `${IF_X_ENTRY}.18`,
];

/** Tables whose rows are another table's rows (AUGMENTS, RFC 2578, section 7.8.1): their columns are walked together. */
const AUGMENTED: Readonly<Record<string, string>> = { [IF_X_ENTRY]: IF_ENTRY };

/** How to collect a module. Pure; work it out once and keep it: assembling relies on its identity for speed. */
export function collectionPlan(module: Module): CollectionPlan {
  const groups = new Groups(module);
  const scalars = new Set<string>();
  const scalarMetrics: PlannedMetric[] = [];
  for (const metric of module.metrics) {
    if (metric.indexes.length === 0) {
      const planned = plannedScalar(module, metric);
      scalarMetrics.push(planned);
      scalars.add(planned.column);
      if (planned.typeColumn !== "") scalars.add(planned.typeColumn);
    } else {
      groups.add(metric);
    }
  }
  for (const filter of module.filters) {
    if (filter.kind === "dynamic") groups.addLabelColumn(filter.oid);
  }
  const { tables, rows } = groups.finish();
  for (const { cells } of rows) for (const cell of cells) scalars.add(cell.oid);
  return { scalars: [...scalars], tables, rows, scalarMetrics };
}

function plannedScalar(module: Module, metric: Metric): PlannedMetric {
  const listed = module.get.find((oid) => isAtOrBelow(oid, metric.oid));
  const column = listed ?? `${metric.oid}.0`;
  const typeColumn = typeColumnOf(module, metric);
  const suffix = column.slice(metric.oid.length);
  return {
    metric,
    kind: kindOf(metric),
    column,
    typeColumn: typeColumn === "" ? "" : typeColumn + suffix,
    whereMissing: fallbackFor(
      module,
      metric,
      (preferred) => plannedScalar(module, preferred).column,
    ),
  };
}

function kindOf(metric: Metric): MetricKind {
  if (metric.regexExtracts.length > 0) return "float";
  if (isTextMetric(metric.type)) return "text";
  const hasFraction = isFloatMetric(metric.type) || metric.scale !== 1 || metric.offset !== 0;
  return hasFraction ? "float" : "integer";
}

/** The column before, where the module reads it: it holds the type of an InetAddress or LldpPortId. */
function typeColumnOf(module: Module, of: { readonly type: string; readonly oid: string }): string {
  if (!hasTypeColumn(of.type)) return "";
  const dot = of.oid.lastIndexOf(".");
  const column = `${of.oid.slice(0, dot)}.${Number(of.oid.slice(dot + 1)) - 1}`;
  const isRead =
    module.walk.some((walked) => isAtOrBelow(column, walked) || isAtOrBelow(walked, column)) ||
    module.get.some((got) => isAtOrBelow(got, column));
  return isRead ? column : "";
}

function fallbackFor(
  module: Module,
  metric: Metric,
  columnOf: (preferred: Metric) => string,
): string {
  if (metric.onlyWhereMissing === "") return "";
  const preferred = module.metrics.find((other) => other.name === metric.onlyWhereMissing);
  return preferred === undefined ? "" : columnOf(preferred);
}

function isAtOrBelow(oid: string, ancestor: string): boolean {
  return oid === ancestor || oid.startsWith(`${ancestor}.`);
}

interface Group {
  readonly entry: string;
  readonly prefix: string;
  readonly values: Set<string>;
  readonly labels: Set<string>;
  readonly fallbacks: Fallback[];
  readonly cells: Map<string, { readonly column: string; readonly instance: string }>;
  readonly metrics: Metric[];
}

/** Gathers metrics and label columns by conceptual table. */
class Groups {
  readonly #module: Module;
  readonly #walked = new Map<string, Group>();
  readonly #got = new Map<string, Group>();

  constructor(module: Module) {
    this.#module = module;
  }

  add(metric: Metric): void {
    const preferred = fallbackFor(this.#module, metric, ({ oid }) => oid);
    for (const group of this.#groupsOf(metric.oid)) {
      group.metrics.push(metric);
      if (preferred === "") group.values.add(metric.oid);
      else group.fallbacks.push({ column: metric.oid, whereMissing: preferred });
    }
    const typeColumn = typeColumnOf(this.#module, metric);
    if (typeColumn !== "") this.addLabelColumn(typeColumn);
    for (const lookup of metric.lookups) {
      if (lookup.labels.length === 0) continue;
      this.addLabelColumn(lookup.oid);
      const lookupTypeColumn = typeColumnOf(this.#module, lookup);
      if (lookupTypeColumn !== "") this.addLabelColumn(lookupTypeColumn);
    }
  }

  addLabelColumn(column: string): void {
    for (const group of this.#groupsOf(column)) group.labels.add(column);
  }

  finish(): { readonly tables: readonly PlannedTable[]; readonly rows: readonly PlannedRows[] } {
    const { filters } = this.#module;
    const decides = (column: string) =>
      filters.some((filter) => filter.kind === "dynamic" && filter.oid === column);
    const walked = [...this.#walked.values()];
    const got = [...this.#got.values()];
    const sourcesOf = new Map<string, number[]>();
    [...walked, ...got].forEach((group, position) => {
      for (const column of new Set([...group.values, ...group.labels])) {
        sourcesOf.set(column, [...(sourcesOf.get(column) ?? []), position]);
      }
    });
    return {
      tables: walked.map((group) => {
        const labelColumns = [...group.labels].filter((column) => !group.values.has(column));
        const lasting = group.entry === IF_ENTRY ? labelColumns.filter((it) => !decides(it)) : [];
        const asked = (column: string) =>
          group.prefix === "" ? column : `${column}.${group.prefix}`;
        return {
          entry: group.entry,
          prefix: group.prefix,
          columns: [...group.values, ...labelColumns].map(asked),
          lastingColumns: lasting.map(asked),
          valueColumns: [...group.values, ...labelColumns]
            .filter((column) => !lasting.includes(column))
            .map(asked),
          fallbacks: group.fallbacks.map(({ column, whereMissing }) => ({
            column: asked(column),
            whereMissing: asked(whereMissing),
          })),
          nameColumns: nameColumnsOf(group),
          schemes: schemesOf(this.#module, group.metrics, sourcesOf),
        };
      }),
      rows: got.map((group) => ({
        entry: group.entry,
        cells: [...group.cells].map(([oid, cell]) => ({ oid, ...cell })),
        nameColumns: nameColumnsOf(group),
        schemes: schemesOf(this.#module, group.metrics, sourcesOf),
      })),
    };
  }

  /**
   * Where a column is read: walked whole, walked below parts of its index, or got row by row. A column the module lists
   * nowhere is walked whole, as the metric or lookup that names it asks for it.
   */
  #groupsOf(column: string): readonly Group[] {
    const { walk, get } = this.#module;
    if (!walk.some((oid) => isAtOrBelow(column, oid))) {
      const below = walk.filter((oid) => oid.startsWith(`${column}.`));
      if (below.length > 0) {
        return below.map((oid) => this.#group(this.#walked, column, oid.slice(column.length + 1)));
      }
      const cells = get.filter((oid) => oid.startsWith(`${column}.`));
      if (cells.length > 0) {
        const group = this.#group(this.#got, column, "");
        for (const oid of cells) {
          group.cells.set(oid, { column, instance: oid.slice(column.length + 1) });
        }
        return [group];
      }
    }
    return [this.#group(this.#walked, column, "")];
  }

  #group(groups: Map<string, Group>, column: string, prefix: string): Group {
    const parent = column.slice(0, column.lastIndexOf("."));
    const entry = AUGMENTED[parent] ?? parent;
    const key = `${entry}/${prefix}`;
    let group = groups.get(key);
    if (group === undefined) {
      group = {
        entry,
        prefix,
        values: new Set(),
        labels: new Set(),
        fallbacks: [],
        cells: new Map(),
        metrics: [],
      };
      groups.set(key, group);
    }
    return group;
  }
}

/** The interfaces of the inventory are made of names as well. */
function nameColumnsOf({ entry, labels, values }: Group): readonly string[] {
  if (entry !== IF_ENTRY) return [...labels];
  const inventory = INTERFACE_COLUMNS.filter((column) => values.has(column));
  return [...new Set([...labels, ...inventory])];
}

function schemesOf(
  module: Module,
  metrics: readonly Metric[],
  sourcesOf: ReadonlyMap<string, readonly number[]>,
): readonly LabelScheme[] {
  const schemes = new Map<
    string,
    { lookups: readonly PlannedLookup[]; metrics: PlannedMetric[] }
  >();
  for (const metric of metrics) {
    const key = labelKey(metric);
    let scheme = schemes.get(key);
    if (scheme === undefined) {
      const lookups = metric.lookups.map((lookup) => ({
        lookup,
        sources: sourcesOf.get(lookup.oid) ?? [],
        typeColumn: lookup.labels.length === 0 ? "" : typeColumnOf(module, lookup),
      }));
      scheme = { lookups, metrics: [] };
      schemes.set(key, scheme);
    }
    scheme.metrics.push({
      metric,
      kind: kindOf(metric),
      column: metric.oid,
      typeColumn: typeColumnOf(module, metric),
      whereMissing: fallbackFor(module, metric, ({ oid }) => oid),
    });
  }
  return [...schemes.values()];
}

/** Equal for metrics whose rows carry the same labels. */
function labelKey(metric: Metric): string {
  const asList = (_key: string, value: unknown) => (value instanceof Map ? [...value] : value);
  return JSON.stringify([metric.indexes, metric.lookups], asList);
}
