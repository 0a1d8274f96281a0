import { describe, expect, it } from "vitest";
import type { RouterId } from "../../../src/routers/router.ts";
import type { TextFact } from "../../../src/routers/samples.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";
import { InventoryKeeper, type InventoryToSave } from "../../../src/worker/inventory-keeper.ts";

const silentLog = { debug() {}, info() {}, warn() {}, error() {} } as never;
const tenant = "t" as TenantId;
const router = "r" as RouterId;

const factOf = (value: string): TextFact => ({
  module: "system",
  metric: "sysName",
  instance: "",
  labels: {},
  value,
});

function openKeeper(fails: () => boolean = () => false) {
  const saved: InventoryToSave[] = [];
  const keeper = new InventoryKeeper(async (_tenant, _router, inventory) => {
    if (fails()) throw new Error("no database");
    saved.push(inventory);
  }, silentLog);
  return {
    saved,
    keep: (read: Parameters<InventoryKeeper["keep"]>[2]) => keeper.keep(tenant, router, read, 0),
  };
}

describe("the inventory keeper", () => {
  it("writes what a router says once, and again when it says something else", async () => {
    const { saved, keep } = openKeeper();

    await keep({ texts: [factOf("core-a")] });
    await keep({ texts: [factOf("core-a")] });
    await keep({ texts: [factOf("core-b")] });

    expect(saved).toEqual([{ texts: [factOf("core-a")] }, { texts: [factOf("core-b")] }]);
  });

  it("writes an inventory whenever it was read", async () => {
    const { saved, keep } = openKeeper();
    const discovery = { readAtMs: { system: 1 }, answering: [], signals: {} };
    const inventory = {
      interfaces: [{ ifIndex: 1, ifName: "ge-0/0/0" }],
      sections: { documents: [], discovery },
    };

    await keep({ texts: [factOf("core-a")], ...inventory });
    await keep({ texts: [factOf("core-a")], ...inventory });

    expect(saved).toEqual([{ texts: [factOf("core-a")], ...inventory }, inventory]);
  });

  it("writes it at the next poll when Postgres was away", async () => {
    let isAway = true;
    const { saved, keep } = openKeeper(() => isAway);
    const read = { texts: [factOf("core-a")] };

    expect(await keep(read)).toBe(false);
    isAway = false;
    expect(await keep(read)).toBe(true);

    expect(saved).toEqual([read]);
  });
});
