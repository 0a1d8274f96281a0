import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import {
  makeTemporaryDirectory,
  removeTemporaryDirectory,
} from "../../src/bench/temporary-directory.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/embedded/postgres.ts";
import { openPool, type Pool, withTenant } from "../../src/storage/pool.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";
import type { WriteSamplesOptions } from "../fixtures/write-samples.ts";
import { postmasterOf } from "../postmaster.ts";
import { openStorageFixture, type StorageFixture, silentLog } from "../storage-fixture.ts";
import { startTcpProxy, type TcpProxy } from "../tcp-proxy.ts";

/**
 * The way of samples into Postgres is killed and cut at every place where something could be lost or doubled. What it
 * acknowledged is counted where it is said, what became of it in Postgres.
 */

const PROGRAM = join(import.meta.dirname, "..", "fixtures", "write-samples.ts");
const WAIT = { timeout: 60_000, interval: 20 };
const SPOOL_BYTES = 268_435_456;

let folder: string;
let postgres: EmbeddedPostgres;
let storage: StorageFixture;
let proxy: TcpProxy;
let app: Pool;
let tenants: TenantId[];
const writers: Writer[] = [];
/** Every acknowledged poll of every process: `<tenant> <router>`. */
const acknowledged = new Set<string>();

interface Writer {
  readonly process: ChildProcess;
  /** Polls this process has acknowledged. */
  acks(): number;
  isStuck(): boolean;
  log(): string;
  kill(): Promise<void>;
}

beforeAll(async () => {
  folder = await makeTemporaryDirectory("lossless");
  postgres = await startEmbeddedPostgres({ dataDir: join(folder, "data"), log: silentLog });
  storage = await openStorageFixture(postgres.url);
  proxy = await startTcpProxy(storage.url);
  app = openPool({
    url: storage.url,
    role: "fairwalk_app",
    max: 1,
    applicationName: "fairwalk test",
  });
  tenants = (await Promise.all(["a", "b", "c"].map((slug) => storage.newTenant(slug)))).map(
    ({ id }) => id,
  );
});

afterAll(async () => {
  for (const writer of writers) writer.process.kill("SIGKILL");
  await app?.end();
  await proxy?.stop();
  await storage?.close();
  await postgres?.stop();
  await removeTemporaryDirectory(folder);
});

function startWriter(options: Partial<WriteSamplesOptions> = {}): Writer {
  const child = spawn(
    process.execPath,
    [
      "--import",
      "tsx",
      PROGRAM,
      JSON.stringify({
        databaseUrl: proxy.url,
        dataDir: folder,
        tenants,
        polls: true,
        spoolBytesMax: SPOOL_BYTES,
        ...options,
      } satisfies WriteSamplesOptions),
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let acks = 0;
  let isStuck = false;
  let rest = "";
  let log = "";
  child.stdout.on("data", (bytes: Buffer) => {
    const lines = (rest + bytes.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "stuck") isStuck = true;
      if (!line.startsWith("ack ")) continue;
      acks++;
      acknowledged.add(line.slice("ack ".length));
    }
  });
  child.stderr.on("data", (bytes: Buffer) => {
    log = (log + bytes.toString()).slice(-20_000);
  });
  const ended = once(child, "close");
  const writer: Writer = {
    process: child,
    acks: () => acks,
    isStuck: () => isStuck,
    log: () => log,
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
  writers.push(writer);
  return writer;
}

/** Waits until the process has acknowledged `count` polls more. */
async function moreAcks(writer: Writer, count: number): Promise<void> {
  const wanted = writer.acks() + count;
  await vi.waitFor(() => expect(writer.acks(), writer.log()).toBeGreaterThanOrEqual(wanted), WAIT);
}

/** How often each poll is in Postgres, once as a poll and once as samples. */
async function stored(): Promise<Map<string, { polls: number; samples: number }>> {
  const found = new Map<string, { polls: number; samples: number }>();
  for (const tenantId of tenants) {
    const { rows } = await withTenant(app, tenantId, (client) =>
      client.query<{ router_id: string; polls: number; samples: number }>(
        `select router_id, sum(polls)::integer as polls, sum(samples)::integer as samples
         from (
           select p.router_id, 1 as polls, 0 as samples from polls p where p.tenant_id = $1
           union all
           select s.router_id, 0, 1 from samples s where s.tenant_id = $1
         ) each group by router_id`,
        [tenantId],
      ),
    );
    for (const { router_id, polls, samples } of rows) {
      found.set(`${tenantId} ${router_id}`, { polls, samples });
    }
  }
  return found;
}

function spoolFiles(): string[] {
  return readdirSync(join(folder, "spool"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".spool"),
  );
}

/** Starts a process that only replays, waits for its end, and compares. */
async function nothingIsLostOrDoubled(): Promise<void> {
  proxy.become("pass");
  const drain = startWriter({ polls: false });
  await vi.waitFor(() => expect(drain.process.exitCode, drain.log()).toBe(0), WAIT);

  const found = await stored();
  const lost = [...acknowledged].filter((poll) => !found.has(poll));
  const odd = [...found].filter(([, { polls, samples }]) => polls !== 1 || samples !== 1);
  expect({ lost, odd }).toEqual({ lost: [], odd: [] });
  expect(spoolFiles()).toEqual([]);
}

it("killed in the middle of its flushes", async () => {
  for (let time = 0; time < 3; time++) {
    const writer = startWriter();
    await moreAcks(writer, 40 + 7 * time);
    await writer.kill();
  }

  await nothingIsLostOrDoubled();
});

it("killed after a commit whose answer it never got", async () => {
  const writer = startWriter();
  await moreAcks(writer, 40);
  proxy.become("mute");
  // A flush is committed, and the process does not know.
  await vi.waitFor(async () => {
    const unheard = [...(await stored()).keys()].filter((poll) => !acknowledged.has(poll));
    expect(unheard.length).toBeGreaterThan(0);
  }, WAIT);
  await writer.kill();
  proxy.cut();

  await nothingIsLostOrDoubled();
});

it("cut off after a commit whose answer it never got, again and again", async () => {
  const writer = startWriter();
  for (let time = 0; time < 4; time++) {
    await moreAcks(writer, 40);
    proxy.become("mute");
    await vi.waitFor(async () => {
      const unheard = [...(await stored()).keys()].filter((poll) => !acknowledged.has(poll));
      expect(unheard.length).toBeGreaterThan(0);
    }, WAIT);
    proxy.cut();
    proxy.become("pass");
  }
  await moreAcks(writer, 40);
  await writer.kill();

  await nothingIsLostOrDoubled();
});

it("spools what was committed when the answer does not come", async () => {
  const writer = startWriter();
  for (let time = 0; time < 2; time++) {
    await moreAcks(writer, 40);
    proxy.become("mute");
    // Through the spool: the first of them is of a flush that is in Postgres already.
    await moreAcks(writer, 100);
    proxy.cut();
    proxy.become("pass");
    await vi.waitFor(() => expect(spoolFiles()).toEqual([]), WAIT);
  }
  await writer.kill();

  await nothingIsLostOrDoubled();
});

it("killed while it writes to its spool", async () => {
  for (let time = 0; time < 3; time++) {
    const writer = startWriter();
    await moreAcks(writer, 10);
    proxy.become("down");
    await vi.waitFor(() => expect(writer.log()).toContain("samples not stored"), WAIT);
    await moreAcks(writer, 100 + 7 * time);
    await writer.kill();
    proxy.become("pass");
  }

  await nothingIsLostOrDoubled();
});

it("killed while it replays its spool", async () => {
  const first = startWriter();
  await moreAcks(first, 10);
  proxy.become("down");
  await vi.waitFor(() => expect(first.log()).toContain("samples not stored"), WAIT);
  await moreAcks(first, 1_500);
  await first.kill();
  const before = (await stored()).size;

  proxy.become("pass");
  for (let time = 1; time <= 2; time++) {
    const replaying = startWriter({ polls: false });
    await vi.waitFor(
      async () => expect((await stored()).size).toBeGreaterThan(before + time * 100),
      WAIT,
    );
    await replaying.kill();
    expect(spoolFiles().length).toBeGreaterThan(0);
  }

  await nothingIsLostOrDoubled();
});

it("goes on while its Postgres is killed, and afterwards", async () => {
  const writer = startWriter();
  await moreAcks(writer, 40);

  process.kill(postmasterOf(folder), "SIGKILL");
  await moreAcks(writer, 400);
  await vi.waitFor(() => expect(writer.log()).toContain("spool replayed"), WAIT);
  await moreAcks(writer, 40);
  await writer.kill();

  await nothingIsLostOrDoubled();
});

it("acknowledges nothing more when its spool is full, and goes on when Postgres is back", async () => {
  const writer = startWriter({ spoolBytesMax: 200_000 });
  await moreAcks(writer, 40);
  proxy.become("down");
  await vi.waitFor(() => expect(writer.isStuck(), writer.log()).toBe(true), WAIT);

  proxy.become("pass");
  await moreAcks(writer, 100);
  await writer.kill();

  await nothingIsLostOrDoubled();
});
