/** What a router says of itself as a whole: SNMPv2-MIB's system group, its LLDP chassis and bridge, its BGP and OSPF identity. */

import type { InventorySystem } from "../../routers/inventory.ts";
import { chassisIdText } from "./lldp-ids.ts";
import type { Answers, SectionPlan } from "./section.ts";
import { said } from "./table.ts";

const SYSTEM = {
  sysDescr: "1.3.6.1.2.1.1.1.0",
  sysObjectID: "1.3.6.1.2.1.1.2.0",
  sysUpTime: "1.3.6.1.2.1.1.3.0",
  sysContact: "1.3.6.1.2.1.1.4.0",
  sysName: "1.3.6.1.2.1.1.5.0",
  sysLocation: "1.3.6.1.2.1.1.6.0",
  ifNumber: "1.3.6.1.2.1.2.1.0",
  lldpLocChassisIdSubtype: "1.0.8802.1.1.2.1.3.1.0",
  lldpLocChassisId: "1.0.8802.1.1.2.1.3.2.0",
  lldpLocSysName: "1.0.8802.1.1.2.1.3.3.0",
  bgpLocalAs: "1.3.6.1.2.1.15.2.0",
  bgpIdentifier: "1.3.6.1.2.1.15.4.0",
  ospfRouterId: "1.3.6.1.2.1.14.1.1.0",
  dot1dBaseBridgeAddress: "1.3.6.1.2.1.17.1.1.0",
} as const;

export const SYSTEM_SECTION: SectionPlan = {
  name: "system",
  rate: "slow",
  scalars: SYSTEM,
  tables: [],
  read: (answers) => ({ system: systemOf(answers) }),
};

function systemOf(answers: Answers): InventorySystem {
  const scalars = answers.scalars(SYSTEM);
  const subtype = scalars.number("lldpLocChassisIdSubtype", 0);
  const chassis = scalars.octets("lldpLocChassisId", 0);
  const lldpLocal = {
    ...said("chassisIdSubtype", subtype),
    ...said("chassisId", chassis && chassisIdText(subtype, chassis)),
    ...said("sysName", scalars.text("lldpLocSysName", 0)),
  };
  const bgp = {
    ...said("localAs", scalars.unsigned("bgpLocalAs", 0)),
    ...said("identifier", scalars.address("bgpIdentifier", 0)),
  };
  const routerId = scalars.address("ospfRouterId", 0);
  return {
    ...said("sysDescr", scalars.text("sysDescr", 0)),
    ...said("sysObjectID", scalars.oid("sysObjectID", 0)),
    ...said("sysUpTime", scalars.number("sysUpTime", 0)),
    ...said("sysContact", scalars.text("sysContact", 0)),
    ...said("sysName", scalars.text("sysName", 0)),
    ...said("sysLocation", scalars.text("sysLocation", 0)),
    ...said("ifNumber", scalars.number("ifNumber", 0)),
    ...(Object.keys(lldpLocal).length === 0 ? {} : { lldpLocal }),
    ...(Object.keys(bgp).length === 0 ? {} : { bgp }),
    ...(routerId === undefined ? {} : { ospf: { routerId } }),
    ...said("bridgeAddress", scalars.mac("dot1dBaseBridgeAddress", 0) || undefined),
  };
}
