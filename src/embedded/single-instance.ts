import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { processStart } from "./processes.ts";

/**
 * Makes this process the only user of `folder`, until `release`. A lock whose process is gone (kill -9, power loss) is
 * taken over: the lock names its process by pid and start time, so a pid used again does not hold it.
 */
export async function lockFolder(folder: string): Promise<{ release(): Promise<void> }> {
  const lock = join(folder, "instance.lock");
  const mine = `${process.pid} ${processStart(process.pid)}\n`;
  const draft = `${lock}.${process.pid}`;
  await rm(draft, { force: true });
  try {
    await writeFile(draft, mine, { flag: "wx", mode: 0o600 });
    for (;;) {
      if (await linked(draft, lock)) break;
      const holder = await readIfThere(lock);
      if (holder !== undefined && isAlive(holder)) throw alreadyInUse(folder, holder);
      await discardStale(lock, holder, `${draft}.stale`);
    }
  } finally {
    await rm(draft, { force: true });
  }
  return {
    release: async () => {
      if ((await readIfThere(lock)) === mine) await rm(lock, { force: true });
    },
  };
}

/**
 * Two processes may find the same stale lock. Each moves it aside; who moved away the other's fresh lock instead sees
 * so by its content, and puts it back.
 */
async function discardStale(lock: string, stale: string | undefined, aside: string): Promise<void> {
  try {
    await rename(lock, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if ((await readIfThere(aside)) !== stale) await linked(aside, lock);
  await rm(aside, { force: true });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function isAlive(holder: string): boolean {
  const [pid, start] = holder.trim().split(/ (.*)/);
  return start !== undefined && processStart(Number(pid)) === start;
}

function alreadyInUse(folder: string, holder: string): Error {
  const pid = holder.split(" ")[0];
  return new Error(
    `Cannot use "${folder}": Fairwalk is running on it already (process ${pid}); stop that one first, or set FAIRWALK_DATA_DIR to another folder`,
  );
}
