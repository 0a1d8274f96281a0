/**
 * Indexes of a row: the sub-identifiers after the column's OID, read by the MIB's INDEX clause (RFC 2578, section 7.7)
 * into label texts as snmp_exporter writes them. Some routers leave out trailing zeros, so a missing sub-identifier is 0.
 */

import type { Index } from "./module.ts";
import {
  displayText,
  hexText,
  ipv4Text,
  ipv6Text,
  physAddressText,
  subtypeOf,
} from "./value-text.ts";

/** An OID has at most 128 sub-identifiers (RFC 2578, section 3.5): a length beyond that is not a length. */
const SUB_IDENTIFIERS_MAX = 128;

export interface IndexPart {
  readonly text: string;
  /** The sub-identifiers it was read from, dotted: what a lookup by this label continues with. */
  readonly oid: string;
}

/** The parts of an index, one for each of `indexes`, in order. */
export function readIndexes(instance: string, indexes: readonly Index[]): readonly IndexPart[] {
  const [only] = indexes;
  if (indexes.length === 1 && only?.type === "gauge" && !instance.includes(".")) {
    return [{ text: instance, oid: instance }];
  }
  let rest = instance === "" ? [] : instance.split(".").map(Number);
  return indexes.map((index) => {
    const { text, used } = readPart(rest, index);
    rest = rest.slice(used.length);
    return { text, oid: used.join(".") };
  });
}

interface PartRead {
  readonly text: string;
  readonly used: readonly number[];
}

function readPart(rest: readonly number[], index: Index): PartRead {
  switch (index.type) {
    case "gauge":
    case "counter":
    case "Integer":
    case "Integer32":
      return numberPart(rest);
    case "EnumAsInfo": {
      const part = numberPart(rest);
      return { ...part, text: index.enumValues.get(Number(part.text)) ?? part.text };
    }
    case "PhysAddress48":
      return fixedPart(rest, 6, physAddressText);
    case "InetAddressIPv4":
      return fixedPart(rest, 4, ipv4Text);
    case "InetAddressIPv6":
      return fixedPart(rest, 16, ipv6Text);
    case "DisplayString":
      return variablePart(rest, index, (octets) => displayText(Uint8Array.from(octets)));
    case "OctetString":
      return variablePart(rest, index, hexText);
    case "InetAddress":
    case "InetAddressMissingSize":
    case "LldpPortId":
      return typedPart(rest, index);
  }
}

function numberPart(rest: readonly number[]): PartRead {
  const value = rest[0] ?? 0;
  return { text: String(value), used: [value] };
}

function fixedPart(
  rest: readonly number[],
  length: number,
  write: (octets: readonly number[]) => string,
): PartRead {
  const used = padded(rest, length);
  return { text: write(used), used };
}

function variablePart(
  rest: readonly number[],
  index: Pick<Index, "fixedSize" | "implied">,
  write: (octets: readonly number[]) => string,
): PartRead {
  const length = index.implied ? rest.length : index.fixedSize;
  if (length > 0) return fixedPart(rest, length, write);
  const said = rest[0] ?? 0;
  const content = said > SUB_IDENTIFIERS_MAX ? rest.slice(1) : padded(rest.slice(1), said);
  return { text: write(content), used: [said, ...content] };
}

/** A type, a length (which InetAddressMissingSize leaves out), then a value of that type. */
function typedPart(rest: readonly number[], index: Index): PartRead {
  const missesSize = index.type === "InetAddressMissingSize";
  const head = padded(rest, missesSize ? 1 : 2);
  const type = subtypeOf(index.type, head[0] ?? 0);
  if (type !== undefined) {
    // The cast: every subtype is also a type of index.
    const inner: Index = { ...index, type: type as Index["type"], fixedSize: 0, implied: false };
    const value = readPart(rest.slice(head.length), inner);
    return { text: value.text, used: [...head, ...value.used] };
  }
  if (missesSize) return variablePart(rest, { fixedSize: 0, implied: true }, hexText);
  const length = Math.min((head[1] ?? 0) + 2, SUB_IDENTIFIERS_MAX);
  return fixedPart(rest, length, hexText);
}

function padded(rest: readonly number[], length: number): readonly number[] {
  if (rest.length >= length) return rest.slice(0, length);
  return [...rest, ...new Array<number>(length - rest.length).fill(0)];
}
