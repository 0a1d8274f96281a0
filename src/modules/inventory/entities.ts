/** What a router is built of: entPhysicalTable (RFC 6933), with serial numbers and models. */

import type { PhysicalEntity } from "../../routers/inventory.ts";
import type { Answers, SectionPlan } from "./section.ts";
import { mibTable, said, singleIndex } from "./table.ts";

const ENTITIES = mibTable("1.3.6.1.2.1.47.1.1.1.1", {
  descr: 2,
  containedIn: 4,
  class: 5,
  name: 7,
  hardwareRev: 8,
  firmwareRev: 9,
  softwareRev: 10,
  serialNum: 11,
  mfgName: 12,
  modelName: 13,
});

export const ENTITIES_SECTION: SectionPlan = {
  name: "entities",
  rate: "slow",
  scalars: {},
  tables: [ENTITIES],
  read: (answers) => ({ entities: entitiesOf(answers) }),
};

function entitiesOf(answers: Answers): PhysicalEntity[] {
  const rows = answers.rows(ENTITIES);
  return rows.instances.flatMap((instance, row) => {
    const entPhysicalIndex = singleIndex(instance);
    if (entPhysicalIndex === undefined) return [];
    // An empty text is how this MIB says that there is none.
    const text = (
      column:
        | "descr"
        | "name"
        | "hardwareRev"
        | "firmwareRev"
        | "softwareRev"
        | "serialNum"
        | "mfgName"
        | "modelName",
    ) => said(column, rows.text(column, row)?.trim() || undefined);
    return {
      entPhysicalIndex,
      ...text("descr"),
      ...said("containedIn", rows.number("containedIn", row)),
      ...said("class", rows.number("class", row)),
      ...text("name"),
      ...text("hardwareRev"),
      ...text("firmwareRev"),
      ...text("softwareRev"),
      ...text("serialNum"),
      ...text("mfgName"),
      ...text("modelName"),
    };
  });
}
