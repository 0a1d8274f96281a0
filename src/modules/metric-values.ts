/** A metric's value in one row, by its type: times in seconds, texts, and numbers found in texts. */

import type { PlannedMetric } from "./collection-plan.ts";
import { parseDateAndTime, parseDateTimeText, parseNtpTimestamp } from "./date-and-time.ts";
import { type FetchedColumn, VALUE_TAG } from "./fetched-table.ts";
import { expandTemplate, matchText, parseGoFloat } from "./go-regex.ts";
import type { Metric, RegexExtract } from "./module.ts";
import type { TableView } from "./table-views.ts";
import { numberAt, subtypeOf, textAt } from "./value-text.ts";

/** Seconds since the Unix epoch, or undefined where the value tells no time. */
export function timeAt(metric: Metric, column: FetchedColumn, row: number): number | undefined {
  if (metric.dateTimeRegex !== undefined) {
    const text = textAt(column, row, "DisplayString", "");
    return text === undefined ? undefined : parseDateTimeText(text, metric.dateTimeRegex);
  }
  const bytes = column.tags[row] === VALUE_TAG.octetString ? (column.bytes[row] ?? null) : null;
  if (bytes === null) return undefined;
  return metric.type === "NTPTimeStamp" ? parseNtpTimestamp(bytes) : parseDateAndTime(bytes);
}

/** The number of the first rule that matches and yields one. */
export function extracted({ rules }: RegexExtract, text: string): number | undefined {
  for (const { regex, value } of rules) {
    const match = matchText(regex, text);
    const number = match === null ? undefined : parseGoFloat(expandTemplate(value, match));
    if (number !== undefined) return number;
  }
  return undefined;
}

/** A text metric's value. An InetAddress or LldpPortId whose type the router did not say is hexadecimal. */
export function metricText(
  view: TableView,
  { metric, typeColumn }: PlannedMetric,
  column: FetchedColumn,
  row: number,
): string | undefined {
  const types = typeColumn === "" ? undefined : view.columns.get(typeColumn);
  const typeValue = types === undefined ? undefined : numberAt(types, row);
  const subtype = typeValue === undefined ? undefined : subtypeOf(metric.type, typeValue);
  // BITS are octets: an agent that sends a number there is not understood.
  if (metric.type === "Bits" && column.tags[row] !== VALUE_TAG.octetString) return undefined;
  return textAt(column, row, subtype ?? metric.type, metric.displayHint);
}
