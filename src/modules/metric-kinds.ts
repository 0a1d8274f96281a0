import type { MetricKind } from "../routers/counters.ts";
import { IF_ENTRY, IF_X_ENTRY } from "./collection-plan.ts";
import type { Metric, Module } from "./module.ts";

/** The Counter32 columns of IF-MIB (RFC 2863): all counters of ifTable, and the first four of ifXTable. */
const COUNTER32_COLUMNS: ReadonlySet<string> = new Set([
  ...columns(IF_ENTRY, 10, 20),
  ...columns(IF_X_ENTRY, 2, 5),
]);

function columns(entry: string, first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, i) => `${entry}.${first + i}`);
}

/**
 * Which samples are counters. One that stands in for a wider counter (`only_where_missing`), or that IF-MIB makes so, has
 * 32 bits and passes its end now and then; any other that goes down began anew. What no loaded module names is taken as a
 * gauge.
 */
export function metricKinds(
  modules: ReadonlyMap<string, Module>,
): (module: string, metric: string) => MetricKind {
  const kinds = new Map<string, MetricKind>();
  for (const { name: module, metrics } of modules.values()) {
    for (const metric of metrics) {
      if (metric.type === "counter") kinds.set(`${module}/${metric.name}`, kindOf(metric));
    }
  }
  return (module, metric) => kinds.get(`${module}/${metric}`) ?? "gauge";
}

function kindOf({ oid, onlyWhereMissing }: Metric): MetricKind {
  return onlyWhereMissing !== "" || COUNTER32_COLUMNS.has(oid) ? "counter32" : "counter";
}
