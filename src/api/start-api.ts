import type { AddressInfo } from "node:net";
import type { Api } from "./access-control.ts";
import type { ApiDeps, OpsDeps } from "./api-deps.ts";
import { buildApi, buildOpsApi } from "./app.ts";

export interface ListenOptions {
  readonly host: string;
  /** 0 = any free port; the one chosen is in `url`. */
  readonly port: number;
}

export interface RunningApi {
  readonly url: string;
  /** Refuses new connections, reports not ready, answers what is under way, then hangs up. */
  stop(): Promise<void>;
}

/** Answers under way when stopping get this long; a scrape of a slow client must not hold the process for ever. */
const DRAIN_MS = 10_000;

/** Rejects when the address cannot be listened on, naming the remedy. */
export function startApi(deps: ApiDeps, listen: ListenOptions): Promise<RunningApi> {
  return listenWith(buildApi(deps), listen);
}

/** Health and metrics alone; rejects as `startApi`. */
export function startOpsApi(deps: OpsDeps, listen: ListenOptions): Promise<RunningApi> {
  return listenWith(buildOpsApi(deps), listen);
}

async function listenWith(app: Api, { host, port }: ListenOptions): Promise<RunningApi> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw listenError(error, host, port);
  }
  const url = urlOf(host, app.server.address());
  return {
    url,
    stop: async () => {
      const hangUp = setTimeout(() => app.server.closeAllConnections(), DRAIN_MS);
      await app.close();
      clearTimeout(hangUp);
    },
  };
}

const LISTEN_FAULTS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program uses it; stop that program or set FAIRWALK_LISTEN to a free address",
  EACCES: "this user may not; set FAIRWALK_LISTEN to a port of 1024 or above",
  EADDRNOTAVAIL: "no interface of this machine has it; set FAIRWALK_LISTEN to one that does",
  ENOTFOUND: "the name is unknown; set FAIRWALK_LISTEN to an IP address and a port",
};

function listenError(error: unknown, host: string, port: number): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const fault = LISTEN_FAULTS[code];
  return fault
    ? new Error(`Cannot listen on "${bracketed(host)}:${port}": ${fault}`, { cause: error })
    : error;
}

function urlOf(host: string, address: string | AddressInfo | null): string {
  const port = typeof address === "object" && address ? address.port : 0;
  // A wildcard is where to listen, not where to connect.
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${bracketed(reachable)}:${port}`;
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
