/**
 * Reads a file of modules in snmp_exporter's `snmp.yml` format. Strict: a key we do not know is refused, because a
 * misspelt one would silently change what is collected. All problems of a file are reported at once.
 *
 * Scalars are read as text (YAML's failsafe schema) and converted here, so an enum's name may be `on` or `1.0`, as in Go.
 */

import { parseDocument } from "yaml";
import { dateTimeRegex } from "./date-and-time.ts";
import { regexFromGo, wholeRegexFromGo } from "./go-regex.ts";
import {
  type EnumValues,
  INDEX_TYPES,
  type Index,
  type IndexType,
  isTextMetric,
  LOOKUP_TYPES,
  type Lookup,
  type LookupType,
  METRIC_TYPES,
  type Metric,
  type MetricType,
  type Module,
  type RegexExtract,
  type RowFilter,
} from "./module.ts";
import { YamlReader } from "./yaml-reader.ts";

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Modules that cannot be used as written; each problem is a sentence with module, metric, key and remedy. */
export class ModulesError extends Error {
  readonly file: string;
  readonly problems: readonly string[];

  constructor(file: string, problems: readonly string[]) {
    super(`Cannot load "${file}": ${problems.join("; ")}`);
    this.name = "ModulesError";
    this.file = file;
    this.problems = problems;
  }
}

/** The modules of one file by name. Rejects with a ModulesError that holds every problem of the file. */
export function parseModules(yamlText: string, fileName: string): ReadonlyMap<string, Module> {
  const document = parseDocument(yamlText, { schema: "failsafe", prettyErrors: true });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => error.message.split("\n")[0] ?? error.message);
    throw new ModulesError(fileName, problems);
  }
  const problems: string[] = [];
  const modules = readFile(new YamlReader(document.toJS() as unknown, "", problems));
  if (problems.length > 0) throw new ModulesError(fileName, problems);
  return modules;
}

function readFile(file: YamlReader): ReadonlyMap<string, Module> {
  // `auths` is snmp_exporter's place for communities; ours are sealed credentials of tenants, so it is not read.
  file.refuseOthers(["auths", "modules", "version"]);
  const modules = new Map<string, Module>();
  for (const [name, body] of file.mapping("modules", (key) => `module "${key}"`)) {
    modules.set(name, readModule(name, body));
  }
  if (modules.size === 0)
    file.report("modules", 'is missing or empty; write "modules:" with a module under it');
  return modules;
}

const MODULE_KEYS = [
  "walk",
  "get",
  "metrics",
  "filters",
  "max_repetitions",
  "retries",
  "timeout",
  "allow_nonincreasing_oids",
  "use_unconnected_udp_socket",
];

function readModule(name: string, body: YamlReader): Module {
  body.refuseOthers(MODULE_KEYS);
  // Our sockets are unconnected always, so the key is accepted and changes nothing.
  body.flag("use_unconnected_udp_socket");
  const metrics = body
    .list("metrics", (item, position) => `metric "${item.peek("name") ?? position + 1}"`)
    .map(readMetric);
  if (metrics.length === 0) body.report("metrics", "is missing or empty; a module needs a metric");
  const module: Module = {
    name,
    walk: body.oids("walk"),
    get: body.oids("get"),
    metrics,
    filters: readFilters(body),
    maxRepetitions: body.whole("max_repetitions", 0, 0xffff_ffff),
    retries: body.has("retries") ? body.whole("retries", 0, 100) : undefined,
    timeoutMs: body.has("timeout") ? body.duration("timeout") : undefined,
    allowNonIncreasingOids: body.flag("allow_nonincreasing_oids"),
  };
  checkFallbacks(module, body);
  return module;
}

const METRIC_KEYS = [
  "name",
  "oid",
  "type",
  "help",
  "indexes",
  "lookups",
  "enum_values",
  "regex_extracts",
  "datetime_pattern",
  "scale",
  "offset",
  "display_hint",
  "only_where_missing",
];

function readMetric(body: YamlReader): Metric {
  body.refuseOthers(METRIC_KEYS);
  const type = body.oneOf<MetricType>("type", METRIC_TYPES, "gauge");
  const indexes = body
    .list("indexes", (item, position) => `index "${item.peek("labelname") ?? position + 1}"`)
    .map(readIndex);
  const lookups = body
    .list("lookups", (item, position) => `lookup "${item.peek("labelname") ?? position + 1}"`)
    .flatMap(readLookup);
  checkLookups(indexes, lookups, body);
  const pattern = body.text("datetime_pattern");
  const metric: Metric = {
    name: body.name("name", METRIC_NAME, "a Prometheus metric name"),
    oid: body.oid("oid"),
    type,
    help: body.text("help"),
    indexes,
    lookups,
    enumValues: readEnum(body),
    regexExtracts: readRegexExtracts(body),
    // snmp_exporter takes a scale of 0 for "none".
    scale: body.number("scale", 1) || 1,
    offset: body.number("offset", 0),
    dateTimeRegex:
      pattern === "" ? undefined : body.regex("datetime_pattern", pattern, dateTimeRegex),
    displayHint: body.text("display_hint"),
    onlyWhereMissing: body.text("only_where_missing"),
  };
  if (type === "ParseDateAndTime" && pattern === "") {
    body.report("datetime_pattern", 'is missing; a ParseDateAndTime needs one, such as "%b %d %Y"');
  }
  if (metric.regexExtracts.length > 0 && !isTextMetric(type)) {
    body.report(
      "regex_extracts",
      `has no effect on type "${type}"; use DisplayString or OctetString`,
    );
  }
  return metric;
}

const INDEX_KEYS = ["labelname", "type", "fixed_size", "implied", "enum_values"];

function readIndex(body: YamlReader): Index {
  body.refuseOthers(INDEX_KEYS);
  return {
    labelname: body.name("labelname", LABEL_NAME, "a Prometheus label name"),
    type: body.oneOf<IndexType>("type", INDEX_TYPES, "gauge"),
    fixedSize: body.whole("fixed_size", 0, 128),
    implied: body.flag("implied"),
    enumValues: readEnum(body),
  };
}

const LOOKUP_KEYS = [
  "labels",
  "labelname",
  "oid",
  "type",
  "enum_values",
  "display_hint",
  "drop_source_indexes",
];

/** A lookup; with `drop_source_indexes`, which generator.yml has, also what snmp.yml writes for it. */
function readLookup(body: YamlReader): readonly Lookup[] {
  body.refuseOthers(LOOKUP_KEYS);
  const labels = body.texts("labels");
  const removes = labels.length === 0;
  const lookup: Lookup = {
    labels,
    labelname: body.name("labelname", LABEL_NAME, "a Prometheus label name"),
    oid: removes ? "" : body.oid("oid"),
    type: body.oneOf<LookupType>("type", LOOKUP_TYPES, ""),
    enumValues: readEnum(body),
    displayHint: body.text("display_hint"),
  };
  if (!body.flag("drop_source_indexes")) return [lookup];
  return [lookup, ...labels.map((labelname) => removalOf(labelname))];
}

function removalOf(labelname: string): Lookup {
  return { labels: [], labelname, oid: "", type: "", enumValues: new Map(), displayHint: "" };
}

function checkLookups(
  indexes: readonly Index[],
  lookups: readonly Lookup[],
  body: YamlReader,
): void {
  const known = new Set(indexes.map((index) => index.labelname));
  for (const lookup of lookups) {
    const unknown = lookup.labels.find((label) => !known.has(label));
    if (unknown !== undefined) {
      body.report(
        "lookups",
        `"${lookup.labelname}" looks up by "${unknown}", which is neither an index nor an earlier lookup`,
      );
    }
    known.add(lookup.labelname);
  }
}

function readEnum(body: YamlReader): EnumValues {
  const values = new Map<number, string>();
  for (const [key, value] of body.pairs("enum_values")) {
    if (/^-?\d+$/.test(key)) values.set(Number(key), value);
    else body.report("enum_values", `has the key "${key}"; keys are whole numbers`);
  }
  return values;
}

function readRegexExtracts(body: YamlReader): readonly RegexExtract[] {
  const extracts: RegexExtract[] = [];
  for (const [suffix, rules] of body.listsOf("regex_extracts")) {
    extracts.push({
      suffix,
      rules: rules.flatMap((rule) => {
        rule.refuseOthers(["value", "regex"]);
        const regex = rule.regex("regex", rule.text("regex"), wholeRegexFromGo);
        return regex === undefined ? [] : [{ regex, value: rule.text("value", "$1") }];
      }),
    });
  }
  return extracts;
}

/** snmp.yml lists dynamic filters; generator.yml's form, `static` and `dynamic`, is understood as well. */
function readFilters(body: YamlReader): readonly RowFilter[] {
  if (!body.isMapping("filters")) return body.list("filters", filterName).map(readDynamicFilter);
  const both = body.child("filters");
  both.refuseOthers(["static", "dynamic"]);
  const fixed = both.list("static", filterName).map((item): RowFilter => {
    item.refuseOthers(["targets", "indices"]);
    return { kind: "static", targets: item.oids("targets"), indices: item.texts("indices") };
  });
  return [...fixed, ...both.list("dynamic", filterName).map(readDynamicFilter)];
}

function filterName(_item: YamlReader, position: number): string {
  return `filter ${position + 1}`;
}

function readDynamicFilter(item: YamlReader): RowFilter {
  item.refuseOthers(["oid", "targets", "values"]);
  const values = item.texts("values").flatMap((value) => {
    const regex = item.regex("values", value, regexFromGo);
    return regex === undefined ? [] : [regex];
  });
  return { kind: "dynamic", targets: item.oids("targets"), oid: item.oid("oid"), values };
}

function checkFallbacks(module: Module, body: YamlReader): void {
  for (const metric of module.metrics) {
    if (metric.onlyWhereMissing === "") continue;
    const preferred = module.metrics.find((other) => other.name === metric.onlyWhereMissing);
    const where = `metrics "${metric.name}" only_where_missing`;
    if (preferred === undefined) {
      body.report(where, `names "${metric.onlyWhereMissing}", which is no metric of this module`);
    } else if (preferred.onlyWhereMissing !== "") {
      body.report(
        where,
        `names "${preferred.name}", which is itself a fallback; name the metric it stands in for`,
      );
    } else if (indexNames(preferred) !== indexNames(metric)) {
      body.report(
        where,
        `names "${preferred.name}", whose indexes differ; a fallback has the same rows`,
      );
    }
  }
}

function indexNames(metric: Metric): string {
  return metric.indexes.map((index) => index.labelname).join();
}
