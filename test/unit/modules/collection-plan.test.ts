import { expect, test } from "vitest";
import { collectionPlan } from "../../../src/modules/collection-plan.ts";
import { loadModules } from "../../../src/modules/load-modules.ts";
import { parseModules } from "../../../src/modules/parse-modules.ts";

const ours = await loadModules(new URL("../../../config/modules", import.meta.url).pathname);

function planOf(name: string, yaml?: string) {
  const modules = yaml === undefined ? ours : parseModules(yaml, "test.yaml");
  const module = modules.get(name);
  if (module === undefined) throw new Error(`no module ${name}`);
  return collectionPlan(module);
}

const IF = "1.3.6.1.2.1.2.2.1";
const IFX = "1.3.6.1.2.1.31.1.1.1";

test("ifTable and ifXTable are one walk, names included, and 32-bit counters are a second pass", () => {
  const plan = planOf("if_mib");

  expect(plan.scalars).toEqual([]);
  expect(plan.tables).toHaveLength(1);
  expect(plan.tables[0]?.columns).toContain(`${IF}.8`);
  expect(plan.tables[0]?.columns).toContain(`${IFX}.6`);
  expect(plan.tables[0]?.lastingColumns).toEqual([`${IFX}.18`, `${IF}.2`, `${IFX}.1`]);
  expect(plan.tables[0]?.fallbacks).toContainEqual({
    column: `${IF}.10`,
    whereMissing: `${IFX}.6`,
  });
  expect(plan.tables[0]?.columns).not.toContain(`${IF}.10`);
});

test("a column is asked for once, whatever number of metrics and lookups use it", () => {
  for (const name of ours.keys()) {
    for (const { columns } of planOf(name).tables)
      expect(new Set(columns).size).toBe(columns.length);
  }
});

test("scalars are asked for at instance 0, or at the instance the module gets", () => {
  const plan = planOf(
    "m",
    `
modules:
  m:
    walk: [1.3.9.1]
    get: [1.3.9.2.7]
    metrics:
      - { name: a, oid: 1.3.9.1.1, type: gauge }
      - { name: b, oid: 1.3.9.2, type: gauge }`,
  );

  expect(plan.scalars).toEqual(["1.3.9.1.1.0", "1.3.9.2.7"]);
});

test("each conceptual table is its own walk, and a lookup's column is walked with its table", () => {
  const plan = planOf(
    "m",
    `
modules:
  m:
    walk: [1.3.9]
    metrics:
      - name: load
        oid: 1.3.9.2.1.2
        type: gauge
        indexes: [{ labelname: device, type: gauge }]
        lookups: [{ labels: [device], labelname: name, oid: 1.3.9.1.1.3, type: DisplayString }]
      - name: type
        oid: 1.3.9.1.1.2
        type: gauge
        indexes: [{ labelname: device, type: gauge }]`,
  );

  expect(plan.tables.map(({ columns }) => columns)).toEqual([
    ["1.3.9.2.1.2"],
    ["1.3.9.1.1.2", "1.3.9.1.1.3"],
  ]);
  expect(plan.tables[0]?.schemes[0]?.lookups[0]?.sources).toEqual([1]);
});

test("the column that tells the type of an address is read beside it, where the module reads it", () => {
  const metrics = `
    metrics:
      - { name: address, oid: 1.3.9.1.1.3, type: InetAddress, indexes: [{ labelname: i, type: gauge }] }`;

  const walked = planOf("m", `modules:\n  m:\n    walk: [1.3.9.1]${metrics}`);
  const alone = planOf("m", `modules:\n  m:\n    walk: [1.3.9.1.1.3]${metrics}`);

  expect(walked.tables[0]?.columns).toEqual(["1.3.9.1.1.3", "1.3.9.1.1.2"]);
  expect(alone.tables[0]?.columns).toEqual(["1.3.9.1.1.3"]);
});
