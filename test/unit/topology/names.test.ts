import { expect, it } from "vitest";
import {
  comparableInterfaceName,
  comparableName,
  shortName,
  withoutSerial,
} from "../../../src/topology/names.ts";

it("spells one port one way", () => {
  const spellings = ["GigabitEthernet1/0/1", "Gi1/0/1", "gi 1/0/1", "gigabitethernet 1/0/1"];
  expect(new Set(spellings.map(comparableInterfaceName))).toEqual(new Set(["gi1/0/1"]));
  expect(comparableInterfaceName("Eth1/21")).toBe(comparableInterfaceName("Ethernet1/21"));
  expect(comparableInterfaceName("TenGigabitEthernet 0/31")).toBe("te0/31");
});

it("takes the last of a path of names, and leaves a path of numbers", () => {
  expect(comparableInterfaceName("bridge/ether2")).toBe("ether2");
  expect(comparableInterfaceName("trunk: Switch (br1)/trunk: Up (eth1)")).toBe("trunk:up(eth1)");
  expect(comparableInterfaceName("1/0/1")).toBe("1/0/1");
});

it("compares host names without case, white space, NUL and the last dot", () => {
  expect(comparableName(" Core1.Example.NET.\0")).toBe("core1.example.net");
  expect(shortName("core1.example.net")).toBe("core1");
  expect(shortName("192.0.2.1")).toBe("192.0.2.1");
});

it("strips the serial number some switches append to CDP's device id", () => {
  expect(withoutSerial("core1(SSI183706KP)")).toBe("core1");
  expect(withoutSerial("core1")).toBe("core1");
});
