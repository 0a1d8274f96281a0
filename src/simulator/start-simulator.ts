/**
 * A network of simulated routers in this process: recordings and generated routers, each on a UDP socket of its own,
 * because Node does not say which address a datagram was sent to. What is measured against them pays for them too, so
 * a request costs a parse, some copying and one send; nothing is kept per router but its socket and a few counts.
 */
import type { RemoteInfo, Socket } from "node:dgram";
import { isIPv4 } from "node:net";
import { systemClock } from "../lib/clock.ts";
import { seededRandom } from "../lib/seeded-random.ts";
import { type DelayLine, openDelayLine } from "./delay-line.ts";
import { misbehave } from "./hostile.ts";
import { planRouters, type RouterPlan, type SimulatedRouter } from "./plan-routers.ts";
import { Responder } from "./responder.ts";
import { checkOptions, type SimulatorOptions } from "./simulator-options.ts";
import { bindSockets, closeSockets, type Endpoint } from "./sockets.ts";

export interface SimulatorStats {
  /** Datagrams that were requests, answered or not. */
  readonly requests: number;
  readonly answers: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Requests without an answer because of their community. */
  readonly wrongCommunity: number;
  /** Datagrams that were no v1 or v2c request. */
  readonly malformed: number;
  /** Answers the system refused to send. */
  readonly sendErrors: number;
}

/** What one router was asked. Times in ms since the Unix epoch, 0 when there was no request. */
export interface RouterRequests {
  readonly requests: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

export interface Simulator {
  readonly routers: readonly SimulatedRouter[];
  /** From when live values move (ms since the Unix epoch). */
  readonly startedAtMs: number;
  readonly stats: SimulatorStats;
  /** What router number `router` was asked so far. */
  requestsOf(router: number): RouterRequests;
  /** Growth a second of a live router's counters: by flow, then by ifIndex. Empty when it is not live. */
  ratesOf(router: number): Record<string, Record<string, number>>;
  stop(): Promise<void>;
}

/**
 * Starts serving. Rejects, having closed everything, with an error that names the remedy when a recording cannot be
 * read, a port is taken, an address is not this machine's or the limit of open files is too low.
 */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  checkOptions(options);
  const clock = options.clock ?? systemClock;
  const startedAtMs = clock.now();
  const plans = await planRouters(options, startedAtMs);
  const endpoints = endpointsOf(options, plans.length);
  const needsStranger = plans.some(({ router }) => router.hostile === "wrong-source-port");
  if (needsStranger) endpoints.push({ address: options.listen ?? "127.0.0.1", port: 0 });
  const sockets = await bindSockets(endpoints);
  /** The socket of answers from a wrong port. */
  const stranger = needsStranger ? sockets.at(-1) : undefined;

  const responder = new Responder();
  const stats = {
    requests: 0,
    answers: 0,
    bytesIn: 0,
    bytesOut: 0,
    wrongCommunity: 0,
    malformed: 0,
    sendErrors: 0,
  };
  const counts = new Float64Array(plans.length);
  const firstAtMs = new Float64Array(plans.length);
  const lastAtMs = new Float64Array(plans.length);

  const line: DelayLine<Delayed> | undefined =
    (options.rttMs ?? 0) > 0
      ? openDelayLine(options.rttMs as number, ({ router, message, peer }) => {
          if (responder.read(message)) respond(router, peer);
        })
      : undefined;

  const dice = seededRandom(options.seed ?? 1);
  const lateLine = openDelayLine<() => void>(options.lateMs ?? 10_000, (sendIt) => sendIt());

  function receive(router: number, message: Buffer, peer: RemoteInfo): void {
    stats.bytesIn += message.length;
    if (!responder.read(message)) {
      stats.malformed++;
      return;
    }
    const nowMs = clock.now();
    stats.requests++;
    if (counts[router] === 0) firstAtMs[router] = nowMs;
    counts[router] = (counts[router] as number) + 1;
    lastAtMs[router] = nowMs;
    const { request } = responder;
    options.onRequest?.(router, nowMs, request.pduType, request.requestId, peer.port);
    if (plans[router]?.router.dead !== false) return;
    if (line === undefined) respond(router, peer);
    else line.add({ router, message, peer });
  }

  /** Answers the request the responder has just read. */
  function respond(router: number, peer: RemoteInfo): void {
    const plan = plans[router] as RouterPlan;
    const socket = sockets[router] as Socket;
    const answer = responder.answer(plan.agent, clock.now());
    if (answer === undefined) {
      if (responder.unanswered === "wrong community") stats.wrongCommunity++;
      return;
    }
    const { hostile } = plan.router;
    if (hostile === undefined) {
      send(socket, answer, peer);
      return;
    }
    const sizeMax = plan.agent.messageBytesMax;
    for (const sent of misbehave(hostile, responder.request.message, answer, sizeMax, dice)) {
      const from = sent.fromOtherPort ? (stranger ?? socket) : socket;
      if (sent.late) lateLine.add(() => send(from, sent.bytes, peer));
      else send(from, sent.bytes, peer);
    }
  }

  function send(socket: Socket, answer: Uint8Array, peer: RemoteInfo): void {
    stats.answers++;
    stats.bytesOut += answer.length;
    socket.send(answer, peer.port, peer.address);
    // Usually it has been sent by now. If the system's buffer was full, the octets belong to the socket's queue.
    if (socket.getSendQueueCount() > 0) responder.releaseAnswer();
  }

  sockets.forEach((socket, router) => {
    socket.on("error", () => stats.sendErrors++);
    if (router >= plans.length) return;
    socket.on("message", (message, peer) => receive(router, message, peer));
  });

  return {
    routers: plans.map(({ router }, i) => {
      const { address, port } = (sockets[i] as Socket).address();
      return { ...router, address, port };
    }),
    startedAtMs,
    stats,
    requestsOf: (router) => ({
      requests: counts[router] ?? 0,
      firstAtMs: firstAtMs[router] ?? 0,
      lastAtMs: lastAtMs[router] ?? 0,
    }),
    ratesOf: (router) => plans[router]?.rates() ?? {},
    async stop() {
      line?.stop();
      lateLine.stop();
      await closeSockets(sockets);
    },
  };
}

interface Delayed {
  readonly router: number;
  readonly message: Buffer;
  readonly peer: RemoteInfo;
}

function endpointsOf(options: SimulatorOptions, routers: number): Endpoint[] {
  const { listen = "127.0.0.1", portBase = 0, ownAddresses = false } = options;
  const last = ownAddresses || portBase === 0 ? portBase : portBase + routers - 1;
  if (!(portBase >= 0 && last <= 65_535)) {
    throw new Error(
      `Cannot give ${routers} routers a port each from ${portBase}: ports end at 65535; begin lower or give each an address of its own (--addresses)`,
    );
  }
  if (ownAddresses && !isIPv4(listen)) {
    throw new Error(`Cannot give each router an address of its own: "${listen}" is not IPv4`);
  }
  if (ownAddresses && portBase === 0) {
    throw new Error(
      "Cannot give each router an address of its own without a port: name one (--port-base)",
    );
  }
  return Array.from({ length: routers }, (_, i) => ({
    address: ownAddresses ? addressAfter(listen, i) : listen,
    port: ownAddresses || portBase === 0 ? portBase : portBase + i,
  }));
}

/** The IPv4 address `steps` after `address`. */
function addressAfter(address: string, steps: number): string {
  const number = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0) + steps;
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}
