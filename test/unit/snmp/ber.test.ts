import { describe, expect, test } from "vitest";
import {
  BerError,
  BerReader,
  BerWriter,
  compareOidBytes,
  counter64Value,
  decodeOid,
  decodeSubIds,
  encodeOid,
  encodeSubIds,
  integerValue,
  ipAddressValue,
  readInteger,
  readUnsigned,
  TAG,
  unsignedValue,
} from "../../../src/snmp/ber.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const octets = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

describe("OIDs", () => {
  test.each([
    ["1.3.6.1.2.1.1.3.0", "2b06010201010300"],
    [".1.3.6.1", "2b0601"],
    ["1.3.6.1.4.1.4294967295", "2b0601" + "0401" + "8fffffff7f"],
    ["2.100.3", "813403"],
    ["0.0", "00"],
    ["1.3.127.128.16383.16384", "2b7f8100ff7f818000"],
  ])("%s has the content octets %s", (dotted, expected) => {
    expect(hex(encodeOid(dotted))).toBe(expected);

    expect(decodeOid(octets(expected))).toBe(dotted.replace(/^\./, ""));
  });

  test.each(["", "1", "1.", "1..3", "3.1", "1.40", "1.3.4294967296", "1.3.-1", "1.3.x", "1.3. 4"])(
    "%j is refused as an OID",
    (dotted) => {
      expect(() => encodeOid(dotted)).toThrow(BerError);
    },
  );

  test.each(["", "2b86", "2b8001", "2b9fffffff7f", "2b8fffffffffff7f"])(
    "the octets %j are refused as an OID",
    (content) => {
      expect(() => decodeOid(octets(content))).toThrow(BerError);
    },
  );

  test("the tail of an OID has no joined first pair", () => {
    expect(hex(encodeSubIds("48.300"))).toBe("30822c");
    expect(decodeSubIds(octets("30822c"))).toBe("48.300");
    expect(encodeSubIds("")).toHaveLength(0);
    expect(decodeSubIds(octets(""))).toBe("");
  });

  test("OIDs are ordered by number, not by octet", () => {
    const ordered = [
      "1.3",
      "1.3.1",
      "1.3.2",
      "1.3.127",
      "1.3.128",
      "1.3.16383",
      "1.3.16384",
      "1.3.16384.0",
      "1.3.4294967295",
      "1.4",
    ];
    for (let i = 0; i < ordered.length; i++) {
      for (let k = 0; k < ordered.length; k++) {
        const compared = compareOidBytes(
          encodeOid(ordered[i] as string),
          encodeOid(ordered[k] as string),
        );
        expect(Math.sign(compared), `${ordered[i]} against ${ordered[k]}`).toBe(Math.sign(i - k));
      }
    }
  });
});

describe("values", () => {
  test.each([
    [0, "00"],
    [127, "7f"],
    [128, "0080"],
    [-1, "ff"],
    [-128, "80"],
    [-129, "ff7f"],
    [2_147_483_647, "7fffffff"],
    [-2_147_483_648, "80000000"],
  ])("INTEGER %d is %s", (value, expected) => {
    expect(hex(integerValue(value))).toBe(expected);

    expect(readInteger(octets(expected))).toBe(value);
  });

  test.each([
    [0xffff_ffff, "00ffffffff"],
    [0x8000_0000, "0080000000"],
    [200, "00c8"],
  ])("Gauge32 %d is %s", (value, expected) => {
    expect(hex(unsignedValue(value))).toBe(expected);

    expect(readUnsigned(octets(expected), TAG.gauge32)).toBe(BigInt(value));
  });

  test("Counter64 keeps all 64 bits", () => {
    const largest = 2n ** 64n - 1n;

    expect(hex(counter64Value(largest))).toBe("00ffffffffffffffff");
    expect(readUnsigned(counter64Value(largest), TAG.counter64)).toBe(largest);
    expect(readUnsigned(octets("ffffffffffffffff"), TAG.counter64)).toBe(largest);
  });

  test("a Counter32 sent as a negative number is its 32 bits", () => {
    expect(readUnsigned(octets("ff"), TAG.counter32)).toBe(0xffff_ffffn);
    expect(readUnsigned(octets("80000000"), TAG.counter32)).toBe(0x8000_0000n);
  });

  test("an IpAddress is four octets", () => {
    expect(hex(ipAddressValue("192.0.2.1"))).toBe("c0000201");
    expect(() => ipAddressValue("192.0.2")).toThrow(BerError);
    expect(() => ipAddressValue("192.0.2.256")).toThrow(BerError);
  });
});

describe("elements", () => {
  test("what is written is read back, at every length of length", () => {
    for (const size of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
      const content = new Uint8Array(size).fill(7);
      const writer = new BerWriter(4);
      const outer = writer.begin(TAG.sequence);
      const inner = writer.begin(TAG.response);
      writer.octets(TAG.octetString, content);
      writer.integer(-5);
      writer.end(inner);
      writer.null();
      writer.end(outer);

      const sequence = new BerReader(writer.bytes()).enter(TAG.sequence);
      const pdu = sequence.enter(TAG.response);
      expect(Buffer.compare(pdu.octets(TAG.octetString), content)).toBe(0);
      expect(pdu.integer()).toBe(-5);
      expect(pdu.atEnd).toBe(true);
      expect(sequence.any()).toEqual({ tag: TAG.null, value: new Uint8Array(0) });
      expect(sequence.peekTag()).toBe(-1);
    }
  });

  test("lengths longer than necessary are read", () => {
    expect(new BerReader(octets("02830000010a")).integer()).toBe(10);
  });

  test.each([
    ["an element cut off within its header", "02"],
    ["a length past the end", "020401"],
    ["an indefinite length", "0280010000"],
    ["a length of five octets", "02850000000001" + "01"],
    ["a length of 20 MiB", "028401400000" + "00"],
    ["a length cut off", "0282ff"],
    ["another tag", "040101"],
    ["an empty integer", "0200"],
  ])("%s is refused", (_what, text) => {
    expect(() => new BerReader(octets(text)).integer()).toThrow(BerError);
  });

  test("an inner element cannot reach beyond its outer one", () => {
    const sequence = new BerReader(octets("3003020401020304")).enter(TAG.sequence);

    expect(() => sequence.integer()).toThrow(BerError);
  });

  test("a writer takes back what did not fit", () => {
    const writer = new BerWriter();
    writer.integer(1);
    const before = writer.length;
    writer.integer(2);

    writer.truncate(before);

    expect(hex(writer.bytes())).toBe("020101");
  });
});
