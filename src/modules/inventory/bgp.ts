/** BGP peers by BGP4-MIB (RFC 4273), and by the makers' tables, which know IPv6 peers and routing instances as well. */

import type { BgpPeer } from "../../routers/inventory.ts";
import { addressText } from "./network-address.ts";
import type { Answers, SectionPlan } from "./section.ts";
import { indexParts, type MibTable, mibTable, said } from "./table.ts";

const BGP_PEERS = mibTable("1.3.6.1.2.1.15.3.1", {
  identifier: 1,
  state: 2,
  adminStatus: 3,
  localAddr: 5,
  remoteAddr: 7,
  remoteAs: 9,
  inUpdates: 10,
  outUpdates: 11,
  inTotalMessages: 12,
  outTotalMessages: 13,
  fsmEstablishedTransitions: 15,
  fsmEstablishedTime: 16,
});

/** States of the finite state machine (RFC 4271, section 8.2.2). */
const STATES = namesFrom(1, "idle connect active opensent openconfirm established");
const START_STOP = namesFrom(1, "stop start");
const HALTED_RUNNING = namesFrom(1, "halted running");

type Names = ReadonlyMap<number, string>;

function namesFrom(first: number, names: string): Names {
  return new Map(names.split(" ").map((name, place) => [first + place, name]));
}

/** A maker's table: what its columns and its index mean. */
interface VendorTable {
  readonly source: string;
  /** Columns `state`, `remoteAs` and, where the maker has it, `adminStatus`. */
  readonly table: MibTable;
  readonly states: Names;
  readonly adminStates: Names;
  /** The peer's address, and its routing instance, in the parts of a row's index. */
  readonly peerOf: (index: readonly number[]) => { peer?: string | undefined; instance?: number };
}

const VENDOR_TABLES: readonly VendorTable[] = [
  {
    source: "CISCO-BGP4-MIB",
    table: mibTable("1.3.6.1.4.1.9.9.187.1.2.5.1", { state: 3, adminStatus: 4, remoteAs: 11 }),
    states: STATES,
    adminStates: START_STOP,
    peerOf: (index) => ({ peer: typedAddress(index) }),
  },
  {
    source: "ARISTA-BGP4V2-MIB",
    table: mibTable("1.3.6.1.4.1.30065.4.1.1.2.1", { remoteAs: 10, adminStatus: 12, state: 13 }),
    states: STATES,
    adminStates: HALTED_RUNNING,
    peerOf: ([instance = 0, ...index]) => ({ peer: typedAddress(index), instance }),
  },
  {
    source: "BGP4-V2-MIB-JUNIPER",
    table: mibTable("1.3.6.1.4.1.2636.5.1.1.2.1.1.1", { state: 2, adminStatus: 3, remoteAs: 13 }),
    states: STATES,
    adminStates: HALTED_RUNNING,
    // Types and addresses of both ends follow each other without lengths.
    peerOf: ([instance = 0, localType, ...index]) => {
      const [type, ...rest] = index.slice(octetsOfType(localType));
      return { peer: addressText(rest.slice(0, octetsOfType(type))), instance };
    },
  },
  {
    source: "TIMETRA-BGP-MIB",
    // The column is tBgpPeerNgShutdown: true is 1.
    table: mibTable("1.3.6.1.4.1.6527.3.1.2.14.4.7.1", { adminStatus: 6, state: 59, remoteAs: 66 }),
    states: STATES,
    adminStates: namesFrom(1, "disabled enabled"),
    peerOf: ([instance = 0, ...index]) => ({ peer: typedAddress(index), instance }),
  },
  {
    source: "HUAWEI-BGP-VPN-MIB",
    table: mibTable("1.3.6.1.4.1.2011.5.25.177.1.1.2.1", { remoteAs: 2, state: 5 }),
    states: STATES,
    adminStates: START_STOP,
    // Instance, address family, sub-family, then the address with its type and length.
    peerOf: ([instance = 0, , , ...index]) => ({ peer: typedAddress(index), instance }),
  },
];

export const BGP_SECTION: SectionPlan = {
  name: "bgpPeers",
  rate: "fast",
  scalars: {},
  tables: [BGP_PEERS, ...VENDOR_TABLES.map(({ table }) => table)],
  read: (answers) => ({
    bgpPeers: standardPeers(answers),
    bgpPeersVendor: VENDOR_TABLES.flatMap((vendor) => vendorPeers(answers, vendor)),
  }),
};

/** Rows indexed by the peer's address. */
function standardPeers(answers: Answers): BgpPeer[] {
  const rows = answers.rows(BGP_PEERS);
  return rows.instances.flatMap((peer, row) => {
    if (indexParts(peer).length !== 4) return [];
    const isNegative = (rows.number("remoteAs", row) ?? 0) < 0;
    return {
      source: "BGP4-MIB",
      peer,
      ...said("remoteAs", rows.unsigned("remoteAs", row)),
      ...(isNegative ? { remoteAsWasNegative: true } : {}),
      ...said("state", nameOf(STATES, rows.number("state", row))),
      ...said("adminStatus", nameOf(START_STOP, rows.number("adminStatus", row))),
      ...said("localAddr", rows.address("localAddr", row)),
      ...said("remoteAddr", rows.address("remoteAddr", row)),
      ...said("identifier", rows.address("identifier", row)),
      ...said("inUpdates", rows.counter("inUpdates", row)),
      ...said("outUpdates", rows.counter("outUpdates", row)),
      ...said("inTotalMessages", rows.counter("inTotalMessages", row)),
      ...said("outTotalMessages", rows.counter("outTotalMessages", row)),
      ...said("fsmEstablishedTransitions", rows.counter("fsmEstablishedTransitions", row)),
      ...said("fsmEstablishedTime", rows.unsigned("fsmEstablishedTime", row)),
    };
  });
}

function vendorPeers(
  answers: Answers,
  { source, table, states, adminStates, peerOf }: VendorTable,
): BgpPeer[] {
  const rows = answers.rows(table);
  return rows.instances.flatMap((index, row) => {
    const { peer, instance } = peerOf(indexParts(index));
    if (peer === undefined) return [];
    return {
      source,
      peer,
      ...said("remoteAs", rows.unsigned("remoteAs", row)),
      ...said("state", nameOf(states, rows.number("state", row))),
      ...said("adminStatus", nameOf(adminStates, rows.number("adminStatus", row))),
      ...said("instance", instance),
    };
  });
}

/** A number no MIB names stays a number in digits. */
function nameOf(names: Names, value: number | undefined): string | undefined {
  return value === undefined ? undefined : (names.get(value) ?? String(value));
}

/** InetAddressType, length and octets (RFC 4001), as they stand at the beginning of an index. */
function typedAddress([, length = 0, ...octets]: readonly number[]): string | undefined {
  return addressText(octets.slice(0, length));
}

function octetsOfType(type: number | undefined): number {
  return type === 1 ? 4 : type === 2 ? 16 : 0;
}
