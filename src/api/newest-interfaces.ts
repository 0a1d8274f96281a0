import { IF_ENTRY, IF_X_ENTRY } from "../modules/collection-plan.ts";
import type { Module } from "../modules/module.ts";
import {
  INTERFACE_COUNTERS,
  type InterfaceCounter,
  type InventoryInterface,
} from "../routers/inventory.ts";
import type { SampleBlock } from "../routers/samples.ts";

/**
 * What polls said of interfaces since their inventory was read: states and counters. Inventories are read once an hour,
 * samples come with every poll. Pure.
 */

const STATES = ["ifAdminStatus", "ifOperStatus"] as const;
const COUNTERS: ReadonlySet<string> = new Set(INTERFACE_COUNTERS);

export type ShownInterface = InventoryInterface &
  Readonly<Partial<Record<InterfaceCounter, string>>>;

type Values = Partial<Record<InterfaceCounter, string> & Record<(typeof STATES)[number], number>>;

/** A block of samples, or a part of one. */
export interface NewestBlock extends SampleBlock {
  readonly polledAt: Date;
}

interface NewestInterface {
  readonly polledAtMs: number;
  /** What the interface was called then; undefined where nobody asked. */
  readonly ifName: string | undefined;
  readonly values: Values;
}

/** Metrics that are IF-MIB's under its names, of any of the loaded modules: "module/metric". */
export function interfaceMetrics(modules: ReadonlyMap<string, Module>): ReadonlySet<string> {
  const isWanted = (name: string): boolean =>
    COUNTERS.has(name) || (STATES as readonly string[]).includes(name);
  const isOfIfMib = (oid: string): boolean =>
    oid.startsWith(`${IF_ENTRY}.`) || oid.startsWith(`${IF_X_ENTRY}.`);
  return new Set(
    [...modules.values()].flatMap(({ name: module, metrics }) =>
      metrics
        .filter(({ name, oid }) => isWanted(name) && isOfIfMib(oid))
        .map(({ name }) => `${module}/${name}`),
    ),
  );
}

/** Gathers what blocks say of interfaces, block by block, and lays it over their inventory. */
export class NewestInterfaces {
  readonly #metrics: ReadonlySet<string>;
  readonly #byIfIndex = new Map<number, NewestInterface>();
  /** When the newest of the values was read. */
  polledAt: Date | undefined;

  constructor(metrics: ReadonlySet<string>) {
    this.#metrics = metrics;
  }

  add({ module, metrics, instances, labels, values, present, polledAt }: NewestBlock): void {
    if (!(values instanceof BigInt64Array)) return; // Scaled by their module: no counters as the router gave them.
    metrics.forEach((metric, m) => {
      if (!this.#metrics.has(`${module}/${metric}`)) return;
      instances.forEach((instance, i) => {
        const cell = m * instances.length + i;
        const value = values[cell];
        if (present[cell] !== 1 || value === undefined) return;
        const newest = this.#of(Number(instance), polledAt, labels[i]?.["ifName"]);
        if (newest === undefined) return;
        Object.assign(newest, {
          [metric]: COUNTERS.has(metric) ? BigInt.asUintN(64, value).toString() : Number(value),
        });
      });
    });
  }

  /** The values to fill in of an interface at a poll; undefined where a later poll has told of it. */
  #of(ifIndex: number, polledAt: Date, ifName: string | undefined): Values | undefined {
    const polledAtMs = polledAt.getTime();
    const known = this.#byIfIndex.get(ifIndex);
    if (known !== undefined && known.polledAtMs > polledAtMs) return undefined;
    if (known?.polledAtMs === polledAtMs) return known.values;
    const values: Values = {};
    this.#byIfIndex.set(ifIndex, { polledAtMs, ifName, values });
    if (this.polledAt === undefined || this.polledAt < polledAt) this.polledAt = polledAt;
    return values;
  }

  /** The interface as of its last poll. One whose number now belongs to another name stays as it was read. */
  over(one: ShownInterface): ShownInterface {
    const newest = this.#byIfIndex.get(one.ifIndex);
    if (newest === undefined) return one;
    const isAnother =
      newest.ifName !== undefined && one.ifName !== undefined && newest.ifName !== one.ifName;
    return isAnother ? one : { ...one, ...newest.values };
  }
}
