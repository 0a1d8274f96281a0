/**
 * Addresses in the one form in which a datagram's source is reported, so that two spellings of an address are never
 * two peers: "2001:DB8:0::1" is 2001:db8::1, and an IPv4-mapped IPv6 address is the IPv4 address (RFC 4291, 2.5.5.2).
 */
import { isIPv4, isIPv6, SocketAddress } from "node:net";

export interface PeerAddress {
  readonly family: 4 | 6;
  readonly address: string;
  readonly port: number;
}

/** The canonical form of a literal address (an IPv6 zone such as "%eth0" is kept); undefined when it is not one. */
export function peerAddress(address: string, port: number): PeerAddress | undefined {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  if (isIPv4(address)) return { family: 4, address, port };
  if (!isIPv6(address)) return undefined;
  const [literal = "", zone] = address.split("%");
  const canonical = new SocketAddress({ address: literal, family: "ipv6" }).address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(canonical)?.[1];
  if (mapped !== undefined) return { family: 4, address: mapped, port };
  return { family: 6, address: zone === undefined ? canonical : `${canonical}%${zone}`, port };
}
