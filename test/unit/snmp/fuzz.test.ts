import { describe, expect, test } from "vitest";
import { spoilOctets, spoilStructure } from "../../../src/bench/spoil.ts";
import { seededRandom } from "../../../src/lib/seeded-random.ts";
import { failure } from "../../../src/snmp/arrival.ts";
import { encodeOid, TAG } from "../../../src/snmp/ber.ts";
import { newEnvelope, readEnvelope } from "../../../src/snmp/codec.ts";
import { communityFraming } from "../../../src/snmp/framing.ts";
import { encodeMessage, type Varbind } from "../../../src/snmp/message.ts";
import { Varbinds } from "../../../src/snmp/varbinds.ts";
import { getScalars, walkColumns } from "../../../src/snmp/walk.ts";
import {
  type Behaviour,
  columnMib,
  counter,
  counter64,
  fakeSession,
  pduOf,
  text,
} from "./fake-agent.ts";

/** Nothing that arrives throws, leaves its octets, goes on forever or brings more than is allowed. */

const DATAGRAMS = 20_000;
const WALKS = 1_500;
const A = "1.3.6.1.2.1.2.2.1.10";
const B = "1.3.6.1.2.1.2.2.1.2";
const instances = Array.from({ length: 40 }, (_, i) => (i + 1) * 7);
const MIB = {
  ...columnMib(A, instances, (i) => counter64(BigInt(i))),
  ...columnMib(B, instances, (i) => text(`interface ${i}`)),
  "1.3.6.1.6.3.1.1": counter(1),
};
describe(`${DATAGRAMS} mutated datagrams`, () => {
  test("are read or refused, and never beyond their octets", () => {
    const seed = 20_250_102;
    const dice = seededRandom(seed);
    const community = Buffer.from("public");
    const varbinds: Varbind[] = Object.entries(MIB).map(([dotted, value]) => ({
      oid: encodeOid(dotted),
      ...value,
    }));
    const framings = (["1", "2c"] as const).map((version) =>
      communityFraming({ version, community: "public" }),
    );
    const envelope = newEnvelope();
    let answers = 0;
    for (let round = 0; round < DATAGRAMS; round++) {
      const from = Math.floor(dice() * 70);
      const version = round % 2;
      const { bytes: valid } = encodeMessage({
        version,
        community,
        pduType: TAG.response,
        requestId: 0x0102_0304,
        a: 0,
        b: 0,
        varbinds: varbinds.slice(from, from + Math.floor(dice() * 8)),
      });
      const spoil = round % 10 > 1 ? spoilOctets : spoilStructure;
      const bytes = spoil(valid, dice);
      const where = `seed ${seed}, round ${round}`;
      if (!readEnvelope(bytes, envelope)) continue;
      expect(envelope.end, where).toBeLessThanOrEqual(bytes.length);
      const accepted = framings[version]?.accept(bytes, envelope);
      if (accepted?.kind !== "answer") continue;
      answers++;
      const read = new Varbinds(bytes, accepted.at, accepted.end);
      let last = accepted.at;
      while (read.next()) {
        if (read.oidStart <= last || read.valueEnd > accepted.end) throw new Error(where);
        last = read.valueEnd;
      }
      expect(accepted.end, where).toBeLessThanOrEqual(bytes.length);
    }
    expect(answers).toBeGreaterThan(DATAGRAMS / 10);
  });
});

describe(`${WALKS} walks of an agent that answers mutated, misplaced and missing varbinds`, () => {
  test("end within bounds, with a named outcome and a table that holds together", async () => {
    const seed = 20_250_103;
    const dice = seededRandom(seed);
    const upTo = (n: number) => Math.floor(dice() * n);
    const behaviour: Behaviour = (_request, correct) => {
      const answer = correct();
      switch (upTo(12)) {
        case 0:
          return failure("silent", "No answer");
        case 1:
          return { errorStatus: upTo(20), errorIndex: upTo(5), varbinds: answer.varbinds };
        case 2:
          return { varbinds: [...answer.varbinds].sort(() => dice() - 0.5) };
        case 3:
          return { varbinds: answer.varbinds.slice(0, upTo(answer.varbinds.length + 1)) };
        case 4:
          return { varbinds: [...answer.varbinds, ...answer.varbinds] };
        case 5:
        case 6:
        case 7:
          return answer;
        default:
          return spoilOctets(pduOf(answer), dice);
      }
    };
    const outcomes = new Map<string, number>();
    for (let round = 0; round < WALKS; round++) {
      const version = (["1", "2c"] as const)[round % 2] ?? "2c";
      const session = fakeSession(MIB, { version, behaviour, answerBytesMax: 100 + upTo(1_500) });
      const rowsMax = 1 + upTo(60);
      const where = `seed ${seed}, round ${round}`;

      const { outcome, reason, table } = await walkColumns(session, [A, B], { rowsMax });
      await getScalars(session, [`${A}.7`, `${B}.7`, `${B}.14`, "1.3.6.1.9.9.0"]);

      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      expect(session.requests.length, where).toBeLessThan(600);
      expect(reason === undefined, where).toBe(outcome === "answered");
      expect(table.instances.length, where).toBeLessThanOrEqual(rowsMax);
      expect(new Set(table.instances).size, where).toBe(table.instances.length);
      for (const { tags, numbers, bytes } of table.columns.values()) {
        expect([tags.length, numbers.length, bytes.length], where).toEqual(
          new Array(3).fill(table.instances.length),
        );
      }
    }
    expect([...outcomes.keys()].sort()).toEqual(
      expect.arrayContaining(["answered", "partial", "silent"]),
    );
  });
});
