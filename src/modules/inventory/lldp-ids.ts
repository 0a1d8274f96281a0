/** What LLDP's chassis and port ids mean, by the subtype beside them (IEEE 802.1AB, tables 8-2 and 8-3). */

import { inventoryMac, inventoryText } from "../value-text.ts";
import { familyAddressText } from "./network-address.ts";

const CHASSIS = { mac: 4, networkAddress: 5 } as const;
const PORT = { mac: 3, networkAddress: 4 } as const;

/** Where a MAC is expected and no address but a name comes, it is the name. */
export function chassisIdText(subtype: number | undefined, octets: Uint8Array): string {
  return idText(subtype, CHASSIS, octets);
}

export function portIdText(subtype: number | undefined, octets: Uint8Array): string {
  return idText(subtype, PORT, octets);
}

function idText(
  subtype: number | undefined,
  subtypes: { readonly mac: number; readonly networkAddress: number },
  octets: Uint8Array,
): string {
  switch (subtype) {
    case subtypes.mac:
      return inventoryMac(octets);
    case subtypes.networkAddress:
      return familyAddressText(octets) ?? inventoryText(octets);
    default:
      return inventoryText(octets);
  }
}
