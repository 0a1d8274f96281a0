/**
 * Recordings of agents in snmpsim's `.snmprec` format: a varbind a line, `OID|TAG|VALUE`, TAG the decimal BER tag, `x`
 * after it when VALUE is hexadecimal; VALUE may hold more bars. Text is kept octet by octet, whatever its encoding.
 * Empty lines and lines that begin with # are passed over.
 */
import {
  compareOidBytes,
  counter64Value,
  encodeOid,
  integerValue,
  ipAddressValue,
  TAG,
} from "../snmp/ber.ts";

export interface RecordedRow {
  readonly oid: Uint8Array;
  readonly tag: number;
  /** Content octets of the value. */
  readonly value: Uint8Array;
}

/**
 * The rows of a recording in numeric order of their OIDs, however the file orders them. Throws an error that names
 * `fileName` and the line when a line is not a varbind, and when two lines have the same OID.
 */
export function parseSnmprec(content: Uint8Array, fileName: string): RecordedRow[] {
  const rows: (RecordedRow & { readonly line: number })[] = [];
  // Latin-1 maps octets to characters and back one to one.
  const lines = Buffer.from(content.buffer, content.byteOffset, content.length)
    .toString("latin1")
    .split("\n");
  lines.forEach((text, i) => {
    const line = text.endsWith("\r") ? text.slice(0, -1) : text;
    if (line === "" || line.startsWith("#")) return;
    try {
      rows.push({ ...parseLine(line), line: i + 1 });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot read ${fileName}:${i + 1}: ${reason}`, { cause });
    }
  });
  rows.sort((a, b) => compareOidBytes(a.oid, b.oid));
  rows.forEach((row, i) => {
    const before = rows[i - 1];
    if (before !== undefined && compareOidBytes(before.oid, row.oid) === 0) {
      throw new Error(
        `Cannot read ${fileName}:${row.line}: its OID is also on line ${before.line}; remove one of the two`,
      );
    }
  });
  return rows;
}

function parseLine(line: string): RecordedRow {
  const first = line.indexOf("|");
  const second = line.indexOf("|", first + 1);
  if (first < 0 || second < 0) throw new Error(`expected OID|TAG|VALUE, got "${shorten(line)}"`);
  const tagText = line.slice(first + 1, second);
  const hex = tagText.endsWith("x");
  const tag = Number(hex ? tagText.slice(0, -1) : tagText);
  if (!/^\d{1,3}x?$/.test(tagText)) {
    throw new Error(`tag "${shorten(tagText)}" is not a number, or a number and x`);
  }
  const text = line.slice(second + 1);
  const oid = encodeOid(line.slice(0, first));
  return { oid, tag, value: hex ? hexValue(tag, text) : plainValue(tag, text) };
}

function hexValue(tag: number, text: string): Uint8Array {
  if (tag !== TAG.octetString && tag !== TAG.ipAddress && tag !== TAG.opaque) {
    throw new Error(`tag ${tag}x: only 4x, 64x and 68x may be hexadecimal`);
  }
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new Error(`"${shorten(text)}" is not an even number of hexadecimal digits`);
  }
  if (tag === TAG.ipAddress && text.length !== 8) {
    throw new Error(`"${shorten(text)}" is not the four octets of an address`);
  }
  return Buffer.from(text, "hex");
}

function plainValue(tag: number, text: string): Uint8Array {
  switch (tag) {
    case TAG.integer:
      return integerValue(integerIn(text, -(2 ** 31), 2 ** 31 - 1));
    // Agents that take these for signed send negative ones; a recording of such an agent is served as it is.
    case TAG.counter32:
    case TAG.gauge32:
    case TAG.timeTicks:
      return integerValue(integerIn(text, -(2 ** 31), 2 ** 32 - 1));
    case TAG.counter64:
      return counter64Value(counter64In(text));
    case TAG.octetString:
    case TAG.opaque:
      return Buffer.from(text, "latin1");
    case TAG.null:
      if (text !== "") throw new Error(`a NULL has no value, got "${shorten(text)}"`);
      return new Uint8Array(0);
    case TAG.oid:
      return encodeOid(text);
    case TAG.ipAddress:
      return ipAddressValue(text);
    default:
      throw new Error(
        `tag ${tag} is not one of 2, 4, 5, 6, 64, 65, 66, 67, 68, 70 (4, 64 and 68 also with x)`,
      );
  }
}

function integerIn(text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^-?\d{1,10}$/.test(text) || value < min || value > max) {
    throw new Error(`"${shorten(text)}" is not a whole number from ${min} to ${max}`);
  }
  return value;
}

function counter64In(text: string): bigint {
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : -1n;
  if (value < 0n || value >= 2n ** 64n) {
    throw new Error(`"${shorten(text)}" is not a whole number from 0 to 18446744073709551615`);
  }
  return value;
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
