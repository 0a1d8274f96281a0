/** Our two decoders against npm net-snmp's, on valid messages of every type of value. */
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import { seededRandom } from "../src/lib/seeded-random.ts";
import {
  decodeOid,
  encodeOid,
  integerValue,
  ipAddressValue,
  readUnsigned,
  TAG,
  unsignedValue,
} from "../src/snmp/ber.ts";
import { newEnvelope, readEnvelope, readPdu } from "../src/snmp/codec.ts";
import { TableBuilder } from "../src/snmp/fetched-table.ts";
import { communityFraming } from "../src/snmp/framing.ts";
import { decodeMessage, encodeMessage, type Varbind } from "../src/snmp/message.ts";
import { Varbinds } from "../src/snmp/varbinds.ts";

const VARBINDS_MAX = 30;

interface TheirVarbind {
  readonly oid: string;
  readonly type: number;
  readonly value: number | string | Buffer | null;
}

/** As much of net-snmp as decoding takes: its session, told that every message answers a request of its own. */
interface TheirSession {
  unregisterRequest(id: number): unknown;
  onMsg(bytes: Buffer): void;
  on(event: "error", listener: (error: Error) => void): void;
  close(): void;
}
const netSnmp = createRequire(import.meta.url)("net-snmp") as {
  Version2c: number;
  createSession(host: string, community: string, options: object): TheirSession;
};

function theirDecoder(): (bytes: Uint8Array) => { id: number; varbinds: readonly TheirVarbind[] } {
  const silentSocket = {
    on() {},
    once() {},
    bind() {},
    unref() {},
    ref() {},
    close() {},
    send() {},
  };
  const session = netSnmp.createSession("127.0.0.1", "public", {
    version: netSnmp.Version2c,
    dgramModule: { createSocket: () => silentSocket },
  });
  let decoded: { id: number; varbinds: readonly TheirVarbind[] } | undefined;
  session.on("error", (error) => {
    throw error;
  });
  session.unregisterRequest = (id) => ({
    message: { version: netSnmp.Version2c, community: "public" },
    responseCb: (error: Error) => {
      throw error;
    },
    onResponse: (_request: unknown, message: { pdu: { varbinds: readonly TheirVarbind[] } }) => {
      decoded = { id, varbinds: message.pdu.varbinds };
    },
  });
  return (bytes) => {
    decoded = undefined;
    session.onMsg(Buffer.from(bytes));
    if (decoded === undefined) throw new Error("net-snmp decoded nothing");
    return decoded;
  };
}

function anyVarbind(dice: () => number): Varbind {
  const upTo = (n: number) => Math.floor(dice() * n);
  const tail = Array.from({ length: 1 + upTo(6) }, () => upTo(dice() < 0.5 ? 200 : 2 ** 32));
  const oid = encodeOid(`1.3.6.1.${tail.join(".")}`);
  const octets = (n: number) => Uint8Array.from({ length: upTo(n) }, () => upTo(256));
  const values: (() => Pick<Varbind, "tag" | "value">)[] = [
    () => ({ tag: TAG.integer, value: integerValue(upTo(2 ** 32) - 2 ** 31) }),
    () => ({ tag: TAG.octetString, value: octets(300) }),
    () => ({ tag: TAG.oid, value: encodeOid(`1.3.${upTo(2 ** 32)}.${upTo(300)}`) }),
    () => ({
      tag: TAG.ipAddress,
      value: ipAddressValue([1, 2, 3, 4].map(() => upTo(256)).join(".")),
    }),
    () => ({ tag: TAG.counter32, value: unsignedValue(upTo(2 ** 32)) }),
    () => ({ tag: TAG.gauge32, value: unsignedValue(upTo(2 ** 16)) }),
    () => ({ tag: TAG.timeTicks, value: unsignedValue(upTo(2 ** 32)) }),
    () => ({ tag: TAG.counter64, value: unsignedValue(upTo(2 ** 52)) }),
    () => ({ tag: TAG.noSuchObject, value: new Uint8Array(0) }),
    () => ({ tag: TAG.noSuchInstance, value: new Uint8Array(0) }),
    () => ({ tag: TAG.endOfMibView, value: new Uint8Array(0) }),
  ];
  return { oid, ...(values[upTo(values.length)] as (typeof values)[number])() };
}

/** A value as net-snmp gives it. */
function asTheirs(tag: number, octets: Uint8Array, number: bigint): TheirVarbind["value"] {
  switch (tag) {
    case TAG.octetString:
      return Buffer.from(octets);
    case TAG.oid:
      return decodeOid(octets);
    case TAG.ipAddress:
      return [...octets].join(".");
    case TAG.noSuchObject:
    case TAG.noSuchInstance:
    case TAG.endOfMibView:
      return null;
    default:
      return Number(number);
  }
}

/** Their Counter64 is its octets. */
function comparable({ oid, type, value }: TheirVarbind): TheirVarbind {
  const isCounter64 = type === TAG.counter64 && Buffer.isBuffer(value);
  return { oid, type, value: isCounter64 ? Number(readUnsigned(value, type)) : value };
}

/** Fails on the first of so many messages that is not decoded as net-snmp does, by the hot path or by the plain one. */
export function expectSameDecoding({
  seed,
  messages,
}: {
  readonly seed: number;
  readonly messages: number;
}): void {
  const dice = seededRandom(seed);
  const upTo = (n: number) => Math.floor(dice() * n);
  const decode = theirDecoder();
  const { accept } = communityFraming({ version: "2c", community: "public" });
  for (let round = 0; round < messages; round++) {
    const sent = Array.from({ length: upTo(VARBINDS_MAX) }, () => anyVarbind(dice));
    const requestId = 1 + upTo(2 ** 31 - 1);
    const { bytes } = encodeMessage({
      version: 1,
      community: Buffer.from("public"),
      pduType: TAG.response,
      requestId,
      a: 0,
      b: 0,
      varbinds: sent,
    });

    const theirs = decode(bytes);
    const envelope = newEnvelope();
    expect(readEnvelope(bytes, envelope)).toBe(true);
    const answer = accept(bytes, envelope);
    if (answer.kind !== "answer") throw new Error(`round ${round}: ${answer.kind}`);
    const hot: TheirVarbind[] = [];
    const varbinds = new Varbinds(bytes, answer.at, answer.end);
    while (varbinds.next()) {
      const { oidStart, oidEnd, tag, valueStart, valueEnd } = varbinds;
      const table = new TableBuilder(1, 1, 1);
      table.addScalarRow();
      table.put(0, 0, tag, bytes, valueStart, valueEnd);
      const column = table.finish(["it"]).columns.get("it");
      hot.push({
        oid: decodeOid(bytes, oidStart, oidEnd),
        type: tag,
        value: asTheirs(tag, column?.bytes[0] ?? new Uint8Array(0), column?.numbers[0] ?? 0n),
      });
    }
    const plain = decodeMessage(bytes).varbinds.map(asText);
    const where = `seed ${seed}, round ${round}`;
    expectSame(hot, theirs.varbinds.map(comparable), where);
    expectSame(plain, sent.map(asText), where);
    expectSame([envelope.id, answer.requestId, theirs.id], new Array(3).fill(requestId), where);
    expectSame(readPdu(bytes, envelope.at, envelope.end), answer, where);
  }
}

function asText({ oid, tag, value }: Varbind): string {
  return `${decodeOid(oid)} ${tag} ${Buffer.from(value).toString("hex")}`;
}

/** `expect` explains a difference, but takes fifty times as long to find none. */
function expectSame(ours: unknown, theirs: unknown, where: string): void {
  if (!isDeepStrictEqual(ours, theirs)) expect(ours, where).toEqual(theirs);
}
