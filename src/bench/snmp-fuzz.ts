/**
 * Sends the transport datagrams nobody can be prepared for, over real sockets, as answers to requests it really made: of
 * agents of v1, v2c and v3, spoilt octet by octet or element by element, some of them authentic. What must hold: nothing
 * throws, every walk ends by its deadline, and memory does not grow.
 */
import type { RemoteInfo } from "node:dgram";
import { seededRandom } from "../lib/seeded-random.ts";
import { planRouters, type RouterPlan } from "../simulator/plan-routers.ts";
import { Responder } from "../simulator/responder.ts";
import { bindSockets, closeSockets } from "../simulator/sockets.ts";
import { openSession, type Session } from "../snmp/session.ts";
import { openTransport } from "../snmp/transport.ts";
import { getScalars, walkColumns } from "../snmp/walk.ts";
import { CREDENTIALS } from "./snmp-credentials.ts";
import { openUsmEngines, respondAsUsm } from "./snmp-usm-agent.ts";
import { BENCH_COLUMNS, BENCH_SCALARS } from "./snmp-workload.ts";
import { spoilOctets, spoilStructure } from "./spoil.ts";

export interface FuzzOptions {
  readonly seed: number;
  /** Ends after so many datagrams or seconds, whichever comes first. */
  readonly datagrams: number;
  readonly seconds: number;
  readonly onProgress?: (sent: number) => void;
}

export interface FuzzResult {
  readonly datagrams: number;
  /** What the transport made of them. */
  readonly responses: number;
  readonly malformed: number;
  readonly late: number;
  /** Walks and GETs by outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** The longest any walk took past its deadline, in milliseconds. */
  readonly overdueMsMax: number;
  readonly inFlightAtEnd: number;
  /** After a tenth of it, and at the end. */
  readonly rssMb: { readonly early: number; readonly end: number };
  readonly seconds: number;
}

const LANES = 24;
const VERSIONS = ["1", "2c", "3"] as const;
/** Spoilt answers to one request. More of them only come late. */
const ANSWERS_A_REQUEST = 6;
/** One answer in so many is left as it is, so that walks get anywhere. */
const HONEST_EVERY = 20;
const TIMEOUT_MS = 40;
const DEADLINE_MS = 1_500;
const ROWS_MAX = 200;
const BYTES_MAX = 1 << 20;

export async function fuzzTransport(options: FuzzOptions): Promise<FuzzResult> {
  const dice = seededRandom(options.seed);
  const plans = await planRouters({ generate: LANES, interfaces: 12, seed: options.seed }, 0);
  const sockets = await bindSockets(plans.map(() => ({ address: "127.0.0.1", port: 0 })));
  const engineOf = openUsmEngines();
  const responder = new Responder();
  let sent = 0;
  sockets.forEach((socket, router) => {
    const { agent } = plans[router] as RouterPlan;
    const engine = engineOf(router);
    const isV3 = VERSIONS[router % VERSIONS.length] === "3";
    const spoiltAnswer = (message: Uint8Array): Uint8Array | undefined => {
      const spoil = dice() < 0.5 ? spoilOctets : spoilStructure;
      if (dice() * HONEST_EVERY < 1) {
        return isV3 ? respondAsUsm(engine, message, responder, agent) : answerOf(message);
      }
      if (!isV3) return spoilt(answerOf(message), spoil);
      // Half of what v3 sends is authentic: only what is inside is not as it should be.
      const isAuthentic = dice() < 0.5;
      const inside = isAuthentic ? (pdu: Uint8Array) => spoil(pdu, dice) : undefined;
      const answer = respondAsUsm(engine, message, responder, agent, inside);
      return isAuthentic ? answer : spoilt(answer, spoil);
    };
    const spoilt = (answer: Uint8Array | undefined, spoil: typeof spoilOctets) =>
      answer === undefined ? undefined : spoil(answer, dice);
    const answerOf = (message: Uint8Array): Uint8Array | undefined =>
      responder.read(message) ? responder.answer(agent, 0) : undefined;
    // What the system will not send is as good as lost.
    socket.on("error", () => {});
    socket.on("message", (message: Buffer, peer: RemoteInfo) => {
      for (let i = 0; i < ANSWERS_A_REQUEST; i++) {
        const answer = spoiltAnswer(message);
        if (answer === undefined) continue;
        sent++;
        // The agent's octets are soon overwritten.
        socket.send(Uint8Array.from(answer.subarray(0, 60_000)), peer.port, peer.address);
      }
    });
  });

  const transport = await openTransport();
  const startedAtMs = performance.now();
  /** How much of it is done, from 0 to 1. */
  const share = (): number => {
    const seconds = (performance.now() - startedAtMs) / 1_000;
    return Math.max(sent / options.datagrams, seconds / options.seconds);
  };
  const outcomes: Record<string, number> = {};
  let overdueMsMax = 0;
  let early = 0;
  const lane = async (router: number): Promise<void> => {
    const { port } = (sockets[router] as (typeof sockets)[number]).address();
    const version = VERSIONS[router % VERSIONS.length] ?? "2c";
    for (let round = 0; share() < 1; round++) {
      const deadlineMs = Date.now() + DEADLINE_MS;
      const session: Session = openSession(
        transport,
        {
          address: "127.0.0.1",
          port,
          context: "",
          credential: CREDENTIALS[version],
          // Now and then a router nobody has seen, so that discoveries are spoilt too.
          usmKey: `fuzz/${router}/${Math.floor(round / 50)}`,
        },
        { deadlineMs, timeoutMs: TIMEOUT_MS, retries: 1 },
      );
      const limits = { rowsMax: ROWS_MAX, bytesMax: BYTES_MAX };
      const fetched =
        round % 4 === 0
          ? await getScalars(session, BENCH_SCALARS)
          : await walkColumns(session, COLUMN_LISTS[round % COLUMN_LISTS.length] ?? [], limits);
      outcomes[fetched.outcome] = (outcomes[fetched.outcome] ?? 0) + 1;
      overdueMsMax = Math.max(overdueMsMax, Date.now() - deadlineMs);
      if (early === 0 && share() > 0.1) early = process.memoryUsage.rss();
    }
  };
  const ticker = setInterval(() => options.onProgress?.(sent), 5_000);
  await Promise.all(sockets.map((_socket, router) => lane(router)));
  clearInterval(ticker);
  const inFlightAtEnd = transport.inFlight;
  await transport.stop();
  await closeSockets(sockets);
  const { responses, malformed, late } = transport.counters;
  const end = process.memoryUsage.rss();
  return {
    datagrams: sent,
    responses,
    malformed,
    late,
    outcomes,
    overdueMsMax: Math.max(Math.round(overdueMsMax), 0),
    inFlightAtEnd,
    rssMb: { early: toMb(early === 0 ? end : early), end: toMb(end) },
    seconds: Math.round((performance.now() - startedAtMs) / 1_000),
  };
}

/** Tables of one, of some and of all columns. */
const COLUMN_LISTS = [BENCH_COLUMNS, BENCH_COLUMNS.slice(0, 1), BENCH_COLUMNS.slice(4, 9)] as const;

function toMb(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
