/** What LLDP's chassis and port ids mean, by the subtype beside them (IEEE 802.1AB, tables 8-2 and 8-3). */

import { inventoryMac, inventoryText } from "../value-text.ts";
import { familyAddressText } from "./network-address.ts";

const CHASSIS = { mac: 4, networkAddress: 5 } as const;
const PORT = { mac: 3, networkAddress: 4 } as const;

/** The subtype may be unknown: then six octets that are no text are taken for a MAC. */
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
      return macText(octets);
    case subtypes.networkAddress:
      return familyAddressText(octets) ?? inventoryText(octets);
    case undefined:
      return octets.length === MAC_OCTETS && !isPrintable(octets)
        ? inventoryMac(octets)
        : inventoryText(octets);
    default:
      return inventoryText(octets);
  }
}

const MAC_OCTETS = 6;

/** Six octets, or one of the many ways agents write them out: 609C9F7FA496, e4 f0 04 …, 609c.9f7f.a496. */
function macText(octets: Uint8Array): string {
  if (octets.length === MAC_OCTETS || !isPrintable(octets)) return inventoryMac(octets);
  const text = inventoryText(octets);
  const digits = text.replace(/[\s.:-]/g, "");
  if (!/^[0-9a-f]{12}$/i.test(digits)) return /[:-]/.test(text) ? inventoryMac(octets) : text;
  return (digits.toLowerCase().match(/../g) ?? []).join(":");
}

function isPrintable(octets: Uint8Array): boolean {
  return octets.every((octet) => octet >= 0x20 && octet < 0x7f);
}
