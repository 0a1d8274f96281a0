import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/lib/seeded-random.ts";
import { failure } from "../../../src/snmp/arrival.ts";
import { compareOidBytes, decodeOid, encodeOid, TAG } from "../../../src/snmp/ber.ts";
import type { Varbind } from "../../../src/snmp/message.ts";
import type { Session } from "../../../src/snmp/session.ts";
import { type FetchedTable, walkColumns } from "../../../src/snmp/walk.ts";
import {
  type Behaviour,
  columnMib,
  counter,
  counter64,
  fakeSession,
  gauge,
  integer,
  type Mib,
  NOTHING,
  nextAfter,
  pduOf,
  text,
} from "./fake-agent.ts";

const A = "1.3.6.1.2.1.2.2.1.10";
const B = "1.3.6.1.2.1.2.2.1.11";
const C = "1.3.6.1.2.1.31.1.1.1.6";
const NO_LIMIT = { rowsMax: 100_000 };

const oneTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
const AFTERWARDS: Mib = { "1.3.6.1.6.3.1.1": integer(1) };
const REGULAR: Mib = {
  ...columnMib(A, oneTo(60), (i) => counter(Number(i) * 10)),
  ...columnMib(B, oneTo(60), (i) => gauge(Number(i))),
  ...columnMib(C, oneTo(60), (i) => counter64(BigInt(i) << 40n)),
  ...AFTERWARDS,
};

/** A table as plain values: number or text by column and instance, absent where the router did not say. */
function plain(table: FetchedTable): Record<string, Record<string, bigint | string>> {
  const columns: Record<string, Record<string, bigint | string>> = {};
  for (const [oid, { tags, numbers, bytes }] of table.columns) {
    const column: Record<string, bigint | string> = {};
    table.instances.forEach((instance, row) => {
      if (tags[row] === 0) return;
      const octets = bytes[row];
      column[instance] = octets ? `${Buffer.from(octets)}` : (numbers[row] as bigint);
    });
    columns[oid] = column;
  }
  return columns;
}

/** What a walk of these columns should bring, told from the MIB. */
function expected(mib: Mib, columns: readonly string[]): ReturnType<typeof plain> {
  const result: ReturnType<typeof plain> = {};
  for (const oid of columns) {
    const column: Record<string, bigint | string> = {};
    for (const [dotted, { tag, value }] of Object.entries(mib)) {
      if (!dotted.startsWith(`${oid}.`)) continue;
      column[dotted.slice(oid.length + 1)] =
        tag === TAG.octetString
          ? `${Buffer.from(value)}`
          : BigInt.asIntN(64, BigInt(`0x${Buffer.from(value).toString("hex")}`));
    }
    result[oid] = column;
  }
  return result;
}

const isInOidOrder = (instances: readonly string[]) =>
  instances.every(
    (instance, i) =>
      i === 0 ||
      compareOidBytes(encodeOid(`1.3.${instances[i - 1]}`), encodeOid(`1.3.${instance}`)) < 0,
  );

describe("a walk of columns", () => {
  test.each(["1", "2c", "3"] as const)(
    "brings every value of every column in v%s",
    async (version) => {
      const session = fakeSession(REGULAR, { version });

      const { outcome, table } = await walkColumns(session, [A, B, C], NO_LIMIT);

      expect(outcome).toBe("answered");
      expect(plain(table)).toEqual(expected(REGULAR, [A, B, C]));
      expect(table.instances).toEqual(oneTo(60).map(String));
    },
  );

  test("keeps the columns in the order they were asked for", async () => {
    const { table } = await walkColumns(fakeSession(REGULAR), [C, A, B], NO_LIMIT);

    expect([...table.columns.keys()]).toEqual([C, A, B]);
    expect(plain(table)).toEqual(expected(REGULAR, [A, B, C]));
  });

  test("of a table that is empty takes one request, which finds all its columns empty", async () => {
    const columns = oneTo(20).map((c) => `1.3.6.1.2.1.99.1.${c}`);
    const session = fakeSession(REGULAR);

    const { outcome, table } = await walkColumns(session, columns, NO_LIMIT);

    expect(outcome).toBe("answered");
    expect(table.instances).toEqual([]);
    expect(session.requests).toHaveLength(1);
  });

  test("never asks for an empty column twice, and next time for one varbind of it", async () => {
    const empty = "1.3.6.1.2.1.2.2.1.12";
    const session = fakeSession(REGULAR);
    const isAsked = () => session.requests.filter(({ names }) => names.includes(empty));
    const columns = [A, B, empty, C];

    await walkColumns(session, columns, NO_LIMIT);
    expect(isAsked()).toHaveLength(1);
    session.requests.length = 0;
    await walkColumns(session, columns, NO_LIMIT);

    expect(isAsked().map(({ repetitions }) => repetitions)).toEqual([1]);
  });

  test("of 48 interfaces and 20 columns takes no more packets than octets and the last check need", async () => {
    const columns = oneTo(20).map((c) => `1.3.6.1.2.1.2.2.1.${c}`);
    const mib = Object.assign(
      {},
      ...columns.map((c) => columnMib(c, oneTo(48), () => counter(9_999_999))),
    );
    const session = fakeSession(mib);
    await walkColumns(session, columns, NO_LIMIT);
    session.requests.length = 0;

    const { outcome, effort } = await walkColumns(session, columns, NO_LIMIT);

    expect(outcome).toBe("answered");
    // 20 × 48 varbinds of 20 octets in answers of 1,355.
    expect(effort.requests).toBeLessThanOrEqual(Math.ceil((20 * 48 * 20) / 1_355) + 2);
  });

  test("is right when rows were added or lost since the last one", async () => {
    const session = fakeSession(REGULAR);
    await walkColumns(session, [A, B, C], NO_LIMIT);
    for (const rows of [3, 59, 61, 200]) {
      const mib: Mib = {
        ...columnMib(A, oneTo(rows), (i) => counter(Number(i))),
        ...columnMib(B, oneTo(rows), (i) => counter(Number(i))),
        ...columnMib(C, oneTo(rows), (i) => counter(Number(i))),
      };
      const other = fakeSession(mib);
      const { memory } = await walkColumns(session, [A, B, C], NO_LIMIT);

      const { outcome, table } = await walkColumns(other, [A, B, C], { ...NO_LIMIT, memory });

      expect(outcome).toBe("answered");
      expect(plain(table)).toEqual(expected(mib, [A, B, C]));
    }
  });

  test("never asks for more repetitions than it may", async () => {
    const session = fakeSession(REGULAR);

    await walkColumns(session, [A], { ...NO_LIMIT, repetitions: 4 });

    expect(Math.max(...session.requests.map(({ repetitions }) => repetitions))).toBe(4);
  });

  test("has at most two requests unanswered", async () => {
    let open = 0;
    let most = 0;
    const inner = fakeSession(REGULAR);
    const session: Session = {
      ...inner,
      ask: (request, beforeRetry, done) => {
        most = Math.max(most, ++open);
        inner.ask(request, beforeRetry, (reply) => {
          open--;
          done(reply);
        });
      },
    };

    await walkColumns(
      session,
      oneTo(40).map((c) => `1.3.6.1.2.1.2.2.1.${c}`),
      NO_LIMIT,
    );

    expect(most).toBeLessThanOrEqual(2);
  });
});

describe("columns with different instances", () => {
  test("share the rows they have in common, in OID order", async () => {
    const mib: Mib = {
      ...columnMib(A, [2, 4, 6, 300], (i) => counter(Number(i))),
      ...columnMib(B, [1, 2, 3, 4, 20_000], (i) => counter(Number(i))),
      ...columnMib(C, [7], (i) => counter(Number(i))),
      ...AFTERWARDS,
    };

    const { outcome, table } = await walkColumns(fakeSession(mib), [A, B, C], NO_LIMIT);

    expect(outcome).toBe("answered");
    expect(plain(table)).toEqual(expected(mib, [A, B, C]));
    expect(table.instances).toEqual(["1", "2", "3", "4", "6", "7", "300", "20000"]);
  });

  test("are right for any instances, any agent's limit and any order of columns", async () => {
    const seed = 20_240_601;
    const dice = seededRandom(seed);
    const pick = (n: number) => Math.floor(dice() * n);
    for (let round = 0; round < 300; round++) {
      const columns = oneTo(1 + pick(12)).map((c) => `1.3.6.1.4.1.9.1.${c * (1 + pick(3))}`);
      const distinct = [...new Set(columns)].sort(() => dice() - 0.5);
      const pool = oneTo(1 + pick(60)).map((i) =>
        pick(3) === 0 ? `${i}.${pick(300)}.${pick(70_000)}` : `${i * (1 + pick(200))}`,
      );
      const mib: Record<string, ReturnType<typeof counter>> = {};
      for (const column of distinct) {
        const share = dice();
        const kept = [...new Set(pool)].filter(() => dice() < share);
        Object.assign(
          mib,
          columnMib(column, kept, () =>
            pick(4) === 0 ? text("x".repeat(pick(60))) : counter(pick(2 ** 31)),
          ),
        );
      }
      const version = (["1", "2c"] as const)[pick(2)] ?? "2c";
      const session = fakeSession(mib, { version, answerBytesMax: 120 + pick(2_000) });
      // Again with what was learnt.
      for (let again = 0; again < 2; again++) {
        const walked = await walkColumns(session, distinct, NO_LIMIT);
        const where = `seed ${seed}, round ${round}, walk ${again}`;

        expect(walked.outcome, where).toBe("answered");
        expect(plain(walked.table), where).toEqual(expected(mib, distinct));
        expect(isInOidOrder(walked.table.instances), where).toBe(true);
      }
    }
  });
});

describe("values", () => {
  const valueAt = async (tag: number, octets: string) => {
    const mib: Mib = { [`${A}.1`]: { tag, value: Buffer.from(octets, "hex") } };
    const { outcome, table, effort } = await walkColumns(fakeSession(mib), [A], NO_LIMIT);
    const column = table.columns.get(A);
    return {
      outcome,
      tag: column?.tags[0],
      number: column?.numbers[0],
      bytes: column?.bytes[0],
      effort,
    };
  };

  test.each<[string, number, string, bigint]>([
    ["INTEGER -1", TAG.integer, "ff", -1n],
    ["INTEGER -2^31", TAG.integer, "80000000", -(2n ** 31n)],
    ["INTEGER 2^31 - 1", TAG.integer, "7fffffff", 2n ** 31n - 1n],
    ["INTEGER of 64 bits", TAG.integer, "0102030405060708", 0x0102030405060708n],
    ["Counter32 of five octets", TAG.counter32, "00ffffffff", 2n ** 32n - 1n],
    ["Counter32 sent as negative", TAG.counter32, "fffffffe", 2n ** 32n - 2n],
    ["Counter32 sent as -2", TAG.counter32, "fe", 2n ** 32n - 2n],
    ["Gauge32 2^31", TAG.gauge32, "0080000000", 2n ** 31n],
    ["TimeTicks 0", TAG.timeTicks, "00", 0n],
    ["Counter64 2^32", TAG.counter64, "0100000000", 2n ** 32n],
    ["Counter64 2^63 - 1", TAG.counter64, "7fffffffffffffff", 2n ** 63n - 1n],
    ["Counter64 2^63, in two's complement", TAG.counter64, "008000000000000000", -(2n ** 63n)],
    ["Counter64 2^64 - 1, in two's complement", TAG.counter64, "00ffffffffffffffff", -1n],
    ["UInteger32, obsolete", 0x47, "2a", 42n],
  ])("%s is exact", async (_what, tag, octets, number) => {
    expect(await valueAt(tag, octets)).toMatchObject({ outcome: "answered", tag, number });
  });

  test.each<[string, number, string]>([
    ["OCTET STRING", TAG.octetString, "00ff41"],
    ["an empty OCTET STRING", TAG.octetString, ""],
    ["OBJECT IDENTIFIER", TAG.oid, "2b0601"],
    ["IpAddress", TAG.ipAddress, "c0000201"],
    ["Opaque", TAG.opaque, "9f780442f60000"],
    ["an unknown type", 0x45, "0102"],
  ])("%s is kept as its octets", async (_what, tag, octets) => {
    const value = await valueAt(tag, octets);

    expect(value).toMatchObject({ tag, number: 0n });
    expect(Buffer.from(value.bytes ?? []).toString("hex")).toBe(octets);
  });

  test("a number without octets is as if not said, and remarked upon", async () => {
    const value = await valueAt(TAG.counter32, "");

    expect(value).toMatchObject({ outcome: "answered", tag: 0 });
    expect(value.effort.remarks).toEqual([`A number of ${A} has 0 octets`]);
  });

  test("NULL is as if not said", async () => {
    expect(await valueAt(TAG.null, "")).toMatchObject({ tag: 0, bytes: null });
  });

  test("Counter64 in v1 is taken", async () => {
    const mib: Mib = { [`${A}.1`]: counter64(2n ** 40n) };

    const { table } = await walkColumns(fakeSession(mib, { version: "1" }), [A], NO_LIMIT);

    expect(table.columns.get(A)?.numbers[0]).toBe(2n ** 40n);
  });
});

describe("an agent with limits", () => {
  test.each([100, 484, 900, 1_472, 8_000])(
    "that answers %d octets at most is walked to the end",
    async (answerBytesMax) => {
      const session = fakeSession(REGULAR, { answerBytesMax });

      const { outcome, table } = await walkColumns(session, [A, B, C], NO_LIMIT);

      expect(outcome).toBe("answered");
      expect(plain(table)).toEqual(expected(REGULAR, [A, B, C]));
    },
  );

  test("that says tooBig is asked for less, and not for as much again", async () => {
    const sizes: number[] = [];
    const session = fakeSession(REGULAR, {
      behaviour: ({ names, repetitions }, correct) => {
        sizes.push(names.length * repetitions);
        return names.length * repetitions > 7 ? { errorStatus: 1, varbinds: [] } : correct();
      },
    });

    const { outcome, table, effort } = await walkColumns(session, [A, B, C], NO_LIMIT);

    expect(outcome).toBe("answered");
    expect(plain(table)).toEqual(expected(REGULAR, [A, B, C]));
    expect(effort.remarks[0]).toMatch(/tooBig$/);
    const tooBig = sizes.filter((size) => size > 7);
    expect(new Set(tooBig).size).toBe(tooBig.length);
  });

  test("that gives four rows at a time is asked for four", async () => {
    const session = fakeSession(REGULAR, {
      behaviour: ({ names }, correct) => ({
        varbinds: correct().varbinds.slice(0, 4 * names.length),
      }),
    });

    const { outcome, table } = await walkColumns(session, [A], NO_LIMIT);

    expect(outcome).toBe("answered");
    expect(plain(table)).toEqual(expected(REGULAR, [A]));
    expect(session.requests.at(-1)?.repetitions).toBeLessThanOrEqual(4);
  });

  test("that never answers more than six varbinds is asked in crumbs, once it has answered anything", async () => {
    const session = fakeSession(REGULAR, {
      behaviour: ({ names, repetitions }, correct) =>
        names.length * repetitions > 6 ? failure("silent", "No answer") : correct(),
    });
    session.stats satisfies { bytesIn: number };
    (session.stats as { bytesIn: number }).bytesIn = 1;

    const { outcome, table } = await walkColumns(session, [A, B, C], NO_LIMIT);

    expect(outcome).toBe("answered");
    expect(plain(table)).toEqual(expected(REGULAR, [A, B, C]));
  });

  test("what was learnt of its limits is used at once the next time", async () => {
    const behaviour: Behaviour = ({ names, repetitions }, correct) =>
      names.length * repetitions > 7 ? { errorStatus: 1, varbinds: [] } : correct();
    const { memory } = await walkColumns(fakeSession(REGULAR, { behaviour }), [A, B, C], NO_LIMIT);
    const session = fakeSession(REGULAR, { behaviour });

    const { effort } = await walkColumns(session, [A, B, C], { ...NO_LIMIT, memory });

    expect(effort.remarks).toEqual([]);
    expect(memory.why).toMatch(/tooBig at /);
    expect(JSON.parse(JSON.stringify(memory))).toEqual(memory);
  });
});

describe("an agent that misbehaves", () => {
  test("by repeating an OID forever ends that column, keeps its rows and the other columns", async () => {
    const rows = Object.entries(REGULAR)
      .map(([dotted, value]): Varbind => ({ oid: encodeOid(dotted), ...value }))
      .sort((a, b) => compareOidBytes(a.oid, b.oid));
    const behaviour: Behaviour = ({ names, repetitions }) => {
      const varbinds: Varbind[] = [];
      let last = names.map(encodeOid);
      for (let r = 0; r < repetitions; r++) {
        const next = last.map((oid) => {
          const dotted = decodeOid(oid);
          // Of column A, instance 5 follows itself.
          return dotted === `${A}.5` ? { oid, ...counter(5) } : nextAfter(oid, rows);
        });
        varbinds.push(...next);
        last = next.map(({ oid }) => oid);
      }
      return { varbinds };
    };

    const { outcome, reason, table } = await walkColumns(
      fakeSession(REGULAR, { behaviour }),
      [A, B, C],
      NO_LIMIT,
    );

    expect(outcome).toBe("partial");
    expect(reason).toBe(`The OIDs of ${A} do not increase`);
    expect(Object.keys(plain(table)[A] ?? {})).toEqual(["1", "2", "3", "4", "5"]);
    expect(plain(table)[C]).toEqual(expected(REGULAR, [C])[C]);
  });

  test("by answering what was asked instead of what follows is malformed", async () => {
    const behaviour: Behaviour = ({ names }) => ({
      varbinds: names.map((name) => ({ oid: encodeOid(name), ...counter(1) })),
    });

    expect(await walkColumns(fakeSession({}, { behaviour }), [A, B], NO_LIMIT)).toMatchObject({
      outcome: "malformed",
      reason: `The OIDs of ${A} do not increase`,
    });
  });

  describe("without an order of its instances", () => {
    /** Gives the instances of A in this order; after the last one what `after` says, then what follows the table. */
    const inOrder =
      (instances: readonly number[], after?: number): Behaviour =>
      ({ names, repetitions }) => {
        const next = (dotted: string): string => {
          const instance = Number(dotted.slice(A.length + 1));
          const at = dotted === A ? 0 : instances.indexOf(instance) + 1;
          const following = instances[at] ?? after;
          return following === undefined ? "1.3.6.1.6.3.1.1" : `${A}.${following}`;
        };
        const varbinds: Varbind[] = [];
        let last = names;
        for (let r = 0; r < repetitions; r++) {
          last = last.map(next);
          varbinds.push(...last.map((dotted) => ({ oid: encodeOid(dotted), ...counter(7) })));
        }
        return { varbinds };
      };
    const ANY_ORDER = { rowsMax: 100, anyOrder: true };

    test("a table is read to its end where its module allows it, and sorted", async () => {
      const session = fakeSession({}, { behaviour: inOrder([30, 10, 20, 5]) });

      const { outcome, table } = await walkColumns(session, [A], ANY_ORDER);

      expect(outcome).toBe("answered");
      expect(table.instances).toEqual(["5", "10", "20", "30"]);
      expect(Object.keys(plain(table)[A] ?? {})).toHaveLength(4);
    });

    test("a table is cut where its module does not", async () => {
      const session = fakeSession({}, { behaviour: inOrder([30, 10, 20, 5]) });

      expect(await walkColumns(session, [A], NO_LIMIT)).toMatchObject({
        outcome: "partial",
        reason: `The OIDs of ${A} do not increase`,
      });
    });

    test("a table that goes around ends where it has been before", async () => {
      const session = fakeSession({}, { behaviour: inOrder([3, 1, 2], 1) });

      const { outcome, table, effort } = await walkColumns(session, [A], ANY_ORDER);

      expect([outcome, table.instances]).toEqual(["answered", ["1", "2", "3"]]);
      expect(effort.remarks).toEqual([`${A} comes around to an instance it had before`]);
    });

    test("an instance that comes again and again with no value ends its column", async () => {
      const behaviour: Behaviour = ({ names, repetitions }) => ({
        varbinds: Array.from({ length: repetitions }, () =>
          names.map(() => ({ oid: encodeOid(`${A}.9`), tag: TAG.counter32, value: NOTHING })),
        ).flat(),
      });

      const { table } = await walkColumns(fakeSession({}, { behaviour }), [A], ANY_ORDER);

      expect(table.instances).toEqual(["9"]);
    });

    test("a table without an end is cut at the rows allowed", async () => {
      const downwards = Array.from({ length: 5_000 }, (_, i) => 5_000 - i);
      const session = fakeSession({}, { behaviour: inOrder(downwards) });

      const { outcome, reason, table } = await walkColumns(session, [A], ANY_ORDER);

      expect([outcome, reason]).toEqual(["partial", `${A} has more than 100 rows`]);
      expect(table.instances).toHaveLength(100);
    });

    test("columns keep apart, whatever order each has", async () => {
      const { outcome, table } = await walkColumns(fakeSession(REGULAR), [A, B, C], ANY_ORDER);

      expect(outcome).toBe("answered");
      expect(plain(table)).toEqual(expected(REGULAR, [A, B, C]));
    });
  });

  test("by never ending a table is cut at the rows allowed, and what came is kept", async () => {
    const behaviour: Behaviour = ({ names, repetitions }) => {
      const varbinds: Varbind[] = [];
      for (let r = 1; r <= repetitions; r++) {
        for (const name of names) {
          const column = [A, B].find((oid) => name.startsWith(oid)) ?? A;
          const from = Number(name.slice(column.length + 1) || 0);
          varbinds.push({ oid: encodeOid(`${column}.${from + r}`), ...counter(r) });
        }
      }
      return { varbinds };
    };

    const { outcome, reason, table } = await walkColumns(fakeSession({}, { behaviour }), [A, B], {
      rowsMax: 500,
    });

    expect(outcome).toBe("partial");
    expect(reason).toBe(`${A} has more than 500 rows`);
    expect(table.instances).toHaveLength(500);
    expect(Object.keys(plain(table)[B] ?? {})).toHaveLength(500);
  });

  test("by never ending a table of long texts is cut at the octets allowed", async () => {
    const behaviour: Behaviour = ({ names: [name = ""] }) => {
      const from = Number(name.slice(A.length + 1) || 0);
      return { varbinds: [{ oid: encodeOid(`${A}.${from + 1}`), ...text("x".repeat(10_000)) }] };
    };

    expect(
      await walkColumns(fakeSession({}, { behaviour }), [A], { ...NO_LIMIT, bytesMax: 100_000 }),
    ).toMatchObject({ outcome: "partial", reason: "The table takes more than 100000 octets" });
  });

  test.each<[string, Behaviour]>([
    ["column by column", (_request, correct) => ({ varbinds: byColumn(correct().varbinds) })],
    ["in reverse", (_request, correct) => ({ varbinds: [...correct().varbinds].reverse() })],
    [
      "without the varbinds that say a column has ended",
      (_request, correct) => ({ varbinds: correct().varbinds.filter(isOfColumns) }),
    ],
  ])("by answering %s is asked one column at a time, and read right", async (_what, behaviour) => {
    const mib: Mib = {
      ...columnMib(A, oneTo(7), (i) => counter(Number(i))),
      ...columnMib(B, oneTo(30), (i) => counter(Number(i))),
      ...columnMib(C, oneTo(30), (i) => counter(Number(i))),
      ...AFTERWARDS,
    };
    const session = fakeSession(mib, {
      behaviour: (request, correct) =>
        request.names.length > 1 ? behaviour(request, correct) : correct(),
    });

    const { outcome, table } = await walkColumns(session, [A, B, C], NO_LIMIT);

    expect(outcome).toBe("answered");
    expect(plain(table)).toEqual(expected(mib, [A, B, C]));
  });

  test("by adding a varbind that nobody asked for loses nothing", async () => {
    const behaviour: Behaviour = (_request, correct) => ({
      varbinds: [...correct().varbinds, { oid: encodeOid("1.3.9"), ...counter(1) }],
    });

    const { outcome, table } = await walkColumns(
      fakeSession(REGULAR, { behaviour }),
      [A, B, C],
      NO_LIMIT,
    );

    expect(outcome).toBe("answered");
    expect(plain(table)).toEqual(expected(REGULAR, [A, B, C]));
  });

  test("by leaving out the last varbind is read all the same, but for what one alone would say", async () => {
    const behaviour: Behaviour = (_request, correct) => ({
      varbinds: correct().varbinds.slice(0, -1),
    });

    const { table } = await walkColumns(fakeSession(REGULAR, { behaviour }), [A, B, C], NO_LIMIT);

    expect(plain(table)).toEqual(expected(REGULAR, [A, B, C]));
  });

  test("by cutting its answers off is asked for less, and read to the end", async () => {
    const session = fakeSession(REGULAR, {
      behaviour: (_request, correct) => pduOf(correct()).slice(0, 200),
    });

    const { outcome, table, effort } = await walkColumns(session, [A, B, C], NO_LIMIT);

    expect(outcome).toBe("answered");
    expect(plain(table)).toEqual(expected(REGULAR, [A, B, C]));
    expect(effort.remarks[0]).toMatch(/cut off$/);
  });

  test.each<[string, Behaviour, string, string]>([
    ["empty answers", () => ({ varbinds: [] }), "malformed", "the answer was empty"],
    ["tooBig for everything", () => ({ errorStatus: 1, varbinds: [] }), "refused", "tooBig"],
    [
      "genErr for everything",
      () => ({ errorStatus: 5, errorIndex: 1, varbinds: [] }),
      "refused",
      "genErr",
    ],
    [
      "genErr of no varbind",
      () => ({ errorStatus: 5, errorIndex: 99, varbinds: [] }),
      "refused",
      "genErr",
    ],
    [
      "authorizationError",
      () => ({ errorStatus: 16, errorIndex: 1, varbinds: [] }),
      "refused",
      "authorizationError",
    ],
    [
      "an error nobody knows",
      () => ({ errorStatus: 77, errorIndex: 1, varbinds: [] }),
      "refused",
      "error 77",
    ],
    [
      "varbinds that are none",
      () => pduOf({ varbinds: [] }).fill(0x30, -1),
      "malformed",
      "empty|cut off",
    ],
    ["silence", () => failure("silent", "No answer"), "silent", "No answer"],
  ])(
    "with %s has a named outcome within a few requests",
    async (_what, behaviour, outcome, reason) => {
      const session = fakeSession(REGULAR, { behaviour });

      const walked = await walkColumns(session, [A, B, C], NO_LIMIT);

      expect(walked.outcome).toBe(outcome);
      expect(walked.reason).toMatch(new RegExp(reason));
      expect(walked.table.instances).toEqual([]);
      expect(session.requests.length).toBeLessThan(40);
    },
  );

  test("by failing at one instance loses what follows it in that column, and nothing else", async () => {
    const behaviour: Behaviour = ({ names }, correct) => {
      const answer = correct();
      const bad = answer.varbinds.findIndex(({ oid }) => decodeOid(oid) === `${B}.13`);
      return bad < 0
        ? answer
        : { errorStatus: 5, errorIndex: (bad % names.length) + 1, varbinds: [] };
    };

    const { outcome, reason, table } = await walkColumns(
      fakeSession(REGULAR, { behaviour }),
      [A, B, C],
      NO_LIMIT,
    );

    expect(outcome).toBe("partial");
    expect(reason).toBe(`genErr at ${B}`);
    expect(Object.keys(plain(table)[B] ?? {})).toEqual(oneTo(12).map(String));
    expect(plain(table)[A]).toEqual(expected(REGULAR, [A])[A]);
    expect(plain(table)[C]).toEqual(expected(REGULAR, [C])[C]);
  });

  test("by falling silent in the middle leaves a partial table", async () => {
    let answers = 0;
    const behaviour: Behaviour = (_request, correct) =>
      ++answers > 3 ? failure("silent", "No answer") : correct();

    const { outcome, reason, table } = await walkColumns(
      fakeSession(REGULAR, { behaviour }),
      [A, B, C],
      NO_LIMIT,
    );

    expect(outcome).toBe("partial");
    expect(reason).toBe("No answer");
    expect(table.instances.length).toBeGreaterThan(0);
  });

  test("by saying noSuchObject in v2c ends the column", async () => {
    const behaviour: Behaviour = ({ names }) => ({
      varbinds: names.map((name) => ({
        oid: encodeOid(name),
        tag: TAG.noSuchObject,
        value: NOTHING,
      })),
    });

    const { outcome, table } = await walkColumns(fakeSession({}, { behaviour }), [A, B], NO_LIMIT);

    expect(outcome).toBe("answered");
    expect(table.instances).toEqual([]);
  });

  test("by sending an instance that is no OID ends the column by name", async () => {
    const padded = Buffer.concat([encodeOid(A), Uint8Array.of(0x80, 0x80, 0x01)]);
    const behaviour: Behaviour = () => ({ varbinds: [{ oid: padded, ...counter(1) }] });

    expect(await walkColumns(fakeSession({}, { behaviour }), [A], NO_LIMIT)).toMatchObject({
      outcome: "malformed",
      reason: `An instance of ${A} is not an OID`,
    });
  });
});

/** Row by row becomes column by column. */
function byColumn(varbinds: readonly Varbind[]): Varbind[] {
  return [...varbinds].sort((a, b) => compareOidBytes(a.oid, b.oid));
}

function isOfColumns({ oid, tag }: Varbind): boolean {
  const dotted = decodeOid(oid);
  return tag !== TAG.endOfMibView && [A, B, C].some((column) => dotted.startsWith(`${column}.`));
}
