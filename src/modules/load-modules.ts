import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Module } from "./module.ts";
import { ModulesError, parseModules } from "./parse-modules.ts";

/**
 * All modules of the `*.yaml` and `*.yml` files of the directories, by name; a later directory's module replaces an
 * earlier one's of its name. Rejects with a ModulesError that holds the problems of all files of a directory; a name that
 * two files of one directory define is one.
 */
export async function loadModules(
  ...directories: readonly string[]
): Promise<ReadonlyMap<string, Module>> {
  const all = new Map<string, Module>();
  for (const directory of directories) {
    for (const [name, module] of await modulesIn(directory)) all.set(name, module);
  }
  return all;
}

async function modulesIn(directory: string): Promise<ReadonlyMap<string, Module>> {
  const files = (await readdir(directory)).filter((file) => /\.ya?ml$/.test(file)).sort();
  const modules = new Map<string, Module>();
  const definedIn = new Map<string, string>();
  const problems: string[] = [];
  for (const file of files) {
    for (const [name, module] of await modulesOf(directory, file, problems)) {
      const other = definedIn.get(name);
      if (other !== undefined) {
        problems.push(`${file}: module "${name}" is defined in ${other} too; rename or remove one`);
      }
      modules.set(name, module);
      definedIn.set(name, file);
    }
  }
  if (problems.length > 0) throw new ModulesError(directory, problems);
  return modules;
}

async function modulesOf(
  directory: string,
  file: string,
  problems: string[],
): Promise<ReadonlyMap<string, Module>> {
  const text = await readFile(join(directory, file), "utf8");
  try {
    return parseModules(text, file);
  } catch (error) {
    if (!(error instanceof ModulesError)) throw error;
    problems.push(...error.problems.map((problem) => `${file}: ${problem}`));
    return new Map();
  }
}
