import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { makeTemporaryDirectory } from "../../src/bench/temporary-directory.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/embedded/postgres.ts";
import { processCommand, processStart } from "../../src/embedded/processes.ts";
import { startWatchdog, type Watchdog } from "../watchdog.ts";

const isRoot = process.getuid?.() === 0;

let watchdog: Watchdog;
let folder: string;
let dataDir: string;
let messages: string[];
const running: { stop(): Promise<void> }[] = [];

// Making a cluster takes a second or two: the tests share one, each leaving it stopped and whole.
beforeAll(async () => {
  watchdog = startWatchdog();
  await newDataDir();
});
afterAll(() => watchdog.stop());

beforeEach(() => {
  messages = [];
});
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
});

async function newDataDir(): Promise<void> {
  folder = await makeTemporaryDirectory("embedded");
  watchdog.watchFolder(folder);
  dataDir = join(folder, "data");
}

async function start(port?: number): Promise<EmbeddedPostgres> {
  const note = (_fields: unknown, message?: string) => void messages.push(message ?? "");
  const postgres = await startEmbeddedPostgres({
    dataDir,
    log: { debug: note, info: note, warn: note, error: note },
    ...(port === undefined ? {} : { port }),
  });
  running.push(postgres);
  return postgres;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function keepAnswer(url: string): Promise<void> {
  await query(url, "drop table if exists kept; create table kept as select 42 as answer");
}

async function postmasterPid(home = dataDir): Promise<number> {
  return Number((await readFile(join(home, "postgres/postmaster.pid"), "utf8")).split("\n")[0]);
}

/** Another process with the embedded Postgres running; resolves with it and the URL. */
async function holder(): Promise<{
  child: ChildProcessByStdio<null, Readable, null>;
  url: string;
}> {
  const script = join(import.meta.dirname, "../fixtures/hold-embedded-postgres.ts");
  const child = spawn(process.execPath, ["--import", "tsx", script, dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: import.meta.dirname,
    detached: true,
  });
  running.push({
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  });
  return { child, url: await nextLine(child) };
}

async function nextLine(child: { stdout: Readable }): Promise<string> {
  const [chunk] = (await once(child.stdout, "data")) as [Buffer];
  return chunk.toString("utf8").trim();
}

describe("the embedded Postgres", () => {
  it("keeps its data over a restart, and leaves no process behind", async () => {
    const first = await start();
    await keepAnswer(first.url);
    const pid = await postmasterPid();
    await first.stop();
    expect(processStart(pid)).toBeUndefined();

    const second = await start();

    expect(await query(second.url, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect(await query(second.url, "show server_version")).toEqual([
      { server_version: second.version },
    ]);
  });

  it("listens on loopback only, asks for the password, and hides it from other users", async () => {
    const { url } = await start();
    const wrong = new URL(url);
    wrong.password = "wrong";

    await expect(query(wrong.href, "select 1")).rejects.toThrow(/password authentication failed/);
    expect(await query(url, "show listen_addresses")).toEqual([{ listen_addresses: "127.0.0.1" }]);
    expect(await query(url, "show unix_socket_directories")).toEqual([
      { unix_socket_directories: "" },
    ]);
    expect((await stat(join(dataDir, "postgres-password"))).mode & 0o777).toBe(0o600);
  });

  it("is durable and uses neither another locale nor another encoding", async () => {
    const { url } = await start();

    const [settings] = await query(
      url,
      `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
              current_setting('server_encoding') as encoding, current_setting('lc_messages') as messages,
              (select datcollate from pg_database where datname = current_database()) as collation`,
    );

    expect(settings).toEqual({
      fsync: "on",
      commit: "on",
      encoding: "UTF8",
      messages: "C",
      collation: "C",
    });
  });

  it("is refused to a second Fairwalk on the same data directory", async () => {
    const { child, url } = await holder();

    await expect(start()).rejects.toThrow(
      new RegExp(`Fairwalk is running on it already \\(process ${child.pid}\\)`),
    );

    expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  it("ends the server that a killed Fairwalk left behind, and keeps what was committed", async () => {
    const { child, url } = await holder();
    await keepAnswer(url);
    const orphan = await postmasterPid();
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(processStart(orphan)).toBeDefined();

    const postgres = await start();

    expect(processStart(orphan)).toBeUndefined();
    expect(messages).toContain(
      "ended the embedded Postgres that an earlier run, killed, had left behind",
    );
    expect(await query(postgres.url, "select answer from kept")).toEqual([{ answer: 42 }]);
  });

  it("survives the terminal's Ctrl-C until its user stops it", async () => {
    const { child, url } = await holder();

    // The terminal signals the whole foreground process group.
    process.kill(-(child.pid ?? 0), "SIGINT");
    expect(await nextLine(child)).toBe("interrupted");

    expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  it("starts although both Fairwalk and the server were killed", async () => {
    const { child, url } = await holder();
    await keepAnswer(url);
    const pid = await postmasterPid();
    process.kill(child.pid ?? 0, "SIGKILL");
    process.kill(pid, "SIGKILL");
    await once(child, "exit");

    const postgres = await start();

    expect(await query(postgres.url, "select answer from kept")).toEqual([{ answer: 42 }]);
  });

  it("does not end a process that only has the pid of a server long gone", async () => {
    await (await start()).stop();
    const bystander = spawn("sleep", ["60"], { stdio: "ignore" });
    await once(bystander, "spawn");
    const pidFile = join(dataDir, "postgres/postmaster.pid");
    await writeFile(pidFile, `${bystander.pid}\n${join(dataDir, "postgres")}\n1\n5432\n`);

    const postgres = await start();

    expect(await query(postgres.url, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(processCommand(bystander.pid ?? 0)).toContain("sleep");
    bystander.kill();
  });

  it("is started again on the same URL when its server is killed", async () => {
    const { url } = await start();
    await keepAnswer(url);
    const pid = await postmasterPid();

    process.kill(pid, "SIGKILL");

    await vi.waitFor(
      async () => expect(await query(url, "select answer from kept")).toEqual([{ answer: 42 }]),
      { timeout: 20_000, interval: 50 },
    );
    expect(messages).toContain("embedded Postgres ended unexpectedly; starting it again");
  });

  it("can be stopped while it is being started again", async () => {
    const postgres = await start();
    const pid = await postmasterPid();

    process.kill(pid, "SIGKILL");
    await vi.waitFor(() => expect(messages.at(-1)).toMatch(/starting it again/));
    await postgres.stop();

    await expect(stat(join(dataDir, "postgres/postmaster.pid"))).rejects.toThrow(/ENOENT/);
    await (await start()).stop();
  });

  it("takes a new password when the file with the old one was lost", async () => {
    await (await start()).stop();
    await rm(join(dataDir, "postgres-password"));

    const { url } = await start();

    expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  it("begins again when the first start was interrupted", async () => {
    await newDataDir();
    await mkdir(join(dataDir, "postgres.partial/base"), { recursive: true });
    await mkdir(join(dataDir, "postgres-18.0.partial/bin"), { recursive: true });
    await chmod(dataDir, 0o711);

    const { url } = await start();

    expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
    await expect(stat(join(dataDir, "postgres.partial"))).rejects.toThrow(/ENOENT/);
    await expect(stat(join(dataDir, "postgres-18.0.partial"))).rejects.toThrow(/ENOENT/);
  });

  it("copies its programs again when the copy does not run", async () => {
    const { version } = await start();
    await running.pop()?.stop();
    const [program] = await findPrograms();
    await writeFile(program ?? "", "");

    const again = await start();

    expect(again.version).toBe(version);
  });

  it("refuses data of another major version, and says which", async () => {
    await (await start()).stop();
    const versionFile = join(dataDir, "postgres/PG_VERSION");
    const version = await readFile(versionFile, "utf8");
    await writeFile(versionFile, "16\n");

    await expect(start()).rejects.toThrow(/Postgres 16 made it, and this Fairwalk brings Postgres/);
    await writeFile(versionFile, version);
  });

  it("passes on the server's last words when it does not start, and frees the data directory", async () => {
    await (await start()).stop();
    const configuration = join(dataDir, "postgres/postgresql.conf");
    await appendFile(configuration, "no_such_setting = 1\n");
    await expect(start()).rejects.toThrow(/unrecognized configuration parameter "no_such_setting"/);

    const text = await readFile(configuration, "utf8");
    await writeFile(configuration, text.replace("no_such_setting = 1\n", ""));

    await expect(start()).resolves.toBeDefined();
  });

  it("names the port when the one it was given is in use", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };

    await expect(start(port)).rejects.toThrow(new RegExp(`port ${port} is in use`));
    other.close();
  });

  it.runIf(isRoot)(
    "as root, lives where the user of Postgres can reach it when the data directory is private",
    async () => {
      const home = join(folder, "private");
      await mkdir(home, { mode: 0o700 });
      watchdog.watchFolder(home);
      dataDir = join(home, "data");
      const first = await start();
      await keepAnswer(first.url);
      await first.stop();
      const elsewhere = (await readFile(join(dataDir, "postgres-location"), "utf8")).trim();
      expect((await stat(join(elsewhere, "postgres"))).uid).not.toBe(0);

      const second = await start();

      expect(await query(second.url, "select answer from kept")).toEqual([{ answer: 42 }]);
      expect(messages.at(0)).toContain(`the database lives in ${elsewhere}`);

      await second.stop();
      await rm(elsewhere, { recursive: true });
      await expect(start()).rejects.toThrow(/Cannot find the database in/);
    },
  );
});

async function findPrograms(): Promise<string[]> {
  const names = await readdir(dataDir);
  return names
    .filter((name) => /^postgres-\d/.test(name))
    .map((name) => join(dataDir, name, "bin/postgres"));
}
