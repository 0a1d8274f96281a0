import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  interfaceMetrics,
  type NewestBlock,
  NewestInterfaces,
  type ShownInterface,
} from "../../../src/api/newest-interfaces.ts";
import { loadModules } from "../../../src/modules/load-modules.ts";

const MODULES = join(import.meta.dirname, "..", "..", "..", "config", "modules");
let metrics: ReadonlySet<string>;

beforeAll(async () => {
  metrics = interfaceMetrics(await loadModules(MODULES));
});

const stored: ShownInterface = {
  ifIndex: 1,
  rows: "both",
  ifName: "eth1",
  ifAdminStatus: 1,
  ifOperStatus: 2,
  ifInErrors: "3",
  ifHCInOctets: "10",
};

/** ifOperStatus 1 and ifHCInOctets of interface 1, whose row says nothing of ifHCOutOctets. */
function blockAt(polledAtMs: number, octets: bigint, changes: Partial<NewestBlock> = {}) {
  return {
    module: "if_mib",
    metrics: ["ifOperStatus", "ifHCInOctets", "ifHCOutOctets", "ifHighSpeed"],
    instances: ["1"],
    labels: [{ ifIndex: "1", ifName: "eth1" }],
    values: BigInt64Array.of(1n, octets, 0n, 1_000n),
    present: Uint8Array.of(1, 1, 0, 1),
    polledAt: new Date(polledAtMs),
    ...changes,
  };
}

function over(...blocks: NewestBlock[]): ShownInterface {
  const newest = new NewestInterfaces(metrics);
  for (const block of blocks) newest.add(block);
  return newest.over(stored);
}

describe("what polls said since an interface was read", () => {
  it("takes the place of what was read, and leaves the rest", () => {
    expect(over(blockAt(5_000, -1n))).toEqual({
      ...stored,
      ifOperStatus: 1,
      ifHCInOctets: "18446744073709551615",
    });
  });

  it("is what the latest poll said, in whatever order they come", () => {
    const [early, late] = [blockAt(5_000, 20n), blockAt(6_000, 30n)];

    expect(over(early, late).ifHCInOctets).toBe("30");
    expect(over(late, early).ifHCInOctets).toBe("30");
  });

  it("is not taken where the number has become another interface's", () => {
    const labels = [{ ifIndex: "1", ifName: "eth7" }];

    expect(over(blockAt(5_000, 20n, { labels }))).toEqual(stored);
    expect(over(blockAt(5_000, 20n, { instances: ["2"] }))).toEqual(stored);
  });

  it("is taken of IF-MIB's own columns alone, as the router gave them", () => {
    expect(over(blockAt(5_000, 20n, { module: "of somebody" }))).toEqual(stored);
    expect(over(blockAt(5_000, 20n, { values: Float64Array.of(1, 2.5, 0, 1) }))).toEqual(stored);
  });

  it("tells when it was said", () => {
    const newest = new NewestInterfaces(metrics);
    expect(newest.polledAt).toBeUndefined();
    newest.add(blockAt(6_000, 30n));
    newest.add(blockAt(5_000, 20n, { instances: ["2"] }));

    expect(newest.polledAt).toEqual(new Date(6_000));
  });
});
