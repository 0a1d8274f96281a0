/** Neighbours by LLDP-MIB (IEEE 802.1AB) and CISCO-CDP-MIB, and by the tables of those who left the standard's. */

import type { Neighbour } from "../../routers/inventory.ts";
import { chassisIdText, portIdText } from "./lldp-ids.ts";
import { LOCAL_PORT_TABLES, type LocalPort, LocalPorts } from "./local-ports.ts";
import { addressText } from "./network-address.ts";
import type { Answers, SectionPlan } from "./section.ts";
import { indexParts, type MibRows, type MibTable, mibTable, said } from "./table.ts";

/** Columns that have one meaning in LLDP-MIB, LLDP-V2-MIB and TIMETRA-LLDP-MIB, from a first number on. */
const remoteColumns = (chassisIdSubtype: number) => ({
  chassisIdSubtype,
  chassisId: chassisIdSubtype + 1,
  portIdSubtype: chassisIdSubtype + 2,
  portId: chassisIdSubtype + 3,
  portDesc: chassisIdSubtype + 4,
  sysName: chassisIdSubtype + 5,
  sysDesc: chassisIdSubtype + 6,
});
type RemoteTable = MibTable<keyof ReturnType<typeof remoteColumns>>;
type RemoteRows = MibRows<keyof ReturnType<typeof remoteColumns>>;

const LLDP_REMOTE: RemoteTable = mibTable("1.0.8802.1.1.2.1.4.1.1", remoteColumns(4));
const LLDP_ADDRESSES = mibTable("1.0.8802.1.1.2.1.4.2.1", { ifSubtype: 3 });
const LLDP_V2_REMOTE: RemoteTable = mibTable("1.3.111.2.802.1.1.13.1.4.1.1", remoteColumns(5));
const TIMETRA_REMOTE: RemoteTable = mibTable("1.3.6.1.4.1.6527.3.1.2.59.4.1.1", remoteColumns(4));

const CDP_CACHE = mibTable("1.3.6.1.4.1.9.9.23.1.2.1.1", {
  addressType: 3,
  address: 4,
  version: 5,
  deviceId: 6,
  devicePort: 7,
  platform: 8,
  nativeVlan: 11,
});

export const NEIGHBOURS_SECTION: SectionPlan = {
  name: "neighbours",
  rate: "fast",
  scalars: {},
  tables: [
    LLDP_REMOTE,
    LLDP_ADDRESSES,
    LLDP_V2_REMOTE,
    TIMETRA_REMOTE,
    CDP_CACHE,
    ...LOCAL_PORT_TABLES,
  ],
  read: (answers) => {
    const ports = new LocalPorts(answers);
    const lldp = answers.rows(LLDP_REMOTE);
    const isRow = (instance: string) => indexParts(instance).length === 3;
    return {
      neighbours: [...lldpNeighbours(answers, ports), ...cdpNeighbours(answers, ports)],
      neighboursVendor: [
        ...vendorNeighbours(answers.rows(LLDP_V2_REMOTE), "LLDP-V2-MIB", ports),
        ...vendorNeighbours(answers.rows(TIMETRA_REMOTE), "TIMETRA-LLDP-MIB", ports),
      ],
      // RouterOS once numbered rows by one number alone: a neighbour, but on nobody knows which port.
      neighboursMalformedIndex: lldp.instances.flatMap((index, row) =>
        isRow(index) ? [] : [{ protocol: "lldp" as const, index, ...remoteEnd(lldp, row) }],
      ),
    };
  },
};

/** Rows indexed by time mark, local port number and a number of their own. */
function lldpNeighbours(answers: Answers, ports: LocalPorts): Neighbour[] {
  const rows = answers.rows(LLDP_REMOTE);
  const addresses = lldpAddresses(answers);
  return rows.instances.flatMap((index, row) => {
    const parts = indexParts(index);
    const [, localPortNum] = parts;
    if (parts.length !== 3 || localPortNum === undefined) return [];
    return {
      protocol: "lldp",
      index,
      ...ports.ofPortNumber(localPortNum),
      ...remoteEnd(rows, row),
      ...said("remoteMgmtAddrs", addresses.get(index)),
    };
  });
}

/** Tables with the ifIndex of the local interface as the second part of their index. */
function vendorNeighbours(rows: RemoteRows, source: string, ports: LocalPorts): Neighbour[] {
  return rows.instances.flatMap((index, row) => {
    const [, ifIndex] = indexParts(index);
    if (ifIndex === undefined) return [];
    const { localIfIndex, localPort }: LocalPort = ports.ofIfIndex(ifIndex);
    return {
      protocol: "lldp",
      source,
      index,
      ...said("localIfIndex", localIfIndex),
      ...said("localPort", localPort),
      ...remoteEnd(rows, row),
    };
  });
}

function remoteEnd(rows: RemoteRows, row: number): Partial<Neighbour> {
  const chassisSubtype = rows.number("chassisIdSubtype", row);
  const chassis = rows.octets("chassisId", row);
  const portSubtype = rows.number("portIdSubtype", row);
  const port = rows.octets("portId", row);
  return {
    ...said("remoteChassisIdSubtype", chassisSubtype),
    ...said("remoteChassisId", chassis && chassisIdText(chassisSubtype, chassis)),
    ...said("remotePortIdSubtype", portSubtype),
    ...said("remotePort", port && portIdText(portSubtype, port)),
    ...said("remotePortDesc", rows.text("portDesc", row)),
    ...said("remoteSysName", rows.text("sysName", row)),
    ...said("remotePlatform", rows.text("sysDesc", row)),
  };
}

/** IANA's address family numbers: IPv4 and IPv6. */
const OCTETS_OF_FAMILY: Readonly<Record<number, number>> = { 1: 4, 2: 16 };

/** Management addresses by the index of their neighbour: the rest of theirs is family, length and octets. */
function lldpAddresses(answers: Answers): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const instance of answers.rows(LLDP_ADDRESSES).instances) {
    const parts = indexParts(instance);
    const [, , , family, length, ...octets] = parts;
    const isAddress = octets.length === length && OCTETS_OF_FAMILY[family ?? 0] === length;
    const text = isAddress ? addressText(octets) : undefined;
    if (text === undefined) continue;
    const neighbour = parts.slice(0, 3).join(".");
    const known = found.get(neighbour);
    if (known === undefined) found.set(neighbour, [text]);
    else if (!known.includes(text)) known.push(text);
  }
  return found;
}

/** Rows indexed by the local ifIndex and a number of their own. */
function cdpNeighbours(answers: Answers, ports: LocalPorts): Neighbour[] {
  const rows = answers.rows(CDP_CACHE);
  return rows.instances.flatMap((index, row) => {
    const [ifIndex] = indexParts(index);
    if (ifIndex === undefined) return [];
    const address = rows.octets("address", row);
    const text = address && addressText(address);
    return {
      protocol: "cdp",
      index,
      ...ports.ofIfIndex(ifIndex),
      ...said("remoteSysName", rows.text("deviceId", row)),
      ...said("remotePort", rows.text("devicePort", row)),
      ...said("remotePlatform", rows.text("platform", row)),
      ...said("remoteVersion", rows.text("version", row)),
      ...said("remoteMgmtAddrs", text === undefined ? undefined : [text]),
      ...said("nativeVlan", rows.number("nativeVlan", row)),
    };
  });
}
