import { describe, expect, test } from "vitest";
import { failure } from "../../../src/snmp/arrival.ts";
import { BerError, encodeOid, TAG } from "../../../src/snmp/ber.ts";
import { getScalars } from "../../../src/snmp/walk.ts";
import {
  type Behaviour,
  counter,
  fakeSession,
  integer,
  type Mib,
  NOTHING,
  pduOf,
  text,
} from "./fake-agent.ts";

const SYSTEM = "1.3.6.1.2.1.1";
const MIB: Mib = {
  [`${SYSTEM}.1.0`]: text("a router"),
  [`${SYSTEM}.3.0`]: { tag: TAG.timeTicks, value: Uint8Array.of(1, 0, 0) },
  [`${SYSTEM}.7.0`]: integer(78),
};
const PRESENT = Object.keys(MIB);
const ABSENT = [`${SYSTEM}.2.0`, `${SYSTEM}.9.0`];
const many = Array.from({ length: 100 }, (_, i) => `1.3.6.1.4.1.9.${i + 1}.0`);
const MANY: Mib = Object.fromEntries(many.map((oid, i) => [oid, counter(i)]));

/** What was said: a number, a text, or nothing. */
async function said(
  behaviour: Behaviour,
  oids: readonly string[],
  mib: Mib = MIB,
  version: "1" | "2c" = "2c",
) {
  const session = fakeSession(mib, { behaviour, version });
  const { outcome, reason, table } = await getScalars(session, oids);
  const values = oids.map((oid) => {
    const column = table.columns.get(oid);
    if (column?.tags[0] === 0) return undefined;
    const octets = column?.bytes[0];
    return octets ? `${Buffer.from(octets)}` : Number(column?.numbers[0]);
  });
  expect(table.instances).toEqual([""]);
  return { outcome, reason, values, requests: session.requests.length };
}

const correctly: Behaviour = (_request, correct) => correct();

describe("single values", () => {
  test.each(["1", "2c"] as const)("are read in v%s, absent ones left out", async (version) => {
    expect(await said(correctly, [...PRESENT, ...ABSENT], MIB, version)).toMatchObject({
      outcome: "answered",
      values: ["a router", 65_536, 78, undefined, undefined],
    });
  });

  test("are asked for forty at a time", async () => {
    expect(await said(correctly, many, MANY)).toMatchObject({
      outcome: "answered",
      values: many.map((_oid, i) => i),
      requests: 3,
    });
  });

  test("none at all need no request", async () => {
    expect(await said(correctly, [])).toMatchObject({ outcome: "answered", requests: 0 });
  });

  test("an OID that is none is a fault of ours", async () => {
    await expect(said(correctly, ["1.3.6.x"])).rejects.toThrow(BerError);
  });

  test("too many for one answer are asked for by halves", async () => {
    const behaviour: Behaviour = ({ names }, correct) =>
      names.length > 9 ? { errorStatus: 1, varbinds: [] } : correct();

    expect(await said(behaviour, many, MANY)).toMatchObject({
      outcome: "answered",
      values: many.map((_oid, i) => i),
    });
  });

  test("one that makes the agent fail is left out, the others are read", async () => {
    const behaviour: Behaviour = ({ names }, correct) => {
      const bad = names.indexOf(`${SYSTEM}.3.0`);
      return bad < 0 ? correct() : { errorStatus: 5, errorIndex: bad + 1, varbinds: [] };
    };

    expect(await said(behaviour, PRESENT)).toMatchObject({
      outcome: "partial",
      reason: "genErr to a GET",
      values: ["a router", undefined, 78],
    });
  });

  test("an error that names no varbind is tracked down", async () => {
    const behaviour: Behaviour = ({ names }, correct) =>
      names.includes(`${SYSTEM}.3.0`) ? { errorStatus: 2, errorIndex: 0, varbinds: [] } : correct();

    expect(await said(behaviour, PRESENT)).toMatchObject({
      outcome: "answered",
      values: ["a router", undefined, 78],
    });
  });

  test("an answer in another order is matched by name", async () => {
    const behaviour: Behaviour = (_request, correct) => ({
      varbinds: [...correct().varbinds].reverse(),
    });

    expect(await said(behaviour, PRESENT)).toMatchObject({
      outcome: "answered",
      values: ["a router", 65_536, 78],
      requests: 1,
    });
  });

  test("what a short answer lacks is asked for again", async () => {
    const behaviour: Behaviour = (_request, correct) => ({
      varbinds: correct().varbinds.slice(0, 7),
    });

    expect(await said(behaviour, many, MANY)).toMatchObject({
      outcome: "answered",
      values: many.map((_oid, i) => i),
    });
  });

  test("an answer that is cut off counts as far as it goes", async () => {
    const behaviour: Behaviour = (_request, correct) => pduOf(correct()).slice(0, 120);

    expect(await said(behaviour, many, MANY)).toMatchObject({
      outcome: "answered",
      values: many.map((_oid, i) => i),
    });
  });

  test.each<[string, Behaviour, string]>([
    ["silence", () => failure("silent", "No answer"), "silent"],
    ["empty answers", () => ({ varbinds: [] }), "malformed"],
    [
      "answers to something else",
      ({ names }) => ({
        varbinds: names.map(() => ({ oid: encodeOid("1.3.9"), tag: TAG.null, value: NOTHING })),
      }),
      "malformed",
    ],
    ["tooBig for everything", () => ({ errorStatus: 1, varbinds: [] }), "refused"],
    ["genErr for everything", () => ({ errorStatus: 5, errorIndex: 1, varbinds: [] }), "refused"],
    ["genErr of no varbind", () => ({ errorStatus: 5, errorIndex: -3, varbinds: [] }), "refused"],
  ])("with %s have a named outcome within a few requests", async (_what, behaviour, outcome) => {
    const result = await said(behaviour, many, MANY);

    expect(result.outcome).toBe(outcome);
    expect(result.values.every((value) => value === undefined)).toBe(true);
    expect(result.requests).toBeLessThan(2 * many.length);
  });
});
