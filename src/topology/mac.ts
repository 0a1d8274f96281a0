/** Addresses that belong to a service, not to a device: VRRP (RFC 9568), HSRP, GLBP. */
const VIRTUAL = /^(00:00:5e:00:0[12]|00:00:0c:07:ac|00:00:0c:9f:f|00:05:73:a0:0|00:07:b4:0)/;
const SEPARATED = /^([0-9a-f]{1,2}[:-]){5}[0-9a-f]{1,2}$/;
const DOTTED = /^[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}$/;
const PLAIN = /^[0-9a-f]{12}$/;

/**
 * A MAC address in lower case with colons, from any form agents use: with colons or dashes, padded or not, in dotted
 * groups of four, as twelve digits, or as six raw octets that were read as Latin-1. Undefined for what is none, and
 * for addresses that cannot tell one device: zero, groups, VRRP and its like.
 */
export function deviceMac(text: string): string | undefined {
  const octets = macOctets(text);
  if (octets === undefined) return undefined;
  const isGroup = ((octets[0] ?? 0) & 1) === 1;
  if (isGroup || octets.every((octet) => octet === 0)) return undefined;
  const mac = octets.map((octet) => octet.toString(16).padStart(2, "0")).join(":");
  return VIRTUAL.test(mac) ? undefined : mac;
}

function macOctets(text: string): number[] | undefined {
  const lower = text.trim().toLowerCase();
  if (SEPARATED.test(lower)) return lower.split(/[:-]/).map((group) => Number.parseInt(group, 16));
  if (DOTTED.test(lower) || PLAIN.test(lower)) {
    return lower
      .replaceAll(".", "")
      .match(/../g)
      ?.map((group) => Number.parseInt(group, 16));
  }
  return rawOctets(text);
}

/** Six characters are an address only if one of them is not printable: "switch" is a name. */
function rawOctets(text: string): number[] | undefined {
  if (text.length !== 6) return undefined;
  const codes = Array.from({ length: 6 }, (_, i) => text.charCodeAt(i));
  const isBinary = codes.some((code) => code < 0x20 || code > 0x7e);
  return isBinary && codes.every((code) => code <= 0xff) ? codes : undefined;
}
