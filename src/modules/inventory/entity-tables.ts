/** Tables that several sections read: the names of physical entities, and the makers' tables of parts. */

import { type MibRows, mibTable } from "./table.ts";

/** entPhysicalTable's names alone (RFC 6933). */
export const ENTITY_NAMES = mibTable("1.3.6.1.2.1.47.1.1.1.1", { descr: 2, name: 7 });

export const JUNIPER_OPERATING = mibTable("1.3.6.1.4.1.2636.3.1.13.1", {
  descr: 5,
  temperature: 7,
  cpu: 8,
  buffer: 11,
});

export const HUAWEI_ENTITIES = mibTable("1.3.6.1.4.1.2011.5.25.31.1.1.1.1", {
  cpuUsage: 5,
  memUsage: 7,
});

/** entPhysicalName, else entPhysicalDescr. */
export function entityName(
  entities: MibRows<keyof (typeof ENTITY_NAMES)["columns"]>,
  entPhysicalIndex: number,
): string | undefined {
  const row = entities.rowOf(String(entPhysicalIndex));
  return entities.text("name", row)?.trim() || entities.text("descr", row)?.trim() || undefined;
}
