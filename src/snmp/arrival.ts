/** What can become of a request: the vocabulary that transport, session and walk share. */

/** What became of a request or of a whole walk; `partial` is only ever said of a walk. */
export type FetchOutcome =
  | "answered"
  | "partial"
  | "silent"
  | "refused"
  | "malformed"
  | "unreachable";

/** Why something could not be read. */
export interface Fault {
  readonly outcome: Exclude<FetchOutcome, "answered" | "partial">;
  /** One sentence; never a community, user or password. */
  readonly reason: string;
}

export interface Failure extends Fault {
  readonly kind: "failure";
}

/** An answer to a request. */
export interface Answer {
  readonly kind: "answer";
  readonly bytes: Uint8Array;
  readonly pduType: number;
  readonly requestId: number;
  readonly errorStatus: number;
  readonly errorIndex: number;
  /** The varbinds are in [at, end) of `bytes`. */
  readonly at: number;
  readonly end: number;
  /** The datagram ends before the message says it does. */
  readonly cut: boolean;
  /** From the last datagram sent to this answer, in milliseconds. Set by what waited for it. */
  rttMs: number;
  /** How often the request had to be sent again. Set by what waited for it. */
  retries: number;
}

/** A Report of USM (RFC 3414, section 3.2): `counter` is the last number but one of its usmStats OID, 0 for any other. */
export interface Report {
  readonly kind: "report";
  readonly counter: number;
}

/** A message not to be believed: its request goes on waiting, and ends like this if nothing better comes. */
export interface Rejection extends Fault {
  readonly kind: "rejection";
}

export interface Timeout {
  readonly kind: "timeout";
}

export type Arrival = Answer | Failure | Report | Timeout;

export function failure(outcome: Fault["outcome"], reason: string): Failure {
  return { kind: "failure", outcome, reason };
}

export function rejection(outcome: Fault["outcome"], reason: string): Rejection {
  return { kind: "rejection", outcome, reason };
}
