/** Series of values that are no plain number: the names of enumerations, texts, bits, each as a label of the metric's name. */

import { invariant } from "../lib/invariant.ts";
import type { Labels, TextFact } from "../routers/samples.ts";
import type { ExposedMetric } from "./exposed-metrics.ts";
import { integerText } from "./sample-text.ts";
import type { SeriesLabels } from "./series-labels.ts";
import { bytesOfHex } from "./value-text.ts";

/** A written label set and its value. */
export type Series = readonly [labelSet: string, value: number];

/** The rows of a block that enumerations are read from. */
export interface EnumRows {
  readonly words: Int32Array;
  readonly present: Uint8Array;
  readonly labels: readonly Labels[];
}

/**
 * An enumeration's number as its name (`_info`), or as one series a state of which one is 1. A number without a name is
 * its own name. `start` is where the metric's values begin.
 */
export function* enumSeries(
  { style, metric }: ExposedMetric,
  writer: SeriesLabels,
  { words, present, labels }: EnumRows,
  start: number,
): Generator<Series> {
  invariant(metric !== undefined, "a metric with states is a module's");
  const { name, enumValues } = metric;
  for (let i = 0; i < labels.length; i++) {
    const own = labels[i] ?? {};
    // Where the name is a label already (an index of that name), it cannot be one twice.
    if (present[start + i] !== 1 || name in own) continue;
    const number = Number(integerText(words, start + i, { isCounter: false, wrap: true }));
    yield [writer.write({ ...own, [name]: enumValues.get(number) ?? String(number) }), 1];
    if (style !== "states") continue;
    for (const [other, state] of enumValues) {
      if (other !== number) yield [writer.write({ ...own, [name]: state }), 0];
    }
  }
}

/** A text as the label of its metric's name; BITS as one series a named bit. */
export function* textSeries(
  { style, metric }: ExposedMetric,
  writer: SeriesLabels,
  { metric: name, labels, value }: TextFact,
): Generator<Series> {
  if (style === "bits") {
    const octets = bytesOfHex(value);
    for (const [bit, state] of metric?.enumValues ?? []) {
      const isSet = ((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;
      yield [writer.write({ ...labels, [name]: state }), isSet ? 1 : 0];
    }
    return;
  }
  const one = (metric?.scale ?? 1) + (metric?.offset ?? 0);
  yield [writer.write(name in labels ? labels : { ...labels, [name]: value }), one];
}
