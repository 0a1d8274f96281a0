/**
 * Programs that some tests need and a bare machine has not: taken from PATH, else installed with apt where that can
 * work (Debian and its kin, as root). Where it cannot, the caller skips its tests visibly and names the command.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/** Daemons live here, and an ordinary user's PATH often leaves these out. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

const APT_MS_MAX = 180_000;
/** Test runs that go on side by side install one after the other. */
const LOCK = join(tmpdir(), "fairwalk-tests-install.lock");
const LOCK_LOOK_MS = 200;

/**
 * The path of `binary`, after installing Debian's `debianPackage` if need be; null when it cannot be had. The install
 * starts no daemon. Blocks; says on stderr what it does.
 */
export function ensureDebianTool(binary: string, debianPackage: string): string | null {
  const found = findProgram(binary);
  if (found !== null) return found;
  const apt = findProgram("apt-get");
  if (apt === null || !existsSync("/etc/debian_version") || process.getuid?.() !== 0) return null;

  return oneAtATime(() => {
    if (findProgram(binary) === null) installLoudly(apt, debianPackage);
    return findProgram(binary);
  });
}

function installLoudly(apt: string, debianPackage: string): void {
  process.stderr.write(`Installing Debian's ${debianPackage} for the tests ...\n`);
  const startedAt = Date.now();
  const failure = withoutDaemons(() => install(apt, debianPackage));
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  process.stderr.write(
    failure === undefined
      ? `Installed ${debianPackage} (${seconds} s)\n`
      : `Cannot install ${debianPackage} (${seconds} s): ${failure}\n`,
  );
}

/** Waits for another run's install, but no longer than one may take: a lock that stays is of a run that was killed. */
function oneAtATime<T>(action: () => T): T {
  const until = Date.now() + APT_MS_MAX;
  const quiet = new Int32Array(new SharedArrayBuffer(4));
  while (!isTaken() && Date.now() < until) Atomics.wait(quiet, 0, 0, LOCK_LOOK_MS);
  try {
    return action();
  } finally {
    rmSync(LOCK, { recursive: true, force: true });
  }
}

function isTaken(): boolean {
  try {
    mkdirSync(LOCK);
    return true;
  } catch {
    return false;
  }
}

/** What to tell whoever wants the tests that need `debianPackage`. */
export function enablingCommand(debianPackage: string): string {
  return `apt-get install ${debianPackage}`;
}

function findProgram(name: string): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...SYSTEM_FOLDERS];
  for (const folder of folders.filter(Boolean)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return null;
}

/** The package lists of a fresh machine are empty or old: they are fetched only when the install fails without. */
function install(apt: string, debianPackage: string): string | undefined {
  const options = ["install", "--yes", "--no-install-recommends", debianPackage];
  const first = runApt(apt, options);
  if (first === undefined) return undefined;
  process.stderr.write("Fetching Debian's package lists ...\n");
  return runApt(apt, ["update"]) ?? runApt(apt, options);
}

function runApt(apt: string, options: readonly string[]): string | undefined {
  const { status, error, stderr } = spawnSync(apt, ["-o", "DPkg::Lock::Timeout=60", ...options], {
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
    timeout: APT_MS_MAX,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
  });
  if (status === 0) return undefined;
  return error?.message ?? (stderr.trim().split("\n").at(-1) || `apt-get ended with ${status}`);
}

/** Debian's packages ask policy-rc.d whether they may start their daemon; 101 means no. */
function withoutDaemons<T>(action: () => T): T {
  const policy = "/usr/sbin/policy-rc.d";
  const isOurs = !existsSync(policy);
  if (isOurs) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755, flag: "wx" });
  try {
    return action();
  } finally {
    if (isOurs) rmSync(policy, { force: true });
  }
}
