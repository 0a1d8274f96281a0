/**
 * Routers that misbehave, each in one way a poller has met or could be attacked by. A mode takes the answer a correct
 * agent would give and spoils it, so that only the one thing is wrong. Pure: dice are an argument.
 */
import { BerWriter, compareOidBytes, counter64Value, encodeOid, TAG } from "../snmp/ber.ts";
import { decodeMessage, encodeMessage, type Message, type Varbind } from "../snmp/message.ts";

export const HOSTILE_MODES = {
  silent: "never answers",
  garbage: "answers random octets",
  truncated: "answers the first half of the message",
  "wrong-request-id": "answers with another request id",
  "wrong-source-port": "answers from another port",
  "wrong-community": "answers with another community",
  late: "answers after the poller has given up",
  duplicates: "answers three times",
  "non-increasing": "answers GETNEXT and GETBULK with the OIDs that were asked",
  endless: "never comes to the end of a table",
  "too-big": "finds every answer too big",
  "gen-err": "fails with genErr",
  "no-such-name": "knows no name, and points at varbinds that were not asked",
  report: "answers with a Report PDU",
  v3: "answers with an SNMPv3 message",
  "empty-varbinds": "answers without varbinds",
  "missing-varbind": "leaves out the last varbind",
  "extra-varbind": "adds a varbind nobody asked for",
  "huge-length": "claims a length of 20 MiB",
  "overlong-string": "has strings that end after their message",
  "wrong-tags": "gives every value another type",
  "negative-counters": "sends 32-bit counters with their sign set",
  "counter64-in-v1": "sends Counter64 in SNMPv1",
} as const satisfies Record<string, string>;

export type HostileMode = keyof typeof HOSTILE_MODES;

export interface Transmission {
  readonly bytes: Uint8Array;
  /** Sent when the poller no longer waits. */
  readonly late?: true;
  /** Sent from a port the poller never sent to. */
  readonly fromOtherPort?: true;
}

const ERROR_GEN_ERR = 5;
const TWENTY_MEBIBYTES = Uint8Array.of(0x84, 0x01, 0x40, 0x00, 0x00);
/** Rows of an endless table in one answer. */
const ENDLESS_ROWS_MAX = 50;
const USM_UNKNOWN_ENGINE_IDS = encodeOid("1.3.6.1.6.3.15.1.1.4.0");
const NOBODY_ASKED = encodeOid("1.3.6.1.4.1.8072.9999.9999");

/** What a router of this mode sends for a request whose correct answer is `correct`. `dice` gives numbers in [0, 1). */
export function misbehave(
  mode: HostileMode,
  request: Uint8Array,
  correct: Uint8Array,
  sizeMax: number,
  dice: () => number,
): Transmission[] {
  const asked = decodeMessage(request);
  const answer = decodeMessage(correct);
  const send = (changes: Partial<Message>): Transmission[] => [
    { bytes: encodeMessage({ ...answer, ...changes }, sizeMax).bytes.slice() },
  ];
  switch (mode) {
    case "silent":
      return [];
    case "garbage":
      return [{ bytes: Uint8Array.from(correct, () => Math.floor(dice() * 256)) }];
    case "truncated":
      return [{ bytes: copyOf(correct.subarray(0, correct.length / 2)) }];
    case "wrong-request-id":
      return send({ requestId: (answer.requestId + 1) | 0 });
    case "wrong-source-port":
      return [{ bytes: copyOf(correct), fromOtherPort: true }];
    case "wrong-community":
      return send({ community: Buffer.concat([answer.community, Buffer.from("x")]) });
    case "late":
      return [{ bytes: copyOf(correct), late: true }];
    case "duplicates":
      return [0, 1, 2].map(() => ({ bytes: copyOf(correct) }));
    case "non-increasing":
      return send({ varbinds: nonIncreasing(asked, answer) });
    case "endless":
      return send({ a: 0, b: 0, varbinds: [...endless(asked, answer)] });
    case "too-big":
      return send({ a: 1, b: 0, varbinds: answer.version === 0 ? asked.varbinds : [] });
    case "gen-err":
      return send({ a: ERROR_GEN_ERR, b: 1, varbinds: asked.varbinds });
    case "no-such-name": {
      // Within what was asked, nowhere, or beyond: a poller that retries without that varbind must not go round forever.
      const index = [1, 0, asked.varbinds.length + 5][Math.floor(dice() * 3)] as number;
      return send({ a: 2, b: index, varbinds: asked.varbinds });
    }
    case "report":
      return send({
        pduType: TAG.report,
        a: 0,
        b: 0,
        varbinds: [{ oid: USM_UNKNOWN_ENGINE_IDS, tag: TAG.counter32, value: Uint8Array.of(1) }],
      });
    case "v3":
      return [{ bytes: v3Message(answer.requestId) }];
    case "empty-varbinds":
      return send({ a: 0, b: 0, varbinds: [] });
    case "missing-varbind":
      return send({ varbinds: answer.varbinds.slice(0, -1) });
    case "extra-varbind":
      return send({
        varbinds: [
          ...answer.varbinds,
          { oid: NOBODY_ASKED, tag: TAG.integer, value: Uint8Array.of(1) },
        ],
      });
    case "huge-length":
      return [{ bytes: dice() < 0.5 ? hugeOutside(correct) : hugeInside(answer) }];
    case "overlong-string":
      return [{ bytes: overlongString(answer) }];
    case "wrong-tags":
      return send({ varbinds: answer.varbinds.map(wrongTag) });
    case "negative-counters":
      return send({ varbinds: answer.varbinds.map(negative) });
    case "counter64-in-v1":
      return send({
        varbinds: answer.varbinds.map((varbind) =>
          varbind.tag === TAG.counter32 && answer.version === 0
            ? { ...varbind, tag: TAG.counter64 }
            : varbind,
        ),
      });
  }
}

/** Octets of its own: the correct answer's are soon overwritten. A Buffer's `slice` would not copy. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function isWalk(request: Message): boolean {
  return request.pduType === TAG.getNextRequest || request.pduType === TAG.getBulkRequest;
}

/** Values that move on under names that do not. */
function nonIncreasing(asked: Message, answer: Message): readonly Varbind[] {
  if (!isWalk(asked)) return answer.varbinds;
  return answer.varbinds.map((varbind, i) => {
    const requested = asked.varbinds[i % asked.varbinds.length];
    return { ...varbind, oid: requested?.oid ?? varbind.oid };
  });
}

/** Row after row below what was asked, whatever the view holds. */
function* endless(asked: Message, answer: Message): Generator<Varbind> {
  if (!isWalk(asked)) {
    yield* answer.varbinds;
    return;
  }
  const isBulk = asked.pduType === TAG.getBulkRequest;
  const rows = isBulk ? Math.min(Math.max(asked.b, 1), ENDLESS_ROWS_MAX) : 1;
  const columns = asked.varbinds.map(({ oid }, i) => endlessFrom(oid, answer.varbinds[i]?.oid));
  for (let row = 0; row < rows; row++) {
    for (const { prefix, from } of columns) {
      const oid = Buffer.concat([prefix, subId(from + row)]);
      yield { oid, tag: TAG.counter64, value: counter64Value(BigInt(from + row)) };
    }
  }
}

/** Where an endless column goes on: below the OID that was asked when that is a column, else after its last number. */
function endlessFrom(
  oid: Uint8Array,
  next: Uint8Array | undefined,
): { prefix: Uint8Array; from: number } {
  const isColumn =
    next !== undefined &&
    next.length > oid.length &&
    compareOidBytes(next.subarray(0, oid.length), oid) === 0;
  if (isColumn) return { prefix: oid, from: 1 };
  let start = oid.length - 1;
  while (start > 1 && (oid[start - 1] as number) >= 0x80) start--;
  let last = 0;
  for (const octet of oid.subarray(start)) last = last * 128 + (octet & 0x7f);
  return { prefix: oid.subarray(0, start), from: last + 1 };
}

function subId(value: number): Uint8Array {
  const octets = [value & 0x7f];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    octets.unshift((rest & 0x7f) | 0x80);
  }
  return Uint8Array.from(octets);
}

/** The message as it should be, but for the outermost length. */
function hugeOutside(correct: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(TAG.sequence), TWENTY_MEBIBYTES, correct.subarray(4)]);
}

/** Every length is true but that of the last value, which claims 20 MiB and has nothing. */
function hugeInside(answer: Message): Uint8Array {
  return withRawVarbind(answer, (writer, oid) => {
    writer.octets(TAG.oid, oid);
    writer.raw(Uint8Array.of(TAG.octetString));
    writer.raw(TWENTY_MEBIBYTES);
  });
}

/** The last value is a string that claims ten octets more than its varbind, and the message, have. */
function overlongString(answer: Message): Uint8Array {
  return withRawVarbind(answer, (writer, oid) => {
    writer.octets(TAG.oid, oid);
    writer.raw(Uint8Array.of(TAG.octetString, 12, 0x61, 0x62));
  });
}

/** The answer with its last varbind, or the only one when there was none, written by `write`. */
function withRawVarbind(
  answer: Message,
  write: (writer: BerWriter, oid: Uint8Array) => void,
): Uint8Array {
  const writer = new BerWriter();
  const whole = writer.begin(TAG.sequence);
  writer.integer(answer.version);
  writer.octets(TAG.octetString, answer.community);
  const pdu = writer.begin(answer.pduType);
  writer.integer(answer.requestId);
  writer.integer(0);
  writer.integer(0);
  const list = writer.begin(TAG.sequence);
  for (const { oid, tag, value } of answer.varbinds.slice(0, -1)) {
    const varbind = writer.begin(TAG.sequence);
    writer.octets(TAG.oid, oid);
    writer.octets(tag, value);
    writer.end(varbind);
  }
  const varbind = writer.begin(TAG.sequence);
  write(writer, answer.varbinds.at(-1)?.oid ?? NOBODY_ASKED);
  writer.end(varbind);
  writer.end(list);
  writer.end(pdu);
  writer.end(whole);
  return writer.bytes().slice();
}

/** An SNMPv3 message that claims authentication, its message id the request id of the v1 or v2c request. */
function v3Message(requestId: number): Uint8Array {
  const writer = new BerWriter();
  const whole = writer.begin(TAG.sequence);
  writer.integer(3);
  const header = writer.begin(TAG.sequence);
  writer.integer(requestId);
  writer.integer(65_507);
  writer.octets(TAG.octetString, Uint8Array.of(1));
  writer.integer(3);
  writer.end(header);
  writer.octets(TAG.octetString, new Uint8Array(24));
  writer.octets(TAG.octetString, new Uint8Array(40));
  writer.end(whole);
  return writer.bytes().slice();
}

const WRONG_TAGS: Readonly<Record<number, number>> = {
  [TAG.integer]: TAG.octetString,
  [TAG.octetString]: TAG.integer,
  [TAG.oid]: TAG.counter32,
  [TAG.counter32]: TAG.oid,
  [TAG.gauge32]: 0x47,
  [TAG.timeTicks]: TAG.sequence,
  [TAG.counter64]: TAG.ipAddress,
};

function wrongTag(varbind: Varbind): Varbind {
  return { ...varbind, tag: WRONG_TAGS[varbind.tag] ?? TAG.null };
}

/** The way of agents that keep a Counter32 in a signed integer: four octets, the first bit set. */
function negative(varbind: Varbind): Varbind {
  if (varbind.tag !== TAG.counter32 && varbind.tag !== TAG.gauge32) return varbind;
  const value = new Uint8Array(4);
  value.set(varbind.value.slice(-4), 4 - Math.min(4, varbind.value.length));
  value[0] = (value[0] as number) | 0x80;
  return { ...varbind, value };
}
