/**
 * The parts of `bench snmp`, each a process of its own, so that none is charged for another: the simulated routers, and
 * each poller.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export interface BenchRouter {
  readonly address: string;
  readonly port: number;
}

export interface AgentOptions {
  readonly routers: number;
  readonly interfaces: number;
  readonly messageBytesMax: number;
  readonly rttMs: number;
  readonly seed: number;
}

export interface PollOptions {
  readonly routers: readonly BenchRouter[];
  readonly version: "2c" | "3";
  /** Routers polled at once. */
  readonly concurrency: number;
  readonly seconds: number;
  /** Longest answers, in octets: a poller that does not find out by itself may choose its requests by it. */
  readonly messageBytesMax: number;
  readonly interfaces: number;
  /** Every column at every poll, also those that the product reads again only when they may have changed. */
  readonly readsNamesAlways: boolean;
}

/** What some seconds of polling took. */
export interface PollCost {
  readonly polls: number;
  /** Of them those that did not bring everything. */
  readonly incomplete: number;
  readonly cpuUs: number;
  /** The most it had. */
  readonly rssMb: number;
}

export interface Agents {
  /** A new network instead of the last one. */
  start(options: AgentOptions): Promise<readonly BenchRouter[]>;
  /** Requests since the last call. */
  requests(): Promise<number>;
}

export interface Poller {
  /** Polls every router some times, uncounted. Call it once, first. */
  warm(options: PollOptions): Promise<void>;
  measure(): Promise<PollCost>;
}

export interface Question {
  readonly method: string;
  readonly options: unknown;
}

export type Reply = { readonly result: unknown } | { readonly error: string };

/** A built program, or its source and the flags Node needs to run that. */
export interface Program {
  readonly folder: string;
  readonly extension: "js" | "ts";
  readonly flags: readonly string[];
}

/** A part that runs. `stop` ends its process. */
export type Running<T> = T & { stop(): Promise<void> };

export function startAgentsPart(program: Program): Running<Agents> {
  const { ask, stop } = startPart("agents", program);
  return {
    start: (options) => ask("start", options) as Promise<readonly BenchRouter[]>,
    requests: () => ask("requests") as Promise<number>,
    stop,
  };
}

export function startPollerPart(name: "ours" | "net-snmp", program: Program): Running<Poller> {
  const { ask, stop } = startPart(name, program);
  return {
    warm: (options) => ask("warm", options) as Promise<void>,
    measure: () => ask("measure") as Promise<PollCost>,
    stop,
  };
}

function startPart(name: string, { folder, extension, flags }: Program) {
  const entry = join(folder, "bench", `snmp-part.${extension}`);
  const child: ChildProcess = fork(entry, [name], { execArgv: [...flags] });
  const ended = once(child, "exit");
  return {
    async ask(method: string, options?: unknown): Promise<unknown> {
      const question: Question = { method, options };
      const reply = once(child, "message").then(([message]) => message as Reply);
      child.send(question);
      const end = ended.then(([code]): Reply => ({ error: `it ended with ${String(code)}` }));
      const answer = await Promise.race([reply, end]);
      if ("error" in answer) throw new Error(`Cannot measure "${name}": ${answer.error}`);
      return answer.result;
    },
    async stop(): Promise<void> {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
