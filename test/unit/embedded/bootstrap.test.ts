import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

/** A checkout with the scripts of .ci, two packages in its lock file, and an npm that does what the test tells it. */
let root: string;

const packages = {
  "node_modules/plain": { version: "1.0.0", integrity: "sha512-plain" },
  "node_modules/native-here": {
    version: "2.0.0",
    optional: true,
    os: [process.platform],
    cpu: [process.arch],
  },
  "node_modules/native-elsewhere": { version: "2.0.0", optional: true, os: ["plan9"] },
  "node_modules/native-elsewhere-needs": { version: "2.0.0", optional: true },
};
const { "node_modules/plain": plain, "node_modules/native-here": native } = packages;
const installed = { "node_modules/plain": plain, "node_modules/native-here": native };

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "fairwalk-bootstrap-"));
  cpSync(join(import.meta.dirname, "../../../.ci"), join(root, ".ci"), { recursive: true });
  write("package.json", { name: "checkout" });
  write("package-lock.json", { lockfileVersion: 3, packages: { "": {}, ...packages } });
});

afterEach(() => rmSync(root, { recursive: true }));

describe("the bootstrap before npm start and npm test", () => {
  it("installs into a fresh checkout, development and optional packages included", () => {
    const { status, stderr, npmCalls } = bootstrap();

    expect(status).toBe(0);
    expect(stderr).toContain("node_modules is missing");
    expect(npmCalls).toEqual(["ci --include=dev --include=optional --no-audit --no-fund"]);
  });

  it("does nothing the second time", () => {
    bootstrap();

    const { stderr, npmCalls } = bootstrap();

    expect(npmCalls).toHaveLength(1);
    expect(stderr).toBe("");
  });

  it("accepts what a plain npm ci installed, without packages of other platforms", () => {
    install(installed);

    const { status, npmCalls } = bootstrap();

    expect(status).toBe(0);
    expect(npmCalls).toEqual([]);
  });

  it.each([
    ["another version", { ...installed, "node_modules/plain": { ...plain, version: "0.9.0" } }],
    ["other content", { ...installed, "node_modules/plain": { ...plain, integrity: "sha512-x" } }],
    ["a package missing", { "node_modules/native-here": native }],
    ["this platform's optional package missing", { "node_modules/plain": plain }],
    ["a package too many", { ...installed, "node_modules/plain/node_modules/old": plain }],
  ])("installs over %s", (_what, present) => {
    install(present);

    expect(bootstrap().npmCalls).toHaveLength(1);
  });

  it("installs again after an install that was interrupted, a removed package, and a new lock file", () => {
    install(installed);
    rmSync(join(root, "node_modules/.package-lock.json"));
    expect(bootstrap().npmCalls).toHaveLength(1);

    rmSync(join(root, "node_modules/plain"), { recursive: true });
    expect(bootstrap().npmCalls).toHaveLength(2);

    const next = { ...packages, "node_modules/plain": { ...plain, version: "1.0.1" } };
    write("package-lock.json", { lockfileVersion: 3, packages: { "": {}, ...next } });
    expect(bootstrap().npmCalls).toHaveLength(3);
  });

  it.each([
    ["ENOTFOUND registry.example", "check the network"],
    ["EACCES: permission denied", "may not write here"],
    ["ENOSPC: no space left on device", "disk is full"],
    ["code EUSAGE", "package.json and package-lock.json differ"],
  ])("passes on npm's error %s with a remedy", (complaint, remedy) => {
    const { status, stderr } = bootstrap(complaint);

    expect(status).toBe(1);
    expect(stderr).toContain(complaint);
    expect(stderr).toContain(remedy);
  });
});

describe("the bootstrap on another Node", () => {
  const onNode = (version: string): { status: number | null; stderr: string } => {
    install(installed);
    const preload = join(root, "preload.cjs");
    const versions = `{ value: { ...process.versions, node: "${version}" } }`;
    writeFileSync(preload, `Object.defineProperty(process, "versions", ${versions});`);
    const script = join(root, ".ci/bootstrap.mjs");
    return spawnSync(process.execPath, ["--require", preload, script], { encoding: "utf8" });
  };

  it.each(["18.20.4", "20.19.9"])("refuses %s with the version it needs", (version) => {
    const { status, stderr } = onNode(version);

    expect(status).toBe(1);
    expect(stderr).toContain(`needs Node 20.20 or newer, and this is ${version}`);
  });

  it.each(["20.20.0", "22.1.0"])("accepts %s", (version) => {
    expect(onNode(version)).toMatchObject({ status: 0, stderr: "" });
  });
});

/** Runs the real script with a fake npm in place of the one that called it. */
function bootstrap(complaint = ""): { status: number | null; stderr: string; npmCalls: string[] } {
  const npm = join(root, "npm-cli.js");
  const calls = join(root, "calls");
  writeFileSync(
    npm,
    `const fs = require("node:fs");
     fs.appendFileSync(${JSON.stringify(calls)}, process.argv.slice(2).join(" ") + "\\n");
     if (${JSON.stringify(complaint)}) { console.error(${JSON.stringify(complaint)}); process.exit(9); }
     const { packages } = JSON.parse(fs.readFileSync("package-lock.json", "utf8"));
     for (const path of Object.keys(packages).filter(Boolean)) fs.mkdirSync(path, { recursive: true });
     delete packages[""];
     fs.writeFileSync("node_modules/.package-lock.json", JSON.stringify({ packages }));`,
  );
  const { status, stderr } = spawnSync(process.execPath, [join(root, ".ci/bootstrap.mjs")], {
    encoding: "utf8",
    env: { ...process.env, npm_execpath: npm, NODE_ENV: "production" },
  });
  const npmCalls = existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n") : [];
  return { status, stderr, npmCalls };
}

function install(present: Record<string, unknown>): void {
  for (const path of Object.keys(present)) mkdirSync(join(root, path), { recursive: true });
  write("node_modules/.package-lock.json", { packages: present });
}

function write(name: string, content: unknown): void {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), JSON.stringify(content));
}
