/**
 * Prometheus text 0.0.4 from stored samples, with the names, labels and types snmp_exporter gives them.
 *
 * A family must be in one piece, while rows come router by router. So the rows are taken first, as the compact arrays
 * they are stored in, and then rendered family by family. Each instance's labels are written once and used for all its
 * metrics. 672,000 series (1,000 routers × 48 × 14) are about 140 MB of text in pieces of 64 KiB, and never one string.
 *
 * No series is written twice for one router, whatever two modules share or a router repeats: the first one stays.
 * Series of a router whose poll is older than three of its intervals are withdrawn.
 */

import { invariant } from "../lib/invariant.ts";
import type { Labels, SampleBlock, TextFact } from "../routers/samples.ts";
import { type ExposedMetric, ExposedMetrics } from "./exposed-metrics.ts";
import type { Module } from "./module.ts";
import { floatText, integerText, wordsOf } from "./sample-text.ts";
import { escapeHelp, type LabelledRouter, SeriesLabels, writeLabels } from "./series-labels.ts";
import { type EnumRows, enumSeries, type Series, textSeries } from "./text-series.ts";

export interface ExposedRouter extends LabelledRouter {
  readonly intervalSeconds: number;
  /** Whether the last poll was answered; undefined = never polled. */
  readonly up: boolean | undefined;
  readonly lastPolledAtMs: number | undefined;
}

/** A row of one router's and module's newest poll. */
export interface LatestBlock extends SampleBlock {
  readonly routerId: string;
  readonly polledAt: Date;
}

export interface LatestText extends TextFact {
  readonly routerId: string;
}

/** A family of series that no module defines. */
export interface PlainFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly series: readonly {
    readonly labels: Labels;
    readonly value: number;
  }[];
}

export interface ExpositionOptions {
  /** Loaded modules; their order is the order of families. */
  readonly modules: ReadonlyMap<string, Module>;
  /** The routers to expose: rows of others are passed over. */
  readonly routers: readonly ExposedRouter[];
  readonly nowMs: number;
  /** Counter64 modulo 2^53, as a float holds it exactly (snmp_exporter's default). false: all 64 bits. */
  readonly wrapCounters?: boolean;
  /** false leaves out the router's labels and its `fairwalk_router_*` series, as `/snmp?target=` wants it. */
  readonly identify?: boolean;
  /** Families to write before the modules'. */
  readonly extra?: readonly PlainFamily[];
}

const CHUNK_CHARACTERS = 65_536;
const INTERVALS_SHOWN = 3;

/** Whether a poll is young enough for its series to be shown. */
export function isFresh(polledAtMs: number, intervalSeconds: number, nowMs: number): boolean {
  return nowMs - polledAtMs <= INTERVALS_SHOWN * intervalSeconds * 1_000;
}

/** The text in chunks of about 64 KiB. Takes all rows before it writes the first. */
export async function* exposition(
  options: ExpositionOptions,
  blocks: AsyncIterable<LatestBlock> | Iterable<LatestBlock>,
  texts: AsyncIterable<LatestText> | Iterable<LatestText>,
): AsyncGenerator<string> {
  const collected = new Collected(options);
  for await (const block of blocks) collected.addBlock(block);
  for await (const fact of texts) collected.addText(fact);
  yield* inChunks(collected.write());
}

function* inChunks(pieces: Iterable<string>): Generator<string> {
  let chunk = "";
  for (const piece of pieces) {
    chunk += piece;
    if (chunk.length < CHUNK_CHARACTERS) continue;
    yield chunk;
    chunk = "";
  }
  if (chunk !== "") yield chunk;
}

/** One metric of a block, or one text: some series of one family and router. */
type Source =
  | { readonly exposed: ExposedMetric; readonly of: CollectedRouter; readonly fact: LatestText }
  | {
      readonly exposed: ExposedMetric;
      readonly of: CollectedRouter;
      readonly fact?: never;
      readonly block: CollectedBlock;
      /** Where the metric's values begin. */
      readonly start: number;
    };

interface CollectedRouter {
  readonly router: ExposedRouter;
  readonly labels: SeriesLabels;
  /** Whether it answered its last poll, or samples of it are shown: then its texts hold. */
  isFresh: boolean;
}

interface CollectedBlock extends EnumRows {
  readonly values: BigInt64Array | Float64Array;
  /** The written label set of each instance. */
  readonly labelSets: readonly string[];
}

/** All rows of an exposition, by family. Rows are added first; writing comes last, and once. */
class Collected {
  readonly #options: ExpositionOptions;
  readonly #metrics: ExposedMetrics;
  readonly #routers = new Map<string, CollectedRouter>();
  readonly #families = new Map<string, Source[]>();
  readonly #facts: LatestText[] = [];
  readonly #isIdentified: boolean;

  constructor(options: ExpositionOptions) {
    this.#options = options;
    this.#metrics = new ExposedMetrics(options.modules);
    this.#isIdentified = options.identify ?? true;
    for (const router of options.routers) {
      const labels = new SeriesLabels(this.#isIdentified ? router : undefined);
      this.#routers.set(router.id, { router, labels, isFresh: router.up === true });
    }
  }

  addBlock(block: LatestBlock): void {
    const of = this.#routers.get(block.routerId);
    if (of === undefined) return;
    const { intervalSeconds } = of.router;
    if (!isFresh(block.polledAt.getTime(), intervalSeconds, this.#options.nowMs)) return;
    of.isFresh = true;
    const collected: CollectedBlock = {
      values: block.values,
      words: wordsOf(block.values),
      present: block.present,
      labels: block.labels,
      labelSets: block.labels.map((labels) => flat(of.labels.write(labels))),
    };
    block.metrics.forEach((name, m) => {
      const exposed = this.#metrics.ofSamples(block.module, name);
      this.#add({ exposed, of, block: collected, start: m * block.instances.length });
    });
  }

  addText(fact: LatestText): void {
    this.#facts.push(fact);
  }

  *write(): Generator<string> {
    for (const family of this.#options.extra ?? []) yield plainText(family);
    if (this.#isIdentified) yield* this.#routerFamilies();
    this.#addFreshTexts();
    for (const { family, help, type } of this.#metrics.families) {
      const sources = this.#families.get(family);
      if (sources === undefined) continue;
      yield* this.#family(family, help, type, sources);
      this.#families.delete(family);
    }
    for (const [family, sources] of this.#families) {
      const [first] = sources;
      invariant(first !== undefined, "a family has a source");
      yield* this.#family(family, first.exposed.help, first.exposed.type, sources);
    }
  }

  /** A text has no time of its own: it is shown while its router answers. */
  #addFreshTexts(): void {
    for (const fact of this.#facts) {
      const of = this.#routers.get(fact.routerId);
      if (of?.isFresh !== true) continue;
      this.#add({ exposed: this.#metrics.ofTexts(fact.module, fact.metric), of, fact });
    }
  }

  #add(source: Source): void {
    const { family } = source.exposed;
    const sources = this.#families.get(family);
    if (sources === undefined) this.#families.set(family, [source]);
    else sources.push(source);
  }

  *#routerFamilies(): Generator<string> {
    const routers = [...this.#routers.values()];
    const polled = routers.filter(({ router }) => router.up !== undefined);
    if (polled.length > 0) {
      yield header(
        "fairwalk_router_up",
        "Whether the router answered its last poll: 1 yes, 0 no.",
        "gauge",
      );
    }
    for (const { router, labels } of polled) {
      yield `fairwalk_router_up${labels.write({})} ${router.up === true ? 1 : 0}\n`;
    }
    const name = "fairwalk_router_last_poll_timestamp_seconds";
    const timed = routers.filter(({ router }) => router.lastPolledAtMs !== undefined);
    if (timed.length > 0)
      yield header(name, "When the router was last polled, since the Unix epoch.", "gauge");
    for (const { router, labels } of timed) {
      yield `${name}${labels.write({})} ${(router.lastPolledAtMs ?? 0) / 1_000}\n`;
    }
  }

  *#family(
    name: string,
    help: string,
    type: ExposedMetric["type"],
    sources: readonly Source[],
  ): Generator<string> {
    yield header(name, help, type);
    const seen = labelSetsToCheck(sources);
    for (const source of sources) {
      const seenOfRouter = seen.get(source.of);
      if (source.fact !== undefined) {
        yield seriesText(
          name,
          textSeries(source.exposed, source.of.labels, source.fact),
          seenOfRouter,
        );
      } else if (source.exposed.style === "number") {
        yield* this.#numbers(name, source, seenOfRouter);
      } else {
        yield seriesText(
          name,
          enumSeries(source.exposed, source.of.labels, source.block, source.start),
          seenOfRouter,
        );
      }
    }
  }

  /** The path of nearly all series: name, label set, value, one after the other. */
  *#numbers(
    name: string,
    { exposed, block, start }: Extract<Source, { readonly fact?: never }>,
    seen: Set<string> | undefined,
  ): Generator<string> {
    const { values, words, present, labelSets } = block;
    const format = {
      isCounter: exposed.type === "counter",
      wrap: this.#options.wrapCounters ?? true,
    };
    const isFloat = values instanceof Float64Array;
    let text = "";
    for (let i = 0; i < labelSets.length; i++) {
      const cell = start + i;
      if (present[cell] !== 1) continue;
      const labelSet = labelSets[i] ?? "";
      if (seen !== undefined && isRepeated(labelSet, seen)) continue;
      const value = isFloat ? floatText(values[cell] ?? 0) : integerText(words, cell, format);
      text += `${name}${labelSet} ${value}\n`;
      if (text.length < CHUNK_CHARACTERS) continue;
      yield text;
      text = "";
    }
    yield text;
  }
}

/**
 * For routers with more than one source in a family, the label sets written so far: only there can a series repeat, as
 * within one block all label sets differ.
 */
function labelSetsToCheck(sources: readonly Source[]): ReadonlyMap<CollectedRouter, Set<string>> {
  const single = new Set<CollectedRouter>();
  const several = new Map<CollectedRouter, Set<string>>();
  for (const { of } of sources) {
    if (!single.has(of)) single.add(of);
    else if (!several.has(of)) several.set(of, new Set());
  }
  return several;
}

function isRepeated(labelSet: string, seen: Set<string>): boolean {
  if (seen.has(labelSet)) return true;
  seen.add(labelSet);
  return false;
}

function seriesText(name: string, series: Iterable<Series>, seen: Set<string> | undefined): string {
  let text = "";
  for (const [labelSet, value] of series) {
    if (seen !== undefined && isRepeated(labelSet, seen)) continue;
    text += `${name}${labelSet} ${floatText(value)}\n`;
  }
  return text;
}

function plainText({ name, help, type, series }: PlainFamily): string {
  if (series.length === 0) return "";
  const lines = series.map(
    ({ labels, value }) => `${name}${writeLabels(labels)} ${floatText(value)}\n`,
  );
  return header(name, help, type) + lines.join("");
}

/** The same text in one piece of memory: a text put together from parts is read part by part, and this one 14 times. */
function flat(text: string): string {
  text.charCodeAt(0);
  return text;
}

function header(name: string, help: string, type: string): string {
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
}
