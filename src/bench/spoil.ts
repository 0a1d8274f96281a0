/**
 * Spoils SNMP messages the way a fuzzer does: octets at random, or element by element so that what is wrong lies deep
 * inside a message that is otherwise well-formed. The same dice spoil the same way.
 */
import { BerError, BerReader, lengthOctets, TAG, writeLength } from "../snmp/ber.ts";

type Dice = () => number;

const LENGTHS = [0x00, 0x01, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0xfe, 0xff];
const TAGS = [...Object.values(TAG), 0x00, 0x1f, 0x47, 0xff];
/** Contents that have broken decoders: nothing, signs, too many octets, sub-identifiers that are padded or never end. */
const CONTENTS = [
  [],
  [0x00],
  [0x80],
  [0xff],
  [0x80, 0x00, 0x00, 0x00],
  [0x7f, 0xff, 0xff, 0xff],
  [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
  [0x2b, 0x06, 0x01, 0x8f, 0xff, 0xff, 0xff, 0xff, 0x7f],
  new Array<number>(300).fill(0x81),
] as const;

/** Octets changed, cut, doubled and moved, mostly where lengths and tags are. */
export function spoilOctets(bytes: Uint8Array, dice: Dice): Uint8Array {
  const upTo = (n: number): number => Math.floor(dice() * n);
  let octets = [...bytes];
  for (let changes = 1 + upTo(4); changes > 0 && octets.length > 0; changes--) {
    const at = upTo(octets.length);
    switch (upTo(8)) {
      case 0:
        octets = octets.slice(0, at);
        break;
      case 1:
        octets.splice(at, upTo(8));
        break;
      case 2:
        octets.splice(at, 0, ...octets.slice(at, at + upTo(30)));
        break;
      case 3:
        octets[at] = LENGTHS[upTo(LENGTHS.length)] as number;
        break;
      case 4:
        octets[at] = TAGS[upTo(TAGS.length)] as number;
        break;
      case 5:
        octets[at] = (octets[at] as number) ^ (1 << upTo(8));
        break;
      default:
        octets[at] = upTo(256);
    }
  }
  return Uint8Array.from(octets);
}

/** One element of a message, or of what is left of it. */
interface Element {
  tag: number;
  content: Uint8Array;
  children: Element[] | undefined;
  /** Claimed instead of the true length. */
  lengthClaimed: number | undefined;
}

const DEPTH_MAX = 12;

/** Elements changed, dropped, doubled, swapped and mislabelled, the lengths around them right again. */
export function spoilStructure(bytes: Uint8Array, dice: Dice): Uint8Array {
  const upTo = (n: number): number => Math.floor(dice() * n);
  const roots = elementsOf(bytes, 0);
  if (roots === undefined) return spoilOctets(bytes, dice);
  for (let changes = 1 + upTo(3); changes > 0; changes--) {
    const all = flattened(roots);
    const element = all[upTo(all.length)];
    if (element === undefined) break;
    const children = element.children ?? [];
    const place = upTo(children.length);
    switch (upTo(9)) {
      case 0:
        element.tag = TAGS[upTo(TAGS.length)] as number;
        break;
      case 1:
        element.children = undefined;
        element.content = Uint8Array.from(CONTENTS[upTo(CONTENTS.length)] ?? []);
        break;
      case 2:
        element.lengthClaimed = [0, 1, 127, 128, 65_535, 0xff_ffff, upTo(400)][upTo(7)];
        break;
      case 3:
        children.splice(place, 1);
        break;
      case 4:
        children.splice(place, 0, ...children.slice(place, place + 1 + upTo(40)));
        break;
      case 5:
        children.reverse();
        break;
      case 6:
        children.splice(place, 0, ...roots.slice(0, 1));
        break;
      case 7:
        element.content = element.content.slice(0, upTo(element.content.length + 1));
        break;
      default:
        element.content = spoilOctets(element.content, dice);
    }
  }
  return Buffer.concat(roots.map((root) => encoded(root, 0)));
}

/** The elements that fill `bytes` exactly; undefined when it is not made of elements. */
function elementsOf(bytes: Uint8Array, depth: number): Element[] | undefined {
  const elements: Element[] = [];
  const reader = new BerReader(bytes);
  try {
    while (!reader.atEnd) {
      const { tag, value } = reader.any();
      const isConstructed = (tag & 0x20) !== 0 && depth < DEPTH_MAX;
      const children = isConstructed ? elementsOf(value, depth + 1) : undefined;
      elements.push({ tag, content: value, children, lengthClaimed: undefined });
    }
  } catch (error) {
    if (error instanceof BerError) return undefined;
    throw error;
  }
  return elements;
}

function flattened(elements: readonly Element[], depth = 0): Element[] {
  if (depth > DEPTH_MAX) return [];
  return elements.flatMap((element) => [element, ...flattened(element.children ?? [], depth + 1)]);
}

function encoded({ tag, content, children, lengthClaimed }: Element, depth: number): Uint8Array {
  const inside =
    children === undefined || depth > DEPTH_MAX
      ? content
      : Buffer.concat(children.map((child) => encoded(child, depth + 1)));
  const length = lengthClaimed ?? inside.length;
  const head = new Uint8Array(1 + lengthOctets(length));
  head[0] = tag;
  writeLength(head, 1, length);
  return Buffer.concat([head, inside]);
}
