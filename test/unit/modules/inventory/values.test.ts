import { describe, expect, it } from "vitest";
import { chassisIdText, portIdText } from "../../../../src/modules/inventory/lldp-ids.ts";
import {
  addressText,
  familyAddressText,
  netmaskText,
} from "../../../../src/modules/inventory/network-address.ts";
import { scaled } from "../../../../src/modules/inventory/sensors.ts";

const ascii = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"));

describe("LLDP ids", () => {
  it.each([
    [4, Uint8Array.of(0, 0x1b, 0x21, 0xbb, 0xe6, 0xf0), "00:1b:21:bb:e6:f0"],
    [4, ascii("vmnic3"), "76:6d:6e:69:63:33"],
    [4, ascii("609C9F7FA496"), "60:9c:9f:7f:a4:96"],
    [4, ascii("e4 f0 04 fb 1f fb"), "e4:f0:04:fb:1f:fb"],
    [4, ascii("64:D1:54:F2:A4:16"), "64:d1:54:f2:a4:16"],
    [4, ascii("609c.9f7f.a496"), "60:9c:9f:7f:a4:96"],
    [5, Uint8Array.of(1, 10, 0, 0, 1), "10.0.0.1"],
    [7, ascii("core-1(SSI183)"), "core-1(SSI183)"],
    [undefined, Uint8Array.of(0xc4, 0xc6, 3, 0x88, 0x38, 0x60), "c4:c6:03:88:38:60"],
  ])("a chassis id of subtype %s", (subtype, octets, text) => {
    expect(chassisIdText(subtype, octets)).toBe(text);
  });

  it("a port's MAC has another subtype than a chassis's", () => {
    const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);

    expect(portIdText(3, mac)).toBe("02:00:00:00:00:01");
    expect(portIdText(5, ascii("Gi0/1"))).toBe("Gi0/1");
  });
});

describe("addresses", () => {
  it("are dotted, or shortened as RFC 5952 says", () => {
    const ipv6 = (...groups: number[]) => groups.flatMap((group) => [group >> 8, group & 255]);

    expect(addressText([10, 0, 0, 1])).toBe("10.0.0.1");
    expect(addressText(ipv6(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1))).toBe("2001:db8::1:0:0:1");
    expect(addressText(ipv6(0x2001, 0xdb8, 0, 1, 1, 1, 1, 1))).toBe("2001:db8:0:1:1:1:1:1");
    expect(addressText(ipv6(0, 0, 0, 0, 0, 0, 0, 0))).toBe("::");
    expect(addressText([1, 2, 3])).toBeUndefined();
    expect(familyAddressText(Uint8Array.of(2, 10, 0, 0, 1))).toBeUndefined();
    expect([netmaskText(0), netmaskText(23), netmaskText(33)]).toEqual([
      "0.0.0.0",
      "255.255.254.0",
      undefined,
    ]);
  });
});

describe("a sensor's value", () => {
  it.each([
    [533, 9, 1, "53.3"],
    [-5, 9, 2, "-0.05"],
    [12_000, 8, 0, "12"],
    [7, 10, 0, "7000"],
    [0, 9, 3, "0"],
    [0, 12, 0, "0"],
    [1_234_567, 6, 0, "0.001234567"],
  ])("%i at scale %i and precision %i is %s", (raw, scale, precision, value) => {
    expect(scaled(raw, scale, precision)).toBe(value);
  });

  it("is not known without a scale that means something", () => {
    expect(scaled(1, 0, 0)).toBeUndefined();
    expect(scaled(1, 9, undefined)).toBeUndefined();
  });
});
