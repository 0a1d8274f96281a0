import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import type { ConfigProblem } from "./problems.ts";

/** What the environment says (DESIGN: variables). Absent = the embedded default fills it in. */
export interface Environment {
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
  readonly dataDir: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly adminToken: string | undefined;
  /** 32 bytes that wrap the tenants' data keys. */
  readonly masterKey: Buffer | undefined;
  /** Keys of the zones a worker serves: shared zones by name, a tenant's own as `<slug>.<zone>`. */
  readonly servedZones: readonly string[];
  readonly concurrency: number | undefined;
  readonly demo: boolean | undefined;
}

/** Variables whose value may instead come from the file named by `<variable>_FILE`. */
const SECRETS = ["DATABASE_URL", "REDIS_URL", "FAIRWALK_ADMIN_TOKEN", "FAIRWALK_MASTER_KEY"];
const PLAIN = [
  "FAIRWALK_CONFIG",
  "FAIRWALK_DATA_DIR",
  "FAIRWALK_LISTEN",
  "FAIRWALK_ZONES",
  "FAIRWALK_CONCURRENCY",
  "FAIRWALK_DEMO",
];
const KNOWN = new Set([...PLAIN, ...SECRETS.flatMap((name) => [name, `${name}_FILE`])]);

const ADMIN_TOKEN_CHARACTERS_MIN = 16;
const MASTER_KEY_BYTES = 32;

/** Reads the environment; what is wrong with it goes to `problems` and the value in question is left at its default. */
export function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  problems: ConfigProblem[],
): Environment {
  for (const name of Object.keys(env)) {
    if (name.startsWith("FAIRWALK_") && !KNOWN.has(name)) {
      problems.push({ key: name, reason: `unknown variable; known are ${[...KNOWN].join(", ")}` });
    }
  }
  const secret = (name: string) => secretValue(env, name, problems);
  const plain = (name: string) => (env[name] === "" ? undefined : env[name]);
  return {
    databaseUrl: urlValue(
      "DATABASE_URL",
      secret("DATABASE_URL"),
      ["postgres:", "postgresql:"],
      problems,
    ),
    redisUrl: urlValue("REDIS_URL", secret("REDIS_URL"), ["redis:", "rediss:"], problems),
    dataDir: resolve(plain("FAIRWALK_DATA_DIR") ?? ".fairwalk"),
    listen: listenValue(plain("FAIRWALK_LISTEN") ?? "127.0.0.1:8080", problems),
    adminToken: adminTokenValue(secret("FAIRWALK_ADMIN_TOKEN"), problems),
    masterKey: masterKeyValue(secret("FAIRWALK_MASTER_KEY"), problems),
    servedZones: (plain("FAIRWALK_ZONES") ?? "default")
      .split(",")
      .map((zone) => zone.trim())
      .filter((zone) => zone !== ""),
    concurrency: concurrencyValue(plain("FAIRWALK_CONCURRENCY"), problems),
    demo: demoValue(plain("FAIRWALK_DEMO"), problems),
  };
}

function secretValue(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  problems: ConfigProblem[],
): string | undefined {
  const direct = env[name] === "" ? undefined : env[name];
  const file = env[`${name}_FILE`];
  if (file === undefined || file === "") return direct;
  if (direct !== undefined) {
    problems.push({ key: `${name}_FILE`, reason: `${name} is set too; unset one of them` });
    return direct;
  }
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    problems.push({ key: `${name}_FILE`, reason: `cannot be read: ${(error as Error).message}` });
    return undefined;
  }
}

function urlValue(
  key: string,
  text: string | undefined,
  protocols: readonly string[],
  problems: ConfigProblem[],
): string | undefined {
  if (text === undefined) return undefined;
  const protocol = URL.canParse(text) ? new URL(text).protocol : undefined;
  if (protocol !== undefined && protocols.includes(protocol)) return text;
  // The value may hold a password: it is not repeated here.
  problems.push({ key, reason: `must be a URL that starts with ${protocols.join("// or ")}//` });
  return undefined;
}

/** `host:port`, `[v6]:port` or `:port`; port 0 = any free one. */
function listenValue(text: string, problems: ConfigProblem[]): Environment["listen"] {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535 || (host.includes(":") && isIP(host) !== 6)) {
    problems.push({
      key: "FAIRWALK_LISTEN",
      reason: `must be host:port such as 127.0.0.1:8080 or [::1]:8080, got "${text}"`,
    });
    return { host: "127.0.0.1", port: 8080 };
  }
  return { host: host === "" ? "0.0.0.0" : host, port };
}

function adminTokenValue(text: string | undefined, problems: ConfigProblem[]): string | undefined {
  if (text === undefined || text.length >= ADMIN_TOKEN_CHARACTERS_MIN) return text;
  problems.push({
    key: "FAIRWALK_ADMIN_TOKEN",
    reason: `must have at least ${ADMIN_TOKEN_CHARACTERS_MIN} characters; make one with: openssl rand -hex 32`,
  });
  return undefined;
}

function masterKeyValue(text: string | undefined, problems: ConfigProblem[]): Buffer | undefined {
  if (text === undefined) return undefined;
  const key = Buffer.from(text, "base64");
  if (key.length === MASTER_KEY_BYTES) return key;
  problems.push({
    key: "FAIRWALK_MASTER_KEY",
    reason: `must be ${MASTER_KEY_BYTES} bytes in base64, got ${key.length} bytes; make one with: openssl rand -base64 32`,
  });
  return undefined;
}

function concurrencyValue(text: string | undefined, problems: ConfigProblem[]): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 100_000) return value;
  problems.push({
    key: "FAIRWALK_CONCURRENCY",
    reason: `must be a whole number from 1 to 100000, got "${text}"`,
  });
  return undefined;
}

function demoValue(text: string | undefined, problems: ConfigProblem[]): boolean | undefined {
  if (text === undefined) return undefined;
  if (text === "0" || text === "1") return text === "1";
  problems.push({ key: "FAIRWALK_DEMO", reason: `must be 0 or 1, got "${text}"` });
  return undefined;
}
