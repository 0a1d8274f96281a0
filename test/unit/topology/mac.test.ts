import { expect, it } from "vitest";
import { deviceMac } from "../../../src/topology/mac.ts";

function check(text: string, expected: string | undefined): void {
  expect(deviceMac(text), JSON.stringify(text)).toBe(expected);
}

it("reads every form agents give a MAC address", () => {
  check("00:1A:2b:03:04:05", "00:1a:2b:03:04:05");
  check("0:1a:2b:3:4:5", "00:1a:2b:03:04:05");
  check("00-1a-2b-03-04-05", "00:1a:2b:03:04:05");
  check("001a.2b03.0405", "00:1a:2b:03:04:05");
  check("001a2b030405", "00:1a:2b:03:04:05");
  check("\x8c`O\x19\x16:", "8c:60:4f:19:16:3a");
});

it("takes no name for an address", () => {
  check("switch", undefined);
  check("", undefined);
  check("00:1a:2b:03:04", undefined);
  check("core-1", undefined);
});

it("drops what cannot tell one device: zero, groups, and addresses of redundancy protocols", () => {
  check("00:00:00:00:00:00", undefined);
  check("ff:ff:ff:ff:ff:ff", undefined);
  check("01:80:c2:00:00:0e", undefined);
  check("00:00:5e:00:01:0a", undefined);
  check("00:00:0c:07:ac:01", undefined);
});
