/**
 * Texts of values, as snmp_exporter writes them into labels, so that dashboards made for it find the same: a
 * DisplayString is UTF-8 with each run of invalid bytes replaced by U+FFFD, an OctetString is "0x" and upper-case
 * hexadecimal, addresses are padded with zeros to their length.
 *
 * One rule is ours: a DisplayString ends at its first NUL, because neither Postgres nor a label can hold one. The
 * interfaces of the inventory follow another text rule (UTF-8, else Latin-1), see `inventoryText`.
 */

import { isIP } from "node:net";
import { applyDisplayHint } from "./display-hint.ts";
import { type FetchedColumn, VALUE_TAG } from "./fetched-table.ts";
import type { LookupType, MetricType } from "./module.ts";

/** 1 where a BER tag is one of a whole number. */
export const IS_INTEGER_TAG = new Uint8Array(256);
for (const tag of [
  VALUE_TAG.integer,
  VALUE_TAG.counter32,
  VALUE_TAG.gauge32,
  VALUE_TAG.timeTicks,
  VALUE_TAG.counter64,
  VALUE_TAG.unsigned32,
]) {
  IS_INTEGER_TAG[tag] = 1;
}

/** What an InetAddress or LldpPortId is, by the value of the type column before it. */
const SUBTYPES: Readonly<Record<string, Readonly<Record<number, TextType>>>> = {
  InetAddress: { 1: "InetAddressIPv4", 2: "InetAddressIPv6" },
  InetAddressMissingSize: { 1: "InetAddressIPv4", 2: "InetAddressIPv6" },
  LldpPortId: {
    1: "DisplayString",
    2: "DisplayString",
    3: "PhysAddress48",
    5: "DisplayString",
    7: "DisplayString",
  },
};

type TextType = MetricType | LookupType;

/** Whether values of this type are read with the column before them, which says what they are. */
export function hasTypeColumn(type: string): boolean {
  return type in SUBTYPES;
}

/** The type an InetAddress or LldpPortId is of, for a value of its type column; undefined = none we know. */
export function subtypeOf(type: string, typeValue: number): TextType | undefined {
  return SUBTYPES[type]?.[typeValue];
}

/** The number of row `row`, or undefined where the router gave none. Counter64 above 2^53 wraps, as a float must. */
export function numberAt(column: FetchedColumn, row: number): number | undefined {
  const tag = column.tags[row] ?? 0;
  if (tag === VALUE_TAG.opaque) return opaqueNumber(column.bytes[row] ?? null);
  if (IS_INTEGER_TAG[tag] !== 1) return undefined;
  const value = column.numbers[row] ?? 0n;
  if (tag === VALUE_TAG.integer) return Number(value);
  if (tag === VALUE_TAG.counter64) return Number(BigInt.asUintN(53, value));
  return Number(BigInt.asUintN(32, value));
}

/**
 * Opaque holds a BER value of its own: 9f78 a float, 9f79 a double (net-snmp's extension). Some agents wrap it in one
 * more OCTET STRING header.
 */
function opaqueNumber(bytes: Uint8Array | null): number | undefined {
  if (bytes === null) return undefined;
  const content = bytes[0] === 0x44 ? bytes.subarray(2) : bytes;
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  if (content[0] !== 0x9f) return undefined;
  if (content[1] === 0x78 && content[2] === 4 && content.length >= 7) return view.getFloat32(3);
  if (content[1] === 0x79 && content[2] === 8 && content.length >= 11) return view.getFloat64(3);
  return undefined;
}

/** An Opaque number's shortest text that reads back as the same single or double. */
function opaqueText(bytes: Uint8Array): string | undefined {
  const value = opaqueNumber(bytes);
  if (value === undefined || Math.fround(value) !== value) return value?.toString();
  for (let digits = 1; digits <= 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return String(shorter);
  }
  return String(value);
}

/** The text of row `row` as a value of `type`, or undefined where the router gave none. */
export function textAt(
  column: FetchedColumn,
  row: number,
  type: TextType,
  displayHint: string,
): string | undefined {
  const tag = column.tags[row] ?? 0;
  if (IS_INTEGER_TAG[tag] === 1) {
    const value = column.numbers[row] ?? 0n;
    if (tag === VALUE_TAG.integer) return value.toString();
    return BigInt.asUintN(tag === VALUE_TAG.counter64 ? 64 : 32, value).toString();
  }
  const bytes = column.bytes[row] ?? null;
  if (bytes === null) return undefined;
  switch (tag) {
    case VALUE_TAG.oid:
      return dottedOid(bytes);
    case VALUE_TAG.ipAddress:
      return bytes.length === 16 ? ipv6Text(bytes) : bytes.join(".");
    case VALUE_TAG.opaque:
      return opaqueText(bytes) ?? hexText(bytes);
    case VALUE_TAG.octetString:
      return octetsText(bytes, type, displayHint);
    default:
      return undefined;
  }
}

function octetsText(bytes: Uint8Array, type: TextType, displayHint: string): string {
  switch (type) {
    case "DisplayString":
      return displayText(bytes);
    case "PhysAddress48":
      return physAddressText(bytes);
    case "InetAddressIPv4":
      return ipv4Text(bytes);
    case "InetAddressIPv6":
      return ipv6Text(bytes);
    default:
      return applyDisplayHint(displayHint, bytes) ?? hexText(bytes);
  }
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const strictUtf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** A DisplayString up to its first NUL, as UTF-8; each run of invalid bytes is one U+FFFD. */
export function displayText(bytes: Uint8Array): string {
  const text = asciiText(bytes);
  return text ?? utf8.decode(upToNul(bytes)).replace(/\uFFFD+/g, "\uFFFD");
}

/** Text of the inventory: up to the first NUL, UTF-8 where it is, else Latin-1. */
export function inventoryText(bytes: Uint8Array): string {
  const text = asciiText(bytes);
  if (text !== undefined) return text;
  const content = upToNul(bytes);
  try {
    return strictUtf8.decode(content);
  } catch {
    return Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString("latin1");
  }
}

/** The text where all bytes are printable ASCII: nearly always, and several times cheaper than a decoder. */
function asciiText(bytes: Uint8Array): string | undefined {
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === 0 || byte > 0x7e) return undefined;
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function upToNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

const HEX = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).toUpperCase().padStart(2, "0"),
);

/** "0x" and upper-case hexadecimal; nothing for nothing. */
export function hexText(bytes: ArrayLike<number>): string {
  if (bytes.length === 0) return "";
  let text = "0x";
  for (let i = 0; i < bytes.length; i++) text += HEX[(bytes[i] ?? 0) & 0xff] ?? "";
  return text;
}

/** The bytes of a `hexText`. */
export function bytesOfHex(text: string): Uint8Array {
  return Buffer.from(text.startsWith("0x") ? text.slice(2) : "", "hex");
}

/** Six octets as AA:BB:CC:DD:EE:FF; short values end in zeros, long ones are cut, as snmp_exporter has them. */
export function physAddressText(octets: ArrayLike<number>): string {
  let text = "";
  for (let i = 0; i < 6; i++) text += (i === 0 ? "" : ":") + (HEX[(octets[i] ?? 0) & 0xff] ?? "");
  return text;
}

export function ipv4Text(octets: ArrayLike<number>): string {
  return `${octets[0] ?? 0}.${octets[1] ?? 0}.${octets[2] ?? 0}.${octets[3] ?? 0}`;
}

/** Eight groups of four upper-case digits: snmp_exporter does not shorten them. */
export function ipv6Text(octets: ArrayLike<number>): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) {
    groups.push((HEX[(octets[i] ?? 0) & 0xff] ?? "") + (HEX[(octets[i + 1] ?? 0) & 0xff] ?? ""));
  }
  return groups.join(":");
}

/** An OBJECT IDENTIFIER's content octets as dotted decimals (X.690, 8.19). */
export function dottedOid(bytes: Uint8Array): string {
  let text = "";
  let value = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    value = value * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (text === "") {
      const first = Math.min(Math.floor(value / 40), 2);
      text = `${first}.${value - first * 40}`;
    } else {
      text += `.${value}`;
    }
    value = 0;
  }
  return text;
}

/** An interface's MAC as aa:bb:cc:dd:ee:ff; "" where it has none. Agents that send one as text are understood. */
export function inventoryMac(bytes: Uint8Array): string {
  if (bytes.length >= 11 && bytes.length <= 17) {
    const text = inventoryText(bytes);
    if (isIP(text) === 0 && /^[0-9a-f]{1,2}(?:[:-][0-9a-f]{1,2}){5}$/i.test(text)) {
      return text
        .toLowerCase()
        .split(/[:-]/)
        .map((part) => part.padStart(2, "0"))
        .join(":");
    }
  }
  return Array.from(bytes, (byte) => (HEX[byte] ?? "").toLowerCase()).join(":");
}
