/**
 * Label sets as Prometheus text 0.0.4 writes them. Three sources meet in one series, and each name is used once:
 *
 * 1. what tells the router (`router`, `router_id`, `zone`): without it series of two routers would be one;
 * 2. the module's labels (indexes and lookups): dashboards made for snmp_exporter rely on them;
 * 3. the tenant's own labels of the router.
 *
 * A name that an earlier source has is written as `exported_<name>`, the way Prometheus itself resolves such a clash.
 * Tenants may name labels freely; characters a label name cannot have become underscores.
 */

import type { Labels } from "../routers/samples.ts";

export interface LabelledRouter {
  readonly id: string;
  readonly name: string;
  readonly zone: string;
  readonly labels: Labels;
}

/** Writes the label sets of one router's series; without a router, the module's labels alone. */
export class SeriesLabels {
  readonly #identity: Labels;
  readonly #tenant: readonly (readonly [name: string, value: string])[];
  /** How label sets with these names are written; a table's rows nearly always share them. */
  #names: readonly string[] = [];
  #heads: readonly string[] = [];
  #tail = "";

  constructor(router: LabelledRouter | undefined) {
    this.#identity =
      router === undefined ? {} : { router: router.name, router_id: router.id, zone: router.zone };
    this.#tenant = tenantLabels(router?.labels ?? {});
    this.#prepare([]);
  }

  /** The label set in braces; nothing where there is no label. */
  write(labels: Labels): string {
    if (!this.#areNames(labels)) this.#prepare(Object.keys(labels));
    let text = "";
    for (let i = 0; i < this.#names.length; i++) {
      text += (this.#heads[i] ?? "") + escapeLabelValue(labels[this.#names[i] ?? ""] ?? "");
    }
    return text + this.#tail;
  }

  #areNames(labels: Labels): boolean {
    let count = 0;
    for (const name in labels) {
      if (!this.#names.includes(name)) return false;
      count++;
    }
    return count === this.#names.length;
  }

  /** Texts around the values: `{a="`, then `",b="`, and at the end the rest of the set, which is the router's. */
  #prepare(names: readonly string[]): void {
    this.#names = [...names].sort();
    const used = new Set(Object.keys(this.#identity));
    const heads: string[] = [];
    for (const name of this.#names) {
      const written = unusedName(name, used);
      heads.push(`${heads.length === 0 ? "{" : '",'}${written}="`);
    }
    const rest = Object.entries(this.#identity).map(([name, value]) => pair(name, value));
    for (const [name, value] of this.#tenant) rest.push(pair(unusedName(name, used), value));
    this.#heads = heads;
    if (heads.length === 0) this.#tail = rest.length === 0 ? "" : `{${rest.join(",")}}`;
    else this.#tail = rest.length === 0 ? '"}' : `",${rest.join(",")}}`;
  }
}

function tenantLabels(labels: Labels): readonly (readonly [string, string])[] {
  const names = Object.keys(labels).sort();
  return names.map((name) => [labelName(name), labels[name] ?? ""]);
}

/** The name, or with `exported_` before it as often as it takes until nothing else in the set has it. */
function unusedName(name: string, used: Set<string>): string {
  let written = name;
  while (used.has(written)) written = `exported_${written}`;
  used.add(written);
  return written;
}

/** A label name for any text. Names that begin with two underscores are Prometheus' own. */
function labelName(name: string): string {
  const valid = name.replace(/[^a-zA-Z0-9_]/g, "_").replace(/^__+/, "_");
  return /^[a-zA-Z_]/.test(valid) ? valid : `_${valid}`;
}

function pair(name: string, value: string): string {
  return `${name}="${escapeLabelValue(value)}"`;
}

/** A label set in braces from plain pairs, for series that are not a module's. */
export function writeLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => pair(name, value));
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeLabelValue(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

export function escapeHelp(help: string): string {
  return help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
