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

  expect(modulesFor(profiles, "1.3.6.1.4.1.9.1.516")).toEqual(["system", "cisco"]);
  expect(modulesFor(profiles, ".1.3.6.1.4.1.9.12.3.1.3.1084")).toEqual(["system", "nexus"]);
  expect(modulesFor(profiles, "1.3.6.1.4.1.99.1")).toEqual(["system", "if_mib"]);
  expect(modulesFor(profiles, undefined)).toEqual(["system", "if_mib"]);
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
