/**
 * Whole v1 and v2c messages (RFC 1157, section 4; RFC 3416, section 3), plainly decoded and encoded: what an agent, a
 * simulator or a test needs. The poller's own hot path is codec.ts, which builds no objects.
 */
import { BerError, BerReader, BerWriter, TAG } from "./ber.ts";

export interface Varbind {
  /** Content octets of its OID. */
  readonly oid: Uint8Array;
  /** BER tag of its value; one of the exceptions (0x80 to 0x82) says why there is none. */
  readonly tag: number;
  /** Content octets of its value. */
  readonly value: Uint8Array;
}

export interface Message {
  /** 0 is v1, 1 is v2c. */
  readonly version: number;
  readonly community: Uint8Array;
  readonly pduType: number;
  readonly requestId: number;
  /** error-status; of a GETBULK non-repeaters. */
  readonly a: number;
  /** error-index; of a GETBULK max-repetitions. */
  readonly b: number;
  readonly varbinds: readonly Varbind[];
}

/** The largest UDP payload over IPv4. */
const MESSAGE_SIZE_MAX = 65_507;

/** Reads one message; octets are views of `bytes`. Throws BerError when it is not a v1 or v2c message or is cut off. */
export function decodeMessage(bytes: Uint8Array): Message {
  const message = new BerReader(bytes).enter(TAG.sequence);
  const version = message.integer();
  if (version !== 0 && version !== 1)
    throw new BerError(`Expected v1 or v2c, got version ${version}`);
  const community = message.octets(TAG.octetString);
  const pduType = message.peekTag();
  return { version, community, ...decodePdu(message, pduType) };
}

/** Reads the PDU that comes next, of any type but the trap of v1. */
export function decodePdu(
  reader: BerReader,
  pduType: number,
): Pick<Message, "pduType" | "requestId" | "a" | "b" | "varbinds"> {
  const pdu = reader.enter(pduType);
  const requestId = pdu.integer();
  const a = pdu.integer();
  const b = pdu.integer();
  const list = pdu.enter(TAG.sequence);
  const varbinds: Varbind[] = [];
  while (!list.atEnd) {
    const varbind = list.enter(TAG.sequence);
    const oid = varbind.octets(TAG.oid);
    varbinds.push({ oid, ...varbind.any() });
  }
  return { pduType, requestId, a, b, varbinds };
}

/**
 * Writes one message of as many of its varbinds as fit in `sizeMax` octets, in order; they are taken one by one, so an
 * agent may generate them. `varbinds` of the result is how many went in: fewer than there are means tooBig for a GET,
 * and a shorter answer for a GETBULK (RFC 3416, section 4.2.3).
 */
export function encodeMessage(
  message: Omit<Message, "varbinds"> & { readonly varbinds: Iterable<Varbind> },
  sizeMax = MESSAGE_SIZE_MAX,
): { readonly bytes: Uint8Array; readonly varbinds: number } {
  const writer = new BerWriter();
  const whole = writer.begin(TAG.sequence);
  writer.integer(message.version);
  writer.octets(TAG.octetString, message.community);
  // Closing three elements may lengthen each one's length by two octets.
  const varbinds = writePdu(writer, message, sizeMax - 6);
  writer.end(whole);
  return { bytes: writer.bytes(), varbinds };
}

/** Writes a PDU, of as many varbinds as keep the writer within `sizeMax` octets, and returns how many those were. */
export function writePdu(
  writer: BerWriter,
  pdu: Pick<Message, "pduType" | "requestId" | "a" | "b"> & {
    readonly varbinds: Iterable<Varbind>;
  },
  sizeMax = MESSAGE_SIZE_MAX,
): number {
  const whole = writer.begin(pdu.pduType);
  writer.integer(pdu.requestId);
  writer.integer(pdu.a);
  writer.integer(pdu.b);
  const list = writer.begin(TAG.sequence);
  let varbinds = 0;
  for (const varbind of pdu.varbinds) {
    const before = writer.length;
    writeVarbind(writer, varbind);
    if (writer.length > sizeMax) {
      writer.truncate(before);
      break;
    }
    varbinds++;
  }
  writer.end(list);
  writer.end(whole);
  return varbinds;
}

function writeVarbind(writer: BerWriter, varbind: Varbind): void {
  const mark = writer.begin(TAG.sequence);
  writer.octets(TAG.oid, varbind.oid);
  writer.octets(varbind.tag, varbind.value);
  writer.end(mark);
}
