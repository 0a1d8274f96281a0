import { expect, test } from "vitest";
import { seededRandom } from "../../../src/lib/seeded-random.ts";
import { AssemblyMemory, assemble } from "../../../src/modules/assemble.ts";
import { collectionPlan } from "../../../src/modules/collection-plan.ts";
import { type ExposedRouter, exposition } from "../../../src/modules/exposition.ts";
import {
  compareInstances,
  type FetchedTable,
  joinTables,
} from "../../../src/modules/fetched-table.ts";
import { INDEX_TYPES, METRIC_TYPES, type Module } from "../../../src/modules/module.ts";
import { parseModules } from "../../../src/modules/parse-modules.ts";
import { table, type Varbind } from "./fetched.ts";

const TAGS = [
  0x02, 0x04, 0x05, 0x06, 0x40, 0x41, 0x42, 0x43, 0x44, 0x46, 0x47, 0x80, 0x30, 0xff, 0,
];
const INSTANCES = [
  "1",
  "2",
  "0",
  "4294967295",
  "1.2.3",
  "6.1.2.3.4.5.6",
  "300.1",
  "1.4.10.0.0.1",
  "2.16.1",
  "",
];

/** Every type of metric, each indexed by another type of index. */
function everyType(): Module {
  const metrics = METRIC_TYPES.map((type, i) => {
    const index = INDEX_TYPES[i % INDEX_TYPES.length] ?? "gauge";
    const pattern = type === "ParseDateAndTime" ? ', datetime_pattern: "%b %d %Y"' : "";
    return `      - { name: m${i}, oid: 1.3.9.${i}.1.2, type: ${type}, enum_values: { 0: zero, 1: one }${pattern}, indexes: [{ labelname: i, type: ${index}, enum_values: { 1: one } }, { labelname: rest, type: OctetString, implied: true }], lookups: [{ labels: [i, rest], labelname: name, oid: 1.3.9.${i}.1.3, type: LldpPortId }, { labels: [name], labelname: chained, oid: 1.3.9.${i}.1.4, type: DisplayString }, { labels: [], labelname: i }] }`;
  });
  const [module] = parseModules(
    `modules:\n  every:\n    walk: [1.3.9]\n    metrics:\n${metrics.join("\n")}`,
    "every.yaml",
  ).values();
  if (module === undefined) throw new Error("no module");
  return module;
}

test("whatever a router answers is assembled and exposed without a fault, with label sets that differ", async () => {
  const seed = Date.now() % 1_000_000;
  const random = seededRandom(seed);
  const module = everyType();
  const plan = collectionPlan(module);
  const memory = new AssemblyMemory();
  const router: ExposedRouter = {
    id: "r",
    name: "r",
    zone: "z",
    labels: {},
    intervalSeconds: 60,
    up: true,
    lastPolledAtMs: 0,
  };

  for (let round = 0; round < 200; round++) {
    const tables = plan.tables.map(({ columns }) => randomTable(columns, random));
    const { blocks, texts } = assemble(module, plan, { scalars: table([""], {}), tables }, memory);

    for (const block of blocks) {
      const cells = block.metrics.length * block.instances.length;
      expect([block.values.length, block.present.length], `seed ${seed}`).toEqual([cells, cells]);
      expect(block.labels.length, `seed ${seed}`).toBe(block.instances.length);
    }
    const options = { modules: new Map([[module.name, module]]), routers: [router], nowMs: 0 };
    const rows = blocks.map((block) => ({ ...block, routerId: "r", polledAt: new Date(0) }));
    const facts = texts.map((text) => ({ ...text, routerId: "r" }));
    const series: string[] = [];
    for await (const chunk of exposition(options, rows, facts)) series.push(...linesOf(chunk));
    expect(new Set(series).size, `seed ${seed}`).toBe(series.length);
  }
});

/** Names and label sets of a chunk's series; label values of this test hold no line breaks once escaped. */
function linesOf(chunk: string): readonly string[] {
  const lines = chunk.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => line.slice(0, line.lastIndexOf(" ")));
}

function randomTable(columns: readonly string[], random: () => number): FetchedTable {
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  const half = () => {
    const instances = INSTANCES.filter(() => random() < 0.5).sort(compareInstances);
    const cells = columns.map((column) => {
      const values = instances.map((instance) => [instance, randomValue(random, pick)] as const);
      return [column, Object.fromEntries(values)] as const;
    });
    return table(instances, Object.fromEntries(cells));
  };
  return joinTables(half(), half());
}

function randomValue(
  random: () => number,
  pick: <T>(list: readonly T[]) => T | undefined,
): Varbind | undefined {
  if (random() < 0.2) return undefined;
  const length = pick([0, 1, 4, 6, 8, 11, 16, 40]) ?? 0;
  return {
    tag: pick(TAGS) ?? 0,
    number: pick([0n, 1n, 2n, -1n, 2n ** 63n - 1n, -(2n ** 63n)]) ?? 0n,
    bytes: Uint8Array.from({ length }, () => pick([0, 1, 0x41, 0x9f, 0x78, 0xff]) ?? 0),
  };
}
