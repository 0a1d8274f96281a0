/**
 * What integration and end-to-end tests stand on: one embedded Postgres and one Redis for the whole run, started here
 * and reached with `inject("databaseUrl")` and `inject("redisUrl")`. Tests make databases of their own on it.
 */
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { type RedisServer, startRedisServer } from "../src/bench/redis-server.ts";
import { makeTemporaryDirectory } from "../src/bench/temporary-directory.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../src/embedded/postgres.ts";
import { ensureDebianTool } from "./debian-package.ts";
import { startWatchdog } from "./watchdog.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** A login that may create databases and roles. */
    databaseUrl: string;
    /** Null where no redis-server can be had. */
    redisUrl: string | null;
  }
}

/** Vitest calls this once a project, and what it returns when the project's tests are done. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const watchdog = startWatchdog();
  let postgres: EmbeddedPostgres | undefined;
  let redis: RedisServer | undefined;
  const teardown = async (): Promise<void> => {
    await redis?.stop();
    await postgres?.stop();
    await watchdog.stop();
  };
  try {
    const folder = await makeTemporaryDirectory("test");
    watchdog.watchFolder(folder);
    postgres = await startEmbeddedPostgres({ dataDir: join(folder, "data"), log: stderrLog });
    const program = ensureDebianTool("redis-server", "redis-server");
    if (program !== null) {
      const redisFolder = join(folder, "redis");
      await mkdir(redisFolder);
      await chmod(redisFolder, 0o700);
      redis = await startRedisServer(program, redisFolder);
      watchdog.watchProcess(redis.pid);
    }
    project.provide("databaseUrl", postgres.url);
    project.provide("redisUrl", redis?.url ?? null);
    return teardown;
  } catch (error) {
    await teardown();
    throw error;
  }
}

/** Only what a person at the terminal should know. */
const stderrLog = {
  debug: () => {},
  info: () => {},
  warn: (_fields: unknown, message?: string) => void process.stderr.write(`${message}\n`),
  error: (fields: unknown, message?: string) =>
    void process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
};
