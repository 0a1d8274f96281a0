/**
 * The labels of a table's rows: the parts of each row's index, then the lookups in order. A lookup that finds nothing
 * gives "", as snmp_exporter does; one without source labels removes a label.
 *
 * Prometheus refuses a whole scrape for one duplicate series, and routers do repeat names. A row whose labels equal an
 * earlier row's therefore also gets its index as the label `index`.
 */

import type { Labels } from "../routers/samples.ts";
import type { LabelScheme, PlannedLookup } from "./collection-plan.ts";
import type { FetchedColumn } from "./fetched-table.ts";
import { readIndexes } from "./index-text.ts";
import type { Index } from "./module.ts";
import type { TableView } from "./table-views.ts";
import { IS_INTEGER_TAG, numberAt, subtypeOf, textAt } from "./value-text.ts";

/** The label set of each row of `view`, in its order. */
export function labelsOfRows(
  view: TableView,
  scheme: LabelScheme,
  views: readonly TableView[],
): readonly Labels[] {
  const indexes = scheme.metrics[0]?.metric.indexes ?? [];
  const labels = view.instances.map((instance, row) =>
    labelsOf(instance, row, indexes, scheme, views),
  );
  return isUniqueByIndex(indexes, scheme) ? labels : toldApart(labels, view.instances);
}

function labelsOf(
  instance: string,
  row: number,
  indexes: readonly Index[],
  scheme: LabelScheme,
  views: readonly TableView[],
): Labels {
  const labels: Record<string, string> = {};
  const oids: Record<string, string> = {};
  const parts = readIndexes(instance, indexes);
  for (let i = 0; i < indexes.length; i++) {
    const name = indexes[i]?.labelname ?? "";
    labels[name] = parts[i]?.text ?? "";
    oids[name] = parts[i]?.oid ?? "";
  }
  for (const planned of scheme.lookups) {
    const { labels: sources, labelname } = planned.lookup;
    if (sources.length === 0) {
      delete labels[labelname];
      continue;
    }
    const key = sources.length === 1 ? oids[sources[0] ?? ""] : keyOf(sources, oids);
    const found = key === undefined ? undefined : find(planned, key, row, views);
    labels[labelname] = found?.text ?? "";
    if (found !== undefined) oids[labelname] = found.oid;
  }
  return labels;
}

/** The instance several labels make together; undefined where one of them was not found. */
function keyOf(
  sources: readonly string[],
  oids: Readonly<Record<string, string>>,
): string | undefined {
  const parts = sources.map((source) => oids[source]);
  return parts.includes(undefined) ? undefined : parts.join(".");
}

function find(
  planned: PlannedLookup,
  instance: string,
  guess: number,
  views: readonly TableView[],
): { readonly text: string; readonly oid: string } | undefined {
  for (const source of planned.sources) {
    const view = views[source];
    const column = view?.columns.get(planned.lookup.oid);
    if (view === undefined || column === undefined) continue;
    const row = view.rowOf(instance, guess);
    const text = row < 0 ? undefined : lookupText(planned, view, column, row);
    // A later lookup continues with a number; a text counts as 0, as in snmp_exporter.
    if (text !== undefined) {
      const isNumber = IS_INTEGER_TAG[column.tags[row] ?? 0] === 1;
      return { text, oid: isNumber ? String(column.numbers[row] ?? 0) : "0" };
    }
  }
  return undefined;
}

function lookupText(
  planned: PlannedLookup,
  view: TableView,
  column: FetchedColumn,
  row: number,
): string | undefined {
  const { type, enumValues, displayHint } = planned.lookup;
  if (type === "EnumAsInfo") {
    const name = enumValues.get(numberAt(column, row) ?? Number.NaN);
    if (name !== undefined) return name;
  }
  const typeColumn = view.columns.get(planned.typeColumn);
  const subtype =
    typeColumn === undefined ? undefined : subtypeOf(type, numberAt(typeColumn, row) ?? 0);
  return textAt(column, row, subtype ?? type, displayHint);
}

/** Whether labels cannot repeat: one number names the row and stays a label. */
function isUniqueByIndex(indexes: readonly Index[], scheme: LabelScheme): boolean {
  const [only] = indexes;
  if (indexes.length !== 1 || only?.type !== "gauge") return false;
  return !scheme.lookups.some(({ lookup }) => lookup.labelname === only.labelname);
}

function toldApart(labels: readonly Labels[], instances: readonly string[]): readonly Labels[] {
  const seen = new Set<string>();
  return labels.map((set, row) => {
    const key = JSON.stringify(set);
    if (!seen.has(key)) {
      seen.add(key);
      return set;
    }
    return { ...set, index: instances[row] ?? "" };
  });
}
