/**
 * RFC 2579, section 3.1: a DISPLAY-HINT says how octets are written, `1x:` for a MAC, `1d.1d.1d.1d` for an address. The
 * last specification repeats while octets are left.
 */

const SPECIFICATION = /(\*?)(\d+)([dxoat])(?:([^\d*])(?:([^\d*]))?)?/y;

interface Specification {
  readonly repeats: boolean;
  readonly take: number;
  readonly format: string;
  readonly separator: string;
  readonly terminator: string;
}

/** The octets written by the hint, or undefined where there is no hint, nothing to write, or the hint is malformed. */
export function applyDisplayHint(hint: string, bytes: Uint8Array): string | undefined {
  if (hint === "" || bytes.length === 0) return undefined;
  const specifications = parseHint(hint);
  if (specifications === undefined) return undefined;

  const written: (string | Uint8Array)[] = [];
  let position = 0;
  for (let next = 0; position < bytes.length; next++) {
    const specification = specifications[Math.min(next, specifications.length - 1)];
    if (specification === undefined) return undefined;
    const before = position;
    const count = specification.repeats ? (bytes[position++] ?? 0) : 1;
    for (let i = 0; i < count && position < bytes.length; i++) {
      const end = Math.min(position + specification.take, bytes.length);
      const text = writeOctets(bytes.subarray(position, end), specification.format);
      if (text === undefined) return undefined;
      written.push(text);
      position = end;
      const terminates = specification.terminator !== "" && i === count - 1;
      if (position < bytes.length && !terminates) written.push(specification.separator);
    }
    if (position < bytes.length) written.push(specification.terminator);
    // A last specification that takes nothing would repeat for ever.
    if (position === before && next >= specifications.length - 1) return undefined;
  }
  return new TextDecoder().decode(
    Buffer.concat(written.map((part) => (typeof part === "string" ? Buffer.from(part) : part))),
  );
}

function parseHint(hint: string): readonly Specification[] | undefined {
  const specifications: Specification[] = [];
  let position = 0;
  while (position < hint.length) {
    SPECIFICATION.lastIndex = position;
    const match = SPECIFICATION.exec(hint);
    if (match === null) return undefined;
    const repeats = match[1] === "*";
    // A terminator exists only after a repeat count; without one a second character is an error.
    if (!repeats && match[5] !== undefined) return undefined;
    specifications.push({
      repeats,
      take: Number(match[2]),
      format: match[3] ?? "",
      separator: match[4] ?? "",
      terminator: match[5] ?? "",
    });
    position = SPECIFICATION.lastIndex;
  }
  return specifications;
}

function writeOctets(octets: Uint8Array, format: string): string | Uint8Array | undefined {
  if (format === "a" || format === "t") return octets;
  const hex = Buffer.from(octets).toString("hex").toUpperCase();
  if (format === "x") return hex;
  if (octets.length > 8) return undefined;
  return BigInt(`0x${hex === "" ? "0" : hex}`).toString(format === "d" ? 10 : 8);
}
