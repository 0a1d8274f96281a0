import { ADDRESSES_SECTION, ARP_SECTION } from "./addresses.ts";
import { AGGREGATES_SECTION } from "./aggregates.ts";
import { BGP_SECTION } from "./bgp.ts";
import { ENTITIES_SECTION } from "./entities.ts";
import { INTERFACES_SECTION } from "./interfaces.ts";
import { MEMORY_SECTION } from "./memory.ts";
import { NEIGHBOURS_SECTION } from "./neighbours.ts";
import { OSPF_SECTION } from "./ospf.ts";
import { PROCESSORS_SECTION } from "./processors.ts";
import type { SectionPlan } from "./section.ts";
import { SENSORS_SECTION } from "./sensors.ts";
import { SYSTEM_SECTION } from "./system.ts";

/** Everything an inventory is made of, what matters most first. */
export const SECTIONS: readonly SectionPlan[] = [
  SYSTEM_SECTION,
  INTERFACES_SECTION,
  NEIGHBOURS_SECTION,
  ADDRESSES_SECTION,
  BGP_SECTION,
  OSPF_SECTION,
  AGGREGATES_SECTION,
  PROCESSORS_SECTION,
  MEMORY_SECTION,
  SENSORS_SECTION,
  ENTITIES_SECTION,
  ARP_SECTION,
];
