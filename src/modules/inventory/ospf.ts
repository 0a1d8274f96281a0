/** OSPF neighbours by OSPF-MIB (RFC 4750). */

import type { OspfNeighbour } from "../../routers/inventory.ts";
import type { Answers, SectionPlan } from "./section.ts";
import { indexParts, mibTable, said } from "./table.ts";

const OSPF_NEIGHBOURS = mibTable("1.3.6.1.2.1.14.10.1", {
  ipAddr: 1,
  addressLessIndex: 2,
  routerId: 3,
  priority: 5,
  state: 6,
});

/** ospfNbrState, from 1. */
const STATES = [
  "down",
  "attempt",
  "init",
  "twoWay",
  "exchangeStart",
  "exchange",
  "loading",
  "full",
];

export const OSPF_SECTION: SectionPlan = {
  name: "ospfNeighbours",
  rate: "fast",
  scalars: {},
  tables: [OSPF_NEIGHBOURS],
  read: (answers) => ({ ospfNeighbours: neighboursOf(answers) }),
};

/** Rows indexed by the neighbour's address and, for links without one, an interface's index. */
function neighboursOf(answers: Answers): OspfNeighbour[] {
  const rows = answers.rows(OSPF_NEIGHBOURS);
  return rows.instances.flatMap((index, row) => {
    const parts = indexParts(index);
    if (parts.length !== 5) return [];
    const state = rows.number("state", row);
    return {
      neighborAddr: parts.slice(0, 4).join("."),
      addressLessIndex: parts[4] ?? 0,
      ...said("routerId", rows.address("routerId", row)),
      ...said("state", state === undefined ? undefined : (STATES[state - 1] ?? String(state))),
      ...said("priority", rows.number("priority", row)),
    };
  });
}
