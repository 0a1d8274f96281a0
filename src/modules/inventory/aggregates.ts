/** Which interfaces are members of an aggregate, by IEEE8023-LAG-MIB. */

import type { AggregateMember } from "../../routers/inventory.ts";
import type { Answers, SectionPlan } from "./section.ts";
import { mibTable, singleIndex } from "./table.ts";

/** dot3adAggPortTable: both columns are the ifIndex of an aggregator, 0 where there is none. */
const AGGREGATE_PORTS = mibTable("1.2.840.10006.300.43.1.2.1.1", {
  selectedAggId: 12,
  attachedAggId: 13,
});

export const AGGREGATES_SECTION: SectionPlan = {
  name: "aggregates",
  rate: "fast",
  scalars: {},
  tables: [AGGREGATE_PORTS],
  read: (answers) => ({ aggregates: membersOf(answers) }),
};

/** Rows indexed by the port's ifIndex. A port that is down is attached to nothing, and still selected by its aggregate. */
function membersOf(answers: Answers): AggregateMember[] {
  const rows = answers.rows(AGGREGATE_PORTS);
  return rows.instances.flatMap((instance, row) => {
    const ifIndex = singleIndex(instance);
    const aggregateIfIndex =
      rows.number("attachedAggId", row) || rows.number("selectedAggId", row) || 0;
    // A port that aggregates with no other is its own aggregator on some agents.
    if (ifIndex === undefined || aggregateIfIndex <= 0 || aggregateIfIndex === ifIndex) return [];
    return { ifIndex, aggregateIfIndex };
  });
}
