import { describe, expect, test } from "vitest";
import {
  dateTimeRegex,
  parseDateAndTime,
  parseDateTimeText,
  parseNtpTimestamp,
} from "../../../src/modules/date-and-time.ts";
import { applyDisplayHint } from "../../../src/modules/display-hint.ts";
import { compareInstances, joinTables } from "../../../src/modules/fetched-table.ts";
import {
  expandTemplate,
  parseGoFloat,
  regexFromGo,
  wholeRegexFromGo,
} from "../../../src/modules/go-regex.ts";
import { neededFallbacks } from "../../../src/modules/table-views.ts";
import { inventoryMac, textAt } from "../../../src/modules/value-text.ts";
import { counter64, integer, opaque, table, text } from "./fetched.ts";

const utc = (...parts: [number, number, number, number?, number?, number?]) =>
  Date.UTC(...parts) / 1000;

describe("DateAndTime", () => {
  const check = (bytes: readonly number[], expected: number | undefined) =>
    expect(parseDateAndTime(Uint8Array.from(bytes))).toBe(expected);

  test("eight octets are UTC, eleven carry their zone, other lengths and signs are no time", () => {
    check([0x07, 0xe8, 2, 29, 23, 59, 58, 9], utc(2024, 1, 29, 23, 59, 58));
    check([0x07, 0xe8, 2, 29, 1, 0, 0, 0, 0x2b, 2, 0], utc(2024, 1, 28, 23));
    check([0x07, 0xe8, 2, 29, 1, 0, 0, 0, 0x2d, 5, 30], utc(2024, 1, 29, 6, 30));
    check([0x07, 0xe8, 2, 29, 1, 0, 0, 0, 0x20, 5, 30], undefined);
    check([0x07, 0xe8, 2], undefined);
    check([], undefined);
  });

  test("an NTP timestamp counts from 1900, and a short one is no time", () => {
    expect(parseNtpTimestamp(Uint8Array.of(0x83, 0xaa, 0x7e, 0x80, 0, 0, 0, 0))).toBe(0);
    expect(parseNtpTimestamp(Uint8Array.of(0x83))).toBe(undefined);
  });
});

test("a time told in text is read by its strptime pattern, and a text that is none gives nothing", () => {
  const check = (pattern: string, said: string, expected: number | undefined) =>
    expect(parseDateTimeText(said, dateTimeRegex(pattern))).toBe(expected);

  check("%b %d %Y", "Jan  5 2031", utc(2031, 0, 5));
  check("%a %b %d %H:%M:%S %Y", "Thu Feb 29 23:04:05 2024", utc(2024, 1, 29, 23, 4, 5));
  check("%Y-%m-%dT%H:%M:%S%z", "2024-02-29T10:00:00+02:00", utc(2024, 1, 29, 8));
  check("%F %T", "2024-02-29 10:00:01", utc(2024, 1, 29, 10, 0, 1));
  check("%d/%m/%y %I:%M %p", "01/12/24 12:05 AM", utc(2024, 11, 1, 0, 5));
  check("%s", "1700000000", 1_700_000_000);
  check("%b %d %Y", "never", undefined);
  expect(() => dateTimeRegex("%Q")).toThrow("unknown directive %Q");
});

test("a display hint writes octets as RFC 2579 says, and a malformed one is not followed", () => {
  const check = (hint: string, bytes: readonly number[], expected: string | undefined) =>
    expect(applyDisplayHint(hint, Uint8Array.from(bytes))).toBe(expected);

  check("1d.1d.1d.1d", [192, 168, 1, 1], "192.168.1.1");
  check("1x:", [0, 0x1a, 0xff], "00:1A:FF");
  check("2d-1d-1d,1d:1d:1d.1d,1a1d:1d", [0x07, 0xe8, 2, 29, 1, 2, 3, 0], "2024-2-29,1:2:3.0");
  check("255a", [0x48, 0x69], "Hi");
  check("*1x:/1d", [2, 0xaa, 0xbb, 7], "AA:BB/7");
  check("0a", [1, 2], undefined);
  check("1q", [1], undefined);
  check("", [1], undefined);
  check("1d", [], undefined);
});

test("Go's expressions and templates mean the same here", () => {
  const match = (source: string, said: string) => wholeRegexFromGo(source).exec(said);
  const expand = (source: string, template: string, said: string) => {
    const found = match(source, said);
    return found === null ? undefined : expandTemplate(template, found);
  };

  expect(expand("(\\d*?)(\\d{2})", "0$1.$2", "1234")).toBe("012.34");
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is Go's template, not ours.
  expect(expand("(?P<whole>\\d+)W", "${whole}", "70W")).toBe("70");
  expect(expand("(\\d+)W", "$1x", "70W")).toBe("");
  expect(expand("(\\d+)W", "$$1", "70W")).toBe("$1");
  expect(expand("(?i)on", "1", "ON")).toBe("1");
  expect(expand("^(?:(?i)on)$", "1", "ON")).toBe("1");
  expect(match("[[:digit:]]+", "12")).not.toBeNull();
  expect(match("1", "12")).toBeNull();
  expect(regexFromGo("uplink").test("my uplink")).toBe(true);
});

test("numbers are read as Go reads them", () => {
  const check = (said: string, expected: number | undefined) =>
    expect(parseGoFloat(said)).toBe(expected);

  check("12.50", 12.5);
  check("-.5e3", -500);
  check("+Inf", Number.POSITIVE_INFINITY);
  check("nan", Number.NaN);
  check("", undefined);
  check("1 W", undefined);
  check("0x1F", undefined);
});

test("instances are ordered number by number", () => {
  expect(["10", "9", "9.10", "9.2", "2147467776"].sort(compareInstances)).toEqual([
    "9",
    "9.2",
    "9.10",
    "10",
    "2147467776",
  ]);
});

test("a second pass is joined to the first by row, with rows only one of them has", () => {
  const joined = joinTables(
    table(["1", "10"], { a: { 1: integer(1), 10: integer(10) } }),
    table(["2", "10"], { b: { 2: integer(2), 10: text("ten") } }),
  );

  expect(joined.instances).toEqual(["1", "2", "10"]);
  expect([...(joined.columns.get("a")?.numbers ?? [])]).toEqual([1n, 0n, 10n]);
  expect([...(joined.columns.get("a")?.tags ?? [])]).toEqual([2, 0, 2]);
  expect([...(joined.columns.get("b")?.tags ?? [])]).toEqual([0, 2, 4]);
  expect(joined.columns.get("b")?.bytes[2]).toEqual(Uint8Array.from(Buffer.from("ten")));
});

test("a second pass is needed only where some row lacks the preferred column", () => {
  const planned = { fallbacks: [{ column: "b", whereMissing: "a" }] };

  expect(neededFallbacks(planned, table(["1"], { a: { 1: counter64(1) } }))).toEqual([]);
  expect(neededFallbacks(planned, table(["1", "2"], { a: { 1: counter64(1) } }))).toEqual(["b"]);
  expect(neededFallbacks(planned, table(["1"], {}))).toEqual(["b"]);
  expect(neededFallbacks(planned, table([], {}))).toEqual([]);
});

test("a MAC sent as text is read like one sent as octets", () => {
  expect(inventoryMac(Uint8Array.from(Buffer.from("0:1A:2b:3:4:ff")))).toBe("00:1a:2b:03:04:ff");
  expect(inventoryMac(Uint8Array.of(0, 0x1a, 0x2b, 3, 4, 0xff))).toBe("00:1a:2b:03:04:ff");
  expect(inventoryMac(Uint8Array.of())).toBe("");
});

test("an Opaque float in a label has no more digits than a float has", () => {
  const column = table(["1", "2"], {
    a: { 1: opaque(0x9f, 0x78, 4, 0x3d, 0xcc, 0xcc, 0xcd), 2: opaque(0x9f, 0x78, 1) },
  }).columns.get("a");

  expect(column && textAt(column, 0, "Float", "")).toBe("0.1");
  expect(column && textAt(column, 1, "Float", "")).toBe("0x9F7801");
});
