/** Addresses in octets and in indexes, as text: IPv4 dotted, IPv6 shortened (RFC 5952). */

/** The text of 4 or 16 octets; with 4 more, the zone of a scoped InetAddress (RFC 4001). Undefined for another length. */
export function addressText(octets: ArrayLike<number>): string | undefined {
  if (octets.length === 4 || octets.length === 8) {
    return `${octets[0]}.${octets[1]}.${octets[2]}.${octets[3]}`;
  }
  return octets.length === 16 || octets.length === 20 ? ipv6Short(octets) : undefined;
}

/** An address of LLDP: a family number of IANA before its octets (IEEE 802.1AB, 8.5.2). */
export function familyAddressText(octets: Uint8Array): string | undefined {
  const address = octets.subarray(1);
  const length = octets[0] === 1 ? 4 : octets[0] === 2 ? 16 : -1;
  return address.length === length ? addressText(address) : undefined;
}

/** A netmask of a prefix's length. */
export function netmaskText(prefixLength: number): string | undefined {
  if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > 32) return undefined;
  const bits = prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
  return [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255].join(".");
}

function ipv6Short(octets: ArrayLike<number>): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) {
    groups.push((((octets[i] ?? 0) << 8) | (octets[i + 1] ?? 0)).toString(16));
  }
  // The longest run of two zero groups or more, the first of equal ones, becomes "::".
  let start = -1;
  let length = 1;
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (groups[to] === "0") to++;
    if (to - from > length) {
      start = from;
      length = to - from;
    }
  }
  if (start < 0) return groups.join(":");
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`;
}
