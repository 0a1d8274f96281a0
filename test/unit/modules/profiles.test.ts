import { expect, test } from "vitest";
import { ModulesError } from "../../../src/modules/parse-modules.ts";
import { modulesFor, parseProfiles } from "../../../src/modules/profiles.ts";

const MODULES = new Map([
  ["system", 1],
  ["if_mib", 1],
  ["cisco", 1],
  ["nexus", 1],
]);
const YAML = `
default: [system, if_mib]
profiles:
  - { name: cisco, sysObjectID: 1.3.6.1.4.1.9, modules: [system, cisco] }
  - { name: nexus, sysObjectID: 1.3.6.1.4.1.9.12.3.1.3, modules: [system, nexus] }
`;

test("the longest prefix of a router's sysObjectID chooses its profile, and a prefix ends at a dot", () => {
  const profiles = parseProfiles(YAML, "profiles.yaml", MODULES);

  const of = (sysObjectID: string) => modulesFor(profiles, { sysObjectID, answering: [] });
  expect(of("1.3.6.1.4.1.9.1.516")).toEqual(["system", "cisco"]);
  expect(of(".1.3.6.1.4.1.9.12.3.1.3.1084")).toEqual(["system", "nexus"]);
  expect(of("1.3.6.1.4.1.99.1")).toEqual(["system", "if_mib"]);
  expect(modulesFor(profiles, undefined)).toEqual(["system", "if_mib"]);
});

test("of one prefix, sysDescr chooses, and the profile without a word on it is for the others", () => {
  const yaml = `
default: [system]
profiles:
  - { name: cisco, sysObjectID: 1.3.6.1.4.1.9, modules: [cisco] }
  - { name: nexus, sysObjectID: 1.3.6.1.4.1.9, sysDescr: NX-OS, modules: [nexus] }
`;
  const profiles = parseProfiles(yaml, "profiles.yaml", MODULES);
  const of = (sysDescr: string) =>
    modulesFor(profiles, { sysObjectID: "1.3.6.1.4.1.9.12", sysDescr, answering: [] });

  expect(of("Cisco NX-OS(tm) n3000")).toEqual(["nexus"]);
  expect(of("Cisco IOS Software")).toEqual(["cisco"]);
});

test("a router gets the modules of the probes it answers as well, each once", () => {
  const yaml = `
default: [system, if_mib]
probes:
  - { oid: 1.3.6.1.4.1.9.9.109, modules: [cisco, if_mib] }
  - { oid: 1.3.6.1.4.1.9.9.305, modules: [nexus] }
`;
  const profiles = parseProfiles(yaml, "profiles.yaml", MODULES);

  expect(modulesFor(profiles, { answering: ["1.3.6.1.4.1.9.9.109"] })).toEqual([
    "system",
    "if_mib",
    "cisco",
  ]);
});

test("profiles that name unknown modules, keys or OIDs are refused with every problem", () => {
  const yaml = `
default: [sytem]
profils: []
profiles:
  - { name: a, sysObjectID: enterprises.9, modules: [] }
  - { name: b, sysObjectID: 1.3.6.1.4.1.9, modules: [system] }
  - { name: c, sysObjectID: 1.3.6.1.4.1.9, modules: [system] }
`;

  try {
    parseProfiles(yaml, "profiles.yaml", MODULES);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(ModulesError);
    expect((error as ModulesError).problems).toEqual([
      'unknown key "profils" (did you mean "profiles"?)',
      'profile "a": sysObjectID has "enterprises.9"; write an OID in numbers, such as 1.3.6.1.2.1.1',
      'profile "a": modules is missing or empty; list the names of modules',
      'default has "sytem", and no such module is loaded',
      'profile "c": sysObjectID 1.3.6.1.4.1.9 has a profile already; merge the two',
    ]);
  }
});
