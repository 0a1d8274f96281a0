/** How each version puts a PDU into a message and takes one out. */
import type { SnmpCredential } from "../routers/router.ts";
import {
  type Answer,
  type Failure,
  failure,
  type Rejection,
  type Report,
  rejection,
} from "./arrival.ts";
import { lengthOctets, TAG, writeLength } from "./ber.ts";
import { type Envelope, encodePdu, pduLength, type Request, readPdu } from "./codec.ts";
import type { UsmCache, UsmEngine } from "./usm-cache.ts";
import { encodeUsmMessage, openUsmMessage } from "./usm-message.ts";

export interface Framing {
  /** Whether a message sent again needs another id (RFC 3412, section 6.2); else an answer to either will do. */
  readonly idsAreUsedOnce: boolean;
  encode(id: number, request: Request): Uint8Array;
  /** Judges a message with the right id from the right place. Never throws. */
  accept(bytes: Uint8Array, envelope: Envelope): Answer | Failure | Report | Rejection;
}

const VERSION = { v1: 0, v2c: 1, v3: 3 } as const;
const OTHER_VERSION = rejection("malformed", "It answers in another version");
const OTHER_COMMUNITY = rejection("malformed", "It answers with another community");

/** v1 and v2c: version, community, PDU. */
export function communityFraming(
  credential: Extract<SnmpCredential, { community: string }>,
): Framing {
  const version = credential.version === "1" ? VERSION.v1 : VERSION.v2c;
  const community = Buffer.from(credential.community);
  const head = Buffer.allocUnsafe(4 + lengthOctets(community.length) + community.length);
  head.set([TAG.integer, 1, version, TAG.octetString]);
  community.copy(head, writeLength(head, 4, community.length));
  return {
    idsAreUsedOnce: false,

    encode(id, request) {
      const length = head.length + pduLength(request);
      const datagram = Buffer.allocUnsafe(1 + lengthOctets(length) + length);
      datagram[0] = TAG.sequence;
      let at = writeLength(datagram, 1, length);
      for (let i = 0; i < head.length; i++) datagram[at++] = head[i] as number;
      encodePdu(datagram, at, id, request);
      return datagram;
    },

    accept(bytes, envelope) {
      if (envelope.version !== version) return OTHER_VERSION;
      const { communityStart, communityEnd } = envelope;
      if (!isSame(community, bytes, communityStart, communityEnd)) return OTHER_COMMUNITY;
      const pdu = readPdu(bytes, envelope.at, envelope.end);
      if (pdu === undefined) return failure("malformed", "Its answers are cut off");
      if (pdu.pduType === TAG.response) return pdu;
      const what = pdu.pduType === TAG.report ? "a Report" : `a PDU of type ${pdu.pduType}`;
      return failure("malformed", `It answers with ${what}`);
    },
  };
}

function isSame(octets: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== octets.length) return false;
  for (let i = 0; i < octets.length; i++) if (octets[i] !== bytes[start + i]) return false;
  return true;
}

/** v3. The PDU's request-id is the message's id: the message authenticates both. */
export function usmFraming(cache: UsmCache, engine: UsmEngine, context: string): Framing {
  const contextName = Buffer.from(context);
  return {
    idsAreUsedOnce: true,

    encode(id, request) {
      const pdu = Buffer.allocUnsafe(pduLength(request));
      encodePdu(pdu, 0, id, request);
      const salt = cache.nextSalt();
      const nowMs = performance.now();
      return encodeUsmMessage(engine, { messageId: id, contextName, pdu, salt, nowMs });
    },

    accept(bytes, envelope) {
      if (envelope.version !== VERSION.v3) return OTHER_VERSION;
      return openUsmMessage(engine, bytes, envelope.at, envelope.id, performance.now());
    },
  };
}
