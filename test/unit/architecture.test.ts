import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");

/** Which folders of src a folder may import, besides itself and `lib`. What is not an arrow here is a fault. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  // The tiers are configured, and tenants says what a tier is.
  config: ["tenants"],
  metrics: [],
  tenants: [],
  snmp: [],
  embedded: [],
  routers: ["tenants"],
  modules: ["routers"],
  topology: ["routers"],
  queue: ["tenants", "routers", "metrics"],
  storage: ["tenants", "routers", "topology", "metrics"],
  scheduler: ["tenants", "routers", "queue", "metrics"],
  worker: ["tenants", "routers", "modules", "topology", "snmp", "queue", "metrics"],
  api: ["tenants", "routers", "modules", "topology", "storage", "metrics"],
  console: [],
  simulator: ["snmp"],
};

/** Composition roots may import every folder; only `cli.ts` and files of `cli` may import `cli`. */
const ROOTS = ["cli", "bench"];

/** Single files that a folder may import beyond its arrows, for their types alone. */
const TYPES_ONLY: Readonly<Record<string, readonly string[]>> = {
  // A session takes the credential as the field describes it.
  snmp: ["src/routers/router.ts"],
};

/** The folders that know a library; benchmarks may measure any. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  pg: ["storage", "embedded"],
  "pg-copy-streams": ["storage"],
  fastify: ["api"],
  "@fastify/*": ["api"],
  "net-snmp": ["snmp"],
  bullmq: ["queue"],
  ioredis: ["queue"],
  "prom-client": ["metrics"],
  commander: ["cli"],
};

interface Source {
  /** Relative to the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

describe("the architecture", () => {
  it("has no other import than the table of STYLE and DESIGN allows", () => {
    const sources = filesBelow("src")
      .filter((path) => path.endsWith(".ts"))
      .map(read);

    expect(sources.length).toBeGreaterThan(50);
    expect(sources.flatMap(faultsOf)).toEqual([]);
  });

  it("keeps recordings of routers in test/fixtures, and promises nothing for later", () => {
    expect(filesBelow(".").flatMap(straysOf)).toEqual([]);
  });
});

describe("the architecture test", () => {
  const check = (path: string, text: string, fault: string | undefined): void => {
    const faults = faultsOf({ path, text });
    if (fault === undefined) expect(faults).toEqual([]);
    else expect(faults).toEqual([expect.stringContaining(fault)]);
  };

  it.each([
    ["src/scheduler/a.ts", 'import { poll } from "../queue/poll-job.ts";\n'],
    ["src/scheduler/a.ts", 'import { poll } from "./fair-queue.ts";\n'],
    ["src/worker/a/b.ts", 'import type { Log } from "../../lib/log.ts";\n'],
    ["src/snmp/a.ts", 'import type { SnmpCredential } from "../routers/router.ts";\n'],
    ["src/storage/a.ts", 'import pg, { type Client } from "pg";\n'],
    ["src/cli.ts", 'import { runAll } from "./cli/all.ts";\n'],
    ["src/cli/a.ts", 'import { startApi } from "../api/start-api.ts";\nprocess.env["A"];\n'],
    ["src/bench/a.ts", 'import snmp from "net-snmp";\nconsole.log(1);\n'],
    [
      "src/api/a.ts",
      '// Text may say: imported from "../worker/poll.ts".\nconst b = `from "pg"`;\n',
    ],
    ["src/api/a.ts", "// process.env is read by cli alone.\n/* console.log */\n"],
  ])("accepts %s with %s", (path, text) => check(path, text, undefined));

  it.each([
    [
      "src/scheduler/a.ts",
      'import { a } from "../storage/pool.ts";\n',
      "scheduler imports storage",
    ],
    ["src/api/a.ts", 'import {\n  a,\n  b as c,\n} from "../worker/b.ts";\n', "api imports worker"],
    ["src/lib/a.ts", 'import type { A } from "../tenants/tenant.ts";\n', "lib imports tenants"],
    ["src/worker/a.ts", 'export { a } from "../api/b.ts";\n', "worker imports api"],
    ["src/worker/a.ts", 'export type * from "../api/b.ts";\n', "worker imports api"],
    ["src/worker/a.ts", 'import "../scheduler/b.ts";\n', "worker imports scheduler"],
    ["src/worker/a.ts", 'const b = await import("../storage/b.ts");\n', "worker imports storage"],
    ["src/worker/a.ts", 'type A = import("../storage/b.ts").A;\n', "worker imports storage"],
    ["src/bench/a.ts", 'import { runAll } from "../cli/all.ts";\n', "bench imports cli"],
    ["src/worker/a.ts", 'import { main } from "../cli.ts";\n', "worker imports cli.ts"],
    ["src/worker/a.ts", 'import { a } from "../../test/a.ts";\n', "outside src"],
    ["src/snmp/a.ts", 'import { a } from "../routers/router.ts";\n', "for its types alone"],
    ["src/snmp/a.ts", 'import type { A } from "../routers/samples.ts";\n', "snmp imports routers"],
    ["src/api/a.ts", 'import { Client } from "pg";\n', 'api imports library "pg"'],
    ["src/cli/a.ts", 'import { Client } from "pg";\n', 'cli imports library "pg"'],
    ["src/worker/a.ts", 'import s from "@fastify/swagger";\n', 'library "@fastify/*"'],
    ["src/queue/a.ts", 'import b from "bullmq/dist/esm/a.js";\n', undefined],
    ["src/worker/a.ts", 'import { Queue } from "bullmq";\n', 'library "bullmq"'],
    ["src/worker/a.ts", 'const level = process.env["LEVEL"];\n', "process.env"],
    ["src/worker/a.ts", "const { env } = process;\n", "process.env"],
    ["src/worker/a.ts", 'import { env } from "node:process";\n', "node:process"],
    ["src/worker/a.ts", 'console.log("x");\n', "console"],
    ["src/worker/a.ts", "export default 1;\n", "default export"],
    ["src/helpers/a.ts", "", "no folder of the table"],
    ["src/main.ts", "", "only cli.ts"],
    ["src/api/index.ts", "", "index.ts"],
  ])("finds a fault planted in %s: %s", (path, text, fault) => check(path, text, fault));

  it("finds a stray recording and a promise for later", () => {
    expect(straysOf("config/router.snmprec")).toHaveLength(1);
    expect(straysOf("test/fixtures/router.snmprec")).toEqual([]);
    expect(promisesIn("migrations/0001.sql", `-- ${PROMISES[0]}: an index\n`)).toHaveLength(1);
    expect(promisesIn("migrations/0001.sql", "-- all is done\n")).toEqual([]);
  });
});

function faultsOf({ path, text }: Source): string[] {
  const [, folder = "", ...rest] = path.split("/");
  const isTop = rest.length === 0;
  const faults: string[] = [];
  if (isTop && folder !== "cli.ts") faults.push("is at the top of src, where only cli.ts is");
  if (!isTop && ARROWS[folder] === undefined && !ROOTS.includes(folder)) {
    faults.push("is in no folder of the table in this test");
  }
  if (path.endsWith("/index.ts")) faults.push("is an index.ts: name the file after what it has");

  const code = withoutComments(text);
  if (/^export default\b/m.test(code)) faults.push("has a default export");
  if (!isTop && !ROOTS.includes(folder)) {
    if (/\bprocess\s*\.\s*(env|argv)\b|[{,]\s*(env|argv)\b[^}]*\}\s*=\s*process\b/.test(code)) {
      faults.push("reads process.env or process.argv, which only cli and bench do");
    }
    if (/\bconsole\s*\./.test(code))
      faults.push("writes to the console, which only cli and bench do");
  }
  for (const { from, isTypeOnly } of importsOf(code)) {
    const fault = from.startsWith(".")
      ? importFault(path, isTop ? "cli" : folder, from, isTypeOnly)
      : libraryFault(isTop ? "cli" : folder, from);
    if (fault !== undefined) faults.push(fault);
  }
  return faults.map((fault) => `${path} ${fault}`);
}

function importFault(
  path: string,
  folder: string,
  from: string,
  isTypeOnly: boolean,
): string | undefined {
  const target = join(path, "..", from).replaceAll("\\", "/");
  const [top, targetFolder = "", ...rest] = target.split("/");
  if (top !== "src") return `imports "${from}", outside src`;
  if (targetFolder === folder || targetFolder === "lib") return undefined;
  if (ARROWS[folder]?.includes(targetFolder)) return undefined;
  if (ROOTS.includes(folder) && rest.length > 0 && (targetFolder !== "cli" || folder === "cli")) {
    return undefined;
  }
  if (TYPES_ONLY[folder]?.includes(target)) {
    return isTypeOnly ? undefined : `imports "${from}", which it may for its types alone`;
  }
  return `: ${folder} imports ${targetFolder} ("${from}")`;
}

function libraryFault(folder: string, from: string): string | undefined {
  if (from === "node:process" && !ROOTS.includes(folder)) return `imports "node:process"`;
  const library = Object.keys(LIBRARIES).find((name) =>
    name.endsWith("*") ? from.startsWith(name.slice(0, -1)) : `${from}/`.startsWith(`${name}/`),
  );
  if (library === undefined || folder === "bench") return undefined;
  return LIBRARIES[library]?.includes(folder)
    ? undefined
    : `: ${folder} imports library "${library}"`;
}

/** `import … from "x"`, `export … from "x"`, `import "x"` at the start of a line; `import("x")` anywhere. */
const STATEMENT =
  /^(?:import|export)\s+(type\s)?(?:[\w$\s{},*]*?\bfrom\s*|[{*][\w$\s{},*]*?\bfrom\s*)?"([^"]+)"/gm;
const EXPRESSION = /\bimport\(\s*"([^"]+)"\s*\)/g;

function importsOf(code: string): { from: string; isTypeOnly: boolean }[] {
  return [
    ...[...code.matchAll(STATEMENT)].map(([, type, from = ""]) => ({ from, isTypeOnly: !!type })),
    ...[...code.matchAll(EXPRESSION)].map(([, from = ""]) => ({ from, isTypeOnly: false })),
  ];
}

/** Good enough for our style: a comment has a line of its own or follows code and a space; strings hold no ` // `. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/ .*$/gm, "$1");
}

const PROMISES = ["TODO", "FIXME"];
const IS_TEXT = /\.(ts|mjs|js|sql|ya?ml|json|md|sh|html|css)$|^\.ci\/run$|Dockerfile/;

function straysOf(path: string): string[] {
  if (path.endsWith(".snmprec")) {
    return path.startsWith("test/fixtures/")
      ? []
      : [`${path} is a recording outside test/fixtures`];
  }
  const isText = IS_TEXT.test(path) && path !== "test/unit/architecture.test.ts";
  return isText ? promisesIn(path, read(path).text) : [];
}

function promisesIn(path: string, text: string): string[] {
  const found = PROMISES.find((word) => new RegExp(`\\b${word}\\b`).test(text));
  return found === undefined ? [] : [`${path} says ${found}: do it, or file an issue`];
}

const SKIPPED = ["node_modules", "dist", ".git", ".fairwalk"];

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = relative(root, join(root, folder, entry.name)).replaceAll("\\", "/");
    if (entry.isDirectory()) return SKIPPED.includes(entry.name) ? [] : filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}

function read(path: string): Source {
  return { path, text: readFileSync(join(root, path), "utf8") };
}
