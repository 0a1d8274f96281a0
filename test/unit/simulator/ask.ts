import { GeneratedValues } from "../../../src/simulator/generated-values.ts";
import { openGeneratedViews } from "../../../src/simulator/generated-view.ts";
import { recordingOf } from "../../../src/simulator/recording.ts";
import { type Agent, MESSAGE_BYTES_MAX, Responder } from "../../../src/simulator/responder.ts";
import { parseSnmprec } from "../../../src/simulator/snmprec.ts";
import { decodeOid, encodeOid, readInteger, readUnsigned, TAG } from "../../../src/snmp/ber.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type Varbind,
} from "../../../src/snmp/message.ts";

export const COMMUNITY = "public";

const responder = new Responder();

export interface Asked {
  readonly version?: 0 | 1;
  readonly community?: string;
  readonly type: number;
  readonly oids: readonly string[];
  readonly requestId?: number;
  /** Of a GETBULK. */
  readonly nonRepeaters?: number;
  readonly maxRepetitions?: number;
}

export function requestOf(asked: Asked): Uint8Array {
  return encodeMessage({
    version: asked.version ?? 1,
    community: Buffer.from(asked.community ?? COMMUNITY),
    pduType: asked.type,
    requestId: asked.requestId ?? 77,
    a: asked.nonRepeaters ?? 0,
    b: asked.maxRepetitions ?? 0,
    varbinds: asked.oids.map((oid) => ({
      oid: encodeOid(oid),
      tag: TAG.null,
      value: new Uint8Array(0),
    })),
  }).bytes;
}

/** The agent's answer, decoded by code that is not the simulator's; undefined when it is silent. */
export function ask(agent: Agent, asked: Asked, nowMs = 0): Message | undefined {
  const bytes = askForBytes(agent, asked, nowMs);
  return bytes && decodeMessage(bytes);
}

export function askForBytes(agent: Agent, asked: Asked, nowMs = 0): Uint8Array | undefined {
  if (!responder.read(requestOf(asked))) return undefined;
  const answer = responder.answer(agent, nowMs);
  return answer && new Uint8Array(answer);
}

/** Varbinds as texts: "1.3.6.1 = 2:5" is an INTEGER 5. */
export function texts(answer: Message | undefined): string[] {
  return (answer?.varbinds ?? []).map(
    (varbind) => `${decodeOid(varbind.oid)} = ${valueText(varbind)}`,
  );
}

export function names(answer: Message | undefined): string[] {
  return (answer?.varbinds ?? []).map(({ oid, tag }) =>
    tag === TAG.endOfMibView ? `${decodeOid(oid)} end` : decodeOid(oid),
  );
}

function valueText({ tag, value }: Varbind): string {
  switch (tag) {
    case TAG.integer:
      return `${tag}:${readInteger(value)}`;
    case TAG.counter32:
    case TAG.gauge32:
    case TAG.timeTicks:
    case TAG.counter64:
      return `${tag}:${readUnsigned(value, tag)}`;
    case TAG.oid:
      return `${tag}:${decodeOid(value)}`;
    default:
      return `${tag}:${Buffer.from(value).toString("latin1")}`;
  }
}

/** An agent that serves the lines of a recording. */
export function recordedAgent(lines: readonly string[], changes: Partial<Agent> = {}): Agent {
  return {
    view: recordingOf("test", parseSnmprec(Buffer.from(lines.join("\n")), "test.snmprec"), false)
      .view,
    community: Buffer.from(COMMUNITY),
    messageBytesMax: MESSAGE_BYTES_MAX,
    writeMoving: () => {
      throw new Error("Nothing moves in a recording that is not live");
    },
    ...changes,
  };
}

export function generatedAgent(
  family: { seed: number; interfaces: number; liveSinceMs?: number },
  router: number,
  changes: Partial<Agent> = {},
): Agent {
  return {
    view: openGeneratedViews(family)(router),
    community: Buffer.from(COMMUNITY),
    messageBytesMax: 1_472,
    writeMoving: new GeneratedValues(family, router).write,
    ...changes,
  };
}

/** Every varbind from the beginning to the end of the view, by GETBULK. */
export function walk(agent: Agent, nowMs = 0): Varbind[] {
  const rows: Varbind[] = [];
  let from = "0.0";
  for (;;) {
    const answer = ask(
      agent,
      { type: TAG.getBulkRequest, oids: [from], maxRepetitions: 1_000 },
      nowMs,
    );
    for (const varbind of answer?.varbinds ?? []) {
      if (varbind.tag === TAG.endOfMibView) return rows;
      rows.push(varbind);
    }
    const last = rows.at(-1);
    if (answer === undefined || answer.varbinds.length === 0 || last === undefined) {
      throw new Error(`The walk stopped after ${rows.length} rows`);
    }
    from = decodeOid(last.oid);
  }
}
