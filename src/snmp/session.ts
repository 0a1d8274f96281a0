/**
 * One poll's conversation with one router: requests with retries inside one deadline, at most two at a time, in the
 * version and at the security level of the credential and never below it. Whatever the router does is an outcome.
 */
import type { Clock } from "../lib/clock.ts";
import type { AnswerLimits, SnmpCredential } from "../routers/router.ts";
import { peerAddress } from "./address.ts";
import type { Answer, Fault, Report } from "./arrival.ts";
import {
  Attempts,
  type Conversation,
  type SessionLimits,
  type SessionStats,
  type Unanswered,
} from "./attempts.ts";
import { TAG } from "./ber.ts";
import type { Request } from "./codec.ts";
import { communityFraming, type Framing, usmFraming } from "./framing.ts";
import type { EncodedOids, OidCache } from "./oid-cache.ts";
import { limitsWorthKeeping, memoryOfLimits, type WalkMemory } from "./sizing.ts";
import type { Transport } from "./transport.ts";
import type { UsmEngine } from "./usm-cache.ts";
import { USM_REPORT } from "./usm-message.ts";

export type { SessionLimits, SessionStats, Unanswered } from "./attempts.ts";

export interface Target {
  /** An IPv4 or IPv6 address, never a name. */
  readonly address: string;
  readonly port: number;
  /** SNMPv3 context name; "" = the default one. */
  readonly context: string;
  readonly credential: SnmpCredential;
  /** What is remembered of engines and tables is remembered under this: tenant/zone/address/port. */
  readonly usmKey: string;
  /** What walks of its tables once learnt about sizes, for a process that has not made any. */
  readonly answerLimits?: Readonly<Record<string, AnswerLimits>>;
}

export interface Session {
  readonly version: SnmpCredential["version"];
  readonly stats: Readonly<SessionStats>;
  readonly oids: OidCache;
  readonly clock: Clock;
  /** What this poll's walks learnt about sizes that was not known before and is worth keeping, by walk. */
  readonly learnt: ReadonlyMap<string, AnswerLimits>;
  /** What the last walk of these columns of this router learnt, if this process made one. */
  recall(columns: EncodedOids): WalkMemory | undefined;
  remember(columns: EncodedOids, memory: WalkMemory): void;
  /**
   * Resolves with the answer or with why there is none, at the latest at the deadline; never rejects for what the router
   * does. `beforeRetry` may lower what is asked of the same names, because the last time went unanswered.
   */
  request(request: Request, beforeRetry?: () => void): Promise<Answer | Unanswered>;
  /** `request` without a promise, for walks that make many: calls `done` once, perhaps before it returns. */
  ask(request: Request, beforeRetry: (() => void) | undefined, done: Done): void;
  /** Requests from now on wait and are repeated like this; without a key, as the session was opened. */
  setPace(pace: Pace): void;
}

/** How long one datagram may go unanswered, and how often it is sent again. */
export interface Pace {
  readonly timeoutMs?: number | undefined;
  readonly retries?: number | undefined;
}

type Done = (result: Answer | Unanswered) => void;

/** What protects a router whose agent handles one packet at a time, and lets two tables overlap their round trips. */
const IN_FLIGHT_A_ROUTER = 2;
/**
 * Requests of one poll that go out as fast as they are answered, and how many a second do after that. A table without an
 * end, of an agent next door, would else take a worker's whole CPU until the deadline, from everyone: 4.3 s in 9 were
 * measured. 20,000 interfaces take 7,100 requests at 1,472 octets, and fit a deadline of half a minute.
 */
const UNPACED_REQUESTS = 2_000;
const PACED_REQUESTS_A_SECOND = 500;

/** A conversation with `target`. Opens nothing and sends nothing yet. */
export function openSession(transport: Transport, target: Target, limits: SessionLimits): Session {
  return new RouterSession(transport, target, limits);
}

class RouterSession implements Session {
  readonly version: SnmpCredential["version"];
  readonly stats: SessionStats = { requests: 0, retries: 0, bytesIn: 0 };
  readonly oids: OidCache;
  readonly clock: Clock;
  readonly learnt = new Map<string, AnswerLimits>();
  readonly #memories: Map<string, WalkMemory>;
  readonly #answerLimits: Readonly<Record<string, AnswerLimits>>;
  readonly #limits: SessionLimits;
  #conversation: Conversation | undefined;
  readonly #engine: UsmEngine | undefined;
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;
  /** When the requests were used up that need no pace; 0 = not yet. */
  #pacedFromMs = 0;
  #discovery: Promise<Unanswered | undefined> | undefined;
  /** Reports that have set our idea of the engine right already: once a poll each. */
  readonly #corrections = new Set<number>();

  constructor(transport: Transport, target: Target, limits: SessionLimits) {
    const { credential } = target;
    this.#limits = limits;
    this.version = credential.version;
    this.oids = transport.oids;
    this.clock = transport.clock;
    this.#answerLimits = target.answerLimits ?? {};
    this.#memories = memoriesOf(transport, `${target.usmKey}|${target.context}`);
    let framing: Framing;
    if (credential.version === "3") {
      this.#engine = transport.usm.engine(target.usmKey, credential);
      framing = usmFraming(transport.usm, this.#engine, target.context);
    } else {
      framing = communityFraming(credential);
    }
    const peer = peerAddress(target.address, target.port);
    if (peer === undefined) return;
    const { clock, stats } = this;
    this.#conversation = { transport, clock, framing, peer, limits, stats };
  }

  recall(columns: EncodedOids): WalkMemory | undefined {
    const stored = this.#answerLimits[columns.key];
    return this.#memories.get(columns.key) ?? (stored && memoryOfLimits(stored));
  }

  remember(columns: EncodedOids, memory: WalkMemory): void {
    const worthKeeping = limitsWorthKeeping(memory, this.recall(columns));
    if (worthKeeping !== undefined) this.learnt.set(columns.key, worthKeeping);
    if (this.#memories.size >= TABLES_A_ROUTER && !this.#memories.has(columns.key)) {
      this.#memories.clear();
    }
    this.#memories.set(columns.key, memory);
  }

  setPace({ timeoutMs, retries }: Pace): void {
    const conversation = this.#conversation;
    if (conversation === undefined) return;
    const usual = this.#limits;
    const isUsual = timeoutMs === undefined && retries === undefined;
    if (isUsual && conversation.limits === usual) return;
    const limits = isUsual
      ? usual
      : {
          ...usual,
          timeoutMs: timeoutMs ?? usual.timeoutMs,
          retries: retries ?? usual.retries,
        };
    this.#conversation = { ...conversation, limits };
  }

  request(request: Request, beforeRetry?: () => void): Promise<Answer | Unanswered> {
    return new Promise((resolve) => this.ask(request, beforeRetry, resolve));
  }

  ask(request: Request, beforeRetry: (() => void) | undefined, done: Done): void {
    if (this.#inFlight >= IN_FLIGHT_A_ROUTER) {
      this.#waiting.push(() => this.#start(request, beforeRetry, done));
      return;
    }
    this.#inFlight++;
    this.#start(request, beforeRetry, done);
  }

  /** Starts a request when its turn has come by the poll's pace. */
  #start(request: Request, beforeRetry: (() => void) | undefined, done: Done): void {
    const beyond = this.stats.requests - UNPACED_REQUESTS;
    if (beyond < 0) {
      this.#send(request, beforeRetry, done);
      return;
    }
    const nowMs = performance.now();
    if (this.#pacedFromMs === 0) this.#pacedFromMs = nowMs;
    const waitMs = this.#pacedFromMs + (beyond * 1_000) / PACED_REQUESTS_A_SECOND - nowMs;
    if (waitMs <= 0) this.#send(request, beforeRetry, done);
    else setTimeout(() => this.#send(request, beforeRetry, done), waitMs);
  }

  #send(request: Request, beforeRetry: (() => void) | undefined, done: Done): void {
    const conversation = this.#conversation;
    const engine = this.#engine;
    const finish = (result: Answer | Unanswered | Report): void => {
      this.#giveTurn();
      done(result.kind === "report" ? refusal(result) : result);
    };
    if (conversation === undefined) {
      finish(unsent("unreachable", "Its address is not an IP address"));
    } else if (engine === undefined) {
      new Attempts(conversation, request, beforeRetry, finish).send();
    } else if (engine.flaw !== undefined) {
      finish(unsent("refused", engine.flaw));
    } else {
      void this.#requestOfEngine(conversation, engine, request, beforeRetry).then(finish);
    }
  }

  /** A request has ended: its place is handed on, not freed, so that nobody can come between. */
  #giveTurn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#inFlight--;
    else next();
  }

  /** v3: finds the engine first, and sets our idea of it right at most once a poll. */
  async #requestOfEngine(
    conversation: Conversation,
    engine: UsmEngine,
    request: Request,
    beforeRetry?: () => void,
  ): Promise<Answer | Unanswered> {
    for (;;) {
      if (!engine.isKnown) {
        this.#discovery ??= this.#discover(conversation, engine);
        const failed = await this.#discovery;
        if (failed !== undefined) return failed;
      }
      const syncs = engine.syncs;
      const result = await attempt(conversation, request, beforeRetry);
      if (result.kind === "failure" && this.stats.bytesIn === 0) {
        // Perhaps it is another device by now, one that does not say so: the next poll asks.
        engine.forget();
      }
      if (result.kind !== "report") return result;
      const { counter } = result;
      if (counter !== USM_REPORT.notInTimeWindow && counter !== USM_REPORT.unknownEngineId) {
        return refusal(result);
      }
      // Of two requests in flight both may be told; the second to hear it may still try with what is known by then.
      const isFirstToHear = engine.syncs <= syncs + 1;
      if (this.#corrections.has(counter) && isFirstToHear) return refusal(result);
      this.#corrections.add(counter);
    }
  }

  async #discover(conversation: Conversation, engine: UsmEngine): Promise<Unanswered | undefined> {
    this.#corrections.add(USM_REPORT.unknownEngineId);
    const result = await attempt(conversation, NOTHING_ASKED);
    if (result.kind === "failure") return result;
    if (result.kind === "report" && engine.isKnown) return undefined;
    return unsent("malformed", "It does not report its engine id");
  }
}

function attempt(
  conversation: Conversation,
  request: Request,
  beforeRetry?: () => void,
): Promise<Answer | Unanswered | Report> {
  return new Promise((resolve) => {
    new Attempts(conversation, request, beforeRetry, resolve).send();
  });
}

function memoriesOf(transport: Transport, key: string): Map<string, WalkMemory> {
  let memories = transport.memories.get(key);
  if (memories === undefined) {
    memories = new Map();
    transport.memories.set(key, memories);
  }
  return memories;
}

/** Lists of columns whose sizes are remembered for one router. */
const TABLES_A_ROUTER = 64;

const NOTHING_ASKED: Request = {
  pduType: TAG.getRequest,
  a: 0,
  b: 0,
  names: [],
  suffixes: new Uint8Array(0),
};

/** Why nothing was sent, or nothing more. */
function unsent(outcome: Fault["outcome"], reason: string): Unanswered {
  return { kind: "failure", outcome, reason, retries: 0 };
}

/** Why a router does not serve this user, from the Report it sent. */
function refusal(report: Report): Unanswered {
  switch (report.counter) {
    case USM_REPORT.notInTimeWindow:
      return unsent("refused", "It keeps saying that our idea of its clock is wrong");
    case USM_REPORT.unknownEngineId:
      return unsent("refused", "It does not know the engine id that it reported");
    case USM_REPORT.unsupportedSecurityLevel:
      return unsent("refused", "It does not serve this user at this security level");
    case USM_REPORT.unknownUserName:
      return unsent("refused", "It does not know this user");
    case USM_REPORT.wrongDigest:
      return unsent("refused", "It finds the authentication password or protocol wrong");
    case USM_REPORT.decryptionError:
      return unsent("refused", "It finds the privacy password or protocol wrong");
    default:
      return unsent("refused", "It refuses the request by a Report of another kind");
  }
}
