import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { collectionPlan } from "../../../src/modules/collection-plan.ts";
import { loadModules } from "../../../src/modules/load-modules.ts";
import { ModulesError, parseModules } from "../../../src/modules/parse-modules.ts";
import { loadProfiles } from "../../../src/modules/profiles.ts";

const config = new URL("../../../config/", import.meta.url).pathname;
const exporterModules = new URL("../../../../shared/snmp_exporter/snmp.yml", import.meta.url)
  .pathname;

function problemsOf(yaml: string): readonly string[] {
  try {
    parseModules(yaml, "modules.yaml");
  } catch (error) {
    if (error instanceof ModulesError) return error.problems;
    throw error;
  }
  return [];
}

test("a module keeps everything the format can say", () => {
  const module = parseModules(
    `
auths:
  public_v2: { community: public, version: 2 }
modules:
  m:
    walk: [1.3.6.1.2.1.2, .1.3.6.1.2.1.31]
    get: [1.3.6.1.2.1.1.3.0]
    max_repetitions: 25
    retries: 2
    timeout: 1m30s
    allow_nonincreasing_oids: true
    use_unconnected_udp_socket: true
    filters:
      - { oid: 1.3.6.1.2.1.2.2.1.2, targets: [1.3.6.1.2.1.2.2.1.10], values: ["Gig.*"] }
    metrics:
      - name: x
        oid: 1.3.6.1.2.1.2.2.1.10
        type: gauge
        help: "What x is"
        scale: 0.1
        offset: -273.15
        indexes:
          - { labelname: i, type: OctetString, fixed_size: 6, implied: false }
        lookups:
          - { labels: [i], labelname: name, oid: 1.3.6.1.2.1.2.2.1.2, type: DisplayString }
          - { labels: [], labelname: i }
        enum_values: { 1: on, 2: 2.0 }
`,
    "m.yaml",
  ).get("m");

  expect(module).toMatchObject({
    name: "m",
    walk: ["1.3.6.1.2.1.2", "1.3.6.1.2.1.31"],
    get: ["1.3.6.1.2.1.1.3.0"],
    maxRepetitions: 25,
    retries: 2,
    timeoutMs: 90_000,
    allowNonIncreasingOids: true,
    filters: [{ kind: "dynamic", values: [/Gig.*/] }],
  });
  expect(module?.metrics[0]).toMatchObject({
    name: "x",
    type: "gauge",
    help: "What x is",
    scale: 0.1,
    offset: -273.15,
    indexes: [{ labelname: "i", type: "OctetString", fixedSize: 6, implied: false }],
    lookups: [
      { labels: ["i"], labelname: "name", type: "DisplayString" },
      { labels: [], labelname: "i" },
    ],
  });
  expect([...(module?.metrics[0]?.enumValues ?? [])]).toEqual([
    [1, "on"],
    [2, "2.0"],
  ]);
});

test("all problems of a file are reported at once, each with its module, metric, key and remedy", () => {
  const problems = problemsOf(`
moduls: {}
modules:
  m:
    wlak: [1.3.6]
    timeout: soon
    metrics:
      - name: 9x
        oid: one.two
        type: number
        indexes: [{ labelname: a-b, type: gauge }]
        lookups: [{ labels: [c], labelname: d, oid: 1.3.6.1, type: gauge }]
      - { name: y, oid: 1.3.6.1, type: ParseDateAndTime }
      - { name: z, oid: 1.3.6.1, type: DisplayString, regex_extracts: { "": [{ regex: "(" }] } }
      - { name: f, oid: 1.3.6.1, type: gauge, only_where_missing: nothing }
`);

  const expected = [
    'unknown key "moduls" (did you mean "modules"?)',
    'module "m": unknown key "wlak" (did you mean "walk"?)',
    'module "m", metric "9x", index "a-b": labelname is "a-b", which is not a Prometheus label name',
    expect.stringContaining('module "m", metric "9x": type is "number"; use one of gauge, counter'),
    'module "m", metric "9x": lookups "d" looks up by "c", which is neither an index nor an earlier lookup',
    'module "m", metric "9x": name is "9x", which is not a Prometheus metric name',
    'module "m", metric "9x": oid has "one.two"; write an OID in numbers, such as 1.3.6.1.2.1.1',
    'module "m", metric "y": datetime_pattern is missing; a ParseDateAndTime needs one, such as "%b %d %Y"',
    expect.stringContaining('module "m", metric "z", regex_extracts "" rule 1: regex has "("'),
    'module "m": timeout is "soon"; write a duration such as 5s or 500ms',
    'module "m": metrics "f" only_where_missing names "nothing", which is no metric of this module',
  ];
  for (const problem of expected) expect(problems).toContainEqual(problem);
  expect(problems).toHaveLength(expected.length);
});

test("a fallback must have the rows of the metric it stands in for", () => {
  const problems = problemsOf(`
modules:
  m:
    metrics:
      - { name: a, oid: 1.3.6.1.1, type: counter, indexes: [{ labelname: i, type: gauge }] }
      - { name: b, oid: 1.3.6.1.2, type: counter, only_where_missing: a }
`);

  expect(problems).toEqual([
    'module "m": metrics "b" only_where_missing names "a", whose indexes differ; a fallback has the same rows',
  ]);
});

test("what is not YAML, or not modules, is one clear problem", () => {
  expect(problemsOf("modules: [")[0]).toContain("Flow sequence");
  expect(problemsOf("modules:\n  m: 3")[0]).toBe('module "m": must be a mapping of keys to values');
  expect(problemsOf("")[0]).toContain("modules is missing or empty");
});

test("a directory's files are loaded together, and a name defined twice is refused", async () => {
  const directory = await mkdtemp(join(tmpdir(), "modules-"));
  const body = "modules:\n  m:\n    metrics:\n      - { name: a, oid: 1.3.6, type: gauge }\n";
  await writeFile(join(directory, "a.yaml"), body);
  await writeFile(join(directory, "b.yml"), body);
  await writeFile(join(directory, "c.yaml"), "modules:\n  n:\n    metrics:\n      - { nme: a }\n");

  const loading = loadModules(directory);

  await expect(loading).rejects.toThrow(
    'module "m" is defined in a.yaml too; rename or remove one',
  );
  await expect(loading).rejects.toThrow('c.yaml: module "n", metric "1": unknown key "nme"');
  await rm(directory, { recursive: true });
});

test("our own modules and profiles load, and the default profile is system and if_mib", async () => {
  const modules = await loadModules(join(config, "modules"));
  const profiles = await loadProfiles(join(config, "profiles.yaml"), modules);

  expect([...modules.keys()].sort()).toEqual([
    "bgp4",
    "cdp",
    "cisco_device",
    "cisco_sensor",
    "entity",
    "entity_sensor",
    "fortinet",
    "hrProcessor",
    "hrStorage",
    "hrSystem",
    "huawei",
    "huawei_optics",
    "if_mib",
    "if_mib_full",
    "ip_mib",
    "juniper",
    "juniper_optics",
    "lldp",
    "mikrotik",
    "ospf",
    "system",
    "ucd",
  ]);
  for (const module of modules.values()) {
    const plan = collectionPlan(module);
    const planned = [...plan.scalarMetrics, ...schemesOf(plan)].map(({ metric }) => metric);
    expect(new Set(planned)).toEqual(new Set(module.metrics));
  }
  expect(modules.get("if_mib_full")?.metrics).toHaveLength(39);
  expect(profiles.default).toEqual(["system", "if_mib"]);
});

test.skipIf(!existsSync(exporterModules))(
  "all 53 modules of snmp_exporter's own file load and can be planned (needs ../shared)",
  () => {
    const text = readFileSync(exporterModules, "utf8");

    const modules = parseModules(text, "snmp.yml");

    expect(modules.size).toBe(53);
    for (const module of modules.values()) {
      const plan = collectionPlan(module);
      const planned = [...plan.scalarMetrics, ...schemesOf(plan)].map(({ metric }) => metric);
      expect(new Set(planned)).toEqual(new Set(module.metrics));
    }
  },
  60_000,
);

function schemesOf(plan: ReturnType<typeof collectionPlan>) {
  return [...plan.tables, ...plan.rows].flatMap(({ schemes }) =>
    schemes.flatMap(({ metrics }) => metrics),
  );
}
