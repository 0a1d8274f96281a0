import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";

/**
 * Whose segments lie where. Each process has a folder of its own below the spool's, and a socket in it that it listens
 * on while it lives: the kernel closes it with the process, however that ends, also in a container of its own. A folder
 * whose socket nobody listens on is left over: its segments are moved into the folder of a process that replays them.
 * A folder is never used by a second process, so one that is left over stays so.
 */

export const SEGMENT_SUFFIX = ".spool";

/** Refused polls lie here, in segments of their own. What is moved out of it into a folder beside it is tried again. */
export const QUARANTINE = "quarantine";

const SOCKET = "alive";

/** A folder whose owner has not finished making it; one that is this old was never finished. */
const NEW_PREFIX = ".new-";
const NEW_MS_MAX = 3_600_000;

export interface OwnFolder {
  readonly path: string;
  /** Gives the folder up; what is in it is left over from then on. */
  release(): Promise<void>;
}

/** Makes a folder for this process below `spoolFolder`. Rejects when nothing can be written or listened on there. */
export async function makeOwnFolder(spoolFolder: string): Promise<OwnFolder> {
  await mkdir(spoolFolder, { recursive: true, mode: 0o700 });
  const name = randomBytes(8).toString("hex");
  const draft = join(spoolFolder, NEW_PREFIX + name);
  const path = join(spoolFolder, name);
  await mkdir(draft, { mode: 0o700 });
  const directory = await open(draft, constants.O_RDONLY);
  const server = createServer((connection) => connection.destroy());
  server.unref();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(socketPath(draft, directory), resolve);
    });
    // Under its real name only now: whoever sees it finds somebody listening.
    await rename(draft, path);
    await syncFolder(spoolFolder);
  } catch (error) {
    server.close();
    await directory.close();
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  return {
    path,
    async release() {
      await new Promise((resolve) => server.close(resolve));
      await directory.close();
      await rm(join(path, SOCKET), { force: true });
      await removeIfEmpty(path);
    },
  };
}

/**
 * Moves the segments of folders that are left over into `own`, and resolves to how many. Two processes may do so at once:
 * each segment is moved once.
 */
export async function adoptSegments(spoolFolder: string, own: OwnFolder): Promise<number> {
  let adopted = 0;
  for (const entry of await readdir(spoolFolder, { withFileTypes: true })) {
    const folder = join(spoolFolder, entry.name);
    if (!entry.isDirectory() || entry.name === QUARANTINE || folder === own.path) continue;
    if (entry.name.startsWith(NEW_PREFIX) && (await ageMs(folder)) < NEW_MS_MAX) continue;
    if (await isAlive(folder)) continue;
    for (const segment of await segmentsIn(folder)) {
      if (await moved(join(folder, segment), join(own.path, segment))) adopted++;
    }
    await rm(join(folder, SOCKET), { force: true });
    await removeIfEmpty(folder);
  }
  if (adopted > 0) await syncFolder(own.path);
  return adopted;
}

/** Names of the segments in a folder, the oldest first; none when it is gone. */
export async function segmentsIn(folder: string): Promise<string[]> {
  return (await namesIn(folder)).filter((name) => name.endsWith(SEGMENT_SUFFIX)).sort();
}

/** What is in a folder; nothing when it is gone, or is none. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === "ENOTDIR") return [];
    throw error;
  }
}

export interface SpoolSurvey {
  /** Bytes of segments that wait for Postgres, and when the oldest was begun. */
  readonly bytes: number;
  readonly oldestMs: number | undefined;
  readonly quarantinedFiles: number;
}

/** What lies in a spool, whoever's it is; nothing where there is none. */
export async function surveySpool(spoolFolder: string): Promise<SpoolSurvey> {
  let bytes = 0;
  let oldestMs: number | undefined;
  for (const name of await namesIn(spoolFolder)) {
    if (name === QUARANTINE) continue;
    for (const segment of await segmentsIn(join(spoolFolder, name))) {
      bytes += await sizeOf(join(spoolFolder, name, segment));
      oldestMs = Math.min(oldestMs ?? Number.POSITIVE_INFINITY, segmentTimeMs(segment));
    }
  }
  const quarantined = await namesIn(join(spoolFolder, QUARANTINE));
  return { bytes, oldestMs, quarantinedFiles: quarantined.length };
}

/** A name for a new file; names sort by time. */
export function newFileName(suffix: string): string {
  return `${String(Date.now()).padStart(15, "0")}-${randomBytes(6).toString("hex")}${suffix}`;
}

/** When a segment was begun, in milliseconds since the Unix epoch. */
export function segmentTimeMs(name: string): number {
  return Number.parseInt(name, 10);
}

/** 0 when it is gone. */
export async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

/** Makes what was created, renamed or removed in a folder survive a loss of power. */
export async function syncFolder(folder: string): Promise<void> {
  const directory = await open(folder, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** Whether somebody listens in the folder. In doubt (another user's socket, one too busy to answer) somebody does. */
async function isAlive(folder: string): Promise<boolean> {
  let directory: FileHandle;
  try {
    directory = await open(folder, constants.O_RDONLY);
  } catch (error) {
    return !isMissing(error);
  }
  try {
    return await new Promise<boolean>((resolve) => {
      const connection = createConnection(socketPath(folder, directory));
      connection.once("connect", () => {
        connection.destroy();
        resolve(true);
      });
      connection.once("error", (error: NodeJS.ErrnoException) => {
        resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
      });
    });
  } finally {
    await directory.close();
  }
}

/** A socket's path has 107 bytes at most (unix(7)); through a descriptor any folder is near enough. */
function socketPath(folder: string, directory: FileHandle): string {
  return process.platform === "linux"
    ? `/proc/self/fd/${directory.fd}/${SOCKET}`
    : join(folder, SOCKET);
}

async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (isMissing(error)) return false; // Another process was faster.
    throw error;
  }
}

async function ageMs(folder: string): Promise<number> {
  try {
    return Date.now() - (await stat(folder)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST" && code !== "ENOENT") throw error;
  }
}
