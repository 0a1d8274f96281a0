import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { processStart } from "../../../src/embedded/processes.ts";
import { lockFolder } from "../../../src/embedded/single-instance.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fairwalk-lock-"));
});
afterEach(() => rm(folder, { recursive: true }));

const leaveLock = (text: string): Promise<void> => writeFile(join(folder, "instance.lock"), text);

describe("the lock on a data directory", () => {
  it("is held by one at a time", async () => {
    const lock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(`(process ${process.pid})`);

    await lock.release();

    await (await lockFolder(folder)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([
    ["a process that is gone", () => "2147483646 12345\n"],
    ["a pid that another process has by now", () => `${process.pid} 1\n`],
    ["a write that was cut off", () => ""],
    ["something else", () => "what is this\n"],
  ])("is taken over from %s", async (_what, stale) => {
    await leaveLock(stale());

    const lock = await lockFolder(folder);

    await expect(lockFolder(folder)).rejects.toThrow(/is running on it already/);
    await lock.release();
  });

  it("is respected while its process runs", async () => {
    await leaveLock(`${process.ppid} ${processStart(process.ppid)}\n`);

    await expect(lockFolder(folder)).rejects.toThrow(`(process ${process.ppid})`);
  });

  it("does not remove a lock that is no longer its own", async () => {
    const lock = await lockFolder(folder);
    await leaveLock("1 1\n");

    await lock.release();

    expect(await readdir(folder)).toEqual(["instance.lock"]);
  });
});
