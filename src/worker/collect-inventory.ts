import type { FetchedTable } from "../modules/fetched-table.ts";
import { Answers, type SectionPlan } from "../modules/inventory/section.ts";
import type { MibTable } from "../modules/inventory/table.ts";
import type { InventoryDocuments } from "../routers/inventory.ts";
import type { WalkReport } from "../routers/samples.ts";
import { probeSubtrees } from "../snmp/probe.ts";
import type { Session } from "../snmp/session.ts";
import { getScalars, walkColumns } from "../snmp/walk.ts";
import { bytesLeft } from "./poll-budget.ts";
import { reportOfWalk } from "./walk-reports.ts";

/**
 * Reads sections of a router's inventory with what a poll has left of its time. Tables the router does not have cost a
 * place in a GETNEXT; the others are walked section by section, and what does not fit waits for the next poll.
 */

export interface CollectedSection {
  readonly name: string;
  readonly documents: Partial<InventoryDocuments>;
  /** All of it was read. A part is worth keeping only where nothing better is known. */
  readonly isComplete: boolean;
}

export interface CollectedInventory {
  readonly sections: readonly CollectedSection[];
  /** For each OID asked for, whether the router has something below it; one that went unanswered is missing. */
  readonly probed: ReadonlyMap<string, boolean>;
  readonly walks: readonly WalkReport[];
}

export interface InventoryLimits {
  readonly tableRowsMax: number;
  readonly pollBytesMax: number;
  /** No section but the first is begun after this time. */
  readonly beginUntilMs: number;
  /** When the session's time is over. */
  readonly deadlineMs: number;
}

/** What a list of sections asks for at once: kept, so that it is encoded once. */
interface Questions {
  readonly scalars: readonly string[];
  readonly entries: readonly string[];
}

const questionsOf = new WeakMap<readonly SectionPlan[], Questions>();

/**
 * Collects `sections`, in their order, and probes `probes` as well. Never rejects for what the router does: a section of
 * a router that fell silent is missing.
 */
export async function collectInventory(
  session: Session,
  sections: readonly SectionPlan[],
  probes: readonly string[],
  limits: InventoryLimits,
): Promise<CollectedInventory> {
  const { scalars: scalarOids, entries } = questions(sections);
  const probed = new Map([
    ...(await probeSubtrees(session, entries)),
    ...(await probeSubtrees(session, probes)),
  ]);
  const scalars = await getScalars(session, scalarOids);
  const walks = [reportOfWalk("", scalars)];
  if (scalars.outcome !== "answered" && scalars.outcome !== "partial") {
    return { sections: [], probed, walks };
  }
  const collected: CollectedSection[] = [];
  const walked = new WalkedTables(session, limits, walks);
  for (const section of sections) {
    if (collected.length > 0 && session.clock.now() >= limits.beginUntilMs) break;
    const present = section.tables.filter(({ entry }) => probed.get(entry) !== false);
    const tables = new Map<MibTable, FetchedTable>();
    let isComplete = true;
    for (const table of present) {
      const { table: fetched, isWhole } = await walked.get(table);
      tables.set(table, fetched);
      isComplete &&= isWhole;
    }
    // Cut by the deadline: it will do better when it is the first of the next poll. The first one never will.
    const isCut = !isComplete && session.clock.now() >= limits.deadlineMs;
    if (isCut && collected.length > 0) break;
    const documents = section.read(new Answers(tables, scalars.table));
    collected.push({ name: section.name, documents, isComplete });
  }
  return { sections: collected, probed, walks };
}

interface Walked {
  readonly table: FetchedTable;
  readonly isWhole: boolean;
}

/** Walks each table once, though several sections read it or a part of its columns. */
class WalkedTables {
  readonly #session: Session;
  readonly #limits: InventoryLimits;
  readonly #reports: WalkReport[];
  readonly #walked: { readonly oids: ReadonlySet<string>; readonly result: Walked }[] = [];

  /** Each walk is added to `reports`. */
  constructor(session: Session, limits: InventoryLimits, reports: WalkReport[]) {
    this.#session = session;
    this.#limits = limits;
    this.#reports = reports;
  }

  async get({ entry, oids }: MibTable): Promise<Walked> {
    const known = this.#walked.find((other) => oids.every((oid) => other.oids.has(oid)));
    if (known !== undefined) return known.result;
    const fetched = await walkColumns(this.#session, oids, {
      rowsMax: this.#limits.tableRowsMax,
      bytesMax: bytesLeft(this.#session, this.#limits),
    });
    this.#reports.push(reportOfWalk(entry, fetched));
    const result = { table: fetched.table, isWhole: fetched.outcome === "answered" };
    this.#walked.push({ oids: new Set(oids), result });
    return result;
  }
}

function questions(sections: readonly SectionPlan[]): Questions {
  let known = questionsOf.get(sections);
  if (known === undefined) {
    const oids = new Set(sections.flatMap(({ scalars }) => Object.values(scalars)));
    const entries = new Set(sections.flatMap(({ tables }) => tables.map(({ entry }) => entry)));
    known = { scalars: [...oids], entries: [...entries] };
    questionsOf.set(sections, known);
  }
  return known;
}
