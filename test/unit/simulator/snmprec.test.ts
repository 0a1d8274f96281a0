import { describe, expect, it } from "vitest";
import { parseSnmprec } from "../../../src/simulator/snmprec.ts";
import { decodeOid } from "../../../src/snmp/ber.ts";

function parse(text: string | Buffer) {
  return parseSnmprec(Buffer.from(text), "lab/core.snmprec");
}

/** The content octets a line's value becomes, in hexadecimal. */
function octetsOf(line: string): string {
  const [row] = parse(`1.3.6.1.1|${line}`);
  return Buffer.from(row?.value ?? []).toString("hex");
}

describe("a .snmprec line becomes what an agent sends", () => {
  it.each([
    ["2|5", "05"],
    ["2|-1", "ff"],
    ["2|128", "0080"],
    ["2|-2147483648", "80000000"],
    ["4|abc", "616263"],
    ["4|", ""],
    ["4|a|b|c", "617c627c63"],
    ["4x|00fF10", "00ff10"],
    ["5|", ""],
    ["6|1.3.6.1.4.1.9", "2b0601040109"],
    ["64|192.0.2.1", "c0000201"],
    ["64x|c0000201", "c0000201"],
    ["65|4294967295", "00ffffffff"],
    ["65|-94967296", "fa56ea00"],
    ["66|0", "00"],
    ["67|8640000", "0083d600"],
    ["68x|9f780442c80000", "9f780442c80000"],
    ["70|18446744073709551615", "00ffffffffffffffff"],
    ["70|9223372036854775808", "008000000000000000"],
  ])("%s", (line, expected) => {
    expect(octetsOf(line)).toBe(expected);
  });

  it("keeps the octets of text that is not UTF-8", () => {
    const line = Buffer.concat([Buffer.from("1.3.6.1.1|4|"), Buffer.from([0xe9, 0x00, 0xff])]);

    expect([...(parse(line)[0]?.value ?? [])]).toEqual([0xe9, 0x00, 0xff]);
  });

  it("passes over empty lines, comments and carriage returns", () => {
    const rows = parse("# core\r\n\r\n1.3.6.1.1|4|a\r\n");

    expect(rows.map(({ value }) => Buffer.from(value).toString())).toEqual(["a"]);
  });

  it("orders rows by number, not as text", () => {
    const rows = parse("1.3.6.1.10|2|1\n1.3.6.1.2|2|1\n1.3.6.1.128|2|1\n1.3.6.1.2.1|2|1\n");

    expect(rows.map(({ oid }) => decodeOid(oid))).toEqual([
      "1.3.6.1.2",
      "1.3.6.1.2.1",
      "1.3.6.1.10",
      "1.3.6.1.128",
    ]);
  });
});

describe("a line that cannot be served is named", () => {
  it.each([
    ["1.3.6.1.1", 'expected OID|TAG|VALUE, got "1.3.6.1.1"'],
    ["1.3.6.1.1|2", 'expected OID|TAG|VALUE, got "1.3.6.1.1|2"'],
    ["1.3.x|2|1", "x"],
    ["1.3.6.1.4294967296|2|1", "4294967296"],
    ["1.3.6.1.1|two|1", 'tag "two" is not a number'],
    ["1.3.6.1.1|4e|a", 'tag "4e" is not a number'],
    ["1.3.6.1.1|71|1", "tag 71 is not one of"],
    ["1.3.6.1.1|2x|01", "only 4x, 64x and 68x"],
    ["1.3.6.1.1|4x|0", "not an even number of hexadecimal digits"],
    ["1.3.6.1.1|4x|0g", "not an even number of hexadecimal digits"],
    ["1.3.6.1.1|64x|c00002", "not the four octets"],
    ["1.3.6.1.1|64|192.0.2", "192.0.2"],
    ["1.3.6.1.1|2|2147483648", "not a whole number from -2147483648 to 2147483647"],
    ["1.3.6.1.1|2|1.5", "not a whole number"],
    ["1.3.6.1.1|65|4294967296", "not a whole number"],
    ["1.3.6.1.1|70|18446744073709551616", "not a whole number"],
    ["1.3.6.1.1|70|-1", "not a whole number"],
    ["1.3.6.1.1|5|x", "a NULL has no value"],
    ["1.3.6.1.1|6|mib-2", "mib-2"],
  ])("%s", (line, reason) => {
    expect(() => parse(`1.3.6.1.0|2|0\n${line}\n`)).toThrow("Cannot read lab/core.snmprec:2: ");
    expect(() => parse(`1.3.6.1.0|2|0\n${line}\n`)).toThrow(reason);
  });

  it("names both lines of an OID that is there twice", () => {
    expect(() => parse("1.3.6.1.1|2|1\n1.3.6.1.2|2|1\n1.3.6.1.1|2|2\n")).toThrow(
      "Cannot read lab/core.snmprec:3: its OID is also on line 1; remove one of the two",
    );
  });
});
