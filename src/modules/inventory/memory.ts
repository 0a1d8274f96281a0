/** Memory: hrStorageTable (RFC 2790), Cisco's pools, and the makers' own. */

import type { MemoryPool } from "../../routers/inventory.ts";
import { ENTITY_NAMES, entityName, HUAWEI_ENTITIES, JUNIPER_OPERATING } from "./entity-tables.ts";
import type { Answers, SectionPlan } from "./section.ts";
import { mibTable, said } from "./table.ts";

const HR_STORAGE = mibTable("1.3.6.1.2.1.25.2.3.1", {
  type: 2,
  descr: 3,
  units: 4,
  size: 5,
  used: 6,
});
const CISCO_POOLS = mibTable("1.3.6.1.4.1.9.9.48.1.1.1", { name: 2, used: 5, free: 6 });
const CISCO_ENHANCED_POOLS = mibTable("1.3.6.1.4.1.9.9.221.1.1.1.1", {
  name: 3,
  used: 7,
  free: 8,
  hcUsed: 18,
  hcFree: 20,
});
const SCALARS = {
  memTotalSwap: "1.3.6.1.4.1.2021.4.3.0",
  memAvailSwap: "1.3.6.1.4.1.2021.4.4.0",
  memTotalReal: "1.3.6.1.4.1.2021.4.5.0",
  memAvailReal: "1.3.6.1.4.1.2021.4.6.0",
  memBuffer: "1.3.6.1.4.1.2021.4.14.0",
  memCached: "1.3.6.1.4.1.2021.4.15.0",
  fgSysMemUsage: "1.3.6.1.4.1.12356.101.4.1.4.0",
  fgSysMemCapacity: "1.3.6.1.4.1.12356.101.4.1.5.0",
};

export const MEMORY_SECTION: SectionPlan = {
  name: "memory",
  rate: "fast",
  scalars: SCALARS,
  tables: [
    HR_STORAGE,
    CISCO_POOLS,
    CISCO_ENHANCED_POOLS,
    JUNIPER_OPERATING,
    HUAWEI_ENTITIES,
    ENTITY_NAMES,
  ],
  read: (answers) => ({
    memory: [
      ...hostResources(answers),
      ...ciscoPools(answers),
      ...ciscoEnhancedPools(answers),
      ...juniper(answers),
      ...huawei(answers),
      ...fortinet(answers),
      ...netSnmp(answers),
    ],
  }),
};

/** hrStorageRam and hrStorageVirtualMemory (RFC 2790); disks are storage, not memory. */
const KINDS: Readonly<Record<string, "ram" | "virtual">> = {
  "1.3.6.1.2.1.25.2.1.2": "ram",
  "1.3.6.1.2.1.25.2.1.3": "virtual",
};

function hostResources(answers: Answers): MemoryPool[] {
  const rows = answers.rows(HR_STORAGE);
  return rows.instances.flatMap((index, row) => {
    const kind = KINDS[rows.oid("type", row) ?? ""];
    if (kind === undefined) return [];
    const units = rows.unsigned("units", row);
    const bytes = (allocationUnits: number | undefined) =>
      units === undefined || allocationUnits === undefined
        ? undefined
        : (BigInt(units) * BigInt(allocationUnits)).toString();
    return {
      source: "HOST-RESOURCES-MIB::hrStorageTable",
      index,
      kind,
      ...said("name", rows.text("descr", row)),
      ...said("total", bytes(rows.unsigned("size", row))),
      ...said("used", bytes(rows.unsigned("used", row))),
    };
  });
}

function ciscoPools(answers: Answers): MemoryPool[] {
  const rows = answers.rows(CISCO_POOLS);
  return rows.instances.flatMap((index, row) => {
    const pool = usedAndFree(rows.counter("used", row), rows.counter("free", row));
    if (pool === undefined) return [];
    return {
      source: "CISCO-MEMORY-POOL-MIB",
      index,
      ...said("name", rows.text("name", row)),
      ...pool,
    };
  });
}

/** The 64-bit columns where the agent has them: pools outgrew 4 GB. */
function ciscoEnhancedPools(answers: Answers): MemoryPool[] {
  const rows = answers.rows(CISCO_ENHANCED_POOLS);
  return rows.instances.flatMap((index, row) => {
    const hcUsed = rows.counter("hcUsed", row);
    const hcFree = rows.counter("hcFree", row);
    const isWide = hcUsed !== undefined && hcFree !== undefined;
    const pool = isWide
      ? usedAndFree(hcUsed, hcFree)
      : usedAndFree(rows.counter("used", row), rows.counter("free", row));
    if (pool === undefined) return [];
    return {
      source: "CISCO-ENHANCED-MEMPOOL-MIB",
      index,
      ...said("name", rows.text("name", row)),
      bits: isWide ? 64 : 32,
      ...pool,
    };
  });
}

function usedAndFree(used: string | undefined, free: string | undefined) {
  if (used === undefined && free === undefined) return undefined;
  const isWhole = used !== undefined && free !== undefined;
  return {
    ...said("used", used),
    ...said("free", free),
    ...(isWhole ? { total: (BigInt(used) + BigInt(free)).toString() } : {}),
  };
}

/** 0 stands for a part without memory (JUNIPER-MIB). */
function juniper(answers: Answers): MemoryPool[] {
  const rows = answers.rows(JUNIPER_OPERATING);
  return rows.instances.flatMap((index, row) => {
    const percent = rows.number("buffer", row);
    if (!percent) return [];
    const name = rows.text("descr", row);
    return { source: "JUNIPER-MIB::jnxOperatingBuffer", index, percent, ...said("name", name) };
  });
}

/** 0 stands for a part without memory (HUAWEI-ENTITY-EXTENT-MIB). */
function huawei(answers: Answers): MemoryPool[] {
  const rows = answers.rows(HUAWEI_ENTITIES);
  const entities = answers.rows(ENTITY_NAMES);
  return rows.instances.flatMap((index, row) => {
    const percent = rows.number("memUsage", row);
    if (!percent) return [];
    return {
      source: "HUAWEI-ENTITY-EXTENT-MIB::hwEntityMemUsage",
      index,
      percent,
      ...said("name", entityName(entities, Number(index))),
    };
  });
}

function fortinet(answers: Answers): MemoryPool[] {
  const scalars = answers.scalars(SCALARS);
  const percent = scalars.number("fgSysMemUsage", 0);
  if (percent === undefined) return [];
  return [
    {
      source: "FORTINET-FORTIGATE-MIB::fgSysMemUsage",
      index: "0",
      percent,
      ...said("totalKB", scalars.unsigned("fgSysMemCapacity", 0)),
    },
  ];
}

function netSnmp(answers: Answers): MemoryPool[] {
  const scalars = answers.scalars(SCALARS);
  const pool = {
    ...said("totalReal", scalars.number("memTotalReal", 0)),
    ...said("availReal", scalars.number("memAvailReal", 0)),
    ...said("buffer", scalars.number("memBuffer", 0)),
    ...said("cached", scalars.number("memCached", 0)),
    ...said("totalSwap", scalars.number("memTotalSwap", 0)),
    ...said("availSwap", scalars.number("memAvailSwap", 0)),
  };
  if (Object.keys(pool).length === 0) return [];
  return [{ source: "UCD-SNMP-MIB::memory", index: "0", unit: "kB", ...pool }];
}
