import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../../src/lib/seeded-random.ts";
import { HOSTILE_MODES, type HostileMode, misbehave } from "../../../src/simulator/hostile.ts";
import { Responder } from "../../../src/simulator/responder.ts";
import { BerError, decodeOid, TAG } from "../../../src/snmp/ber.ts";
import { decodeMessage, type Message } from "../../../src/snmp/message.ts";
import { type Asked, askForBytes, generatedAgent, names, requestOf } from "./ask.ts";

const COLUMN = "1.3.6.1.2.1.2.2.1.10";
const agent = generatedAgent({ seed: 1, interfaces: 4 }, 0);
const BULK: Asked = {
  type: TAG.getBulkRequest,
  oids: [COLUMN, "1.3.6.1.2.1.2.2.1.2"],
  maxRepetitions: 3,
};
const MODES = Object.keys(HOSTILE_MODES) as HostileMode[];

function transmissionsOf(mode: HostileMode, asked: Asked, dice = seededRandom(1)) {
  const correct = askForBytes(agent, asked) ?? new Uint8Array(0);
  return misbehave(mode, requestOf(asked), correct, 1_472, dice);
}

function answerOf(mode: HostileMode, asked: Asked = BULK): Message {
  const [sent] = transmissionsOf(mode, asked);
  return decodeMessage(sent?.bytes ?? new Uint8Array(0));
}

function correctOf(asked: Asked = BULK): Message {
  return decodeMessage(askForBytes(agent, asked) ?? new Uint8Array(0));
}

describe("a router that misbehaves", () => {
  it("silent, sends nothing", () => {
    expect(transmissionsOf("silent", BULK)).toEqual([]);
  });

  it("in duplicates, sends the correct answer three times", () => {
    const sent = transmissionsOf("duplicates", BULK);

    expect(sent.map(({ bytes }) => decodeMessage(bytes))).toEqual([
      correctOf(),
      correctOf(),
      correctOf(),
    ]);
  });

  it("late or from another port, sends the correct answer", () => {
    expect(transmissionsOf("late", BULK)[0]).toMatchObject({ late: true });
    expect(transmissionsOf("wrong-source-port", BULK)[0]).toMatchObject({ fromOtherPort: true });
    expect(answerOf("late")).toEqual(correctOf());
    expect(answerOf("wrong-source-port")).toEqual(correctOf());
  });

  it.each<[HostileMode, Partial<Message>]>([
    ["wrong-request-id", { requestId: 78 }],
    ["wrong-community", { community: new TextEncoder().encode("publicx") }],
    ["too-big", { a: 1, b: 0, varbinds: [] }],
    ["empty-varbinds", { a: 0, b: 0, varbinds: [] }],
  ])("%s changes only that", (mode, changes) => {
    expect(answerOf(mode)).toEqual({ ...correctOf(), ...changes });
  });

  it("with genErr or noSuchName returns the varbinds that were asked", () => {
    for (const mode of ["gen-err", "no-such-name"] as const) {
      expect(answerOf(mode).a).toBe(mode === "gen-err" ? 5 : 2);
      expect(names(answerOf(mode))).toEqual(BULK.oids);
    }
  });

  it("points noSuchName at what was asked, at nothing and beyond", () => {
    const dice = seededRandom(1);

    const indexes = Array.from({ length: 50 }, () => {
      const [sent] = transmissionsOf("no-such-name", BULK, dice);
      return decodeMessage(sent?.bytes ?? new Uint8Array(0)).b;
    });

    expect(new Set(indexes)).toEqual(new Set([0, 1, 7]));
  });

  it("sends a Report with the request's id", () => {
    expect(answerOf("report")).toMatchObject({ pduType: TAG.report, requestId: 77 });
    expect(names(answerOf("report"))).toEqual(["1.3.6.1.6.3.15.1.1.4.0"]);
  });

  it("leaves out or adds a varbind", () => {
    const correct = names(correctOf());

    expect(names(answerOf("missing-varbind"))).toEqual(correct.slice(0, -1));
    expect(names(answerOf("extra-varbind"))).toEqual([...correct, "1.3.6.1.4.1.8072.9999.9999"]);
  });

  it("without increasing OIDs, gives new values under the names that were asked", () => {
    const answer = answerOf("non-increasing");

    expect(names(answer)).toEqual([...BULK.oids, ...BULK.oids, ...BULK.oids]);
    expect(answer.varbinds.map(({ value }) => value)).toEqual(
      correctOf().varbinds.map(({ value }) => value),
    );
  });

  it("never ends a table", () => {
    let from: readonly string[] = BULK.oids;
    const seen: string[] = [];
    for (let i = 0; i < 200; i++) {
      const answer = names(answerOf("endless", { ...BULK, oids: from }));
      expect(answer).toHaveLength(6);
      from = answer.slice(-2);
      seen.push(...answer.filter((name) => name.startsWith(`${COLUMN}.`)));
    }

    expect(seen).toEqual(Array.from({ length: 600 }, (_, i) => `${COLUMN}.${i + 1}`));
  });

  it("gives every value another type and the same content", () => {
    const correct = correctOf();
    const wrong = answerOf("wrong-tags");

    expect(wrong.varbinds.map(({ value }) => value)).toEqual(
      correct.varbinds.map(({ value }) => value),
    );
    wrong.varbinds.forEach(({ tag }, i) => {
      expect(tag).not.toBe(correct.varbinds[i]?.tag);
    });
  });

  it("sends 32-bit counters of four octets with their sign set", () => {
    const { varbinds } = answerOf("negative-counters", {
      type: TAG.getNextRequest,
      oids: [COLUMN],
    });

    expect(varbinds[0]).toMatchObject({ tag: TAG.counter32 });
    expect(varbinds[0]?.value).toHaveLength(4);
    expect(varbinds[0]?.value[0]).toBeGreaterThanOrEqual(0x80);
  });

  it("sends Counter64 in v1 alone", () => {
    const asked: Asked = { type: TAG.getNextRequest, oids: [COLUMN] };

    expect(answerOf("counter64-in-v1", { ...asked, version: 0 }).varbinds[0]?.tag).toBe(
      TAG.counter64,
    );
    expect(answerOf("counter64-in-v1", asked).varbinds[0]?.tag).toBe(TAG.counter32);
  });

  it.each<HostileMode>(["garbage", "truncated", "huge-length", "overlong-string", "v3"])(
    "%s is no v1 or v2c message",
    (mode) => {
      const dice = seededRandom(3);
      for (let i = 0; i < 20; i++) {
        const [sent] = transmissionsOf(mode, BULK, dice);
        expect(() => decodeMessage(sent?.bytes ?? new Uint8Array(0))).toThrow(BerError);
      }
    },
  );

  it("claims 20 MiB outside and inside, in a datagram that is short", () => {
    const dice = seededRandom(3);
    const claim = Buffer.from([0x84, 0x01, 0x40, 0x00, 0x00]);

    const at = Array.from({ length: 50 }, () => {
      const [sent] = transmissionsOf("huge-length", BULK, dice);
      expect(sent?.bytes.length).toBeLessThan(400);
      return Buffer.from(sent?.bytes ?? []).indexOf(claim);
    });

    expect(at.some((index) => index === 1)).toBe(true);
    expect(at.some((index) => index > 50)).toBe(true);
  });

  it("in every mode has something to send for any request an agent answers", () => {
    const whole = requestOf({ ...BULK, nonRepeaters: 1 });
    const responder = new Responder();
    const mutation = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    const dice = seededRandom(1);

    fc.assert(
      fc.property(
        fc.array(mutation, { maxLength: 4 }),
        fc.constantFrom(...MODES),
        (mutations, mode) => {
          const message = whole.slice();
          for (const [at, octet] of mutations) message[at] = octet;
          if (!responder.read(message)) return;
          const correct = responder.answer(agent, 0);
          if (correct === undefined) return;

          for (const { bytes } of misbehave(mode, message, correct, 1_472, dice)) {
            expect(bytes.length).toBeLessThanOrEqual(1_600);
          }
        },
      ),
      { numRuns: 5_000 },
    );
  });
});

describe("what is sent", () => {
  it("does not change when the responder writes its next answer", () => {
    for (const mode of MODES) {
      const correct = Buffer.from(askForBytes(agent, BULK) ?? []);
      const sent = misbehave(mode, requestOf(BULK), correct, 1_472, seededRandom(1));
      const before = sent.map(({ bytes }) => Buffer.from(bytes).toString("hex"));

      correct.fill(0);

      expect(sent.map(({ bytes }) => Buffer.from(bytes).toString("hex"))).toEqual(before);
    }
  });
});

describe("a correct answer", () => {
  it("is left as it is", () => {
    const correct = askForBytes(agent, BULK) ?? new Uint8Array(0);
    const before = correct.slice();

    for (const mode of MODES) misbehave(mode, requestOf(BULK), correct, 1_472, seededRandom(1));

    expect(correct).toEqual(before);
    expect(correctOf().varbinds.map(({ oid }) => decodeOid(oid))[0]).toBe(`${COLUMN}.1`);
  });
});
