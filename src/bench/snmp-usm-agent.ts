/**
 * The other side of SNMPv3 authPriv (SHA-256, AES-128) for simulated routers: takes the PDU out of a request and puts the
 * one of an answer into a message. Knows one user, believes no clock but its own, and judges nothing: the pollers that are
 * measured here are honest.
 */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import type { Agent, Responder } from "../simulator/responder.ts";
import { BerReader, BerWriter, encodeOid, TAG } from "../snmp/ber.ts";
import { AUTH_RULES, localizedKey, localizedPrivKey, passwordDigest } from "../snmp/usm-keys.ts";
import { BENCH_USER } from "./snmp-workload.ts";

const UNKNOWN_ENGINE_IDS = encodeOid("1.3.6.1.6.3.15.1.1.4.0");
const { hash: HASH, macOctets: MAC_OCTETS } = AUTH_RULES.SHA256;
const CIPHER = "aes-128-cfb";
const AUTH_PRIV = 3;
const BOOTS = 1;
const NOTHING = Buffer.alloc(0);
const MESSAGE_SIZE_MAX = 65_507;
const USER_SECURITY_MODEL = 3;

/** Keys of all engines start from the same two digests, about 2 ms each. */
export function openUsmEngines(): (router: number) => UsmAgent {
  const digests = {
    auth: passwordDigest("SHA256", BENCH_USER.authPassword),
    priv: passwordDigest("SHA256", BENCH_USER.privPassword),
  };
  return (router) => {
    const id = Buffer.from(`80001f8804${router.toString(16).padStart(8, "0")}`, "hex");
    return new UsmAgent(
      id,
      localizedKey("SHA256", digests.auth, id),
      localizedPrivKey("SHA256", "AES", digests.priv, id),
    );
  };
}

export interface UsmQuestion {
  readonly messageId: number;
  /** The PDU asked; undefined when it is asked of another engine or of one not known yet. */
  readonly pdu: Uint8Array | undefined;
}

export class UsmAgent {
  readonly #id: Buffer;
  readonly #auth: Buffer;
  readonly #priv: Buffer;
  #salt = 0;

  constructor(id: Buffer, auth: Buffer, priv: Buffer) {
    this.#id = id;
    this.#auth = auth;
    this.#priv = priv;
  }

  open(bytes: Uint8Array): UsmQuestion {
    const message = new BerReader(bytes).enter(TAG.sequence);
    message.integer();
    const messageId = message.enter(TAG.sequence).integer();
    const parameters = new BerReader(message.octets(TAG.octetString)).enter(TAG.sequence);
    const engineId = parameters.octets(TAG.octetString);
    if (!this.#id.equals(engineId)) return { messageId, pdu: undefined };
    const boots = parameters.integer();
    const timeSeconds = parameters.integer();
    parameters.octets(TAG.octetString);
    parameters.octets(TAG.octetString);
    const iv = ivOf(boots, timeSeconds, parameters.octets(TAG.octetString));
    const plain = createDecipheriv(CIPHER, this.#priv, iv).update(message.octets(TAG.octetString));
    const scoped = new BerReader(plain).enter(TAG.sequence);
    scoped.octets(TAG.octetString);
    scoped.octets(TAG.octetString);
    return { messageId, pdu: plain.subarray(scoped.at) };
  }

  /** The message that carries `pdu`. */
  answer(messageId: number, pdu: Uint8Array): Buffer {
    const timeSeconds = timeNow();
    const salt = Buffer.alloc(8);
    salt.writeUInt32BE(++this.#salt, 4);
    const cipher = createCipheriv(CIPHER, this.#priv, ivOf(BOOTS, timeSeconds, salt));
    const payload = new BerWriter(pdu.length + 64);
    payload.octets(TAG.octetString, cipher.update(this.#scoped(pdu)));
    const message = this.#message(messageId, AUTH_PRIV, timeSeconds, salt, payload.bytes());
    const at = message.length - payload.length - 2 - salt.length - MAC_OCTETS;
    createHmac(HASH, this.#auth).update(message).digest().copy(message, at, 0, MAC_OCTETS);
    return message;
  }

  /** The Report that tells id and clock. */
  report(messageId: number): Buffer {
    const writer = new BerWriter();
    const pdu = writer.begin(TAG.report);
    for (const value of [messageId, 0, 0]) writer.integer(value);
    const list = writer.begin(TAG.sequence);
    const varbind = writer.begin(TAG.sequence);
    writer.octets(TAG.oid, UNKNOWN_ENGINE_IDS);
    writer.integer(1, TAG.counter32);
    for (const mark of [varbind, list, pdu]) writer.end(mark);
    return this.#message(messageId, 0, timeNow(), NOTHING, this.#scoped(writer.bytes()));
  }

  #scoped(pdu: Uint8Array): Uint8Array {
    const writer = new BerWriter(pdu.length + 64);
    const scoped = writer.begin(TAG.sequence);
    writer.octets(TAG.octetString, this.#id);
    writer.octets(TAG.octetString, NOTHING);
    writer.raw(pdu);
    writer.end(scoped);
    return writer.bytes();
  }

  #message(
    messageId: number,
    flags: number,
    timeSeconds: number,
    salt: Buffer,
    payload: Uint8Array,
  ): Buffer {
    const isPrivate = flags === AUTH_PRIV;
    const writer = new BerWriter(payload.length + 200);
    const whole = writer.begin(TAG.sequence);
    writer.integer(3);
    const header = writer.begin(TAG.sequence);
    writer.integer(messageId);
    writer.integer(MESSAGE_SIZE_MAX);
    writer.octets(TAG.octetString, Uint8Array.of(flags));
    writer.integer(USER_SECURITY_MODEL);
    writer.end(header);
    const parameters = writer.begin(TAG.octetString);
    const sequence = writer.begin(TAG.sequence);
    writer.octets(TAG.octetString, this.#id);
    writer.integer(BOOTS);
    writer.integer(timeSeconds);
    writer.octets(TAG.octetString, isPrivate ? Buffer.from(BENCH_USER.username) : NOTHING);
    writer.octets(TAG.octetString, Buffer.alloc(isPrivate ? MAC_OCTETS : 0));
    writer.octets(TAG.octetString, salt);
    writer.end(sequence);
    writer.end(parameters);
    writer.raw(payload);
    writer.end(whole);
    return Buffer.from(writer.bytes());
  }
}

/** What SNMPv3 puts around a PDU more than v2c does, in octets. */
const USM_OVERHEAD_BYTES = 140;

/**
 * Answers a v3 message as the v2c agent would, in another envelope; undefined when that stays silent. `spoil` may change
 * the PDU before it is authenticated.
 */
export function respondAsUsm(
  engine: UsmAgent,
  message: Uint8Array,
  responder: Responder,
  agent: Agent,
  spoil: (pdu: Uint8Array) => Uint8Array = (pdu) => pdu,
): Buffer | undefined {
  const { messageId, pdu } = engine.open(message);
  if (pdu === undefined) return engine.report(messageId);
  const writer = new BerWriter(pdu.length + 64);
  const whole = writer.begin(TAG.sequence);
  writer.integer(1);
  writer.octets(TAG.octetString, agent.community);
  writer.raw(pdu);
  writer.end(whole);
  if (!responder.read(writer.bytes())) return undefined;
  const messageBytesMax = agent.messageBytesMax - USM_OVERHEAD_BYTES;
  const answer = responder.answer({ ...agent, messageBytesMax }, 0);
  if (answer === undefined) return undefined;
  return engine.answer(messageId, spoil(pduOf(answer, agent.community.length)));
}

/** What follows the community in a v2c message. */
function pduOf(message: Buffer, communityOctets: number): Buffer {
  const first = message[1] as number;
  const start = first < 0x80 ? 2 : 2 + (first & 0x7f);
  return message.subarray(start + 3 + 2 + communityOctets);
}

function timeNow(): number {
  return Math.floor(performance.now() / 1_000);
}

function ivOf(boots: number, timeSeconds: number, salt: Uint8Array): Buffer {
  const iv = Buffer.alloc(16);
  iv.writeInt32BE(boots, 0);
  iv.writeInt32BE(timeSeconds, 4);
  iv.set(salt, 8);
  return iv;
}
