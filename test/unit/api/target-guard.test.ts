import { describe, expect, it } from "vitest";
import { canonicalAddress, targetJudge } from "../../../src/api/target-guard.ts";

const NOTHING_ALLOWED = { allowLoopback: false, ownAddresses: [], allow: [] };
const SHARED = { shared: true };
const OWN = { shared: false };

describe("addresses", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:DB8:0:0::1", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::FFFF:7f00:1", "127.0.0.1"],
    ["2001:db8::192.0.2.33", "2001:db8::c000:221"],
  ])("%s is stored as %s", (text, expected) => {
    expect(canonicalAddress(text)).toBe(expected);
  });

  it.each([
    "router.example",
    "010.0.0.1",
    "1.2.3",
    "fe80::1%eth0",
    "[192.0.2.1]",
    "",
    "1.2.3.4 ",
    "::1]",
  ])("%j is not an address", (text) => {
    expect(canonicalAddress(text)).toBeUndefined();
  });
});

describe("a shared zone", () => {
  const judge = targetJudge(NOTHING_ALLOWED);

  it.each([
    ["127.0.0.1", "loopback"],
    ["127.255.0.9", "loopback"],
    ["::1", "loopback"],
    ["169.254.169.254", "link-local"],
    ["fe80::1", "link-local"],
    ["febf::1", "link-local"],
    ["224.0.0.5", "multicast"],
    ["ff02::1", "multicast"],
    ["0.0.0.0", "unspecified"],
    ["::", "unspecified"],
    ["255.255.255.255", "broadcast"],
    ["64:ff9b::7f00:1", "stands for an IPv4"],
    ["::7f00:1", "stands for an IPv4"],
  ])("refuses %s as %s", (address, word) => {
    expect(judge(address, SHARED)).toContain(word);
  });

  it.each(["10.0.0.1", "192.168.1.1", "100.64.0.1", "8.8.8.8", "2001:db8::1", "fd00::1"])(
    "takes %s: private and public addresses alike",
    (address) => {
      expect(judge(address, SHARED)).toBeUndefined();
    },
  );

  it("refuses the platform's own addresses", () => {
    const own = targetJudge({ ...NOTHING_ALLOWED, ownAddresses: ["10.9.8.7", "2001:db8::9"] });

    expect(own("10.9.8.7", SHARED)).toContain("platform");
    expect(own("2001:db8::9", SHARED)).toContain("platform");
    expect(own("10.9.8.7", OWN)).toBeUndefined();
  });

  it("takes loopback where that is allowed, and nothing else by it", () => {
    const embedded = targetJudge({
      ...NOTHING_ALLOWED,
      allowLoopback: true,
      ownAddresses: ["127.0.0.1"],
    });

    expect(embedded("127.0.0.1", SHARED)).toBeUndefined();
    expect(embedded("::1", SHARED)).toBeUndefined();
    expect(embedded("169.254.0.1", SHARED)).toContain("link-local");
  });

  it("takes what the allow list names, but never what cannot be one router", () => {
    const listed = targetJudge({ ...NOTHING_ALLOWED, allow: ["169.254.7.0/24", "224.0.0.0/4"] });

    expect(listed("169.254.7.9", SHARED)).toBeUndefined();
    expect(listed("169.254.8.9", SHARED)).toContain("link-local");
    expect(listed("224.0.0.1", SHARED)).toContain("multicast");
  });
});

it("a zone of the tenant's own takes loopback and link-local, never multicast", () => {
  const judge = targetJudge(NOTHING_ALLOWED);

  expect(judge("127.0.0.1", OWN)).toBeUndefined();
  expect(judge("fe80::1", OWN)).toBeUndefined();
  expect(judge("ff02::1", OWN)).toContain("multicast");
  expect(judge("0.0.0.0", OWN)).toContain("unspecified");
});

it("an allow list that is not made of addresses is refused by name", () => {
  expect(() => targetJudge({ ...NOTHING_ALLOWED, allow: ["example.net"] })).toThrow(
    '"example.net"',
  );
});
