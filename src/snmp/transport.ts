/**
 * A few UDP sockets shared by all requests of a process. An answer finds its request by the id in it and must come from
 * the address and port that were asked; everything else is counted and dropped. Nothing that arrives can throw, wait or
 * grow anything here: the tables below are bounded, and a message that fits no request leaves a counter and at most one
 * note.
 */
import { randomInt } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { type Clock, systemClock } from "../lib/clock.ts";
import { LruCache } from "../lib/lru-cache.ts";
import type { PeerAddress } from "./address.ts";
import {
  type Answer,
  type Arrival,
  type Failure,
  failure,
  type Rejection,
  type Report,
  rejection,
} from "./arrival.ts";
import { type Envelope, newEnvelope, readEnvelope } from "./codec.ts";
import { OidCache } from "./oid-cache.ts";
import type { WalkMemory } from "./sizing.ts";
import { Timed, TimerWheel } from "./timer-wheel.ts";
import { UsmCache } from "./usm-cache.ts";

/** What waits for an answer. Neither method may throw. */
export interface Receiver {
  /** Judges a message that came from the right place with the right id. */
  accept(bytes: Uint8Array, envelope: Envelope): Answer | Failure | Report | Rejection;
  /** Told once for each datagram sent: what came of it. */
  arrived(arrival: Arrival, exchange: Exchange): void;
}

export interface TransportCounters {
  requests: number;
  retries: number;
  responses: number;
  timeouts: number;
  /** Answers to requests that wait no longer, duplicates among them. */
  late: number;
  /** A right id from a wrong address or port. */
  spoofed: number;
  /** Messages that cannot be read or must not be believed. */
  malformed: number;
  /** Requests the kernel would not send, and other faults of sockets. */
  socketErrors: number;
  bytesIn: number;
  bytesOut: number;
}

export interface TransportOptions {
  /** Most sockets of each address family; they are opened as they are needed. */
  readonly sockets?: number;
  readonly clock?: Clock;
}

/**
 * Octets of answers that may be waited for on one socket. Linux grants a receive buffer of 212,992 by default and counts
 * what it allocated rather than what came, so about 150 answers of 1,400 octets fit: from there on, routers that answer at
 * once lose answers.
 */
const AWAITED_BYTES_A_SOCKET = 75_000;
/** What the smallest answer is counted as: the system's own share of a datagram is large. */
const AWAITED_BYTES_MIN = 1_500;
const SOCKETS_MAX = 64;
const RECEIVE_BUFFER_BYTES = 4 << 20;

/** Low bits of an id: the place in the table of requests. The rest is random, so that ids cannot be guessed. */
const SLOT_BITS = 13;
const IN_FLIGHT_MAX = 1 << SLOT_BITS;
const SALT_MIN = 1 << (24 - SLOT_BITS);
const SALT_MAX = 1 << (31 - SLOT_BITS);

/** The grain of timeouts: they come up to two ticks late. */
const TICK_MS = 16;
/** A process that stood still this long reads its sockets before it believes that anyone was silent. */
const STALL_MS = 250;
/** Routers whose tables' sizes are remembered, some 400 bytes a table; a router forgotten costs a packet or two a table. */
const MEMORIES_MAX = 20_000;
/** Sources of unreadable messages that are remembered, to explain a timeout. */
const NOTES_MAX = 1_024;
/** Faults of the moment: the datagram is as good as lost, and the retry comes anyway. */
const TRANSIENT = new Set(["EAGAIN", "EWOULDBLOCK", "EINTR", "ENOBUFS", "ENOMEM", "ECONNREFUSED"]);

const TIMEOUT = { kind: "timeout" } as const;
const STOPPED = failure("silent", "The transport has been stopped");

/** Opens the first socket. Rejects when the process may not have one. */
export async function openTransport(options: TransportOptions = {}): Promise<Transport> {
  const transport = new Transport(options);
  await Promise.resolve();
  return transport;
}

interface SharedSocket {
  readonly socket: Socket;
  /** Octets of the answers that requests of this socket wait for. */
  awaitedBytes: number;
}

/** One request that waits, or is about to be sent. Made by `begin`, dead after `end`. */
export class Exchange extends Timed {
  readonly kind = "exchange";
  readonly id: number;
  readonly peer: PeerAddress;
  readonly receiver: Receiver;
  readonly shared: SharedSocket;
  readonly awaitedBytes: number;
  isWaiting = false;
  sentAtMs = 0;
  /** The last message that claimed to answer and was not believed. */
  rejection: Rejection | undefined = undefined;

  constructor(
    id: number,
    peer: PeerAddress,
    receiver: Receiver,
    shared: SharedSocket,
    awaitedBytes: number,
  ) {
    super();
    this.id = id;
    this.peer = peer;
    this.receiver = receiver;
    this.shared = shared;
    this.awaitedBytes = awaitedBytes;
  }
}

export class Transport {
  readonly counters: TransportCounters = {
    requests: 0,
    retries: 0,
    responses: 0,
    timeouts: 0,
    late: 0,
    spoofed: 0,
    malformed: 0,
    socketErrors: 0,
    bytesIn: 0,
    bytesOut: 0,
  };
  readonly clock: Clock;
  /** What is known of SNMPv3 engines; belongs here because it outlives polls and ends with the process. */
  readonly usm = new UsmCache();
  /** The requests modules make, in octets. */
  readonly oids = new OidCache();
  /** What the last walks learnt, by router and then by the list of columns. */
  readonly memories = new LruCache<string, Map<string, WalkMemory>>(MEMORIES_MAX);

  readonly #socketsMax: number;
  readonly #sockets: Readonly<Record<4 | 6, SharedSocket[]>> = { 4: [], 6: [] };
  readonly #exchanges: (Exchange | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #wheel = new TimerWheel(TICK_MS, performance.now());
  readonly #envelope = newEnvelope();
  readonly #notes = new Map<string, Note>();
  #ticker: NodeJS.Timeout | undefined;
  #lastTickMs = 0;
  #hasSpared = false;
  #stopped = false;

  constructor(options: TransportOptions) {
    this.#socketsMax = options.sockets ?? SOCKETS_MAX;
    this.clock = options.clock ?? systemClock;
    const opened = this.#open(4);
    if (opened instanceof Error) throw opened;
  }

  /** Requests that wait for an answer. */
  get inFlight(): number {
    return this.#wheel.size;
  }

  /** A place for a request to `peer` that asks for an answer of about `answerBytes` octets; or why there is none. */
  begin(peer: PeerAddress, receiver: Receiver, answerBytes: number): Exchange | Failure {
    if (this.#stopped) return STOPPED;
    const slot = this.#freeSlots.pop() ?? this.#exchanges.length;
    if (slot >= IN_FLIGHT_MAX) {
      return failure("silent", `More than ${IN_FLIGHT_MAX} requests are in flight`);
    }
    const shared = this.#leastLoaded(peer.family);
    if (shared instanceof Error) {
      this.#freeSlots.push(slot);
      return failure("unreachable", `Cannot open a UDP socket: ${codeOf(shared)}`);
    }
    const id = randomInt(SALT_MIN, SALT_MAX) * IN_FLIGHT_MAX + slot;
    const awaitedBytes = Math.max(answerBytes, AWAITED_BYTES_MIN);
    const exchange = new Exchange(id, peer, receiver, shared, awaitedBytes);
    this.#exchanges[slot] = exchange;
    shared.awaitedBytes += awaitedBytes;
    return exchange;
  }

  /**
   * Sends `datagram`, which must not change afterwards, and tells the exchange's receiver what comes of it, at the latest
   * two ticks after `timeoutMs`. May be called again for the same exchange once that was told: an answer to either
   * datagram is welcome then. `isWatched`: the system's refusal to send is told at once; else it looks like silence.
   */
  send(exchange: Exchange, datagram: Uint8Array, timeoutMs: number, isWatched: boolean): void {
    const { peer, receiver, shared } = exchange;
    if (this.#stopped) {
      receiver.arrived(STOPPED, exchange);
      return;
    }
    const nowMs = performance.now();
    exchange.sentAtMs = nowMs;
    exchange.isWaiting = true;
    this.counters.requests++;
    this.counters.bytesOut += datagram.length;
    this.#wheel.add(exchange, nowMs + timeoutMs);
    if (this.#ticker === undefined) this.#startTicking(nowMs);
    const { socket } = shared;
    if (isWatched) {
      socket.send(datagram, 0, datagram.length, peer.port, peer.address, (error) => {
        if (error !== null) this.#sendFailed(exchange, error);
      });
    } else {
      socket.send(datagram, 0, datagram.length, peer.port, peer.address);
    }
  }

  /** Gives the place back: answers that still come are late. */
  end(exchange: Exchange): void {
    const slot = exchange.id % IN_FLIGHT_MAX;
    if (this.#exchanges[slot] !== exchange) return;
    this.#wheel.remove(exchange);
    this.#exchanges[slot] = undefined;
    this.#freeSlots.push(slot);
    exchange.shared.awaitedBytes -= exchange.awaitedBytes;
  }

  /** What was wrong with the last message from `peer` since `sinceMs` (of performance.now) that fitted no request. */
  noteOf(peer: PeerAddress, sinceMs: number): string | undefined {
    const note = this.#notes.get(noteKey(peer.address, peer.port));
    return note !== undefined && note.atMs >= sinceMs ? note.what : undefined;
  }

  /** Ends every request as silent and closes the sockets. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#ticker);
    for (const exchange of this.#exchanges) {
      if (exchange !== undefined) this.#settle(exchange, STOPPED);
    }
    const sockets = [...this.#sockets[4], ...this.#sockets[6]];
    await Promise.all(
      sockets.map(({ socket }) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
  }

  #leastLoaded(family: 4 | 6): SharedSocket | Error {
    const sockets = this.#sockets[family];
    let least: SharedSocket | undefined;
    for (const shared of sockets) {
      if (least === undefined || shared.awaitedBytes < least.awaitedBytes) least = shared;
    }
    if (least !== undefined && least.awaitedBytes < AWAITED_BYTES_A_SOCKET) return least;
    if (sockets.length >= this.#socketsMax && least !== undefined) return least;
    const opened = this.#open(family);
    return opened instanceof Error ? (least ?? opened) : opened;
  }

  #open(family: 4 | 6): SharedSocket | Error {
    let fault: Error | undefined;
    const socket = createSocket({
      type: family === 4 ? "udp4" : "udp6",
      ipv6Only: family === 6,
      // Targets are addresses: answering at once keeps the resolver out of the path of every datagram.
      lookup: (address, _options, callback) => callback(null, address, family),
    });
    socket.on("message", (bytes, source) => this.#receive(bytes, source));
    socket.on("error", (error) => {
      fault = error;
      this.counters.socketErrors++;
    });
    // With that lookup a failure to bind is reported before this returns.
    socket.bind(0);
    if (fault !== undefined) {
      socket.close();
      return fault;
    }
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    } catch {
      // The system grants less; `AWAITED_BYTES_A_SOCKET` fits what it grants by default.
    }
    const shared: SharedSocket = { socket, awaitedBytes: 0 };
    this.#sockets[family].push(shared);
    return shared;
  }

  #receive(bytes: Uint8Array, source: RemoteInfo): void {
    const { counters } = this;
    counters.bytesIn += bytes.length;
    const envelope = this.#envelope;
    if (!readEnvelope(bytes, envelope)) {
      counters.malformed++;
      this.#note(source, "It sends something that is not SNMP");
      return;
    }
    const exchange = envelope.id < 0 ? undefined : this.#exchanges[envelope.id % IN_FLIGHT_MAX];
    if (exchange === undefined || exchange.id !== envelope.id || !exchange.isWaiting) {
      counters.late++;
      this.#note(source, "It answers too late or with a wrong request id");
      return;
    }
    if (source.port !== exchange.peer.port || source.address !== exchange.peer.address) {
      counters.spoofed++;
      const instead = `Answers come from ${source.address} port ${source.port} instead`;
      exchange.rejection = rejection("silent", instead);
      return;
    }
    const accepted = exchange.receiver.accept(bytes, envelope);
    if (accepted.kind === "rejection") {
      counters.malformed++;
      exchange.rejection = accepted;
      return;
    }
    counters.responses++;
    this.#settle(exchange, accepted);
  }

  #settle(exchange: Exchange, arrival: Arrival): void {
    if (!exchange.isWaiting) return;
    exchange.isWaiting = false;
    this.#wheel.remove(exchange);
    exchange.receiver.arrived(arrival, exchange);
  }

  #sendFailed(exchange: Exchange, error: Error): void {
    this.counters.socketErrors++;
    const code = codeOf(error);
    if (!TRANSIENT.has(code))
      this.#settle(exchange, failure("unreachable", `Cannot send: ${code}`));
  }

  #note(source: RemoteInfo, what: string): void {
    if (this.#notes.size >= NOTES_MAX) this.#notes.clear();
    this.#notes.set(noteKey(source.address, source.port), { what, atMs: performance.now() });
  }

  #startTicking(nowMs: number): void {
    this.#lastTickMs = nowMs;
    this.#ticker = setInterval(() => this.#onTick(), TICK_MS);
  }

  #onTick(): void {
    const nowMs = performance.now();
    const isStalled = nowMs - this.#lastTickMs > STALL_MS;
    this.#lastTickMs = nowMs;
    // Once: a process that is always late has read its sockets between two ticks, and deadlines hold for it too.
    this.#hasSpared = isStalled && !this.#hasSpared;
    if (this.#hasSpared) return;
    for (const exchange of this.#wheel.expire(nowMs)) {
      this.counters.timeouts++;
      this.#settle(exchange as Exchange, TIMEOUT);
    }
    if (this.#wheel.size > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }
}

interface Note {
  readonly what: string;
  readonly atMs: number;
}

function noteKey(address: string, port: number): string {
  return `${address}|${port}`;
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
