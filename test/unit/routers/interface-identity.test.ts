import { describe, expect, it } from "vitest";
import { matchInterfaces } from "../../../src/routers/interface-identity.ts";

const uplink = {
  ifIndex: 1,
  ifName: "Gi0/1",
  ifAlias: "uplink",
  ifPhysAddress: "02:00:00:00:00:01",
};
const access = {
  ifIndex: 2,
  ifName: "Gi0/2",
  ifAlias: "access",
  ifPhysAddress: "02:00:00:00:00:02",
};

describe("interfaces a router lists again", () => {
  it("are those of the same name, though the router numbered them anew", () => {
    const listed = [
      { ...access, ifIndex: 1 },
      { ...uplink, ifIndex: 2 },
    ];

    expect(matchInterfaces([uplink, access], listed)).toEqual([access, uplink]);
  });

  it("are those of the same alias and MAC when they were renamed", () => {
    const listed = [{ ...uplink, ifName: "GigabitEthernet0/1", ifIndex: 7 }, access];

    expect(matchInterfaces([uplink, access], listed)).toEqual([uplink, access]);
  });

  it("are new when a name is nothing but a number's new owner", () => {
    const listed = [{ ifIndex: 1, ifName: "Te0/1", ifPhysAddress: "02:00:00:00:00:99" }, access];

    expect(matchInterfaces([uplink, access], listed)).toEqual([undefined, access]);
  });

  it("keep number and name where names are not unique, and are new where both changed", () => {
    const first = { ifIndex: 1, ifName: "port" };
    const second = { ifIndex: 2, ifName: "port" };

    expect(matchInterfaces([first, second], [first, second])).toEqual([first, second]);
    expect(
      matchInterfaces(
        [first, second],
        [
          { ifIndex: 3, ifName: "port" },
          { ifIndex: 4, ifName: "port" },
        ],
      ),
    ).toEqual([undefined, undefined]);
  });

  it("are told apart by their number alone when the router names nothing", () => {
    expect(matchInterfaces([{ ifIndex: 5 }], [{ ifIndex: 5 }, { ifIndex: 6 }])).toEqual([
      { ifIndex: 5 },
      undefined,
    ]);
  });
});
