import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/**
 * What the network between a client and a server may do, on 127.0.0.1. `pass`: nothing. `mute`: what the server answers
 * does not arrive, while what it is asked does. `down`: no connection lives.
 */
export type ProxyMode = "pass" | "mute" | "down";

export interface TcpProxy {
  /** The URL that was given, through the proxy. */
  readonly url: string;
  become(mode: ProxyMode): void;
  /** Ends every connection, without a word. */
  cut(): void;
  stop(): Promise<void>;
}

/** Starts a proxy in front of the server of `url`. */
export async function startTcpProxy(url: string): Promise<TcpProxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let mode: ProxyMode = "pass";

  const follow = (socket: Socket, other: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      sockets.delete(socket);
      other.destroy();
    });
  };
  const server = createServer((client) => {
    if (mode === "down") {
      client.on("error", () => undefined);
      client.destroy();
      return;
    }
    const upstream = connect(Number(target.port), target.hostname);
    follow(client, upstream);
    follow(upstream, client);
    client.on("data", (bytes) => upstream.write(bytes));
    upstream.on("data", (bytes) => {
      if (mode !== "mute") client.write(bytes);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const through = new URL(url);
  through.hostname = "127.0.0.1";
  through.port = String((server.address() as AddressInfo).port);
  return {
    url: through.href,
    become(next) {
      mode = next;
      if (mode === "down") cut();
    },
    cut,
    async stop() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
