import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inject, vi } from "vitest";
import { type RoleProcess, startRole } from "../src/bench/role-process.ts";
import {
  makeTemporaryDirectory,
  removeTemporaryDirectory,
} from "../src/bench/temporary-directory.ts";
import type { QueueBackend } from "../src/queue/backend.ts";
import { createTestDatabase } from "./database.ts";

/** How long a test waits for what takes a whole system some seconds: a start, a poll, a takeover. */
export const SYSTEM_WAIT = { timeout: 60_000, interval: 100 };

export interface System {
  readonly url: string;
  readonly databaseUrl: string;
  readonly adminToken: string;
  readonly roles: Readonly<Record<string, RoleProcess>>;
  /** The environment its processes run with: for starting one more of a role. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Calls the API as the platform's administrator or with a tenant's key; rejects for anything but 2xx. */
  call<T>(method: string, path: string, body?: unknown, key?: string): Promise<T>;
  /** The text of a path with a tenant's key. */
  text(path: string, key: string): Promise<string>;
  /** Makes a tenant and gives a key of role owner. */
  tenant(slug: string, tier?: string): Promise<{ readonly id: string; readonly key: string }>;
  stop(): Promise<void>;
}

/**
 * Starts the real command on a database of its own and the given queue: `fairwalk all`, or each role as a process of
 * its own. Loopback routers are allowed, and there is no demo. `modulesFile` is loaded beside the modules included, and wins.
 */
export async function startSystem(
  backend: QueueBackend,
  roles: readonly string[] = ["all"],
  {
    modulesFile,
    reach,
  }: {
    readonly modulesFile?: string;
    /** Where its processes find the database: through something that a test can interrupt. */
    readonly reach?: (databaseUrl: string) => Promise<string>;
  } = {},
): Promise<System> {
  const database = await createTestDatabase(inject("databaseUrl"));
  const folder = await makeTemporaryDirectory("system");
  const config = join(folder, "fairwalk.yaml");
  await writeFile(config, "targets: { allowLoopback: true }\n");
  if (modulesFile !== undefined) {
    await mkdir(join(folder, "modules"));
    await copyFile(modulesFile, join(folder, "modules", "modules.yaml"));
  }
  const adminToken = randomBytes(16).toString("hex");
  const env = {
    DATABASE_URL: (await reach?.(database.url)) ?? database.url,
    REDIS_URL: backend.kind === "redis" ? backend.url : undefined,
    FAIRWALK_CONFIG: config,
    FAIRWALK_DATA_DIR: folder,
    FAIRWALK_ADMIN_TOKEN: adminToken,
    FAIRWALK_MASTER_KEY: randomBytes(32).toString("base64"),
    FAIRWALK_DEMO: "0",
  };
  const started: Record<string, RoleProcess> = {};
  const stop = async () => {
    await Promise.all(Object.values(started).map((role) => role.stop()));
    await database.drop();
    await removeTemporaryDirectory(folder);
  };
  try {
    if (!roles.includes("all")) {
      const migration = startRole(["migrate"], env);
      const code = await migration.ended;
      if (code !== 0) throw new Error(`migrate ended with ${code}:\n${migration.output()}`);
    }
    for (const role of roles) {
      const listens = role === "all" || role === "api";
      started[role] = startRole([role], listens ? { ...env, FAIRWALK_LISTEN: "127.0.0.1:0" } : env);
    }
    const url = await apiUrl(folder, started);
    return { ...clientOf(url, adminToken), databaseUrl: database.url, env, roles: started, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function apiUrl(
  folder: string,
  roles: Readonly<Record<string, RoleProcess>>,
): Promise<string> {
  const file = join(folder, "api.json");
  try {
    await vi.waitFor(() => {
      if (!existsSync(file)) throw new Error("the API does not answer yet");
    }, SYSTEM_WAIT);
  } catch (error) {
    const outputs = Object.entries(roles).map(([role, { output }]) => `${role}:\n${output()}`);
    throw new Error(`The system did not start:\n${outputs.join("\n")}`, { cause: error });
  }
  return (JSON.parse(await readFile(file, "utf8")) as { url: string }).url;
}

/** What a test says to a running API. */
export function clientOf(
  url: string,
  adminToken: string,
): Pick<System, "url" | "adminToken" | "call" | "text" | "tenant"> {
  const send = async (method: string, path: string, key: string, body?: unknown) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return text;
  };
  const call = async <T>(method: string, path: string, body?: unknown, key = adminToken) => {
    const text = await send(method, path, key, body);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  };
  return {
    url,
    adminToken,
    call,
    text: (path, key) => send("GET", path, key),
    async tenant(slug, tier = "business") {
      const { id } = await call<{ id: string }>("POST", "/v1/tenants", { name: slug, slug, tier });
      const { key } = await call<{ key: string }>("POST", `/v1/tenants/${id}/api-keys`, {
        name: "test",
        role: "owner",
      });
      return { id, key };
    },
  };
}

/** Registers routers as a tenant does: one credential, and one import that names it. */
export async function registerRouters(
  { call }: Pick<System, "call">,
  key: string,
  routers: readonly {
    readonly name: string;
    readonly address: string;
    readonly port: number;
    readonly [field: string]: unknown;
  }[],
  community = "public",
): Promise<void> {
  await call("POST", "/v1/credentials", { name: "lab", version: "2c", community }, key);
  const bodies = routers.map((router) => ({ ...router, credential: "lab" }));
  await call("POST", "/v1/routers/import", { routers: bodies }, key);
}

/** One series of Prometheus text: its name, labels, and value as it was written. */
export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: string;
}

/** Reads Prometheus text 0.0.4. */
export function parseSeries(text: string): Series[] {
  const series: Series[] = [];
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/.exec(line);
    if (line.startsWith("#") || match === null) continue;
    const labels: Record<string, string> = {};
    for (const [, name, value] of (match[2] ?? "").matchAll(
      /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g,
    )) {
      labels[name ?? ""] = (value ?? "").replace(/\\(.)/g, (_, c: string) =>
        c === "n" ? "\n" : c,
      );
    }
    series.push({ name: match[1] ?? "", labels, value: match[3] ?? "" });
  }
  return series;
}
