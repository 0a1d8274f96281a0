import { createHash } from "node:crypto";
import type { Log } from "../lib/log.ts";
import { SECTIONS } from "../modules/inventory/sections.ts";
import type { Discovery, InventorySection, ReadDocument, Signals } from "../routers/inventory.ts";
import type { Interface, RouterId } from "../routers/router.ts";
import type { ModuleReport } from "../routers/samples.ts";
import type { Session } from "../snmp/session.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { type CollectedInventory, collectInventory } from "./collect-inventory.ts";
import { dueSections, type InventoryIntervals } from "./inventory-schedule.ts";
import type { PolledRouter } from "./poll-router.ts";
import { reportOfWalks } from "./walk-reports.ts";

/**
 * Reads, after a poll's counters and with what is left of its time, the sections of the router's inventory that are due.
 * Several workers poll the same routers: what one has read the others learn from the database before they read it again.
 */

export interface ReadInventory {
  readonly documents: readonly ReadDocument[];
  /** Undefined unless both tables of interfaces were read to their end. */
  readonly interfaces: readonly Interface[] | undefined;
  readonly report: ModuleReport;
}

export interface InventoryReading {
  /** As it is now: read in this poll, or by another worker before. */
  readonly discovery: Discovery;
  readonly read: ReadInventory | undefined;
}

export interface InventoryReaderOptions extends InventoryIntervals {
  readonly tableRowsMax: number;
  readonly pollBytesMax: number;
  /** OIDs that profiles ask about. */
  readonly probes: readonly string[];
}

/** A part of the time between a poll's counters and its deadline after which no further section is begun. */
const SHARE_OF_TIME = 0.5;

export class InventoryReader {
  readonly #discoveryOf: (t: TenantId, r: RouterId) => Promise<Discovery | undefined>;
  readonly #options: InventoryReaderOptions;
  readonly #log: Log;
  readonly #digests = new WeakMap<readonly Interface[], string>();

  constructor(
    discoveryOf: (tenantId: TenantId, routerId: RouterId) => Promise<Discovery | undefined>,
    options: InventoryReaderOptions,
    log: Log,
  ) {
    this.#log = log;
    this.#discoveryOf = discoveryOf;
    this.#options = options;
  }

  /** Undefined when nothing is due, or was read, or nobody knows what others read: without Postgres it waits. */
  async read(
    session: Session,
    router: {
      readonly tenantId: TenantId;
      readonly id: RouterId;
      readonly discovery: Discovery | undefined;
    },
    polled: PolledRouter,
    deadlineMs: number,
  ): Promise<InventoryReading | undefined> {
    if (polled.outcome !== "answered" && polled.outcome !== "partial") return undefined;
    const nowMs = session.clock.now();
    const signals = { ...polled.signals, ...this.#names(polled.interfaces) };
    const due = (discovery: Discovery | undefined) =>
      dueSections(SECTIONS, { id: router.id, discovery, signals }, this.#options, nowMs);
    if (due(router.discovery).length === 0) return undefined;
    const known = await this.#knownToAll(router.tenantId, router.id);
    if (known === undefined) return undefined;
    const before = known.discovery;
    const sections = due(before);
    if (before !== undefined && sections.length === 0)
      return { discovery: before, read: undefined };
    const requests = { ...session.stats };
    const collected = await collectInventory(session, sections, this.#options.probes, {
      tableRowsMax: this.#options.tableRowsMax,
      pollBytesMax: this.#options.pollBytesMax,
      beginUntilMs: nowMs + (deadlineMs - nowMs) * SHARE_OF_TIME,
      deadlineMs,
    });
    if (collected.sections.length === 0 && before !== undefined) return undefined;
    return {
      discovery: this.#discovery(before, collected, signals, nowMs),
      read: {
        documents: documentsOf(collected),
        interfaces: interfacesOf(collected),
        report: reportOf(collected, sections.length, requests, session),
      },
    };
  }

  async #knownToAll(
    tenantId: TenantId,
    routerId: RouterId,
  ): Promise<{ readonly discovery: Discovery | undefined } | undefined> {
    try {
      return { discovery: await this.#discoveryOf(tenantId, routerId) };
    } catch (error) {
      this.#log.warn(
        { tenant: tenantId, router: routerId, error: (error as Error).message },
        "inventory not read, trying again at the next poll",
      );
      return undefined;
    }
  }

  #names(interfaces: readonly Interface[] | undefined): Signals {
    if (interfaces === undefined) return {};
    let digest = this.#digests.get(interfaces);
    if (digest === undefined) {
      const names = interfaces.map((one) => [one.ifIndex, one.ifName, one.ifDescr, one.ifAlias]);
      digest = createHash("sha1").update(JSON.stringify(names)).digest("base64");
      this.#digests.set(interfaces, digest);
    }
    return { names: digest };
  }

  #discovery(
    before: Discovery | undefined,
    { sections, probed }: CollectedInventory,
    signals: Signals,
    nowMs: number,
  ): Discovery {
    const system = sections.find(({ name }) => name === "system")?.documents.system ?? before;
    const answering = this.#options.probes.filter(
      (oid) => probed.get(oid) ?? before?.answering.includes(oid) ?? false,
    );
    return {
      readAtMs: {
        ...before?.readAtMs,
        ...Object.fromEntries(sections.map(({ name }) => [name, nowMs])),
      },
      ...(system?.sysObjectID === undefined ? {} : { sysObjectID: system.sysObjectID }),
      ...(system?.sysDescr === undefined ? {} : { sysDescr: system.sysDescr }),
      answering,
      signals: { ...before?.signals, ...signals },
    };
  }
}

function documentsOf({ sections }: CollectedInventory): ReadDocument[] {
  return sections.flatMap(({ documents, isComplete }) =>
    Object.entries(documents).map(([section, document]) => ({
      // The cast: Object.entries forgets the keys' type.
      section: section as InventorySection,
      document,
      isComplete,
    })),
  );
}

/** The interfaces of the list: those that have a row of their own in one of the tables. */
function interfacesOf({ sections }: CollectedInventory): readonly Interface[] | undefined {
  const section = sections.find(({ name }) => name === "interfaces");
  const interfaces = section?.documents.interfaces;
  if (interfaces === undefined || section?.isComplete !== true) return undefined;
  return interfaces.map(({ ifIndex, ifName, ifDescr, ifAlias, ifType, ifPhysAddress }) => ({
    ifIndex,
    ...(ifName === undefined ? {} : { ifName }),
    ...(ifDescr === undefined ? {} : { ifDescr }),
    ...(ifAlias === undefined ? {} : { ifAlias }),
    ...(ifType === undefined ? {} : { ifType }),
    ...(ifPhysAddress === undefined ? {} : { ifPhysAddress }),
  }));
}

function reportOf(
  { sections, walks }: CollectedInventory,
  due: number,
  before: { readonly requests: number; readonly retries: number },
  { stats }: Session,
): ModuleReport {
  const cut = sections.filter(({ isComplete }) => !isComplete).map(({ name }) => name);
  const isWhole = cut.length === 0 && sections.length === due;
  return {
    module: "inventory",
    outcome: isWhole ? "answered" : "partial",
    requests: stats.requests - before.requests,
    retries: stats.retries - before.retries,
    rows: sections.reduce((sum, { documents }) => sum + rowsOf(documents), 0),
    ...(isWhole
      ? {}
      : {
          reason:
            cut.length > 0
              ? `Not read to their end: ${cut.join(", ")}`
              : `${due - sections.length} of ${due} sections are left for the next poll`,
        }),
    ...reportOfWalks(walks),
  };
}

function rowsOf(documents: Readonly<Record<string, unknown>>): number {
  return Object.values(documents).reduce<number>(
    (sum, document) => sum + (Array.isArray(document) ? document.length : 0),
    0,
  );
}
