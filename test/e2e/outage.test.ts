import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, inject, it, vi } from "vitest";
import { findRedisServer, startRedisServer } from "../../src/bench/redis-server.ts";
import { startRole } from "../../src/bench/role-process.ts";
import {
  makeTemporaryDirectory,
  removeTemporaryDirectory,
} from "../../src/bench/temporary-directory.ts";
import { enablingCommand } from "../debian-package.ts";
import { postmasterOf } from "../postmaster.ts";
import { clientOf, parseSeries, SYSTEM_WAIT } from "../system.ts";

/** A database or a Redis that goes away under a running system comes back to one that goes on by itself. */

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startDemo(env: Readonly<Record<string, string>> = {}) {
  const folder = await makeTemporaryDirectory("outage");
  cleanups.push(() => removeTemporaryDirectory(folder));
  const program = startRole(["all", "--demo"], {
    FAIRWALK_DATA_DIR: folder,
    FAIRWALK_LISTEN: "127.0.0.1:0",
    ...env,
  });
  cleanups.push(() => program.stop());
  await vi.waitFor(() => expect(program.output()).toContain("curl"), SYSTEM_WAIT);
  const { url } = JSON.parse(await readFile(join(folder, "api.json"), "utf8")) as { url: string };
  const { tenants } = JSON.parse(await readFile(join(folder, "demo.json"), "utf8")) as {
    tenants: { apiKey: string }[];
  };
  const { text } = clientOf(url, "");
  /** Routers of the first tenant that were polled after the given time. */
  const polledSince = async (sinceMs: number): Promise<number> => {
    const series = parseSeries(await text("/v1/metrics", tenants[0]?.apiKey ?? ""));
    return series.filter(
      ({ name, value }) =>
        name === "fairwalk_router_last_poll_timestamp_seconds" && Number(value) * 1_000 > sinceMs,
    ).length;
  };
  await vi.waitFor(async () => expect(await polledSince(0)).toBe(40), SYSTEM_WAIT);
  return { program, folder, url, polledSince };
}

it("goes on after its Postgres was killed", async () => {
  const { program, folder, polledSince } = await startDemo();
  const killedAtMs = Date.now();

  process.kill(postmasterOf(folder), "SIGKILL");

  await vi.waitFor(async () => expect(await polledSince(killedAtMs + 5_000)).toBe(40), {
    timeout: 90_000,
    interval: 500,
  });
  expect(await program.stop()).toBe(0);
});

const redisProgram = findRedisServer();

describe.skipIf(inject("redisUrl") === null || redisProgram === null)(
  `with its queue on Redis (to run it: ${enablingCommand("redis-server")})`,
  () => {
    it("polls again within 10 s of its Redis coming back empty", async () => {
      const folder = await makeTemporaryDirectory("redis");
      cleanups.push(() => removeTemporaryDirectory(folder));
      const first = await startRedisServer(redisProgram ?? "", folder);
      const { program, url, polledSince } = await startDemo({ REDIS_URL: first.url });

      process.kill(first.pid, "SIGKILL");
      await vi.waitFor(async () => {
        // The API does not need Redis: a scrape goes on being answered.
        expect((await fetch(`${url}/readyz`)).status).toBe(200);
      }, SYSTEM_WAIT);
      const second = await startRedisServer(
        redisProgram ?? "",
        folder,
        Number(new URL(first.url).port),
      );
      cleanups.push(() => second.stop());
      const backAtMs = Date.now();

      await vi.waitFor(async () => expect(await polledSince(backAtMs)).toBeGreaterThan(0), {
        timeout: 10_000,
        interval: 100,
      });
      await vi.waitFor(async () => expect(await polledSince(backAtMs)).toBe(40), SYSTEM_WAIT);
      expect(await program.stop()).toBe(0);
    });
  },
);
