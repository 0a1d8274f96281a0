import { expect, test } from "vitest";
import { peerAddress } from "../../../src/snmp/address.ts";

test.each([
  ["192.0.2.1", 4, "192.0.2.1"],
  ["2001:DB8:0:0::1", 6, "2001:db8::1"],
  ["::ffff:192.0.2.1", 4, "192.0.2.1"],
  ["::FFFF:c000:201", 4, "192.0.2.1"],
  ["fe80::1%eth0", 6, "fe80::1%eth0"],
  ["0:0:0:0:0:0:0:1", 6, "::1"],
] as const)("%s is the IPv%d peer %s", (text, family, address) => {
  expect(peerAddress(text, 161)).toEqual({ family, address, port: 161 });
});

test.each(["router.example", "", "192.0.2", "192.0.2.256", "192.0.2.1:161", "[::1]"])(
  "%j is no address",
  (text) => {
    expect(peerAddress(text, 161)).toBeUndefined();
  },
);

test.each([0, -1, 65_536, 1.5, Number.NaN])("%d is no port", (port) => {
  expect(peerAddress("192.0.2.1", port)).toBeUndefined();
});
