import { describe, expect, test } from "vitest";
import { UsmCache, type UsmCredential } from "../../../src/snmp/usm-cache.ts";

const CREDENTIAL: UsmCredential = {
  version: "3",
  username: "reader",
  securityLevel: "noAuthNoPriv",
};
const ID = Buffer.from("80001f8804deadbeef", "hex");

function learn(cache: UsmCache, usmKey: string, id: Uint8Array = ID): void {
  cache.engine(usmKey, CREDENTIAL).learn(id, 1, 100, 0);
}

describe("two routers that say they are the same engine", () => {
  test("are counted when they are one tenant's", () => {
    const cache = new UsmCache();
    learn(cache, "a/default/192.0.2.1/161");
    learn(cache, "a/default/192.0.2.2/161");

    expect(cache.duplicateIds).toBe(1);
  });

  test("are not when they are different tenants', who may poll the same router", () => {
    const cache = new UsmCache();
    learn(cache, "a/default/192.0.2.1/161");
    learn(cache, "b/default/192.0.2.1/161");

    expect(cache.duplicateIds).toBe(0);
  });

  test("are one router that was asked again", () => {
    const cache = new UsmCache();
    learn(cache, "a/default/192.0.2.1/161");
    cache.engine("a/default/192.0.2.1/161", CREDENTIAL).forget();
    learn(cache, "a/default/192.0.2.1/161");
    learn(cache, "a/default/192.0.2.2/161", Buffer.from("80001f8804deadbee0", "hex"));

    expect(cache.duplicateIds).toBe(0);
  });
});
