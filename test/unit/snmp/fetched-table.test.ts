import { expect, it } from "vitest";
import { TAG } from "../../../src/snmp/ber.ts";
import { TableBuilder } from "../../../src/snmp/fetched-table.ts";

it("keeps texts whole, whatever the lengths they come in", () => {
  for (let first = 1; first <= 4_001; first += 100) {
    for (let second = 1; second <= 4_001; second += 100) {
      const table = new TableBuilder(2, 1, 1);
      table.addScalarRow();
      table.put(0, 0, TAG.octetString, new Uint8Array(first).fill(1), 0, first);
      table.put(1, 0, TAG.octetString, new Uint8Array(second).fill(2), 0, second);

      const { columns } = table.finish(["a", "b"]);

      const kept = ["a", "b"].map((name) => columns.get(name)?.bytes[0]);
      expect(kept.map((it) => [it?.length, it?.at(-1)])).toEqual([
        [first, 1],
        [second, 2],
      ]);
    }
  }
});
