/**
 * One Postgres server process: started, waited for, ended. It runs in a session of its own, so the terminal's Ctrl-C
 * does not reach it: what uses the database stops first.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../lib/log.ts";
import { endPostmaster, processCommand, processStart, sendSignal } from "./processes.ts";
import type { Account } from "./unprivileged-user.ts";

/**
 * As a production database is run, sized for a small machine: durable, no compilation of short queries, locks for
 * thousands of partitions.
 */
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "200",
  shared_buffers: "128MB",
  max_locks_per_transaction: "256",
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  wal_level: "replica",
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  log_line_prefix: "%m [%p] %q%u@%d ",
  logging_collector: "off",
  log_destination: "stderr",
};

/** After a crash the server first replays its log. Longer than this and something else is wrong. */
const START_MS_MAX = 300_000;

/** How long the children of a postmaster that was killed may take to notice and leave its memory. */
const ORPHANS_MS_MAX = 15_000;

/** A log larger than this is set aside at the next start: one generation is kept. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;

export interface PostmasterOptions {
  readonly binaries: string;
  readonly cluster: string;
  readonly logFile: string;
  readonly account: Account | undefined;
  /** Undefined picks a free port. */
  readonly port: number | undefined;
}

export interface Postmaster {
  readonly port: number;
  /** Resolves when the process is gone, for whatever reason, with how it ended. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

/** Starts the server and resolves when it answers. Rejects with the server's own last words when it does not start. */
export async function startPostmaster(options: PostmasterOptions, log: Log): Promise<Postmaster> {
  await setLargeLogAside(options.logFile);
  const orphansUntil = Date.now() + ORPHANS_MS_MAX;
  for (let portsTried = 1; ; ) {
    const port = options.port ?? (await freePort());
    const logStart = await sizeOf(options.logFile);
    const attempt = await launch(options, port, log);
    if (attempt.postmaster !== undefined) return attempt.postmaster;

    const lastWords = await tailOf(options.logFile, logStart);
    const isPortTaken = /could not (bind|create any TCP\/IP socket)/i.test(lastWords);
    const hasOrphans = /pre-existing shared memory block|lock file .* already exists/.test(
      lastWords,
    );
    if (isPortTaken && options.port === undefined && portsTried < 5) {
      portsTried++;
    } else if (hasOrphans && Date.now() < orphansUntil) {
      await delay(100);
    } else {
      throw startFailure(options, `${attempt.reason}\n${lastWords}`);
    }
  }
}

/** Ends the server that an earlier process of ours left behind in `cluster` when it was killed. True when there was one. */
export async function endOrphanedPostmaster(cluster: string): Promise<boolean> {
  const pidFile = join(cluster, "postmaster.pid");
  const pid = (await pidFileOf(cluster))?.pid;
  if (pid === undefined) return false;

  const start = processStart(pid);
  if (start === undefined) return false;
  if (processCommand(pid)?.includes(`postgres -D ${cluster} `) === true) {
    await endPostmaster(pid, start);
    return true;
  }
  // The pid belongs to another program by now, which Postgres would take for a running server.
  await rm(pidFile, { force: true });
  return false;
}

async function launch(
  options: PostmasterOptions,
  port: number,
  log: Log,
): Promise<{ postmaster: Postmaster } | { postmaster?: never; reason: string }> {
  const { binaries, cluster, account, logFile } = options;
  const settings = Object.entries({ ...SETTINGS, port: String(port) });
  const output = openSync(logFile, "a", 0o600);
  const child = spawn(
    join(binaries, "bin", "postgres"),
    ["-D", cluster, ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    {
      ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
      cwd: "/",
      env: { LC_ALL: "C", TZ: "UTC" },
      stdio: ["ignore", output, output],
      detached: true,
    },
  );
  closeSync(output);
  const { promise: ended, resolve } = withResolvers<string>();
  let isGone = false;
  const finish = (how: string): void => {
    isGone = true;
    resolve(how);
  };
  child.once("error", (error) => finish(error.message));
  child.once("exit", (code, signal) => finish(signal ?? `exit status ${code}`));

  const { pid } = child;
  if (pid === undefined) return { reason: await ended };
  const start = processStart(pid) ?? "";

  // The last resort when this process ends without stop(): a server must not outlive its user unnoticed.
  const endWithUs = (): void => sendSignal(pid, "SIGINT");
  process.once("exit", endWithUs);
  void ended.then(() => process.off("exit", endWithUs));
  const stop = async (): Promise<void> => {
    if (!isGone) await endPostmaster(pid, start);
    await ended;
  };

  const startedAt = Date.now();
  let reportedAt = startedAt;
  while (!isGone) {
    const found = await pidFileOf(cluster);
    if (found?.pid === pid && found.status === "ready")
      return { postmaster: { port, ended, stop } };
    if (Date.now() - reportedAt > 2_000) {
      reportedAt = Date.now();
      const seconds = Math.round((reportedAt - startedAt) / 1000);
      log.info(
        { seconds },
        "embedded Postgres is starting; after a crash it replays its log first",
      );
    }
    if (Date.now() - startedAt > START_MS_MAX) {
      await stop();
      return { reason: `not ready after ${START_MS_MAX / 1000} s` };
    }
    await delay(5);
  }
  return { reason: await ended };
}

/** The lines of postmaster.pid we need: the first is the pid, the eighth the status. */
async function pidFileOf(cluster: string): Promise<{ pid: number; status: string } | undefined> {
  try {
    const lines = (await readFile(join(cluster, "postmaster.pid"), "utf8")).split("\n");
    const pid = Number(lines[0]);
    return Number.isInteger(pid) && pid > 0 ? { pid, status: (lines[7] ?? "").trim() } : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function startFailure({ cluster, logFile, port }: PostmasterOptions, reason: string): Error {
  let remedy = `see "${logFile}"`;
  if (/No space left on device/.test(reason)) remedy = `free space on the disk of "${cluster}"`;
  else if (/could not (bind|create any)/i.test(reason)) remedy = `port ${port} is in use: free it`;
  return new Error(
    `Cannot start the embedded Postgres in "${cluster}": ${remedy}; it said:\n${reason}`,
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("Cannot find a free port");
  return address.port;
}

async function setLargeLogAside(logFile: string): Promise<void> {
  if ((await sizeOf(logFile)) > LOG_BYTES_MAX) await rename(logFile, `${logFile}.1`);
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch {
    return 0;
  }
}

/** At most the last 20 lines written after `from`. */
async function tailOf(logFile: string, from: number): Promise<string> {
  const file = await open(logFile);
  try {
    const start = Math.max(from, (await file.stat()).size - 8192);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8192), 0, 8192, start);
    return buffer.toString("utf8", 0, bytesRead).trim().split("\n").slice(-20).join("\n");
  } finally {
    await file.close();
  }
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
