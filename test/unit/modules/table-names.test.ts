import { describe, expect, it } from "vitest";
import type { FetchedColumn, FetchedTable } from "../../../src/modules/fetched-table.ts";
import { TableNames } from "../../../src/modules/table-names.ts";

const AT = { signals: { sysUpTime: 100, ifNumber: 2, ifTableLastChange: 7 }, nowMs: 0 };
const column = (rows: number): FetchedColumn => ({
  tags: new Uint8Array(rows).fill(4),
  numbers: new BigInt64Array(rows),
  bytes: Array.from({ length: rows }, (_, row) => Uint8Array.of(row)),
});
const table = (oid: string, ...instances: string[]): FetchedTable => ({
  instances,
  columns: new Map([[oid, column(instances.length)]]),
});

function remembered(...instances: string[]): TableNames {
  const names = new TableNames();
  names.remember(table("name", ...instances), AT);
  return names;
}

describe("names of rows", () => {
  it("are believed until the router restarts, its table changes, or an hour is over", () => {
    const names = remembered("1", "2");
    const later = (signals: object, nowMs = 60_000) =>
      names.areFresh({ signals: { ...AT.signals, sysUpTime: 6_100, ...signals }, nowMs });

    expect(new TableNames().areFresh(AT)).toBe(false);
    expect(later({})).toBe(true);
    expect(later({ sysUpTime: 99 })).toBe(false);
    expect(later({ sysUpTime: undefined })).toBe(false);
    expect(later({ ifNumber: 3 })).toBe(false);
    expect(later({ ifTableLastChange: 8 })).toBe(false);
    expect(later({}, 3_600_000)).toBe(false);
  });

  it("are put beside values of the same rows, without a copy of the list of rows", () => {
    const names = remembered("1", "2");

    const first = names.joined(table("octets", "1", "2"));
    const second = names.joined(table("octets", "1", "2"));

    expect([...(first?.columns.keys() ?? [])]).toEqual(["octets", "name"]);
    expect(second?.instances).toBe(first?.instances);
  });

  it("are read again when a row comes or goes, and not while some rows have names alone", () => {
    expect(remembered("1", "2").joined(table("octets", "1", "2", "3"))).toBeUndefined();

    const names = remembered("1", "2", "3");
    expect(names.joined(table("octets", "1", "2"))?.instances).toEqual(["1", "2", "3"]);
    expect(names.joined(table("octets", "1", "2"))?.instances).toEqual(["1", "2", "3"]);
    expect(names.joined(table("octets", "1"))).toBeUndefined();
  });
});
