/**
 * Keeps node_modules as package-lock.json says. Runs before every start, so the usual answer, "nothing to do", takes
 * milliseconds: a marker holds the digests of the lock file and of the list npm keeps of what it installed.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const lockFile = join(root, "package-lock.json");
const modules = join(root, "node_modules");
const installedFile = join(modules, ".package-lock.json");
const markerFile = join(modules, ".fairwalk-lock-sha256");

/** How often a long install says that it is alive. */
const PROGRESS_MS = 3_000;

/** Runs `npm ci` if it has to. Answers the exit status: 0 when node_modules is right. */
export async function installWhatIsMissing() {
  const reason = mismatch();
  if (reason === undefined) return 0;

  console.error(`Installing dependencies with npm ci: ${reason}`);
  const startedAt = Date.now();
  const progress = setInterval(() => {
    console.error(`... still installing (${Math.round((Date.now() - startedAt) / 1000)} s)`);
  }, PROGRESS_MS);
  const { status, complaint } = await runNpmCi();
  clearInterval(progress);
  if (status !== 0) {
    console.error(
      `\nCannot install the dependencies: npm ci ended with ${status}. ${remedyFor(complaint)}`,
    );
    return 1;
  }
  writeMarker();
  console.error(`Installed dependencies (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
  return 0;
}

/** Why node_modules does not match the lock file; undefined when it does. */
function mismatch() {
  if (!existsSync(modules)) return "node_modules is missing";
  // npm writes this list last, so an interrupted install has none.
  if (!existsSync(installedFile)) return "node_modules is incomplete";

  const installed = packagesOf(installedFile);
  if (installed === undefined) return "node_modules is incomplete";
  const removed = Object.keys(installed).find((path) => !existsSync(join(root, path)));
  if (removed !== undefined) return `${removed} is missing`;
  if (readMarker() === digests()) return undefined;

  const locked = packagesOf(lockFile);
  // npm ci says best what is wrong with it.
  if (locked === undefined) return "package-lock.json cannot be read";
  const reason = difference(locked, installed);
  if (reason === undefined) writeMarker();
  return reason;
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

/** The first difference between what is locked and what npm says it installed. */
function difference(locked, installed) {
  for (const [path, entry] of Object.entries(locked)) {
    if (path === "") continue;
    const present = installed[path];
    if (present === undefined) {
      if (!mayBeAbsent(entry)) return `${path} is missing`;
    } else if (present.version !== entry.version || !isSameContent(present, entry)) {
      return `${path} is not version ${entry.version} of the lock file`;
    }
  }
  const extra = Object.keys(installed).find((path) => locked[path] === undefined);
  return extra === undefined ? undefined : `${extra} is not in the lock file`;
}

function isSameContent(present, entry) {
  if (present.integrity === undefined || entry.integrity === undefined) return true;
  return present.integrity === entry.integrity;
}

/** npm leaves out optional packages of other platforms, and what only those need (which names no platform). */
function mayBeAbsent({ optional, devOptional, os, cpu, libc }) {
  if (!optional && !devOptional) return false;
  if (os === undefined && cpu === undefined) return true;
  return !(allows(os, process.platform) && allows(cpu, process.arch) && allows(libc, ourLibc));
}

/** The rule of package.json's `os` and `cpu`: a list of what is meant, or of what is not (`!win32`). */
function allows(list, ours) {
  if (list === undefined) return true;
  const value = typeof ours === "function" ? ours() : ours;
  if (list.includes(`!${value}`)) return false;
  return list.includes(value) || list.every((one) => one.startsWith("!"));
}

function ourLibc() {
  if (process.platform !== "linux") return undefined;
  return process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
}

/** Dev and optional dependencies are asked for by name: NODE_ENV=production or an .npmrc may say otherwise. */
function runNpmCi() {
  const options = ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund"];
  const npm = process.env.npm_execpath ?? "";
  const [program, ...first] = basename(npm) === "npm-cli.js" ? [process.execPath, npm] : ["npm"];
  return new Promise((resolve) => {
    const child = spawn(program, [...first, ...options], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let complaint = "";
    child.stdout.on("data", (text) => process.stderr.write(text));
    child.stderr.on("data", (text) => {
      process.stderr.write(text);
      complaint = (complaint + text).slice(-20_000);
    });
    child.on("error", (error) => resolve({ status: error.message, complaint: error.message }));
    child.on("close", (code, signal) => resolve({ status: code ?? signal, complaint }));
  });
}

const REMEDIES = [
  [/ENOSPC|no space left/i, "The disk is full: free about 500 MB and try again."],
  [
    /EACCES|EPERM|EROFS/,
    `This user may not write here: change the owner of "${root}" (and of npm's cache) to the user who runs npm, or run as its owner.`,
  ],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ERR_SOCKET|network/i,
    "npm cannot reach its registry: check the network, and behind a proxy set HTTPS_PROXY or npm's `proxy` and `registry` settings.",
  ],
  [
    /E401|E403|ENEEDAUTH/,
    "The registry refuses: check the credentials and the `registry` setting of npm.",
  ],
  [/E404|ETARGET/, "The registry lacks a package: check the `registry` setting of npm."],
  [
    /EINTEGRITY/,
    "A package differs from the lock file: run npm cache clean --force and try again.",
  ],
  [
    /can only install packages when|EUSAGE/,
    "package.json and package-lock.json differ: run npm install, or take both from one commit.",
  ],
  [/spawn npm ENOENT/, "npm itself was not found: install it beside Node and put it in PATH."],
];

function remedyFor(complaint) {
  const known = REMEDIES.find(([pattern]) => pattern.test(complaint));
  return known === undefined ? "npm says above what went wrong." : known[1];
}

function digests() {
  const digest = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");
  return `${digest(lockFile)} ${digest(installedFile)}\n`;
}

function readMarker() {
  return existsSync(markerFile) ? readFileSync(markerFile, "utf8") : undefined;
}

function writeMarker() {
  try {
    writeFileSync(markerFile, digests());
  } catch {
    // Another user's node_modules: right as it is, only compared in full each time.
  }
}
