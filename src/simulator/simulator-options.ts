/** What a simulated network can be asked to be. */
import { isIPv4, isIPv6 } from "node:net";
import type { Clock } from "../lib/clock.ts";
import type { HostileMode } from "./hostile.ts";
import { COMMUNITY_BYTES_MAX, MESSAGE_BYTES_MAX } from "./responder.ts";

export interface SimulatorOptions {
  /** A directory of `.snmprec` files, each served by `copies` routers. */
  readonly recordings?: string;
  /** How many routers serve each recording (1). */
  readonly copies?: number;
  /** How many routers to generate (0); they come after the recordings. */
  readonly generate?: number;
  /** Interfaces of each generated router (48). */
  readonly interfaces?: number;
  /** IPv4 or IPv6 address to listen on (127.0.0.1). */
  readonly listen?: string;
  /** Port of the first router, each next one on the next port; 0 = any free ports (0). */
  readonly portBase?: number;
  /** Every router on the same port, each on an IPv4 address of its own, counted up from `listen` (false). */
  readonly ownAddresses?: boolean;
  readonly community?: string;
  /** Decides everything that varies: values, rates, who is dead (1). */
  readonly seed?: number;
  /** Whether counters and sysUpTime move (false). */
  readonly live?: boolean;
  /** The share of routers that never answer, 0 to 1 (0). */
  readonly deadFraction?: number;
  /** How long every answer takes, in milliseconds (0). */
  readonly rttMs?: number;
  /** Longest answer in octets: 1,472 of generated routers; 65,507 of recordings, which hold values that long. */
  readonly messageBytesMax?: number;
  /** How each router misbehaves, by its place; undefined = not at all. */
  readonly hostileOf?: (router: number) => HostileMode | undefined;
  /** How late the answers of a router that answers late are, in milliseconds (10,000). */
  readonly lateMs?: number;
  /** Called for every request a router gets, answered or not. Must be quick. */
  readonly onRequest?: OnRequest;
  readonly clock?: Clock;
}

export type OnRequest = (
  router: number,
  atMs: number,
  pduType: number,
  requestId: number,
  sourcePort: number,
) => void;

/** RFC 3417, section 3.2 asks for 484 octets at least. */
const MESSAGE_BYTES_MIN = 484;

/** Throws an error that names the option when one is out of its range. */
export function checkOptions(options: SimulatorOptions): void {
  const { listen = "127.0.0.1", deadFraction = 0, messageBytesMax = MESSAGE_BYTES_MIN } = options;
  if (!isIPv4(listen) && !isIPv6(listen)) {
    throw new Error(`Cannot listen on "${listen}": it is not an IPv4 or IPv6 address`);
  }
  for (const [name, { value, min }] of Object.entries(wholeNumbers(options))) {
    if (!Number.isInteger(value) || value < min) {
      throw new Error(`Cannot simulate ${name} ${value}: it is a whole number from ${min}`);
    }
  }
  if (!(deadFraction >= 0 && deadFraction <= 1)) {
    throw new Error(`Cannot simulate a dead fraction of ${deadFraction}: it is from 0 to 1`);
  }
  if (messageBytesMax < MESSAGE_BYTES_MIN || messageBytesMax > MESSAGE_BYTES_MAX) {
    throw new Error(
      `Cannot answer in ${messageBytesMax} octets: a message has ${MESSAGE_BYTES_MIN} to ${MESSAGE_BYTES_MAX}`,
    );
  }
  if (Buffer.byteLength(options.community ?? "") > COMMUNITY_BYTES_MAX) {
    throw new Error(`Cannot use a community of more than ${COMMUNITY_BYTES_MAX} octets`);
  }
}

function wholeNumbers({
  copies = 1,
  generate = 0,
  interfaces = 1,
  portBase = 0,
}: SimulatorOptions) {
  return {
    copies: { value: copies, min: 1 },
    generate: { value: generate, min: 0 },
    interfaces: { value: interfaces, min: 1 },
    portBase: { value: portBase, min: 0 },
  };
}
