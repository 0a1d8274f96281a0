import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export interface RedisServer {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const READY_MS_MAX = 10_000;

/**
 * Starts `program` (redis-server) on loopback, on `wantedPort` or a free one, set up as Fairwalk asks: nothing is ever
 * evicted.
 */
export async function startRedisServer(
  program: string,
  folder: string,
  wantedPort?: number,
): Promise<RedisServer> {
  for (let portsTried = 1; ; portsTried++) {
    const port = wantedPort ?? (await freePort());
    const options = {
      port,
      bind: "127.0.0.1",
      dir: folder,
      save: "",
      appendonly: "no",
      "maxmemory-policy": "noeviction",
    };
    const child = spawn(
      program,
      Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
      { stdio: ["ignore", "pipe", "inherit"], detached: true },
    );
    let output = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text: string) => {
      output = (output + text).slice(-4_000);
    });
    const ended = once(child, "close");
    const failure = ended.then(() => "ended" as const).catch((error: Error) => error.message);
    const state = await Promise.race([failure, answers(port)]);
    if (state === "answers" && child.pid !== undefined) {
      const { pid } = child;
      const stop = async (): Promise<void> => {
        child.kill("SIGTERM");
        await failure;
      };
      return { url: `redis://127.0.0.1:${port}`, pid, stop };
    }
    child.kill("SIGKILL");
    const isPortTaken = output.includes("Address already in use");
    if (!isPortTaken || portsTried === 5) {
      throw new Error(`Cannot start "${program}" (${state}):\n${output}`);
    }
  }
}

/** Sends one command in Redis' inline form and returns the first line of the answer. */
export async function redisCommand(url: string, command: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  try {
    await once(socket, "connect");
    socket.write(`${command}\r\n`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    return answer.toString("utf8").split("\r\n")[0] ?? "";
  } finally {
    socket.destroy();
  }
}

async function answers(port: number): Promise<"answers" | "does not answer"> {
  const until = Date.now() + READY_MS_MAX;
  while (Date.now() < until) {
    const answer = await redisCommand(`redis://127.0.0.1:${port}`, "PING").catch(() => "");
    if (answer === "+PONG") return "answers";
    await delay(10);
  }
  return "does not answer";
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("Cannot find a free port");
  return address.port;
}

/** Debian puts it where an ordinary user's PATH leads; null where there is none. */
export function findRedisServer(): string | null {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const program = join(folder, "redis-server");
    if (folder !== "" && existsSync(program)) return program;
  }
  return null;
}
