import type { MetricKind } from "../routers/counters.ts";
import type { Module } from "./module.ts";

/**
 * Which samples are counters. One that stands in for a wider counter (`only_where_missing`) has 32 bits and passes its
 * end now and then; any other that goes down began anew. What no loaded module names is taken as a gauge.
 */
export function metricKinds(
  modules: ReadonlyMap<string, Module>,
): (module: string, metric: string) => MetricKind {
  const kinds = new Map<string, MetricKind>();
  for (const { name: module, metrics } of modules.values()) {
    for (const { name, type, onlyWhereMissing } of metrics) {
      if (type !== "counter") continue;
      kinds.set(`${module}/${name}`, onlyWhereMissing === "" ? "counter" : "counter32");
    }
  }
  return (module, metric) => kinds.get(`${module}/${metric}`) ?? "gauge";
}
