/** IP addresses of the router and the ARP table, by IP-MIB (RFC 4293) and its predecessors. */

import type { ArpEntry, IpAddress } from "../../routers/inventory.ts";
import { addressText, netmaskText } from "./network-address.ts";
import type { Answers, SectionPlan } from "./section.ts";
import { indexParts, mibTable, said } from "./table.ts";

const IP_ADDR = mibTable("1.3.6.1.2.1.4.20.1", { ifIndex: 2, netmask: 3 });
/** The replacement of ipAddrTable, for agents that have this one alone. */
const IP_ADDRESS = mibTable("1.3.6.1.2.1.4.34.1", { ifIndex: 3, type: 4, prefix: 5 });
const NET_TO_MEDIA = mibTable("1.3.6.1.2.1.4.22.1", { physAddress: 2 });

export const ADDRESSES_SECTION: SectionPlan = {
  name: "ipAddresses",
  rate: "slow",
  scalars: {},
  tables: [IP_ADDR, IP_ADDRESS],
  read: (answers) => {
    const old = oldAddresses(answers);
    return { ipAddresses: old.length > 0 ? old : newAddresses(answers) };
  },
};

export const ARP_SECTION: SectionPlan = {
  name: "arp",
  rate: "fast",
  scalars: {},
  tables: [NET_TO_MEDIA],
  read: (answers) => ({ arp: arpOf(answers) }),
};

function oldAddresses(answers: Answers): IpAddress[] {
  const rows = answers.rows(IP_ADDR);
  return rows.instances.flatMap((address, row) =>
    indexParts(address).length !== 4
      ? []
      : {
          address,
          ...said("ifIndex", rows.number("ifIndex", row)),
          ...said("netmask", rows.address("netmask", row)),
        },
  );
}

const UNICAST = 1;

/** Rows indexed by an InetAddress; the prefix points at a row of ipAddressPrefixTable, whose last part is its length. */
function newAddresses(answers: Answers): IpAddress[] {
  const rows = answers.rows(IP_ADDRESS);
  return rows.instances.flatMap((instance, row) => {
    const [type, length, ...octets] = indexParts(instance);
    const address = octets.length === length ? addressText(octets) : undefined;
    if (address === undefined || (rows.number("type", row) ?? UNICAST) !== UNICAST) return [];
    const prefix = type === 1 ? rows.oid("prefix", row) : undefined;
    const prefixLength = prefix?.startsWith(PREFIX_ENTRY) ? prefix.split(".").at(-1) : undefined;
    return {
      address,
      ...said("ifIndex", rows.number("ifIndex", row)),
      ...said(
        "netmask",
        prefixLength === undefined ? undefined : netmaskText(Number(prefixLength)),
      ),
    };
  });
}

const PREFIX_ENTRY = "1.3.6.1.2.1.4.32.1.5.";

/** Rows indexed by ifIndex and address. */
function arpOf(answers: Answers): ArpEntry[] {
  const rows = answers.rows(NET_TO_MEDIA);
  return rows.instances.flatMap((instance, row) => {
    const [ifIndex, ...octets] = indexParts(instance);
    const physAddress = rows.mac("physAddress", row);
    if (ifIndex === undefined || octets.length !== 4 || !physAddress) return [];
    return { ifIndex, address: octets.join("."), physAddress };
  });
}
