/**
 * One request, sent until it is answered, its retries are used up or the deadline has come. Always in one of these modes:
 * waiting for what was sent last, or over. Driven by the transport's calls instead of promises: a poll makes some twenty
 * requests, and a promise for each of their steps cost as much as decoding the answers.
 */
import type { Clock } from "../lib/clock.ts";
import type { PeerAddress } from "./address.ts";
import {
  type Answer,
  type Arrival,
  type Failure,
  failure,
  type Rejection,
  type Report,
} from "./arrival.ts";
import type { Envelope, Request } from "./codec.ts";
import type { Framing } from "./framing.ts";
import type { Exchange, Receiver, Transport } from "./transport.ts";

export interface SessionLimits {
  /** Nothing is sent and nothing waited for after this time, in milliseconds since the Unix epoch. */
  readonly deadlineMs: number;
  /** How long one datagram may go unanswered. */
  readonly timeoutMs: number;
  /** How often a request is sent again after its first time. */
  readonly retries: number;
  /** Asked before every datagram: a poll that has lost its right to run sends nothing more. */
  readonly mayStillSend?: () => boolean;
}

/** What a session has cost so far. `requests` counts datagrams, retries among them. */
export interface SessionStats {
  requests: number;
  retries: number;
  bytesIn: number;
}

/** A request that was never answered, or not as it should be. */
export interface Unanswered extends Failure {
  /** How often it was sent again. */
  readonly retries: number;
}

/** What all requests of a session have in common. */
export interface Conversation {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly framing: Framing;
  readonly peer: PeerAddress;
  readonly limits: SessionLimits;
  readonly stats: SessionStats;
}

const SILENT = failure("silent", "No answer");

/** An answer of which nobody has said how long it will be. */
const ANSWER_BYTES = 1_400;

export class Attempts implements Receiver {
  readonly #conversation: Conversation;
  readonly #request: Request;
  readonly #beforeRetry: (() => void) | undefined;
  readonly #done: (result: Answer | Unanswered | Report) => void;
  #exchange: Exchange | undefined;
  #rejection: Rejection | undefined;
  /** Datagrams sent. */
  #sent = 0;
  #firstSentAtMs = 0;

  constructor(
    conversation: Conversation,
    request: Request,
    beforeRetry: (() => void) | undefined,
    done: (result: Answer | Unanswered | Report) => void,
  ) {
    this.#conversation = conversation;
    this.#request = request;
    this.#beforeRetry = beforeRetry;
    this.#done = done;
  }

  /** Sends the request, again or for the first time; or ends when that may not be. */
  send(): void {
    const { transport, clock, framing, peer, limits, stats } = this.#conversation;
    const leftMs = limits.deadlineMs - clock.now();
    const verdict = this.#mayNotSend(leftMs);
    if (verdict !== undefined) {
      this.#end(this.#explained(verdict));
      return;
    }
    if (this.#sent > 0) {
      stats.retries++;
      transport.counters.retries++;
      this.#beforeRetry?.();
    }
    if (this.#exchange === undefined || framing.idsAreUsedOnce) {
      if (this.#exchange !== undefined) transport.end(this.#exchange);
      const begun = transport.begin(peer, this, this.#request.answerBytes ?? ANSWER_BYTES);
      if (begun.kind === "failure") {
        this.#exchange = undefined;
        this.#end(this.#unanswered(begun));
        return;
      }
      this.#exchange = begun;
    }
    if (this.#sent === 0) this.#firstSentAtMs = performance.now();
    this.#sent++;
    stats.requests++;
    const datagram = framing.encode(this.#exchange.id, this.#request);
    // A peer that has just answered can be reached: only doubt is worth asking the system how the sending went.
    const isWatched = stats.bytesIn === 0 || this.#sent > 1;
    transport.send(this.#exchange, datagram, Math.min(limits.timeoutMs, leftMs), isWatched);
  }

  accept(bytes: Uint8Array, envelope: Envelope): Answer | Failure | Report | Rejection {
    return this.#conversation.framing.accept(bytes, envelope);
  }

  arrived(arrival: Arrival, exchange: Exchange): void {
    switch (arrival.kind) {
      case "timeout":
        this.#rejection = exchange.rejection ?? this.#rejection;
        this.send();
        return;
      case "failure":
        this.#end(this.#unanswered(arrival));
        return;
      case "report":
        this.#end(arrival);
        return;
      case "answer":
        arrival.rttMs = performance.now() - exchange.sentAtMs;
        arrival.retries = this.#sent - 1;
        this.#conversation.stats.bytesIn += arrival.bytes.length;
        this.#end(arrival);
    }
  }

  #end(result: Answer | Unanswered | Report): void {
    if (this.#exchange !== undefined) this.#conversation.transport.end(this.#exchange);
    this.#done(result);
  }

  #mayNotSend(leftMs: number): Failure | undefined {
    const { limits } = this.#conversation;
    if (this.#sent > limits.retries) return SILENT;
    if (leftMs <= 0) return failure("silent", "The deadline has passed");
    if (limits.mayStillSend?.() === false) return failure("silent", "The poll may no longer send");
    return undefined;
  }

  /** Why there was no answer, in the light of what else came from there. */
  #explained(verdict: Failure): Unanswered {
    if (this.#sent === 0) return this.#unanswered(verdict);
    if (this.#rejection !== undefined) return this.#unanswered(this.#rejection);
    const { transport, peer, limits } = this.#conversation;
    const note = transport.noteOf(peer, this.#firstSentAtMs);
    if (note !== undefined) return this.#unanswered(failure("malformed", note));
    if (verdict !== SILENT) return this.#unanswered(verdict);
    const times = this.#sent === 1 ? "request" : "requests";
    const reason = `No answer to ${this.#sent} ${times} of ${limits.timeoutMs} ms`;
    return this.#unanswered(failure("silent", reason));
  }

  #unanswered({ outcome, reason }: Failure | Rejection): Unanswered {
    return { kind: "failure", outcome, reason, retries: Math.max(this.#sent - 1, 0) };
  }
}
