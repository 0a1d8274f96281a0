/**
 * Which interface a neighbour was heard on. LLDP numbers ports, and nothing binds those numbers to ifIndex: what does is
 * the port's id in lldpLocPortTable, the bridge's port table, the port's description, in this order of trust. A rule
 * that fits several interfaces decides nothing: it leaves candidates.
 */

import type { Neighbour } from "../../routers/inventory.ts";
import { IF_ENTRY, IF_X_ENTRY } from "../collection-plan.ts";
import { portIdText } from "./lldp-ids.ts";
import type { Answers } from "./section.ts";
import { type MibRows, mibTable, said, singleIndex } from "./table.ts";

const IF_NAMES = mibTable(IF_ENTRY, { ifDescr: 2, ifPhysAddress: 6 });
const IF_X_NAMES = mibTable(IF_X_ENTRY, { ifName: 1, ifAlias: 18 });
const LOCAL_PORTS = mibTable("1.0.8802.1.1.2.1.3.7.1", {
  lldpLocPortIdSubtype: 2,
  lldpLocPortId: 3,
  lldpLocPortDesc: 4,
});
const BRIDGE_PORTS = mibTable("1.3.6.1.2.1.17.1.4.1", { dot1dBasePortIfIndex: 2 });

/** What a rule needs, beside the neighbours themselves. */
export const LOCAL_PORT_TABLES = [IF_NAMES, IF_X_NAMES, LOCAL_PORTS, BRIDGE_PORTS];

export type LocalPort = Pick<
  Neighbour,
  | "localPortNum"
  | "localPortId"
  | "localPortDesc"
  | "localIfIndex"
  | "localIfIndexVia"
  | "localIfIndexConfidence"
  | "localIfIndexCandidates"
  | "localPort"
>;

const PORT_ID_MAC = 3;

export class LocalPorts {
  readonly #interfaces: InterfaceNames;
  readonly #ports: MibRows<keyof (typeof LOCAL_PORTS)["columns"]>;
  readonly #bridgePorts: MibRows<keyof (typeof BRIDGE_PORTS)["columns"]>;

  constructor(answers: Answers) {
    this.#interfaces = new InterfaceNames(answers.rows(IF_NAMES), answers.rows(IF_X_NAMES));
    this.#ports = answers.rows(LOCAL_PORTS);
    this.#bridgePorts = answers.rows(BRIDGE_PORTS);
  }

  /** The interface of a protocol that names it by its ifIndex. */
  ofIfIndex(ifIndex: number): LocalPort {
    return {
      localIfIndex: ifIndex,
      localIfIndexConfidence: "certain",
      ...said("localPort", this.#interfaces.nameOf(ifIndex)),
    };
  }

  /** The interface of an LLDP port number; 0 stands for an agent that does not know its port. */
  ofPortNumber(localPortNum: number): LocalPort {
    const row = this.#ports.rowOf(String(localPortNum));
    const subtype = this.#ports.number("lldpLocPortIdSubtype", row);
    const octets = this.#ports.octets("lldpLocPortId", row);
    const id = octets && portIdText(subtype, octets);
    const desc = this.#ports.text("lldpLocPortDesc", row);
    return {
      localPortNum,
      ...said("localPortId", id),
      ...said("localPortDesc", desc),
      ...this.#resolved(localPortNum, subtype, id, desc),
    };
  }

  #resolved(
    localPortNum: number,
    subtype: number | undefined,
    id: string | undefined,
    desc: string | undefined,
  ): Omit<LocalPort, "localPortNum" | "localPortId" | "localPortDesc"> {
    let candidates: readonly number[] = [];
    for (const [via, found] of this.#rules(localPortNum, subtype, id, desc)) {
      const [only] = found;
      if (found.length === 1 && only !== undefined) {
        const localIfIndexConfidence = via === "portNumIsIfIndex" ? "weak" : "certain";
        return {
          localIfIndex: only,
          localIfIndexVia: via,
          localIfIndexConfidence,
          ...said("localPort", this.#interfaces.nameOf(only)),
        };
      }
      if (candidates.length === 0) candidates = found;
    }
    return candidates.length === 0
      ? {}
      : { localIfIndexConfidence: "ambiguous", localIfIndexCandidates: candidates };
  }

  /** Each rule with the interfaces that fit it, the surest first. Lazy: the first that decides ends the search. */
  *#rules(
    localPortNum: number,
    subtype: number | undefined,
    id: string | undefined,
    desc: string | undefined,
  ): Iterable<readonly [via: string, found: readonly number[]]> {
    const names = this.#interfaces;
    if (id !== undefined) {
      yield ["locPortIdName", subtype === PORT_ID_MAC ? [] : names.named(id)];
    }
    const bridgePort = this.#bridgePorts.rowOf(String(localPortNum));
    const ifIndex = this.#bridgePorts.number("dot1dBasePortIfIndex", bridgePort);
    yield ["bridgePort", ifIndex !== undefined && names.has(ifIndex) ? [ifIndex] : []];
    if (desc !== undefined) yield ["locPortDesc", names.named(desc)];
    if (id !== undefined && subtype === PORT_ID_MAC) yield ["locPortIdMac", names.withMac(id)];
    if (id !== undefined) {
      const number = singleIndex(id.trim());
      yield ["locPortIdNumeric", number !== undefined && names.has(number) ? [number] : []];
    }
    yield [
      "portNumIsIfIndex",
      id === undefined && localPortNum > 0 && names.has(localPortNum) ? [localPortNum] : [],
    ];
  }
}

/** What the router's interfaces are called. */
class InterfaceNames {
  readonly #names = new Map<number, string>();
  readonly #byName: ReadonlyMap<string, readonly number[]>[];
  readonly #byMac: ReadonlyMap<string, readonly number[]>;

  constructor(
    table: MibRows<keyof (typeof IF_NAMES)["columns"]>,
    xTable: MibRows<keyof (typeof IF_X_NAMES)["columns"]>,
  ) {
    const byName = new Index();
    const byDescr = new Index();
    const byAlias = new Index();
    const byMac = new Index();
    const indexes = new Set(
      [...table.instances, ...xTable.instances].flatMap((i) => singleIndex(i) ?? []),
    );
    for (const ifIndex of indexes) {
      const row = table.rowOf(String(ifIndex));
      const xRow = xTable.rowOf(String(ifIndex));
      const name = xTable.text("ifName", xRow)?.trim();
      const descr = table.text("ifDescr", row)?.trim();
      byName.add(name, ifIndex);
      byDescr.add(descr, ifIndex);
      byAlias.add(xTable.text("ifAlias", xRow)?.trim(), ifIndex);
      byMac.add(table.mac("ifPhysAddress", row), ifIndex);
      this.#names.set(ifIndex, name || descr || "");
    }
    this.#byName = [byName.found, byDescr.found, byAlias.found];
    this.#byMac = byMac.found;
  }

  has(ifIndex: number): boolean {
    return this.#names.has(ifIndex);
  }

  nameOf(ifIndex: number): string | undefined {
    return this.#names.get(ifIndex) || undefined;
  }

  /** Interfaces whose ifName, else ifDescr, else ifAlias is this. */
  named(text: string): readonly number[] {
    const wanted = text.trim();
    for (const index of this.#byName) {
      const found = index.get(wanted);
      if (found !== undefined) return found;
    }
    return [];
  }

  withMac(mac: string): readonly number[] {
    return this.#byMac.get(mac) ?? [];
  }
}

class Index {
  readonly found = new Map<string, number[]>();

  add(text: string | undefined, ifIndex: number): void {
    if (text === undefined || text === "") return;
    const known = this.found.get(text);
    if (known === undefined) this.found.set(text, [ifIndex]);
    else known.push(ifIndex);
  }
}
