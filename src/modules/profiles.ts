/**
 * Which modules a router gets that was registered without any. A profile is chosen by the longest prefix of the router's
 * sysObjectID, and among those of one prefix by what sysDescr says; prefixes end at a dot, so 1.3.6.1.4.1.9 is Cisco and
 * 1.3.6.1.4.1.99 is not. Probes add the modules of tables the router turned out to have, so that a router no profile
 * knows gets what its agent answers.
 */

import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import { matchText, regexFromGo } from "./go-regex.ts";
import { ModulesError } from "./parse-modules.ts";
import { YamlReader } from "./yaml-reader.ts";

export interface Profile {
  readonly name: string;
  readonly sysObjectID: string;
  /** Undefined: whatever sysDescr says. */
  readonly sysDescr: RegExp | undefined;
  readonly modules: readonly string[];
}

export interface Probe {
  /** A router with something below it gets the modules. */
  readonly oid: string;
  readonly modules: readonly string[];
}

export interface Profiles {
  /** For a router no profile names, or that is not known yet. */
  readonly default: readonly string[];
  readonly probes: readonly Probe[];
  readonly profiles: readonly Profile[];
}

/** What a profile is chosen by. */
export interface Described {
  /** Dotted, with or without a leading dot. */
  readonly sysObjectID?: string;
  readonly sysDescr?: string;
  /** OIDs of probes that the router answered. */
  readonly answering: readonly string[];
}

/** The modules of a router, each once; undefined = nothing is known of it yet. */
export function modulesFor(profiles: Profiles, router: Described | undefined): readonly string[] {
  if (router === undefined) return profiles.default;
  const chosen = profileOf(profiles.profiles, router)?.modules ?? profiles.default;
  const probed = profiles.probes.filter(({ oid }) => router.answering.includes(oid));
  return [...new Set([...chosen, ...probed.flatMap(({ modules }) => modules)])];
}

function profileOf(
  profiles: readonly Profile[],
  { sysObjectID, sysDescr }: Described,
): Profile | undefined {
  if (sysObjectID === undefined) return undefined;
  const dotted = `${sysObjectID.replace(/^\./, "")}.`;
  let best: Profile | undefined;
  for (const profile of profiles) {
    if (!dotted.startsWith(`${profile.sysObjectID}.`)) continue;
    if (profile.sysDescr !== undefined && matchText(profile.sysDescr, sysDescr ?? "") === null) {
      continue;
    }
    if (best === undefined || isCloser(profile, best)) best = profile;
  }
  return best;
}

/** A longer prefix, or the same with a word on sysDescr. */
function isCloser(profile: Profile, best: Profile): boolean {
  const longer = profile.sysObjectID.length - best.sysObjectID.length;
  if (longer !== 0) return longer > 0;
  return profile.sysDescr !== undefined && best.sysDescr === undefined;
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
  file.refuseOthers(["default", "probes", "profiles"]);
  const named = (item: YamlReader, position: number) =>
    `profile "${item.peek("name") ?? position + 1}"`;
  const profiles = file.list("profiles", named).map((body): Profile => {
    body.refuseOthers(["name", "sysObjectID", "sysDescr", "modules"]);
    const sysObjectID = body.oid("sysObjectID");
    const sysDescr = body.text("sysDescr");
    return {
      name: body.text("name", sysObjectID),
      sysObjectID,
      sysDescr: sysDescr === "" ? undefined : body.regex("sysDescr", sysDescr, regexFromGo),
      modules: moduleNames(body, "modules", modules),
    };
  });
  const probes = file
    .list("probes", (item, position) => `probe "${item.peek("oid") ?? position + 1}"`)
    .map((body): Probe => {
      body.refuseOthers(["oid", "modules"]);
      return { oid: body.oid("oid"), modules: moduleNames(body, "modules", modules) };
    });
  const fallback = moduleNames(file, "default", modules);
  const choices = new Set<string>();
  for (const { name, sysObjectID, sysDescr } of profiles) {
    const choice = `${sysObjectID} ${sysDescr?.source ?? ""}`;
    if (choices.has(choice)) {
      problems.push(
        `profile "${name}": sysObjectID ${sysObjectID} has a profile already; merge the two`,
      );
    }
    choices.add(choice);
  }
  if (problems.length > 0) throw new ModulesError(fileName, problems);
  return { default: fallback, probes, profiles };
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
