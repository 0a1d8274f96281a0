/** Sensors by ENTITY-SENSOR-MIB (RFC 3433) and CISCO-ENTITY-SENSOR-MIB, which has the same columns. */

import type { Sensor } from "../../routers/inventory.ts";
import { ENTITY_NAMES, entityName } from "./entity-tables.ts";
import type { Answers, SectionPlan } from "./section.ts";
import { type MibTable, mibTable, said, singleIndex } from "./table.ts";

const COLUMNS = { type: 1, scale: 2, precision: 3, value: 4, status: 5 };
const SOURCES: readonly { source: string; table: MibTable<keyof typeof COLUMNS> }[] = [
  { source: "ENTITY-SENSOR-MIB", table: mibTable("1.3.6.1.2.1.99.1.1.1", COLUMNS) },
  { source: "CISCO-ENTITY-SENSOR-MIB", table: mibTable("1.3.6.1.4.1.9.9.91.1.1.1.1", COLUMNS) },
];

/** EntitySensorDataType from 1; SensorDataType adds the last two. */
const TYPES = [
  "other",
  "unknown",
  "voltsAC",
  "voltsDC",
  "amperes",
  "watts",
  "hertz",
  "celsius",
  "percentRH",
  "rpm",
  "cmm",
  "truthvalue",
  "specialEnum",
  "dBm",
];
const STATUSES = ["ok", "unavailable", "nonoperational"];

export const SENSORS_SECTION: SectionPlan = {
  name: "sensors",
  rate: "fast",
  scalars: {},
  tables: [...SOURCES.map(({ table }) => table), ENTITY_NAMES],
  read: (answers) => ({ sensors: SOURCES.flatMap((from) => sensorsOf(answers, from)) }),
};

function sensorsOf(answers: Answers, { source, table }: (typeof SOURCES)[number]): Sensor[] {
  const rows = answers.rows(table);
  const entities = answers.rows(ENTITY_NAMES);
  return rows.instances.flatMap((instance, row) => {
    const entPhysicalIndex = singleIndex(instance);
    const rawValue = rows.number("value", row);
    if (entPhysicalIndex === undefined || rawValue === undefined) return [];
    const type = rows.number("type", row);
    const status = rows.number("status", row);
    const scale = rows.number("scale", row);
    const precision = rows.number("precision", row);
    return {
      source,
      entPhysicalIndex,
      ...said("type", type === undefined ? undefined : (TYPES[type - 1] ?? String(type))),
      ...said("scale", scale),
      ...said("precision", precision),
      rawValue,
      ...said("value", scaled(rawValue, scale, precision)),
      ...said(
        "status",
        status === undefined ? undefined : (STATUSES[status - 1] ?? String(status)),
      ),
      ...said("name", entityName(entities, entPhysicalIndex)),
    };
  });
}

/** EntitySensorDataScale runs from 1 (yocto) over 9 (units) to 17 (yotta), precision from −8 to 9 (RFC 3433). */
const SCALE_UNITS = 9;

/** rawValue × 10^(3 × (scale − 9) − precision), digit by digit: no rounding. */
export function scaled(
  rawValue: number,
  scale: number | undefined,
  precision: number | undefined,
): string | undefined {
  if (scale === undefined || precision === undefined) return undefined;
  if (scale < 1 || scale > 17 || Math.abs(precision) > 9) return undefined;
  const exponent = 3 * (scale - SCALE_UNITS) - precision;
  const sign = rawValue < 0 ? "-" : "";
  const digits = String(Math.abs(rawValue));
  if (exponent >= 0) return rawValue === 0 ? "0" : sign + digits + "0".repeat(exponent);
  const padded = digits.padStart(1 - exponent, "0");
  const fraction = padded.slice(exponent).replace(/0+$/, "");
  const whole = padded.slice(0, exponent);
  return sign + whole + (fraction === "" ? "" : `.${fraction}`);
}
