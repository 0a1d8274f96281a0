import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

/**
 * Row-level security keeps tenants apart by itself; but a query of a partitioned table that leaves it at that is planned
 * over every tenant's partitions (500 ms and 20,000 locks at 10,000 of them). So each must name its tenant as well.
 */

const STORAGE = join(import.meta.dirname, "../../../src/storage");

/** The string and template literals of a file that read or write a partitioned table. */
function statementsOf(source: string): string[] {
  const literals = source.match(/`(?:[^`\\]|\\.)*`|"(?:[^"\\\n]|\\.)*"/g) ?? [];
  return literals.filter((text) => mentionsOf(text).length > 0);
}

/**
 * The name by which each mention of a partitioned table is known: its alias, or itself. Templates name tables of rollups
 * by an expression that ends in "able}". What is inserted finds its partition row by row, whatever is planned.
 */
function mentionsOf(statement: string): string[] {
  const mentions = statement.matchAll(
    /\b(?:from|join|update|only)\s+(samples\b|polls\b|rollups_5m\b|rollups_1h\b|\$\{[^}]*able\})(?:\s+(?:as\s+)?(?!where\b|join\b|on\b|order\b|group\b|limit\b)([a-z]+)\b)?/g,
  );
  return [...mentions].map(([, table = "", alias]) => alias ?? table);
}

/** Why a statement is refused; undefined when it names the tenant for every mention. */
function complaintOf(statement: string): string | undefined {
  const wanted = new Map<string, number>();
  for (const name of mentionsOf(statement)) wanted.set(name, (wanted.get(name) ?? 0) + 1);
  for (const [name, times] of wanted) {
    const named = statement.match(new RegExp(`\\b${name}\\.tenant_id = \\$1\\b`, "g")) ?? [];
    const bare = wanted.size === 1 ? (statement.match(/(?<!\.)\btenant_id = \$1\b/g) ?? []) : [];
    if (named.length + bare.length < times) {
      return `"${name}" is read ${times} times, its tenant named ${named.length + bare.length} times: ${statement}`;
    }
  }
  return undefined;
}

const files = readdirSync(STORAGE).filter((name) => name.endsWith(".ts"));
const statements = files.flatMap((name) =>
  statementsOf(readFileSync(join(STORAGE, name), "utf8")).map((statement) => ({ name, statement })),
);

it("there are statements to look at", () => {
  expect(new Set(statements.map(({ name }) => name))).toEqual(
    new Set([
      "polls.ts",
      "roll-up.ts",
      "rollup-samples.ts",
      "rollups.ts",
      "samples.ts",
      "tenants.ts",
    ]),
  );
  expect(statements.length).toBeGreaterThanOrEqual(5);
});

describe("every statement on a partitioned table names its tenant", () => {
  it.each(statements)("$name, statement %#", ({ statement }) => {
    expect(complaintOf(statement)).toBeUndefined();
  });
});

describe("this test itself refuses a statement", () => {
  it.each([
    "select * from samples",
    "select * from samples s where s.router_id = $1",
    "select * from polls p join samples s on s.router_id = p.router_id where p.tenant_id = $1",
    "select * from routers r join samples s on s.router_id = r.id where r.tenant_id = $1",
    "select s.a from samples s where s.tenant_id = $1 and exists (select from samples s where s.b = 2)",
    "select * from polls where tenant_id = $2",
    "select * from rollups_5m r where r.bucket = $1",
    `select * from ${"$"}{table} r where r.bucket = $1`,
  ])("%s", (statement) => {
    expect(complaintOf(statement)).toBeDefined();
  });
});

it("no named prepared statement is used: its sixth run would be planned for all tenants", () => {
  for (const name of files) {
    expect(readFileSync(join(STORAGE, name), "utf8")).not.toMatch(/\bquery\(\{\s*name:/);
  }
});
