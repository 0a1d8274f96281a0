import { describe, expect, it } from "vitest";
import { COUNTER_COLUMNS } from "../../../src/simulator/counters.ts";
import { generatedCounter, generatedRate } from "../../../src/simulator/generated-values.ts";
import { openGeneratedViews } from "../../../src/simulator/generated-view.ts";
import { decodeOid, readUnsigned, TAG } from "../../../src/snmp/ber.ts";
import type { Varbind } from "../../../src/snmp/message.ts";
import { generatedAgent, texts, walk } from "./ask.ts";

const SEED = 11;
const INTERFACES = 5;
const IF_ENTRY = "1.3.6.1.2.1.2.2.1";
const IF_X_ENTRY = "1.3.6.1.2.1.31.1.1.1";
const SYS_UP_TIME = "1.3.6.1.2.1.1.3.0";

function rowsOf(router: number, nowMs = 0, liveSinceMs?: number): Map<string, Varbind> {
  const family = {
    seed: SEED,
    interfaces: INTERFACES,
    ...(liveSinceMs === undefined ? {} : { liveSinceMs }),
  };
  const rows = walk(generatedAgent(family, router), nowMs);
  return new Map(rows.map((row) => [decodeOid(row.oid), row]));
}

function numberAt(rows: ReadonlyMap<string, Varbind>, oid: string): bigint {
  const row = rows.get(oid);
  return row === undefined ? -1n : readUnsigned(row.value, row.tag);
}

function textAt(rows: ReadonlyMap<string, Varbind>, oid: string): string {
  return Buffer.from(rows.get(oid)?.value ?? []).toString("latin1");
}

describe("a generated router", () => {
  it("has the system group and every column of ifTable and ifXTable for every interface", () => {
    const rows = rowsOf(0);

    const expected = [1, 2, 3, 4, 5, 6, 7].map((leaf) => `1.3.6.1.2.1.1.${leaf}.0`);
    expected.push("1.3.6.1.2.1.2.1.0", "1.3.6.1.2.1.31.1.5.0");
    for (let ifIndex = 1; ifIndex <= INTERFACES; ifIndex++) {
      for (let column = 1; column <= 22; column++)
        expected.push(`${IF_ENTRY}.${column}.${ifIndex}`);
      for (let column = 1; column <= 19; column++) {
        expected.push(`${IF_X_ENTRY}.${column}.${ifIndex}`);
      }
    }
    expect([...rows.keys()].sort()).toEqual(expected.sort());
    expect(numberAt(rows, "1.3.6.1.2.1.2.1.0")).toBe(BigInt(INTERFACES));
  });

  it("says the same whenever it is asked, and another router something else", () => {
    const asText = (router: number) =>
      texts({
        version: 1,
        community: new Uint8Array(0),
        pduType: TAG.response,
        requestId: 0,
        a: 0,
        b: 0,
        varbinds: [...rowsOf(router).values()],
      });

    expect(asText(0)).toEqual(asText(0));
    expect(asText(0)).not.toEqual(asText(1));
  });

  it("has names and addresses of its own", () => {
    const routers = [0, 1, 2, 300].map((router) => rowsOf(router));

    const all = routers.flatMap((rows) => [
      textAt(rows, "1.3.6.1.2.1.1.5.0"),
      ...[1, 2, 3, 4, 5].map((ifIndex) => textAt(rows, `${IF_ENTRY}.6.${ifIndex}`)),
    ]);
    expect(new Set(all).size).toBe(all.length);
  });

  it("shares its view with the others of its maker, however many there are", () => {
    const viewOf = openGeneratedViews({ seed: SEED, interfaces: 48 });

    const views = new Set(Array.from({ length: 10_000 }, (_, router) => viewOf(router)));

    expect(views.size).toBe(5);
  });

  it("shows one flow in its 32-bit and its 64-bit counter", () => {
    const rows = rowsOf(3);

    for (const { oid, flow, bits } of COUNTER_COLUMNS) {
      for (let ifIndex = 1; ifIndex <= INTERFACES; ifIndex++) {
        const whole = BigInt(generatedCounter(SEED, 3, ifIndex, flow, 0));
        expect(numberAt(rows, `${oid}.${ifIndex}`)).toBe(BigInt.asUintN(bits, whole));
      }
    }
  });

  it("stands still unless it is live", () => {
    const later = rowsOf(2, 1_000_000);

    for (const [oid, { value }] of rowsOf(2, 0)) expect(later.get(oid)?.value).toEqual(value);
  });

  it("live, moves its counters by the rates it announces and sysUpTime by the clock", () => {
    const before = rowsOf(4, 50_000, 50_000);
    const after = rowsOf(4, 60_000, 50_000);

    for (const { oid, flow, bits } of COUNTER_COLUMNS) {
      for (let ifIndex = 1; ifIndex <= INTERFACES; ifIndex++) {
        const name = `${oid}.${ifIndex}`;
        const grown = BigInt.asUintN(bits, numberAt(after, name) - numberAt(before, name));
        expect([name, grown]).toEqual([name, BigInt(generatedRate(SEED, 4, ifIndex, flow) * 10)]);
      }
    }
    expect(numberAt(after, SYS_UP_TIME) - numberAt(before, SYS_UP_TIME)).toBe(1_000n);
  });

  it("has interfaces that are down, whose counters stand still, and more that are up", () => {
    let down = 0;
    for (let router = 0; router < 100; router++) {
      const rows = rowsOf(router);
      for (let ifIndex = 1; ifIndex <= INTERFACES; ifIndex++) {
        const isUp = numberAt(rows, `${IF_ENTRY}.8.${ifIndex}`) === 1n;
        const isDisabled = numberAt(rows, `${IF_ENTRY}.7.${ifIndex}`) === 2n;
        if (!isUp) down++;
        expect(isUp && isDisabled).toBe(false);
        expect(generatedRate(SEED, router, ifIndex, "inOctets") > 0).toBe(isUp);
      }
    }
    expect(down).toBeGreaterThan(10);
    expect(down).toBeLessThan(100);
  });

  it.each([0, -1, 2 ** 20, Number.NaN])("cannot have %d interfaces", (interfaces) => {
    expect(() => openGeneratedViews({ seed: 1, interfaces })).toThrow("Cannot give a router");
  });

  it("keeps its order with 20,000 interfaces", () => {
    const rows = walk(
      generatedAgent({ seed: 1, interfaces: 20_000 }, 0, { messageBytesMax: 65_507 }),
    );

    expect(rows.length).toBe(9 + 41 * 20_000);
  });
});
