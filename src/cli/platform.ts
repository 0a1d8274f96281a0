import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Logger, pino } from "pino";
import type { Config } from "../config/load.ts";
import { openDataDirectory } from "../embedded/data-directory.ts";
import { generatedAdminToken, generatedMasterKey } from "../embedded/generated-secrets.ts";
import { startEmbeddedPostgres } from "../embedded/postgres.ts";
import type { QueueBackend } from "../queue/backend.ts";

/** What every role stands on: where Postgres and the queue are, and the platform's secrets. */
export interface Platform {
  readonly databaseUrl: string;
  readonly queueBackend: QueueBackend;
  readonly adminToken: string;
  readonly masterKey: Buffer;
  /** True when Postgres is ours to start and stop: the embedded default. */
  readonly embedded: boolean;
  stop(): Promise<void>;
}

/** Thrown for a mistake of the operator's: the message alone says what to do, no stack is shown. */
export class OperatorError extends Error {}

export function openLog(config: Pick<Config, "log">): Logger {
  return pino({
    level: config.log.level,
    base: {},
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { error: pino.stdSerializers.err },
  });
}

/**
 * Starts the embedded Postgres where no DATABASE_URL is given, with secrets generated for it once. A database that is
 * given comes with its own: a master key made up here could not open what others sealed. Rejects with a message that names
 * the remedy.
 */
export async function openPlatform(config: Config, log: Logger): Promise<Platform> {
  if (config.databaseUrl !== undefined) return givenPlatform(config, config.databaseUrl);
  const dataDir = await openDataDirectory(config.dataDir);
  const adminToken = config.adminToken ?? (await generatedAdminToken(dataDir));
  const masterKey = config.masterKey ?? (await generatedMasterKey(dataDir));
  const postgres = await startEmbeddedPostgres({ dataDir, log });
  return {
    databaseUrl: postgres.url,
    queueBackend: queueBackendOf(config, postgres.url),
    adminToken,
    masterKey,
    embedded: true,
    stop: () => postgres.stop(),
  };
}

function givenPlatform(config: Config, databaseUrl: string): Platform {
  return {
    databaseUrl,
    queueBackend: queueBackendOf(config, databaseUrl),
    adminToken: config.adminToken ?? "",
    masterKey: config.masterKey ?? Buffer.alloc(0),
    embedded: false,
    stop: async () => undefined,
  };
}

const SECRETS = {
  adminToken: "FAIRWALK_ADMIN_TOKEN",
  masterKey: "FAIRWALK_MASTER_KEY",
} as const;

/** Throws, naming the variables, unless the platform has the secrets that the command needs. */
export function requireSecrets(
  platform: Platform,
  command: string,
  needed: readonly (keyof typeof SECRETS)[],
): void {
  const missing = needed.filter((name) => platform[name].length === 0).map((name) => SECRETS[name]);
  if (missing.length === 0) return;
  throw new OperatorError(
    `Cannot run "fairwalk ${command}" without ${missing.join(" and ")}: set ${missing.length > 1 ? "them" : "it"} to what every other process on this database has`,
  );
}

const SECRETS_OF_ROLE = {
  scheduler: [],
  worker: ["masterKey"],
  api: ["adminToken", "masterKey"],
} as const;

/**
 * What a role that runs apart from the others stands on: they meet in Postgres and the queue, so it must be told where
 * these are, and all must share the secrets.
 */
export function sharedPlatform(config: Config, role: keyof typeof SECRETS_OF_ROLE): Platform {
  if (config.databaseUrl === undefined) {
    throw new OperatorError(
      `Cannot run "fairwalk ${role}" alone without DATABASE_URL: set it to the database the other roles have, or run everything in one process with: fairwalk all`,
    );
  }
  const platform = givenPlatform(config, config.databaseUrl);
  requireSecrets(platform, role, SECRETS_OF_ROLE[role]);
  return platform;
}

function queueBackendOf(config: Config, databaseUrl: string): QueueBackend {
  return config.redisUrl === undefined
    ? { kind: "postgres", url: databaseUrl }
    : { kind: "redis", url: config.redisUrl };
}

/** Writes a small JSON file that other programs wait for: whole or not at all. */
export async function publishJson(config: Config, name: string, value: unknown): Promise<void> {
  const path = join(await openDataDirectory(config.dataDir), name);
  await writeFile(`${path}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
