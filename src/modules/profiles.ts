/**
 * Which modules a router gets that was registered without any: by the longest prefix of its sysObjectID that a profile
 * names. Prefixes end at a dot, so 1.3.6.1.4.1.9 is Cisco and 1.3.6.1.4.1.99 is not.
 */

import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import { ModulesError } from "./parse-modules.ts";
import { YamlReader } from "./yaml-reader.ts";

export interface Profile {
  readonly name: string;
  readonly sysObjectID: string;
  readonly modules: readonly string[];
}

export interface Profiles {
  /** For a router no profile names, or whose sysObjectID is not known yet. */
  readonly default: readonly string[];
  readonly profiles: readonly Profile[];
}

/** The modules of a router by its sysObjectID (dotted, with or without a leading dot; undefined = not known yet). */
export function modulesFor(profiles: Profiles, sysObjectId: string | undefined): readonly string[] {
  if (sysObjectId === undefined) return profiles.default;
  const dotted = `${sysObjectId.replace(/^\./, "")}.`;
  let best: Profile | undefined;
  for (const profile of profiles.profiles) {
    if (!dotted.startsWith(`${profile.sysObjectID}.`)) continue;
    if (best === undefined || profile.sysObjectID.length > best.sysObjectID.length) best = profile;
  }
  return best?.modules ?? profiles.default;
}

/** Reads `profiles.yaml`. Rejects with a ModulesError that holds every problem, among them modules that do not exist. */
export async function loadProfiles(
  file: string,
  modules: ReadonlyMap<string, unknown>,
): Promise<Profiles> {
  return parseProfiles(await readFile(file, "utf8"), file, modules);
}

export function parseProfiles(
  yamlText: string,
  fileName: string,
  modules: ReadonlyMap<string, unknown>,
): Profiles {
  const document = parseDocument(yamlText, { schema: "failsafe" });
  const problems = document.errors.map((error) => error.message.split("\n")[0] ?? error.message);
  if (problems.length > 0) throw new ModulesError(fileName, problems);

  const file = new YamlReader(document.toJS() as unknown, "", problems);
  file.refuseOthers(["default", "profiles"]);
  const named = (item: YamlReader, position: number) =>
    `profile "${item.peek("name") ?? position + 1}"`;
  const profiles = file.list("profiles", named).map((body): Profile => {
    body.refuseOthers(["name", "sysObjectID", "modules"]);
    const sysObjectID = body.oid("sysObjectID");
    return {
      name: body.text("name", sysObjectID),
      sysObjectID,
      modules: moduleNames(body, "modules", modules),
    };
  });
  const fallback = moduleNames(file, "default", modules);
  const prefixes = new Set<string>();
  for (const { name, sysObjectID } of profiles) {
    if (prefixes.has(sysObjectID)) {
      problems.push(
        `profile "${name}": sysObjectID ${sysObjectID} has a profile already; merge the two`,
      );
    }
    prefixes.add(sysObjectID);
  }
  if (problems.length > 0) throw new ModulesError(fileName, problems);
  return { default: fallback, profiles };
}

function moduleNames(
  body: YamlReader,
  key: string,
  modules: ReadonlyMap<string, unknown>,
): readonly string[] {
  const names = body.texts(key);
  if (names.length === 0) body.report(key, "is missing or empty; list the names of modules");
  for (const name of names) {
    if (!modules.has(name)) body.report(key, `has "${name}", and no such module is loaded`);
  }
  return names;
}
