import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readEnvironment } from "../../../src/config/environment.ts";
import type { ConfigProblem } from "../../../src/config/problems.ts";
import { FILE_SCHEMA } from "../../../src/config/schema.ts";
import { createMetrics } from "../../../src/metrics/metrics.ts";
import { PROJECT } from "./compose-file.ts";

const DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
const text = (document: string) => readFileSync(join(PROJECT, document), "utf8");
const readme = text("README.md");

test.each(DOCUMENTS)("every file that %s names exists", (document) => {
  const named = [
    ...text(document).matchAll(
      /(?:`|\]\()((?:src|test|config|migrations|\.ci)(?:\/[\w.@-]+)*)(?=[`)#])/g,
    ),
    ...text(document).matchAll(/\]\(([\w-]+(?:\.\w+)?)\)/g),
  ].flatMap(([, path]) => path ?? []);

  expect(named.filter((path) => !existsSync(join(PROJECT, path)))).toEqual([]);
});

test("the README describes every variable, and none that does not exist", () => {
  const problems: ConfigProblem[] = [];
  readEnvironment({ FAIRWALK_NO_SUCH_VARIABLE: "1" }, problems);
  const known = problems[0]?.reason.match(/[A-Z_]{6,}/g) ?? [];
  const described = [...readme.matchAll(/^\| (`[A-Z_`, ]+`) \|/gm)].flatMap(
    ([, cell]) => cell?.match(/[A-Z_]{6,}/g) ?? [],
  );

  expect(known.length).toBeGreaterThan(0);
  expect(described.sort()).toEqual(known.filter((name) => !name.endsWith("_FILE")).sort());
});

test("the README gives every key of the configuration file with its default, and none that does not exist", () => {
  const keys = Object.entries(FILE_SCHEMA.properties).flatMap(([section, { properties }]) =>
    Object.entries(properties).map(([key, schema]) => {
      const { default: value } = schema as { default: unknown };
      const shown = Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
      return `${section}.${key} = ${shown}`;
    }),
  );
  const described = [...readme.matchAll(/^\| `([a-z]+\.[A-Za-z]+)` \|.*\| `([^`]+)` \|$/gm)].map(
    ([, key, value]) => `${key} = ${value}`,
  );

  expect(described.sort()).toEqual(keys.sort());
});

test("the README names only metrics that exist", async () => {
  const families = await createMetrics().registry.getMetricsAsJSON();
  const known = families.map(({ name }) => name);
  const named = [...readme.matchAll(/`(fairwalk_(?!router_)[a-z_]+)/g)].map(([, name]) => name);

  expect(named.filter((name) => name !== undefined && !known.includes(name))).toEqual([]);
});
