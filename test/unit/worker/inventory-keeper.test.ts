import { describe, expect, it } from "vitest";
import type { Interface, RouterId } from "../../../src/routers/router.ts";
import type { TextFact } from "../../../src/routers/samples.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";
import { InventoryKeeper } from "../../../src/worker/inventory-keeper.ts";

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
  const saved: { interfaces?: readonly Interface[]; texts?: readonly TextFact[] }[] = [];
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

    await keep({ interfaces: [{ ifIndex: 1, ifName: "ge-0/0/0" }], texts: [factOf("core-a")] });
    await keep({ interfaces: [{ ifIndex: 1, ifName: "ge-0/0/0" }], texts: [factOf("core-a")] });
    await keep({ interfaces: [{ ifIndex: 1, ifName: "ge-0/0/0" }], texts: [factOf("core-b")] });

    expect(saved).toEqual([
      { interfaces: [{ ifIndex: 1, ifName: "ge-0/0/0" }], texts: [factOf("core-a")] },
      { texts: [factOf("core-b")] },
    ]);
  });

  it("leaves the interfaces as they are when the table was not read to its end", async () => {
    const { saved, keep } = openKeeper();

    await keep({ interfaces: undefined, texts: [] });

    expect(saved).toEqual([]);
  });

  it("writes it at the next poll when Postgres was away", async () => {
    let isAway = true;
    const { saved, keep } = openKeeper(() => isAway);
    const read = { interfaces: [{ ifIndex: 7 }], texts: [] };

    await keep(read);
    isAway = false;
    await keep(read);

    expect(saved).toEqual([{ interfaces: [{ ifIndex: 7 }] }]);
  });
});
