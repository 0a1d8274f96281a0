/**
 * Makes the cluster, once. The URL we hand out is no superuser's: `fairwalk` may create roles and databases, as the
 * login of a production database does, so a migration that asks for more fails here as it would there.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { clusterFolder } from "./cluster-home.ts";
import type { Account } from "./unprivileged-user.ts";

export const LOGIN = "fairwalk";
export const DATABASE = "fairwalk";

export interface ClusterTools {
  /** The folder with bin/initdb and bin/postgres. */
  readonly binaries: string;
  readonly home: string;
  readonly account: Account | undefined;
}

/** Makes the cluster in `<home>/postgres`: whole or not at all, so an interrupted first start is simply repeated. */
export async function createCluster(tools: ClusterTools, password: string): Promise<void> {
  const { binaries, home, account } = tools;
  const draft = `${clusterFolder(home)}.partial`;
  const passwordFile = join(home, "initdb-password");
  await rm(draft, { recursive: true, force: true });
  await rm(passwordFile, { force: true });
  try {
    await mkdir(draft, { mode: 0o700 });
    await writeFile(passwordFile, `${password}\n`, { flag: "wx", mode: 0o600 });
    await giveTo(account, draft, passwordFile);
    const initdb = [
      `--pgdata=${draft}`,
      "--username=postgres",
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--no-locale",
      "--no-instructions",
    ];
    await run(tools, join(binaries, "bin", "initdb"), initdb, "");
    await runSql(tools, draft, [
      `create role ${LOGIN} login createrole createdb password '${password}'`,
      `grant pg_monitor, pg_signal_backend to ${LOGIN}`,
      `create database ${DATABASE} owner ${LOGIN}`,
    ]);
    await rename(draft, clusterFolder(home));
  } finally {
    await rm(passwordFile, { force: true });
    await rm(draft, { recursive: true, force: true });
  }
}

/** For a data directory whose password file was lost: the cluster takes the new one. The server must not be running. */
export async function resetPassword(tools: ClusterTools, password: string): Promise<void> {
  await runSql(tools, clusterFolder(tools.home), [
    `alter role ${LOGIN} password '${password}'`,
    `alter role postgres password '${password}'`,
  ]);
}

/** Whether there is a cluster in `home`. Throws when it is of another major version than `major`, or another user's. */
export async function hasCluster(home: string, major: string): Promise<boolean> {
  const folder = clusterFolder(home);
  if (!existsSync(folder)) return false;
  let found: string;
  try {
    found = (await readFile(join(folder, "PG_VERSION"), "utf8")).trim();
  } catch (cause) {
    throw new Error(
      `Cannot open the database in "${folder}": ${(cause as Error).message}; start Fairwalk as the user who made it, or set FAIRWALK_DATA_DIR to another folder`,
      { cause },
    );
  }
  if (found === major) return true;
  throw new Error(
    `Cannot open the database in "${folder}": Postgres ${found} made it, and this Fairwalk brings Postgres ${major}; ` +
      `move its data with pg_dump and a Postgres ${found}, or set FAIRWALK_DATA_DIR to another folder to begin anew`,
  );
}

/** Runs statements in Postgres' single-user mode, which needs no password and no port. */
async function runSql(
  tools: ClusterTools,
  cluster: string,
  statements: readonly string[],
): Promise<void> {
  const program = join(tools.binaries, "bin", "postgres");
  const options = ["--single", "-D", cluster, "-c", "exit_on_error=on", "postgres"];
  await run(tools, program, options, statements.map((statement) => `${statement}\n`).join(""));
}

async function run(
  { account }: ClusterTools,
  program: string,
  options: readonly string[],
  input: string,
): Promise<void> {
  const child = spawn(program, options, {
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    cwd: "/",
    env: { LC_ALL: "C", TZ: "UTC" },
    stdio: ["pipe", "ignore", "pipe"],
    detached: true,
  });
  // A program that ends before it has read its input breaks the pipe; its exit status tells why.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [complaint, status] = await Promise.all([text(child.stderr), ended(child)]);
  if (status !== "0") throw new Error(`${program} ended with ${status}: ${complaint.trim()}`);
}

/** Its exit status, or the signal or error that ended it. */
function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(String(code ?? signal)));
  });
}

async function giveTo(account: Account | undefined, folder: string, file: string): Promise<void> {
  await chmod(folder, 0o700);
  if (account === undefined) return;
  await chown(folder, account.uid, account.gid);
  await chown(file, account.uid, account.gid);
}
