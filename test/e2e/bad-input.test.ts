import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { startRole } from "../../src/bench/role-process.ts";
import {
  makeTemporaryDirectory,
  removeTemporaryDirectory,
} from "../../src/bench/temporary-directory.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { describeOnBackends } from "../backends.ts";
import { createTestDatabase } from "../database.ts";
import { parseSeries, registerRouters, type System, startSystem } from "../system.ts";

/** Runs a command that must end by itself and says how. */
async function run(args: readonly string[], env: Record<string, string>) {
  const program = startRole(args, env);
  const code = await program.ended;
  return { code, output: program.output() };
}

describe("a mistake in how it is started", () => {
  const folders: string[] = [];

  afterAll(async () => {
    for (const folder of folders) await removeTemporaryDirectory(folder);
  });

  async function newFolder(): Promise<string> {
    const folder = await makeTemporaryDirectory("mistake");
    folders.push(folder);
    return folder;
  }

  it("is told with every key, its reason and remedy, and exit code 2", async () => {
    const folder = await newFolder();
    const file = join(folder, "fairwalk.yaml");
    await writeFile(file, "worker: { concurency: 7 }\napi: { bodyBytesMax: -1 }\n");

    const { code, output } = await run(["config", "check"], {
      FAIRWALK_CONFIG: file,
      FAIRWALK_LISTEN: "nonsense",
    });

    expect(code).toBe(2);
    expect(output).toContain("worker.concurency: unknown key");
    expect(output).toContain("api.bodyBytesMax");
    expect(output).toContain("FAIRWALK_LISTEN");
  });

  it("names FAIRWALK_LISTEN when its port is taken, and leaves nothing running", async () => {
    const occupier = createServer().listen(0, "127.0.0.1");
    await once(occupier, "listening");
    const address = occupier.address();
    const port = typeof address === "object" ? address?.port : 0;
    const folder = await newFolder();

    const { code, output } = await run(["all"], {
      FAIRWALK_DATA_DIR: folder,
      FAIRWALK_LISTEN: `127.0.0.1:${port}`,
    });
    occupier.close();

    expect(code).toBe(1);
    expect(output).toMatch(/Cannot listen on "127.0.0.1:\d+".*FAIRWALK_LISTEN/);
  });

  it("names REDIS_URL when no Redis answers", async () => {
    const folder = await newFolder();

    const { code, output } = await run(["all"], {
      FAIRWALK_DATA_DIR: folder,
      FAIRWALK_LISTEN: "127.0.0.1:0",
      REDIS_URL: "redis://127.0.0.1:1",
    });

    expect(code).toBe(1);
    expect(output).toMatch(/Cannot reach Redis.*REDIS_URL/);
  });

  it("names DATABASE_URL when a role is to run alone without it", async () => {
    const { code, output } = await run(["worker"], {});

    expect(code).toBe(1);
    expect(output).toMatch(/Cannot run "fairwalk worker" alone without DATABASE_URL/);
  });
});

describe("a role started before its database is ready", () => {
  it("waits for the migration, says so, and goes on when it is done", async () => {
    const database = await createTestDatabase(inject("databaseUrl"));
    const env = { DATABASE_URL: database.url };
    const scheduler = startRole(["scheduler"], env);
    try {
      await vi.waitFor(() => expect(scheduler.output()).toContain("fairwalk migrate"), {
        timeout: 30_000,
      });

      const migration = startRole(["migrate"], env);
      expect(await migration.ended).toBe(0);

      await vi.waitFor(() => expect(scheduler.output()).toContain("scheduler started"), {
        timeout: 30_000,
      });
    } finally {
      expect(await scheduler.stop()).toBe(0);
      await database.drop();
    }
  });
});

describeOnBackends("routers that misbehave", (backend) => {
  const MODES = ["silent", "garbage", "wrong-community", "late", "wrong-request-id"] as const;
  let simulator: Simulator;
  let system: System;
  let key: string;

  beforeAll(async () => {
    simulator = await startSimulator({
      generate: MODES.length + 5,
      interfaces: 4,
      hostileOf: (router) => MODES[router],
    });
    system = await startSystem(backend);
    ({ key } = await system.tenant("hostile"));
    await registerRouters(
      system,
      key,
      simulator.routers.map(({ address, port }, i) => ({
        name: MODES[i] ?? `healthy-${i}`,
        address,
        port,
        intervalSeconds: 10,
      })),
    );
  });

  afterAll(async () => {
    await system?.stop();
    await simulator?.stop();
  });

  it("are down, each with its reason, while the healthy ones go on being polled", async () => {
    await vi.waitFor(
      async () => {
        const up = parseSeries(await system.text("/v1/metrics", key)).filter(
          ({ name }) => name === "fairwalk_router_up",
        );
        const states = Object.fromEntries(up.map(({ labels, value }) => [labels["router"], value]));
        for (const mode of MODES) expect([mode, states[mode]]).toEqual([mode, "0"]);
        for (let i = MODES.length; i < MODES.length + 5; i++) {
          expect(states[`healthy-${i}`]).toBe("1");
        }
      },
      { timeout: 60_000, interval: 500 },
    );
  });
});
