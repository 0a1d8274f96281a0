/**
 * `npm test`: lint, types, then the tests from the quickest project to the slowest. A step that fails does not hide the
 * results of the next. Tests with services mostly wait, so they run in two halves side by side, each with services of its
 * own; what the second half says is printed after the first.
 * Ends with one line for runners, "N passed, N failed, N skipped", summed over Vitest's own JSON reports.
 * Options are passed on to Vitest: npm test -- -t "a name".
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const reports = mkdtempSync(join(tmpdir(), "fairwalk-reports-"));
const options = process.argv.slice(2);

const checks = [
  { name: "lint", command: ["biome", "check", "."] },
  { name: "types", command: ["tsc", "-p", "test"] },
];
// Options may leave too few files to share.
const halves = options.length === 0 ? 2 : 1;
const projects = [
  { name: "unit", shards: 1 },
  { name: "integration", shards: halves },
  { name: "e2e", shards: halves },
];

// Ctrl-C reaches the running step too, which ends in its own order; we sum up what was done.
let interrupted;
process.on("SIGINT", () => {
  interrupted = "SIGINT";
});
process.on("SIGTERM", () => {
  interrupted = "SIGTERM";
  for (const child of running) child.kill("SIGTERM");
});
const running = new Set();

const total = { passed: 0, failed: 0, skipped: 0 };
// A step that failed without a failed test (lint, types, a crash) counts as one: zero failures must mean success.
const brokenSteps = [];
for (const { name, command } of checks) {
  if (interrupted) break;
  if ((await run(name, command)) !== 0) brokenSteps.push(name);
}
for (const { name, shards } of projects) {
  if (interrupted) break;
  const parts = Array.from({ length: shards }, (_, i) =>
    runTests(name, `${i + 1}/${shards}`, i === 0),
  );
  for (const { status, counts } of await Promise.all(parts)) {
    for (const key of Object.keys(total)) total[key] += counts[key];
    if (status !== 0 && counts.failed === 0) brokenSteps.push(name);
  }
}
rmSync(reports, { recursive: true, force: true });

if (interrupted) brokenSteps.push(`interrupted by ${interrupted}`);
for (const name of brokenSteps) console.log(`\nfailed: ${name}`);
const failed = total.failed + brokenSteps.length;
console.log(
  `\n${total.passed} passed, ${failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`,
);
process.exitCode = failed === 0 ? 0 : 1;

async function runTests(project, shard, isShown) {
  const name = shard === "1/1" ? project : `${project} ${shard}`;
  const report = join(reports, `${name.replaceAll(/\W/g, "-")}.json`);
  const vitest = ["vitest", "run", "--config", "test/vitest.config.ts", "--project", project];
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const status = await run(
    name,
    [...vitest, `--shard=${shard}`, ...reporters, ...options],
    isShown,
  );
  return { status, counts: countsOf(report) };
}

/** Runs one program to its end; one that is not shown meanwhile is shown then. */
function run(name, [program, ...rest], isShown = true) {
  if (isShown) console.log(`\n== ${name}`);
  return new Promise((resolve) => {
    const child = spawn(join(root, "node_modules", ".bin", program), rest, {
      cwd: root,
      stdio: isShown ? "inherit" : ["inherit", "pipe", "pipe"],
    });
    running.add(child);
    const kept = [];
    child.stdout?.on("data", (bytes) => kept.push(bytes));
    child.stderr?.on("data", (bytes) => kept.push(bytes));
    child.on("error", (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.on("close", (code) => {
      running.delete(child);
      if (!isShown) console.log(`\n== ${name}\n${Buffer.concat(kept).toString()}`);
      resolve(code ?? 1);
    });
  });
}

/** A file that failed before its first test (an import, a hook) has no failed test in the report: it counts as one. */
function countsOf(report) {
  let results;
  try {
    results = JSON.parse(readFileSync(report, "utf8")).testResults;
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of results) {
    const count = (status) => file.assertionResults.filter((test) => test.status === status).length;
    const failed = count("failed");
    counts.passed += count("passed");
    counts.failed += failed === 0 && file.status === "failed" ? 1 : failed;
    counts.skipped += file.assertionResults.length - count("passed") - failed;
  }
  return counts;
}
