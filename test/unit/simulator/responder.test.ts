import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Responder } from "../../../src/simulator/responder.ts";
import { TAG } from "../../../src/snmp/ber.ts";
import { decodeMessage } from "../../../src/snmp/message.ts";
import {
  type Asked,
  ask,
  askForBytes,
  generatedAgent,
  names,
  recordedAgent,
  requestOf,
  texts,
} from "./ask.ts";

const LINES = [
  "1.3.6.1.2.1.1.1.0|4|lab router",
  "1.3.6.1.2.1.1.3.0|67|100",
  "1.3.6.1.2.1.2.2.1.1.2|2|2",
  "1.3.6.1.2.1.2.2.1.1.10|2|10",
  "1.3.6.1.2.1.2.2.1.10.2|65|200",
  "1.3.6.1.2.1.2.2.1.10.10|65|1000",
  "1.3.6.1.2.1.31.1.1.1.6.2|70|20000000000",
  "1.3.6.1.2.1.31.1.1.1.6.10|70|10",
  "1.3.6.1.2.1.31.1.1.1.18.2|4|uplink",
];
const LAST = "1.3.6.1.2.1.31.1.1.1.18.2";
const agent = recordedAgent(LINES);

const get = (...oids: string[]): Asked => ({ type: TAG.getRequest, oids });
const getNext = (...oids: string[]): Asked => ({ type: TAG.getNextRequest, oids });
const getBulk = (nonRepeaters: number, maxRepetitions: number, ...oids: string[]): Asked => ({
  type: TAG.getBulkRequest,
  nonRepeaters,
  maxRepetitions,
  oids,
});

describe("every answer", () => {
  it.each([0, 1, -1, 127, 128, 65_535, 2_147_483_647, -2_147_483_648])(
    "echoes version, community and request id %i",
    (requestId) => {
      const answer = ask(agent, { ...get("1.3.6.1.2.1.1.3.0"), requestId });

      expect(answer).toMatchObject({ version: 1, pduType: TAG.response, requestId, a: 0, b: 0 });
      expect(Buffer.from(answer?.community ?? []).toString()).toBe("public");
    },
  );

  it("is silence for another community", () => {
    const responder = new Responder();
    responder.read(requestOf({ ...get("1.3.6.1.2.1.1.3.0"), community: "publix" }));

    expect(responder.answer(agent, 0)).toBeUndefined();
    expect(responder.unanswered).toBe("wrong community");
  });

  it("is silence for what is no request", () => {
    expect(ask(agent, { type: TAG.response, oids: ["1.3.6.1.2.1.1.3.0"] })).toBeUndefined();
    expect(ask(agent, { type: TAG.trapV2, oids: ["1.3.6.1.2.1.1.3.0"] })).toBeUndefined();
  });

  it("to no varbinds has no varbinds", () => {
    for (const type of [TAG.getRequest, TAG.getNextRequest, TAG.getBulkRequest, TAG.setRequest]) {
      expect(ask(agent, { type, oids: [], maxRepetitions: 10 })).toMatchObject({
        a: 0,
        b: 0,
        varbinds: [],
      });
    }
  });
});

describe("GET", () => {
  it("answers what is there, in the order asked", () => {
    expect(texts(ask(agent, get("1.3.6.1.2.1.2.2.1.10.10", "1.3.6.1.2.1.1.1.0")))).toEqual([
      "1.3.6.1.2.1.2.2.1.10.10 = 65:1000",
      "1.3.6.1.2.1.1.1.0 = 4:lab router",
    ]);
  });

  it("tells a missing instance from a missing object", () => {
    expect(
      texts(ask(agent, get("1.3.6.1.2.1.2.2.1.10.3", "1.3.6.1.2.1.1.4.0", "1.3.6.1.2.1.1.3.0"))),
    ).toEqual([
      `1.3.6.1.2.1.2.2.1.10.3 = ${TAG.noSuchInstance}:`,
      `1.3.6.1.2.1.1.4.0 = ${TAG.noSuchObject}:`,
      "1.3.6.1.2.1.1.3.0 = 67:100",
    ]);
  });
});

describe("GETNEXT", () => {
  it("goes by numbers: 2 comes before 10", () => {
    expect(names(ask(agent, getNext("1.3.6.1.2.1.2.2.1.1", "1.3.6.1.2.1.2.2.1.1.2")))).toEqual([
      "1.3.6.1.2.1.2.2.1.1.2",
      "1.3.6.1.2.1.2.2.1.1.10",
    ]);
  });

  it("starts anywhere, and ends with endOfMibView under the name asked", () => {
    expect(names(ask(agent, getNext("0.0", "1.3.6.1.2.1.2.2.1.5.99", LAST, "2.1")))).toEqual([
      "1.3.6.1.2.1.1.1.0",
      "1.3.6.1.2.1.2.2.1.10.2",
      `${LAST} end`,
      "2.1 end",
    ]);
  });
});

describe("GETBULK", () => {
  it("repeats columns side by side after the non-repeaters", () => {
    const asked = getBulk(1, 2, "1.3.6.1.2.1.1", "1.3.6.1.2.1.2.2.1.1", "1.3.6.1.2.1.2.2.1.10");

    expect(names(ask(agent, asked))).toEqual([
      "1.3.6.1.2.1.1.1.0",
      "1.3.6.1.2.1.2.2.1.1.2",
      "1.3.6.1.2.1.2.2.1.10.2",
      "1.3.6.1.2.1.2.2.1.1.10",
      "1.3.6.1.2.1.2.2.1.10.10",
    ]);
  });

  it("fills a column that has ended with endOfMibView under its last name", () => {
    const asked = getBulk(0, 3, "1.3.6.1.2.1.31.1.1.1.6.2", "1.3.6.1.2.1.31.1.1.1.6.10");

    expect(names(ask(agent, asked))).toEqual([
      "1.3.6.1.2.1.31.1.1.1.6.10",
      LAST,
      LAST,
      `${LAST} end`,
      `${LAST} end`,
      `${LAST} end`,
    ]);
  });

  it("stops after one repetition that is past the end altogether", () => {
    expect(names(ask(agent, getBulk(0, 1_000, LAST, "1.4")))).toEqual([`${LAST} end`, "1.4 end"]);
  });

  it.each([
    ["no repetitions", getBulk(1, 0, "1.3.6.1.2.1.1.1.0", "1.3"), ["1.3.6.1.2.1.1.3.0"]],
    ["a negative count of repetitions", getBulk(0, -1, "1.3"), []],
    ["negative non-repeaters", getBulk(-5, 1, "1.3"), ["1.3.6.1.2.1.1.1.0"]],
    ["more non-repeaters than varbinds", getBulk(9, 9, "1.3"), ["1.3.6.1.2.1.1.1.0"]],
  ])("takes %s", (_, asked, expected) => {
    expect(names(ask(agent, asked))).toEqual(expected);
  });

  it("survives the largest count of repetitions", () => {
    const answer = ask(agent, getBulk(0, 2_147_483_647, "1.3"));

    expect(names(answer)).toHaveLength(LINES.length + 1);
  });

  it("of many columns equals as many GETNEXT walks", () => {
    const router = generatedAgent({ seed: 3, interfaces: 130 }, 0, { messageBytesMax: 65_507 });
    const columns = ["1.3.6.1.2.1.2.2.1.2", "1.3.6.1.2.1.2.2.1.10", "1.3.6.1.2.1.31.1.1.1.18"];

    const bulk = texts(ask(router, getBulk(0, 200, ...columns)));

    let from: readonly string[] = columns;
    const stepped: string[] = [];
    for (let i = 0; i < 200; i++) {
      const answer = ask(router, getNext(...from));
      stepped.push(...texts(answer));
      from = names(answer).map((name) => name.replace(" end", ""));
    }
    expect(bulk).toEqual(stepped);
  });
});

describe("the longest message", () => {
  const router = (messageBytesMax: number) =>
    generatedAgent({ seed: 1, interfaces: 48 }, 0, { messageBytesMax });
  const asked = getBulk(0, 100, "1.3.6.1.2.1.2.2.1.2", "1.3.6.1.2.1.2.2.1.10");

  it.each([484, 700, 1_000, 1_472, 4_000])("of %i octets cuts a GETBULK from its end", (size) => {
    const whole = texts(ask(router(65_507), asked));
    const bytes = askForBytes(router(size), asked) ?? new Uint8Array(0);
    const cut = texts(decodeMessage(bytes));

    expect(bytes.length).toBeLessThanOrEqual(size);
    // One more varbind of at most 60 octets would not have fitted.
    expect(bytes.length).toBeGreaterThan(size - 60);
    expect(cut).toEqual(whole.slice(0, cut.length));
    expect(cut.length).toBeGreaterThan(0);
  });

  const wide = recordedAgent([`1.3.6.1.2.1.1.1.0|4|${"x".repeat(500)}`, "1.3.6.1.2.1.1.3.0|67|1"], {
    messageBytesMax: 484,
  });

  it("makes a GET, a GETNEXT and a GETBULK whose first value does not fit tooBig, without varbinds", () => {
    for (const request of [
      get("1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.1.1.0"),
      getNext("1.3.6.1.2.1.1.1.0", "1.3"),
      getBulk(0, 5, "1.3"),
      getBulk(1, 5, "1.3", "1.3.6.1.2.1.1.1.0"),
    ]) {
      expect(ask(wide, request)).toMatchObject({ a: 1, b: 0, varbinds: [] });
    }
  });

  it("makes a v1 answer tooBig with the varbinds of the request", () => {
    const answer = ask(wide, { ...get("1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.1.1.0"), version: 0 });

    expect(answer).toMatchObject({ version: 0, a: 1, b: 0 });
    expect(texts(answer)).toEqual(["1.3.6.1.2.1.1.3.0 = 5:", "1.3.6.1.2.1.1.1.0 = 5:"]);
  });

  it("gives what does fit of a GETBULK before a value that never will", () => {
    expect(names(ask(wide, getBulk(0, 5, "1.3.6.1.2.1.1.1.0", "1.3")))).toEqual([
      "1.3.6.1.2.1.1.3.0",
    ]);
  });
});

describe("v1", () => {
  const v1 = (asked: Asked): Asked => ({ ...asked, version: 0 });

  it("answers GET as v2c does where everything is there", () => {
    expect(texts(ask(agent, v1(get("1.3.6.1.2.1.2.2.1.10.2"))))).toEqual([
      "1.3.6.1.2.1.2.2.1.10.2 = 65:200",
    ]);
  });

  it.each([
    ["a GET of what is not there", get("1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.1.4.0")],
    ["a GET of a Counter64", get("1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.31.1.1.1.6.2")],
    ["a GETNEXT past the end", getNext("1.3.6.1.2.1.1.3.0", LAST)],
  ])("answers %s with noSuchName, pointing at it, and the request's varbinds", (_, asked) => {
    const answer = ask(agent, v1(asked));

    expect(answer).toMatchObject({ version: 0, a: 2, b: 2 });
    expect(texts(answer)).toEqual(asked.oids.map((oid) => `${oid} = 5:`));
  });

  it("skips Counter64 in GETNEXT", () => {
    expect(names(ask(agent, v1(getNext("1.3.6.1.2.1.2.2.1.10.10"))))).toEqual([LAST]);
  });

  it("ends with noSuchName when only Counter64 is left", () => {
    const router = recordedAgent(["1.3.6.1.1|2|1", "1.3.6.1.2|70|1"]);

    expect(ask(router, v1(getNext("1.3.6.1.1")))).toMatchObject({ a: 2, b: 1 });
  });

  it("knows no GETBULK", () => {
    expect(ask(agent, v1(getBulk(0, 5, "1.3")))).toBeUndefined();
  });
});

describe("SET", () => {
  it("is refused, as v1 and as v2c refuse it", () => {
    const asked: Asked = { type: TAG.setRequest, oids: ["1.3.6.1.2.1.1.1.0"] };

    expect(ask(agent, asked)).toMatchObject({ a: 17, b: 1 });
    expect(ask(agent, { ...asked, version: 0 })).toMatchObject({ a: 2, b: 1 });
  });
});

describe("whatever arrives", () => {
  const router = generatedAgent({ seed: 5, interfaces: 4 }, 0);

  it("a cut-off request is none", () => {
    const whole = requestOf(getBulk(1, 10, "1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.2.2.1.10"));

    for (let length = 0; length < whole.length; length++) {
      expect(new Responder().read(whole.slice(0, length))).toBe(false);
    }
  });

  it("a mutated request gets silence or an answer that can be decoded", () => {
    const whole = requestOf(getBulk(1, 10, "1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.2.2.1.10"));
    const responder = new Responder();
    const mutation = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));

    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        const message = whole.slice();
        for (const [at, octet] of mutations) message[at] = octet;
        if (!responder.read(message)) return;

        const answer = responder.answer(router, 0);

        if (answer === undefined) return;
        expect(answer.length).toBeLessThanOrEqual(1_472);
        expect(decodeMessage(answer).pduType).toBe(TAG.response);
      }),
      { numRuns: 5_000 },
    );
  });
});
