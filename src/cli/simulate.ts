import { once } from "node:events";
import { createWriteStream } from "node:fs";
import type { Command } from "commander";
import { HOSTILE_MODES, type HostileMode } from "../simulator/hostile.ts";
import type { OnRequest, SimulatorOptions } from "../simulator/simulator-options.ts";
import { type Simulator, startSimulator } from "../simulator/start-simulator.ts";
import { OperatorError } from "./platform.ts";
import { aborted, untilSignal } from "./until-signal.ts";

/** `fairwalk simulate`: serves simulated routers until a signal, and prints one JSON line a router. */
export function registerSimulate(program: Command): void {
  program
    .command("simulate")
    .description("serve simulated routers: recordings, generated ones, or both")
    .option("--recordings <folder>", "serve every .snmprec file of this folder")
    .option("--copies <n>", "routers that serve each recording", number, 1)
    .option("--generate <n>", "routers to generate", number, 0)
    .option("--interfaces <n>", "interfaces of a generated router", number, 48)
    .option("--listen <address>", "address to listen on", "127.0.0.1")
    .option("--port-base <port>", "port of the first router (0 = any free ports)", number, 16_100)
    .option("--addresses", "all on one port, each on an address of its own from --listen on")
    .option("--community <text>", "the community that is answered", "public")
    .option("--live", "counters and sysUpTime move, by known rates")
    .option("--dead-fraction <share>", "share of routers that never answer", number, 0)
    .option("--rtt-ms <ms>", "how long every answer takes", number, 0)
    .option(
      "--message-bytes-max <n>",
      "longest answer (1472 of generated routers, 65507 of recordings)",
      number,
    )
    .option("--hostile <modes>", HOSTILE_HELP, hostileModes)
    .option("--late-ms <ms>", "how late a router of mode late answers", number, 10_000)
    .option("--seed <n>", "decides values, rates and who is dead", number, 1)
    .option("--log-requests <file>", "append one JSON line a request to this file")
    .action(async ({ addresses, hostile, ...args }: SimulateArguments) => {
      const options = {
        ...args,
        ownAddresses: addresses ?? false,
        ...(hostile && { hostileOf: (router: number) => hostile[router % hostile.length] }),
      };
      await simulate(options, { print: (line) => console.log(line), signal: untilSignal() });
    });
}

/** What commander makes of the options above. */
type SimulateArguments = SimulateOptions & {
  readonly addresses?: true;
  readonly hostile?: readonly (HostileMode | undefined)[];
};

export interface SimulateOptions extends SimulatorOptions {
  /** A file that gets a JSON line a request. */
  readonly logRequests?: string;
}

/**
 * Serves until `signal` aborts. `print` gets a JSON line a router: where it listens, what it is called and, live, by how
 * much its octet counters grow a second (those of unicast packets by a 700th, rounded up). Rejects when the network
 * cannot be served as asked, with an error that names the remedy.
 */
export async function simulate(
  { logRequests, ...network }: SimulateOptions,
  io: { readonly print: (line: string) => void; readonly signal: AbortSignal },
): Promise<void> {
  const requestLog = logRequests === undefined ? undefined : await openRequestLog(logRequests);
  try {
    const simulator = await startSimulator(
      requestLog === undefined ? network : { ...network, onRequest: requestLog.write },
    );
    for (const line of describe(simulator)) io.print(line);
    await aborted(io.signal);
    await simulator.stop();
  } finally {
    await requestLog?.close();
  }
}

function* describe(simulator: Simulator): Generator<string> {
  for (const [place, router] of simulator.routers.entries()) {
    const { inOctets, outOctets } = simulator.ratesOf(place);
    const isLive = inOctets !== undefined || outOctets !== undefined;
    yield JSON.stringify({
      ...router,
      ...(isLive && {
        liveSinceMs: simulator.startedAtMs,
        ratesPerSecond: { inOctets, outOctets },
      }),
    });
  }
}

interface RequestLog {
  readonly write: OnRequest;
  close(): Promise<void>;
}

/** A line is the router's place in the output, when (ms since the Unix epoch), the PDU's tag, its request id, from where. */
async function openRequestLog(path: string): Promise<RequestLog> {
  const stream = createWriteStream(path, { flags: "a" });
  try {
    await once(stream, "open");
  } catch (cause) {
    throw new OperatorError(`Cannot write requests to "${path}"`, { cause });
  }
  return {
    write: (router, atMs, pduType, requestId, sourcePort) => {
      stream.write(`${JSON.stringify({ router, atMs, pduType, requestId, sourcePort })}\n`);
    },
    close: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}

const HOSTILE_HELP = `how routers misbehave, in turn, separated by commas: none, ${Object.keys(HOSTILE_MODES).join(", ")}`;

/** Undefined stands for a router that behaves. */
function hostileModes(text: string): readonly (HostileMode | undefined)[] {
  return text.split(",").map((name) => {
    if (name === "none") return undefined;
    if (!Object.hasOwn(HOSTILE_MODES, name)) {
      const known = Object.keys(HOSTILE_MODES).join(", ");
      throw new OperatorError(`Cannot use "${name}" with --hostile: it knows none, ${known}`);
    }
    // Its own keys are its type.
    return name as HostileMode;
  });
}

function number(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new OperatorError(`Cannot use "${text}": a number is needed`);
}
