import { mkdirSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bundledPostgres, removeOtherBinaries } from "../../../src/embedded/native-binaries.ts";

describe("the bundled Postgres", () => {
  it("names the platform and the remedy where there is none", async () => {
    await expect(bundledPostgres("plan9", "vax")).rejects.toThrow(
      /embedded Postgres for plan9-vax.*set DATABASE_URL/,
    );
  });

  it("is found for this platform, with its version", async () => {
    const bundle = await bundledPostgres();

    expect(bundle.release).toMatch(/^\d+\.\d+$/);
    expect(bundle.version.startsWith(bundle.release)).toBe(true);
    expect(await readdir(bundle.folder)).toEqual(expect.arrayContaining(["bin", "lib", "share"]));
  });

  it("leaves one copy of itself, and everything that is not a copy", async () => {
    const home = await mkdtemp(join(tmpdir(), "fairwalk-copies-"));
    const bundle = { folder: "", version: "18.4.0-beta.17", release: "18.4", major: "18" };
    for (const name of ["postgres", "postgres-18.4.0-beta.17", "postgres-18.3.0", "spool"]) {
      mkdirSync(join(home, name));
    }

    await removeOtherBinaries(bundle, home);

    expect((await readdir(home)).sort()).toEqual(["postgres", "postgres-18.4.0-beta.17", "spool"]);
    await rm(home, { recursive: true });
  });
});
