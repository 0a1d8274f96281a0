/** How busy processors are: HOST-RESOURCES-MIB (RFC 2790), CISCO-PROCESS-MIB, and the makers' own. */

import type { Processor } from "../../routers/inventory.ts";
import { ENTITY_NAMES, entityName, HUAWEI_ENTITIES, JUNIPER_OPERATING } from "./entity-tables.ts";
import type { Answers, SectionPlan } from "./section.ts";
import { mibTable, said } from "./table.ts";

const HR_PROCESSORS = mibTable("1.3.6.1.2.1.25.3.3.1", { load: 2 });
const HR_DEVICES = mibTable("1.3.6.1.2.1.25.3.2.1", { descr: 3 });
/** The columns at 6 to 8 replace those at 3 to 5, whose range was too small. */
const CISCO_CPUS = mibTable("1.3.6.1.4.1.9.9.109.1.1.1.1", {
  physicalIndex: 2,
  old5sec: 3,
  old1min: 4,
  old5min: 5,
  new5sec: 6,
  new1min: 7,
  new5min: 8,
});
const FORTINET_CPUS = mibTable("1.3.6.1.4.1.12356.101.4.4.2.1", { usage: 2 });
const SCALARS = {
  ssCpuIdle: "1.3.6.1.4.1.2021.11.11.0",
  fgSysCpuUsage: "1.3.6.1.4.1.12356.101.4.1.3.0",
};

export const PROCESSORS_SECTION: SectionPlan = {
  name: "processors",
  rate: "fast",
  scalars: SCALARS,
  tables: [
    HR_PROCESSORS,
    HR_DEVICES,
    CISCO_CPUS,
    JUNIPER_OPERATING,
    HUAWEI_ENTITIES,
    FORTINET_CPUS,
    ENTITY_NAMES,
  ],
  read: (answers) => ({
    processors: [
      ...hostResources(answers),
      ...cisco(answers),
      ...juniper(answers),
      ...huawei(answers),
      ...fortinet(answers),
      ...netSnmp(answers),
    ],
  }),
};

function hostResources(answers: Answers): Processor[] {
  const rows = answers.rows(HR_PROCESSORS);
  const devices = answers.rows(HR_DEVICES);
  return rows.instances.flatMap((index, row) => {
    const percent = rows.number("load", row);
    if (percent === undefined) return [];
    const descr = devices.text("descr", devices.rowOf(index));
    return {
      source: "HOST-RESOURCES-MIB::hrProcessorLoad",
      index,
      percent,
      ...said("descr", descr),
    };
  });
}

function cisco(answers: Answers): Processor[] {
  const rows = answers.rows(CISCO_CPUS);
  const entities = answers.rows(ENTITY_NAMES);
  return rows.instances.flatMap((index, row) => {
    const percent = rows.number("new5min", row) ?? rows.number("old5min", row);
    if (percent === undefined) return [];
    const entPhysicalIndex = rows.number("physicalIndex", row);
    return {
      source: "CISCO-PROCESS-MIB::cpmCPUTotalTable",
      index,
      percent,
      ...said("percent1min", rows.number("new1min", row) ?? rows.number("old1min", row)),
      ...said("percent5sec", rows.number("new5sec", row) ?? rows.number("old5sec", row)),
      ...said("entPhysicalIndex", entPhysicalIndex),
      ...said("descr", entPhysicalIndex ? entityName(entities, entPhysicalIndex) : undefined),
    };
  });
}

/** 0 stands for a part without a processor (JUNIPER-MIB). */
function juniper(answers: Answers): Processor[] {
  const rows = answers.rows(JUNIPER_OPERATING);
  return rows.instances.flatMap((index, row) => {
    const percent = rows.number("cpu", row);
    if (!percent) return [];
    const descr = rows.text("descr", row);
    return { source: "JUNIPER-MIB::jnxOperatingCPU", index, percent, ...said("descr", descr) };
  });
}

/** 0 stands for a part without a processor (HUAWEI-ENTITY-EXTENT-MIB). */
function huawei(answers: Answers): Processor[] {
  const rows = answers.rows(HUAWEI_ENTITIES);
  const entities = answers.rows(ENTITY_NAMES);
  return rows.instances.flatMap((index, row) => {
    const percent = rows.number("cpuUsage", row);
    if (!percent) return [];
    return {
      source: "HUAWEI-ENTITY-EXTENT-MIB::hwEntityCpuUsage",
      index,
      percent,
      ...said("descr", entityName(entities, Number(index))),
    };
  });
}

function fortinet(answers: Answers): Processor[] {
  const rows = answers.rows(FORTINET_CPUS);
  const whole = answers.scalars(SCALARS).number("fgSysCpuUsage", 0);
  const each = rows.instances.flatMap((index, row) => {
    const percent = rows.number("usage", row);
    if (percent === undefined) return [];
    return { source: "FORTINET-FORTIGATE-MIB::fgProcessorUsage", index, percent };
  });
  if (whole === undefined) return each;
  return [{ source: "FORTINET-FORTIGATE-MIB::fgSysCpuUsage", index: "0", percent: whole }, ...each];
}

function netSnmp(answers: Answers): Processor[] {
  const idlePercent = answers.scalars(SCALARS).number("ssCpuIdle", 0);
  if (idlePercent === undefined) return [];
  return [
    {
      source: "UCD-SNMP-MIB::ssCpuIdle",
      index: "0",
      percent: 100 - idlePercent,
      idlePercent,
    },
  ];
}
