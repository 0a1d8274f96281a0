import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { afterAll, beforeAll, describe, inject } from "vitest";
import { redisCommand } from "../src/bench/redis-server.ts";
import type { QueueBackend } from "../src/queue/backend.ts";
import { enablingCommand } from "./debian-package.ts";

/**
 * Runs a suite once on each back end of the queue: on a Postgres database of its own, and on an empty Redis. Where there
 * is no Redis the second is skipped, and its title tells the command that enables it.
 */
export function describeOnBackends(name: string, suite: (backend: QueueBackend) => void): void {
  describe(`${name}, on Postgres`, () => {
    const admin = inject("databaseUrl");
    const database = `backends_${randomBytes(6).toString("hex")}`;
    const url = new URL(admin);
    url.pathname = `/${database}`;
    beforeAll(() => runSql(admin, `create database ${database}`));
    afterAll(() => runSql(admin, `drop database ${database} with (force)`));
    suite({ kind: "postgres", url: url.href });
  });

  const redisUrl = inject("redisUrl");
  if (redisUrl === null) {
    describe.skip(`${name}, on Redis (to run it: ${enablingCommand("redis-server")})`, () =>
      suite({ kind: "redis", url: "redis://127.0.0.1:1" }));
    return;
  }
  describe(`${name}, on Redis`, () => {
    beforeAll(() => redisCommand(redisUrl, "FLUSHALL"));
    suite({ kind: "redis", url: redisUrl });
  });
}

async function runSql(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
