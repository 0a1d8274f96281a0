import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { loadModules } from "../../../src/modules/load-modules.ts";

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "modules-"));
  folders.push(folder);
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  return folder;
}

function moduleText(name: string, metric: string): string {
  return `modules: { ${name}: { get: [1.3.1.0], metrics: [{ name: ${metric}, oid: 1.3.1, type: gauge, help: of a test }] } }\n`;
}

it("modules of one's own add to those included, and replace one of their name", async () => {
  const included = await folderWith({ "a.yaml": moduleText("one", "old") });
  const own = await folderWith({
    "x.yml": moduleText("one", "new"),
    "y.yaml": moduleText("two", "other"),
    "notes.txt": "no module",
  });

  const modules = await loadModules(included, own);

  expect([...modules.keys()].toSorted()).toEqual(["one", "two"]);
  expect(modules.get("one")?.metrics[0]?.name).toBe("new");
});

it("one name in two files of a folder is refused with both", async () => {
  const folder = await folderWith({
    "a.yaml": moduleText("one", "first"),
    "b.yaml": moduleText("one", "second"),
  });

  await expect(loadModules(folder)).rejects.toThrow(/b\.yaml.*"one" is defined in a\.yaml too/);
});
