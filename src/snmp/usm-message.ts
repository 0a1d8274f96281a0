/**
 * SNMPv3 messages under the User-based Security Model (RFC 3412, section 6; RFC 3414; AES: RFC 3826; SHA-2: RFC 7860).
 * A message is put together and judged as a whole: what comes out of `openUsmMessage` is authentic, at the level that was
 * asked for, and answers the request, or it is a named reason why not.
 */
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from "node:crypto";
import { type Answer, type Rejection, type Report, rejection } from "./arrival.ts";
import { BerError, BerReader, BerWriter, readInteger, TAG } from "./ber.ts";
import { readPdu } from "./codec.ts";
import { cipherOf, type UsmEngine } from "./usm-cache.ts";
import { AUTH_RULES } from "./usm-keys.ts";

/** msgFlags: the answer may be a Report (RFC 3412, section 6.4). */
const REPORTABLE = 4;
const AUTHENTICATED = 1;
const PRIVATE = 2;
const USM = 3;
/** The largest message we say we take. */
const MESSAGE_SIZE_MAX = 65_507;
/** The last number but one of the OIDs of a Report (RFC 3414, section 5, usmStats). */
export const USM_REPORT = {
  unsupportedSecurityLevel: 1,
  notInTimeWindow: 2,
  unknownUserName: 3,
  unknownEngineId: 4,
  wrongDigest: 5,
  decryptionError: 6,
} as const;
/** 1.3.6.1.6.3.15.1.1 */
const USM_STATS = Buffer.from([0x2b, 6, 1, 6, 3, 15, 1, 1]);
const NOTHING = Buffer.alloc(0);

export interface UsmRequest {
  readonly messageId: number;
  readonly contextName: Buffer;
  readonly pdu: Uint8Array;
  /** Used once (see UsmCache.nextSalt). */
  readonly salt: Buffer;
  readonly nowMs: number;
}

/** A whole message for `engine`; with an engine not yet known, the unauthenticated question for its id. */
export function encodeUsmMessage(engine: UsmEngine, request: UsmRequest): Uint8Array {
  const flags = engine.isKnown ? engine.flags : 0;
  const timeSeconds = engine.isKnown ? engine.timeSeconds(request.nowMs) : 0;
  const macOctets = flags >= AUTHENTICATED ? macOctetsOf(engine) : 0;
  const salt = (flags & PRIVATE) === 0 ? NOTHING : saltOf(engine, request.salt);
  const scopedPdu = encodeScopedPdu(engine, request);
  const payload = new BerWriter();
  if ((flags & PRIVATE) === 0) payload.raw(scopedPdu);
  else payload.octets(TAG.octetString, encrypt(engine, scopedPdu, salt, timeSeconds));

  const writer = new BerWriter(payload.length + 200);
  const whole = writer.begin(TAG.sequence);
  writer.integer(3);
  const header = writer.begin(TAG.sequence);
  writer.integer(request.messageId);
  writer.integer(MESSAGE_SIZE_MAX);
  writer.octets(TAG.octetString, Buffer.of(flags | REPORTABLE));
  writer.integer(USM);
  writer.end(header);
  const parameters = writer.begin(TAG.octetString);
  const sequence = writer.begin(TAG.sequence);
  writer.octets(TAG.octetString, engine.id);
  writer.integer(engine.isKnown ? engine.boots : 0);
  writer.integer(timeSeconds);
  writer.octets(TAG.octetString, engine.isKnown ? engine.user : NOTHING);
  writer.octets(TAG.octetString, Buffer.alloc(macOctets));
  writer.octets(TAG.octetString, salt);
  writer.end(sequence);
  writer.end(parameters);
  writer.raw(payload.bytes());
  writer.end(whole);

  const message = Buffer.from(writer.bytes());
  if (macOctets > 0) {
    // What follows the MAC has a known length; what precedes it has moved as lengths were filled in.
    const at = message.length - payload.length - 2 - salt.length - macOctets;
    macOf(engine, message).copy(message, at);
  }
  return message;
}

function encodeScopedPdu(engine: UsmEngine, request: UsmRequest): Uint8Array {
  const writer = new BerWriter(request.pdu.length + 64);
  const scoped = writer.begin(TAG.sequence);
  writer.octets(TAG.octetString, engine.id);
  writer.octets(TAG.octetString, request.contextName);
  writer.raw(request.pdu);
  writer.end(scoped);
  return writer.bytes();
}

interface UsmParts {
  readonly flags: number;
  readonly engineId: Uint8Array;
  readonly boots: number;
  readonly timeSeconds: number;
  readonly user: Uint8Array;
  readonly mac: Uint8Array;
  readonly salt: Uint8Array;
  /** The scoped PDU, or its cipher text when flagged private. */
  readonly payload: Uint8Array;
}

/**
 * Judges a v3 message whose header begins at `at`. Learns the engine's id and clock from Reports, and sets the clock
 * forward by authentic answers. Never throws for what is in the message.
 */
export function openUsmMessage(
  engine: UsmEngine,
  bytes: Uint8Array,
  at: number,
  requestId: number,
  nowMs: number,
): Answer | Report | Rejection {
  try {
    const parts = readParts(bytes, at);
    const isAuthentic = (parts.flags & AUTHENTICATED) !== 0;
    if (isAuthentic && !authenticates(engine, bytes, parts)) {
      return rejection("refused", "Its answers do not authenticate: wrong key, or not its own");
    }
    const isPrivate = (parts.flags & PRIVATE) !== 0;
    const plain = isPrivate ? decrypt(engine, parts) : parts.payload;
    if (plain === undefined) return rejection("refused", "Its answers cannot be decrypted");
    return judge(engine, parts, plain, requestId, nowMs);
  } catch (error) {
    if (!(error instanceof BerError)) throw error;
    return rejection("malformed", "Its SNMPv3 messages cannot be read");
  }
}

function judge(
  engine: UsmEngine,
  parts: UsmParts,
  plain: Uint8Array,
  requestId: number,
  nowMs: number,
): Answer | Report | Rejection {
  const scoped = new BerReader(plain).enter(TAG.sequence);
  scoped.octets(TAG.octetString);
  scoped.octets(TAG.octetString);
  const pdu = readPdu(plain, scoped.at, plain.length);
  if (pdu === undefined) return rejection("malformed", "Its SNMPv3 messages hold no PDU");
  if (pdu.pduType === TAG.report)
    return judgeReport(engine, parts, plain.subarray(pdu.at, pdu.end), nowMs);
  if (pdu.pduType !== TAG.response) {
    return rejection("malformed", `It answers with a PDU of type ${pdu.pduType}`);
  }
  if ((parts.flags & (AUTHENTICATED | PRIVATE)) !== engine.flags) {
    return rejection("refused", "It answers at another security level than it was asked");
  }
  if (!engine.id.equals(parts.engineId) || !engine.user.equals(parts.user)) {
    return rejection("malformed", "It answers for another engine or user");
  }
  if (pdu.requestId !== requestId) {
    return rejection("malformed", "It answers with a wrong request id");
  }
  if (engine.flags !== 0 && !engine.isTimely(parts.boots, parts.timeSeconds, nowMs)) {
    return rejection("refused", "It answers from outside the time window");
  }
  if (engine.flags !== 0) engine.advance(parts.boots, parts.timeSeconds, nowMs);
  return pdu;
}

/**
 * What a Report says is taken as a hint even when it is not authenticated, as discovery has to (RFC 3414, section 4):
 * a forger who guessed our random message id could make this one poll fail, and no more, because every answer must
 * authenticate.
 */
function judgeReport(
  engine: UsmEngine,
  parts: UsmParts,
  varbinds: Uint8Array,
  nowMs: number,
): Report | Rejection {
  const reader = new BerReader(varbinds);
  const oid = reader.atEnd ? NOTHING : reader.enter(TAG.sequence).octets(TAG.oid);
  const isUsmStats = USM_STATS.equals(oid.subarray(0, USM_STATS.length));
  const counter = isUsmStats ? (oid[USM_STATS.length] ?? 0) : 0;
  const { engineId, boots, timeSeconds } = parts;
  const tellsClock =
    counter === USM_REPORT.notInTimeWindow || counter === USM_REPORT.unknownEngineId;
  if (tellsClock || !engine.isKnown) {
    if (engineId.length === 0 || engineId.length > 32 || boots < 0 || timeSeconds < 0) {
      return rejection("malformed", "It reports no usable engine id");
    }
    engine.learn(engineId, boots, timeSeconds, nowMs);
  }
  return { kind: "report", counter };
}

function readParts(bytes: Uint8Array, at: number): UsmParts {
  const message = new BerReader(bytes, at);
  const header = message.enter(TAG.sequence);
  header.integer();
  header.integer();
  const flags = header.octets(TAG.octetString)[0] ?? 0;
  if (header.integer() !== USM) throw new BerError("Not the User-based Security Model");
  const security = message.octets(TAG.octetString);
  const start = security.byteOffset - bytes.byteOffset;
  const parameters = new BerReader(bytes, start, start + security.length).enter(TAG.sequence);
  return {
    flags,
    engineId: parameters.octets(TAG.octetString),
    boots: readInteger(parameters.octets(TAG.integer)),
    timeSeconds: readInteger(parameters.octets(TAG.integer)),
    user: parameters.octets(TAG.octetString),
    mac: parameters.octets(TAG.octetString),
    salt: parameters.octets(TAG.octetString),
    payload: (flags & PRIVATE) === 0 ? bytes.subarray(message.at) : message.octets(TAG.octetString),
  };
}

function macOctetsOf(engine: UsmEngine): number {
  return engine.authProtocol === undefined ? 0 : AUTH_RULES[engine.authProtocol].macOctets;
}

/** The MAC over a message whose own MAC field is zero. */
function macOf(engine: UsmEngine, message: Uint8Array): Buffer {
  const { auth } = engine.keys();
  if (auth === undefined || engine.authProtocol === undefined) return NOTHING;
  const { hash, macOctets } = AUTH_RULES[engine.authProtocol];
  return createHmac(hash, auth).update(message).digest().subarray(0, macOctets);
}

function authenticates(engine: UsmEngine, bytes: Uint8Array, parts: UsmParts): boolean {
  if (!engine.isKnown || engine.flags === 0) return false;
  // A MAC counts only if made for this engine: keys are localized to it.
  if (!engine.id.equals(parts.engineId) || parts.mac.length !== macOctetsOf(engine)) return false;
  const claimed = Buffer.from(parts.mac);
  parts.mac.fill(0);
  return timingSafeEqual(macOf(engine, bytes), claimed);
}

function encrypt(
  engine: UsmEngine,
  plain: Uint8Array,
  salt: Buffer,
  timeSeconds: number,
): Uint8Array {
  const { priv, preIv } = engine.keys();
  if (priv === undefined) return plain;
  const iv = ivOf(engine, preIv, salt, engine.boots, timeSeconds);
  const cipher = createCipheriv(cipherOf(engine), priv, iv).setAutoPadding(false);
  const padding = engine.privProtocol === "DES" ? (8 - (plain.length % 8)) % 8 : 0;
  return Buffer.concat([
    cipher.update(plain),
    cipher.update(Buffer.alloc(padding)),
    cipher.final(),
  ]);
}

function decrypt(engine: UsmEngine, parts: UsmParts): Uint8Array | undefined {
  const { priv, preIv } = engine.keys();
  const { salt, payload, boots, timeSeconds } = parts;
  if (priv === undefined || salt.length !== 8 || payload.length === 0) return undefined;
  if (engine.privProtocol === "DES" && payload.length % 8 !== 0) return undefined;
  const iv = ivOf(engine, preIv, salt, boots, timeSeconds);
  return createDecipheriv(cipherOf(engine), priv, iv).setAutoPadding(false).update(payload);
}

/** DES: RFC 3414, section 8.1.1.1; AES: RFC 3826, section 3.1.2.1. */
function ivOf(
  engine: UsmEngine,
  preIv: Buffer,
  salt: Uint8Array,
  boots: number,
  timeSeconds: number,
): Buffer {
  if (engine.privProtocol === "DES")
    return Buffer.from(preIv.map((octet, i) => octet ^ (salt[i] ?? 0)));
  const iv = Buffer.alloc(16);
  iv.writeInt32BE(boots, 0);
  iv.writeInt32BE(timeSeconds, 4);
  iv.set(salt, 8);
  return iv;
}

/** A DES salt is the engine's boots and a number of ours (RFC 3414, section 8.1.1.1); an AES one is the number alone. */
function saltOf(engine: UsmEngine, salt: Buffer): Buffer {
  if (engine.privProtocol === "DES") salt.writeInt32BE(engine.boots, 0);
  return salt;
}
