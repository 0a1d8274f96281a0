/** A UDP socket for every simulated router, thousands at once, and what to tell whoever cannot have them. */
import { createSocket, type Socket } from "node:dgram";
import { readFile } from "node:fs/promises";
import { isIPv4 } from "node:net";

/** Sockets bound at once: enough to be fast, few enough that one occupied port is reported by itself. */
const BIND_BATCH = 256;

export interface Endpoint {
  /** IPv4 or IPv6. */
  readonly address: string;
  /** 0 = any free port. */
  readonly port: number;
}

/**
 * Binds a socket to each endpoint, in their order. When one cannot be had, closes all and rejects with an error that
 * names the endpoint and the remedy.
 */
export async function bindSockets(endpoints: readonly Endpoint[]): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < endpoints.length; i += BIND_BATCH) {
    const batch = endpoints.slice(i, i + BIND_BATCH);
    const results = await Promise.allSettled(batch.map(bindSocket));
    for (const result of results) if (result.status === "fulfilled") sockets.push(result.value);
    const failed = results.findIndex((result) => result.status === "rejected");
    const failure = results[failed];
    if (failure?.status !== "rejected") continue;
    await closeSockets(sockets);
    throw await explainBindError(failure.reason, batch[failed] as Endpoint, endpoints.length);
  }
  return sockets;
}

function bindSocket({ address, port }: Endpoint): Promise<Socket> {
  const family = isIPv4(address) ? 4 : 6;
  return new Promise((resolve, reject) => {
    const socket = createSocket({
      type: family === 4 ? "udp4" : "udp6",
      // Peers come as addresses: nothing to look up, and DNS would cost a thread's visit an answer.
      lookup: (host, _options, callback) => callback(null, host, family),
    });
    socket.once("error", (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address, port }, () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
  });
}

async function explainBindError(
  error: NodeJS.ErrnoException,
  { address, port }: Endpoint,
  routers: number,
): Promise<Error> {
  const where = `${address.includes(":") ? `[${address}]` : address}:${port}`;
  switch (error.code) {
    case "EADDRINUSE":
      return new Error(
        `Cannot serve a router on ${where}: the UDP port is taken; stop what uses it or begin elsewhere (--port-base)`,
        { cause: error },
      );
    case "EACCES":
      return new Error(
        `Cannot serve a router on ${where}: ports below 1024 need privileges; begin higher (--port-base)`,
        { cause: error },
      );
    case "EADDRNOTAVAIL":
      return new Error(
        `Cannot serve a router on ${where}: this machine has no such address; add it or listen elsewhere (--listen)`,
        { cause: error },
      );
    case "EMFILE":
    case "ENFILE":
      return new Error(
        `Cannot open ${routers} sockets: the limit of open files${await openFilesLimit()} is too low; raise it (ulimit -n ${routers + 100})`,
        { cause: error },
      );
    default:
      return new Error(`Cannot serve a router on ${where}: ${error.message}`, { cause: error });
  }
}

/** " of 1024", where the system says so. */
async function openFilesLimit(): Promise<string> {
  try {
    const limits = await readFile("/proc/self/limits", "utf8");
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? "" : ` of ${soft}`;
  } catch {
    return "";
  }
}

export async function closeSockets(sockets: readonly Socket[]): Promise<void> {
  await Promise.all(
    sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
  );
}
