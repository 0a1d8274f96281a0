/**
 * An agent in memory, correct unless told otherwise, behind the interface of a session: requests go through our encoder,
 * answers through our decoder, and nothing through a socket.
 */
import { systemClock } from "../../../src/lib/clock.ts";
import { type Failure, failure } from "../../../src/snmp/arrival.ts";
import {
  BerReader,
  compareOidBytes,
  counter64Value,
  decodeOid,
  encodeOid,
  integerValue,
  TAG,
  textValue,
  unsignedValue,
} from "../../../src/snmp/ber.ts";
import { encodePdu, pduLength, readPdu } from "../../../src/snmp/codec.ts";
import { decodePdu, encodeMessage, type Varbind } from "../../../src/snmp/message.ts";
import { OidCache } from "../../../src/snmp/oid-cache.ts";
import type { Session } from "../../../src/snmp/session.ts";
import type { WalkMemory } from "../../../src/snmp/sizing.ts";

export interface AgentRequest {
  readonly pduType: number;
  readonly names: readonly string[];
  /** max-repetitions of a GETBULK; 1 otherwise. */
  readonly repetitions: number;
}

export interface AgentAnswer {
  readonly errorStatus?: number;
  readonly errorIndex?: number;
  readonly varbinds: readonly Varbind[];
}

/** What the agent sends: an answer, a PDU's octets of its own making, or nothing (which is a failure). */
export type Behaviour = (
  request: AgentRequest,
  correct: () => AgentAnswer,
) => AgentAnswer | Uint8Array | Failure;

export interface FakeSession extends Session {
  readonly requests: AgentRequest[];
}

export interface FakeAgentOptions {
  readonly version?: "1" | "2c" | "3";
  /** The agent's own limit on its answers, in octets of varbinds. */
  readonly answerBytesMax?: number;
  readonly behaviour?: Behaviour;
}

export const counter = (value: number) => ({ tag: TAG.counter32, value: unsignedValue(value) });
export const gauge = (value: number) => ({ tag: TAG.gauge32, value: unsignedValue(value) });
export const integer = (value: number) => ({ tag: TAG.integer, value: integerValue(value) });
export const counter64 = (value: bigint) => ({ tag: TAG.counter64, value: counter64Value(value) });
export const text = (value: string) => ({ tag: TAG.octetString, value: textValue(value) });
export const NOTHING = new Uint8Array(0);

export type Mib = Readonly<Record<string, { readonly tag: number; readonly value: Uint8Array }>>;

/** A column's instances and values as part of a MIB. */
export function columnMib<T>(
  column: string,
  instances: readonly (string | number)[],
  valueAt: (instance: string | number, row: number) => T,
): Record<string, T> {
  return Object.fromEntries(
    instances.map((instance, row) => [`${column}.${instance}`, valueAt(instance, row)]),
  );
}

export function fakeSession(mib: Mib, options: FakeAgentOptions = {}): FakeSession {
  const { version = "2c", behaviour = (_request, correct) => correct() } = options;
  const rows = Object.entries(mib)
    .map(([dotted, { tag, value }]): Varbind => ({ oid: encodeOid(dotted), tag, value }))
    .sort((a, b) => compareOidBytes(a.oid, b.oid));
  const requests: AgentRequest[] = [];
  const memories = new Map<string, WalkMemory>();
  const stats = { requests: 0, retries: 0, bytesIn: 0 };
  const session: FakeSession = {
    version,
    stats,
    requests,
    oids: new OidCache(),
    clock: systemClock,
    learnt: new Map(),
    recall: ({ key }) => memories.get(key),
    remember: ({ key }, memory) => {
      memories.set(key, memory);
    },
    setPace() {},
    async request(request) {
      await Promise.resolve();
      stats.requests++;
      const pdu = new Uint8Array(pduLength(request));
      if (encodePdu(pdu, 0, 0x0100_0000, request) !== pdu.length) throw new Error("wrong length");
      const decoded = decodePdu(new BerReader(pdu), request.pduType);
      const asked: AgentRequest = {
        pduType: decoded.pduType,
        names: decoded.varbinds.map(({ oid }) => decodeOid(oid)),
        repetitions: decoded.pduType === TAG.getBulkRequest ? decoded.b : 1,
      };
      requests.push(asked);
      const correct = () => answerTo(asked, rows, version, options.answerBytesMax ?? 60_000);
      const answer = behaviour(asked, correct);
      if ("kind" in answer) return { ...answer, retries: 0 };
      const bytes = answer instanceof Uint8Array ? answer : pduOf(answer);
      stats.bytesIn += bytes.length;
      return readPdu(bytes, 0, bytes.length) ?? { ...failure("malformed", "No PDU"), retries: 0 };
    },
    ask(request, beforeRetry, done) {
      void session.request(request, beforeRetry).then(done);
    },
  };
  return session;
}

/** The octets of a response PDU. */
export function pduOf({ errorStatus = 0, errorIndex = 0, varbinds }: AgentAnswer): Uint8Array {
  const community = textValue("");
  const { bytes } = encodeMessage({
    version: 1,
    community,
    pduType: TAG.response,
    requestId: 0x0100_0000,
    a: errorStatus,
    b: errorIndex,
    varbinds,
  });
  const message = new BerReader(bytes).enter(TAG.sequence);
  message.integer();
  message.octets(TAG.octetString);
  return bytes.slice(message.at);
}

function answerTo(
  { pduType, names, repetitions }: AgentRequest,
  rows: readonly Varbind[],
  version: string,
  bytesMax: number,
): AgentAnswer {
  const asked = names.map(encodeOid);
  if (pduType === TAG.getRequest) {
    const varbinds = asked.map(
      (oid) =>
        rows.find((row) => compareOidBytes(row.oid, oid) === 0) ?? {
          oid,
          tag: TAG.noSuchInstance,
          value: NOTHING,
        },
    );
    const missing = varbinds.findIndex(({ tag }) => tag === TAG.noSuchInstance);
    if (version === "1" && missing >= 0)
      return { errorStatus: 2, errorIndex: missing + 1, varbinds };
    return bytesOf(varbinds) > bytesMax ? { errorStatus: 1, varbinds: [] } : { varbinds };
  }
  const varbinds: Varbind[] = [];
  let last = asked;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const next = last.map((oid) => nextAfter(oid, rows));
    const missing = next.findIndex(({ tag }) => tag === TAG.endOfMibView);
    if (version === "1" && missing >= 0)
      return { errorStatus: 2, errorIndex: missing + 1, varbinds };
    for (const varbind of next) {
      varbinds.push(varbind);
      if (bytesOf(varbinds) > bytesMax) return { varbinds: varbinds.slice(0, -1) };
    }
    last = next.map(({ oid }) => oid);
  }
  return { varbinds };
}

export function nextAfter(oid: Uint8Array, rows: readonly Varbind[]): Varbind {
  return (
    rows.find((row) => compareOidBytes(row.oid, oid) > 0) ?? {
      oid,
      tag: TAG.endOfMibView,
      value: NOTHING,
    }
  );
}

function bytesOf(varbinds: readonly Varbind[]): number {
  return varbinds.reduce((sum, { oid, value }) => sum + oid.length + value.length + 6, 0);
}
