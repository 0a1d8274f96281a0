import { join } from "node:path";
import { expect, it } from "vitest";
import { loadModules } from "../../../src/modules/load-modules.ts";
import { metricKinds } from "../../../src/modules/metric-kinds.ts";

const MODULES = join(import.meta.dirname, "..", "..", "..", "config", "modules");

it("knows counters, those of 32 bits, and takes everything else as a gauge", async () => {
  const kindOf = metricKinds(await loadModules(MODULES));

  expect(
    [
      ["if_mib", "ifHCInOctets"],
      ["if_mib", "ifInOctets"],
      ["if_mib", "ifInErrors"],
      ["if_mib_full", "ifInOctets"],
      ["if_mib_full", "ifHCInOctets"],
      ["if_mib", "ifOperStatus"],
      ["if_mib", "ifSpeed"],
      ["no_such_module", "ifInOctets"],
    ].map(([module = "", metric = ""]) => kindOf(module, metric)),
  ).toEqual([
    "counter",
    "counter32",
    "counter32",
    "counter32",
    "counter",
    "gauge",
    "gauge",
    "gauge",
  ]);
});
