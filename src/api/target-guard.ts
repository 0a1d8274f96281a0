/**
 * Which addresses a tenant may have us send packets to. The workers of a shared zone stand inside the operator's
 * network: a tenant that registers 127.0.0.1 or a link-local address there would point them at the platform itself.
 * In a zone of the tenant's own the workers are theirs, and only addresses that never belong to one router are refused.
 */
import { BlockList, isIPv4, isIPv6 } from "node:net";

export interface TargetGuard {
  /** Loopback addresses in shared zones: for the embedded default, whose demo routers answer there. */
  readonly allowLoopback: boolean;
  /** Addresses of the platform's own machines, refused in shared zones. */
  readonly ownAddresses: readonly string[];
  /** Addresses or CIDR blocks allowed in shared zones whatever the rules below say of them. */
  readonly allow: readonly string[];
}

/** Why a router at a canonical `address` is refused, or undefined when it may be registered. */
export type JudgeTarget = (
  address: string,
  zone: { readonly shared: boolean },
) => string | undefined;

/**
 * An IP literal as we store it: IPv4 dotted, IPv6 as RFC 5952 writes it, an IPv4-mapped address as its IPv4, brackets
 * removed. Undefined for everything else: host names, zone indices (%eth0), octets with leading zeros.
 */
export function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  if (!isIPv6(bare) || bare.includes("%")) return undefined;
  const address = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  return mappedIpv4(address) ?? address;
}

/** URL writes an IPv4-mapped address as two hexadecimal groups: ::ffff:7f00:1. */
function mappedIpv4(address: string): string | undefined {
  const groups = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (!groups) return undefined;
  const bits = [groups[1], groups[2]].map((group) => Number.parseInt(group ?? "", 16));
  return bits.flatMap((pair) => [pair >> 8, pair & 0xff]).join(".");
}

/** Throws when an entry of `guard` is neither an address nor a CIDR block. */
export function targetJudge(guard: TargetGuard): JudgeTarget {
  const allowed = blockListOf(guard.allow);
  const own = blockListOf(guard.ownAddresses);
  return (address, zone) => {
    const nobody = reasonIn(NEVER_ONE_ROUTER, address);
    if (nobody) return nobody;
    if (!zone.shared || contains(allowed, address)) return undefined;
    if (contains(LOOPBACK, address)) {
      return guard.allowLoopback ? undefined : "is a loopback address";
    }
    const reserved = reasonIn(NOT_IN_SHARED_ZONES, address);
    return reserved ?? (contains(own, address) ? "belongs to the platform itself" : undefined);
  };
}

const LOOPBACK = blockListOf(["127.0.0.0/8", "::1"]);

type Reasons = readonly (readonly [blocks: BlockList, reason: string])[];

const NEVER_ONE_ROUTER: Reasons = [
  [blockListOf(["0.0.0.0/8", "::"]), "is an unspecified address"],
  [blockListOf(["224.0.0.0/4", "ff00::/8"]), "is a multicast address"],
  [blockListOf(["240.0.0.0/4"]), "is a reserved or broadcast address"],
];

const NOT_IN_SHARED_ZONES: Reasons = [
  [blockListOf(["169.254.0.0/16", "fe80::/10"]), "is a link-local address"],
  // IPv4-compatible and NAT64 addresses end at an IPv4 address that none of the rules above would have seen.
  [blockListOf(["::/96", "64:ff9b::/96"]), "is an IPv6 address that stands for an IPv4 address"],
];

function reasonIn(reasons: Reasons, address: string): string | undefined {
  return reasons.find(([blocks]) => contains(blocks, address))?.[1];
}

function contains(blocks: BlockList, address: string): boolean {
  return blocks.check(address, familyOf(address));
}

function blockListOf(entries: readonly string[]): BlockList {
  const blocks = new BlockList();
  for (const entry of entries) {
    const [net = "", prefix] = entry.split("/");
    if (!isIPv4(net) && !isIPv6(net)) {
      throw new Error(`Cannot guard targets with "${entry}": it is not an address or a CIDR block`);
    }
    if (prefix === undefined) blocks.addAddress(net, familyOf(net));
    else blocks.addSubnet(net, Number(prefix), familyOf(net));
  }
  return blocks;
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return address.includes(":") ? "ipv6" : "ipv4";
}
