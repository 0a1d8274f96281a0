import { expect, it } from "vitest";
import {
  emptyTable,
  type FetchedColumn,
  VALUE_TAG,
} from "../../../../src/modules/fetched-table.ts";
import { AGGREGATES_SECTION } from "../../../../src/modules/inventory/aggregates.ts";
import { Answers } from "../../../../src/modules/inventory/section.ts";

const ENTRY = "1.2.840.10006.300.43.1.2.1.1";

function integers(...values: bigint[]): FetchedColumn {
  return {
    tags: Uint8Array.from(values, () => VALUE_TAG.integer),
    numbers: BigInt64Array.from(values),
    bytes: values.map(() => null),
  };
}

it("members of aggregates are ports attached to one, or selected while they are down", () => {
  const [table] = AGGREGATES_SECTION.tables;
  if (table === undefined) throw new Error("the section has a table");
  const fetched = {
    instances: ["1", "2", "3", "4"],
    columns: new Map([
      [`${ENTRY}.12`, integers(100n, 100n, 0n, 4n)],
      [`${ENTRY}.13`, integers(101n, 0n, 0n, 4n)],
    ]),
  };

  const answers = new Answers(new Map([[table, fetched]]), emptyTable());

  expect(AGGREGATES_SECTION.read(answers)).toEqual({
    aggregates: [
      { ifIndex: 1, aggregateIfIndex: 101 },
      { ifIndex: 2, aggregateIfIndex: 100 },
    ],
  });
});
