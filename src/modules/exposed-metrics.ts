/** How a module's metrics are exposed: names, HELP and TYPE, as snmp_exporter has them. */

import { isTextMetric, type Metric, type Module } from "./module.ts";

/** How a stored value becomes series: one number, the name of an enum, one series a state or bit, or a text as a label. */
type Style = "number" | "info" | "states" | "text" | "bits";

export interface ExposedMetric {
  readonly family: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "untyped";
  readonly style: Style;
  /** The metric it comes from; undefined for one that no loaded module has. */
  readonly metric: Metric | undefined;
}

/** The exposed metrics of some modules, by module and by the name their samples or texts are stored under. */
export class ExposedMetrics {
  /** Every family once, in the order of modules and metrics. */
  readonly families: readonly ExposedMetric[];
  readonly #samples = new Map<string, ExposedMetric>();
  readonly #texts = new Map<string, ExposedMetric>();

  constructor(modules: ReadonlyMap<string, Module>) {
    const families = new Map<string, ExposedMetric>();
    for (const module of modules.values()) {
      for (const metric of module.metrics) {
        const isText = isTextMetric(metric.type) && metric.regexExtracts.length === 0;
        const known = isText ? this.#texts : this.#samples;
        for (const [name, exposed] of exposedAs(metric)) {
          const key = `${module.name}/${name}`;
          if (!known.has(key)) known.set(key, exposed);
          if (!families.has(exposed.family)) families.set(exposed.family, exposed);
        }
      }
    }
    this.families = [...families.values()];
  }

  /** Samples of a module that is no longer loaded are still exposed, untyped. */
  ofSamples(module: string, name: string): ExposedMetric {
    return this.#samples.get(`${module}/${name}`) ?? unknownMetric(name, "number");
  }

  ofTexts(module: string, name: string): ExposedMetric {
    return this.#texts.get(`${module}/${name}`) ?? unknownMetric(name, "text");
  }
}

function unknownMetric(name: string, style: Style): ExposedMetric {
  return {
    family: name,
    help: "Of a module that is not loaded any more.",
    type: "untyped",
    style,
    metric: undefined,
  };
}

function exposedAs(metric: Metric): readonly (readonly [string, ExposedMetric])[] {
  const { name, help, type } = metric;
  const gauge = { metric, type: "gauge" } as const;
  if (metric.regexExtracts.length > 0) {
    return metric.regexExtracts.map(({ suffix }) => {
      const family = name + suffix;
      return [family, { ...gauge, family, help: `${help} (regex extracted)`, style: "number" }];
    });
  }
  switch (type) {
    case "counter":
      return [[name, { metric, family: name, help, type: "counter", style: "number" }]];
    case "EnumAsInfo":
      return [
        [name, { ...gauge, family: `${name}_info`, help: `${help} (EnumAsInfo)`, style: "info" }],
      ];
    case "EnumAsStateSet":
      return [
        [name, { ...gauge, family: name, help: `${help} (EnumAsStateSet)`, style: "states" }],
      ];
    case "Bits":
      return [[name, { ...gauge, family: name, help: `${help} (Bits)`, style: "bits" }]];
    default: {
      const style = isTextMetric(type) ? "text" : "number";
      return [[name, { ...gauge, family: name, help, style }]];
    }
  }
}
