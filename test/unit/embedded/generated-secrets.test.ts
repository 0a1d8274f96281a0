import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  generatedAdminToken,
  generatedMasterKey,
} from "../../../src/embedded/generated-secrets.ts";

let folder: string;
let dataDir: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fairwalk-secrets-"));
  dataDir = join(folder, "not/yet/there");
});
afterEach(() => rm(folder, { recursive: true }));

describe("generated secrets", () => {
  it("are made once and are the same from then on", async () => {
    const token = await generatedAdminToken(dataDir);
    const key = await generatedMasterKey(dataDir);

    expect(await generatedAdminToken(dataDir)).toBe(token);
    expect(await generatedMasterKey(dataDir)).toEqual(key);
    expect(token.length).toBeGreaterThanOrEqual(43);
    expect(key).toHaveLength(32);
  });

  it("can be read by their owner alone, in a directory others cannot list", async () => {
    await generatedAdminToken(dataDir);
    await generatedMasterKey(dataDir);

    for (const name of ["admin-token", "master-key"]) {
      expect((await stat(join(dataDir, name))).mode & 0o777).toBe(0o600);
    }
    expect((await stat(dataDir)).mode & 0o044).toBe(0);
  });

  it("are the same for all who ask at the same time, and leave no draft behind", async () => {
    const tokens = await Promise.all(
      Array.from({ length: 20 }, () => generatedAdminToken(dataDir)),
    );

    expect(new Set(tokens).size).toBe(1);
    expect(await readFile(join(dataDir, "admin-token"), "utf8")).toBe(`${tokens[0]}\n`);
    await generatedMasterKey(dataDir);
    expect((await readdir(dataDir)).sort()).toEqual(["admin-token", "master-key"]);
  });

  it("are never replaced when damaged: credentials would be lost", async () => {
    await generatedMasterKey(dataDir);
    await writeFile(join(dataDir, "master-key"), "");

    await expect(generatedMasterKey(dataDir)).rejects.toThrow(/master-key": it is damaged/);
    expect(await readFile(join(dataDir, "master-key"), "utf8")).toBe("");
  });

  it("need a directory that can be made, and say what to do where it cannot", async () => {
    await writeFile(join(folder, "not"), "a file in the way");

    await expect(generatedAdminToken(dataDir)).rejects.toThrow(/set FAIRWALK_DATA_DIR/);
  });
});
