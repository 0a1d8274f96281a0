import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import {
  makeTemporaryDirectory,
  removeTemporaryDirectory,
} from "../../src/bench/temporary-directory.ts";
import { uuidv7 } from "../../src/lib/uuid.ts";
import type { Flush } from "../../src/routers/flush.ts";
import type { RouterId } from "../../src/routers/router.ts";
import { openSpool, type Spool, type SpoolEvent, SpoolFullError } from "../../src/storage/spool.ts";
import { makeOwnFolder, surveySpool } from "../../src/storage/spool-folder.ts";
import type { TenantId } from "../../src/tenants/tenant.ts";

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function newFolder(): Promise<string> {
  const folder = await makeTemporaryDirectory("spool");
  cleanups.push(() => removeTemporaryDirectory(folder));
  return join(folder, "spool");
}

interface Opened {
  readonly spool: Spool;
  readonly events: SpoolEvent[];
  readonly messages: string[];
}

async function open(
  folder: string,
  options: { readonly bytesMax?: number; readonly segmentBytes?: number } = {},
): Promise<Opened> {
  const events: SpoolEvent[] = [];
  const messages: string[] = [];
  const note = (_fields: unknown, message?: string) => void messages.push(message ?? "");
  const spool = await openSpool(
    folder,
    { bytesMax: 10_000_000, ...options },
    {
      observe: (event) => events.push(event),
      log: { debug: note, info: note, warn: note, error: note } as never,
    },
  );
  return { spool, events, messages };
}

function flushOf(values = 10, flushId = uuidv7()): Flush {
  const instances = Array.from({ length: values }, (_, i) => String(i));
  return {
    flushId,
    results: [
      {
        poll: {
          tenantId: uuidv7() as TenantId,
          routerId: uuidv7() as RouterId,
          polledAtMs: 1_700_000_000_000,
          dueAtMs: 1_700_000_000_000,
          startedAtMs: 1_700_000_000_000,
          durationMs: 1,
          outcome: "answered",
          costMs: 1,
          requests: 1,
          retries: 0,
          bytesIn: 1,
          modules: [],
        },
        blocks: [
          {
            module: "if_mib",
            metrics: ["ifHCInOctets"],
            instances,
            labels: instances.map((ifIndex) => ({ ifIndex })),
            values: new BigInt64Array(values).fill(7n),
            present: new Uint8Array(values).fill(1),
          },
        ],
      },
    ],
  };
}

async function drain(spool: Spool): Promise<Flush[]> {
  const flushes: Flush[] = [];
  for (;;) {
    const flush = await spool.next();
    if (flush === undefined) return flushes;
    flushes.push(flush);
    await spool.done(flush.results.length);
  }
}

describe("the spool", () => {
  it("gives flushes back in their order, each until it is done, over several segments", async () => {
    const { spool } = await open(await newFolder(), { segmentBytes: 1_000 });
    const flushes = Array.from({ length: 20 }, () => flushOf());
    for (const flush of flushes.slice(0, 10)) await spool.append(flush);

    expect(await spool.next()).toEqual(flushes[0]);
    expect(await spool.next()).toEqual(flushes[0]);
    // Also what is appended while it is read.
    for (const flush of flushes.slice(10)) await spool.append(flush);

    expect(await drain(spool)).toEqual(flushes);
    expect([spool.bytes, spool.oldestMs]).toEqual([0, undefined]);
    await spool.stop();
  });

  it("keeps what is not done for the next process, and leaves nothing when all is done", async () => {
    const folder = await newFolder();
    const first = await open(folder);
    const flushes = [flushOf(), flushOf(), flushOf()];
    for (const flush of flushes) await first.spool.append(flush);
    await first.spool.next();
    await first.spool.done(1);
    await first.spool.stop();

    const second = await open(folder);

    // The one that was done comes again: Postgres knows it by its id.
    expect(await drain(second.spool)).toEqual(flushes);
    await second.spool.stop();
    expect(readdirSync(folder)).toEqual(["quarantine"]);
  });

  it("leaves alone what a living process has, and takes it over when that has ended", async () => {
    const folder = await newFolder();
    const first = await open(folder);
    const second = await open(folder);
    const flush = flushOf();
    await first.spool.append(flush);

    await second.spool.adopt();
    expect(await second.spool.next()).toBeUndefined();
    await first.spool.stop();
    await second.spool.adopt();

    expect(await drain(second.spool)).toEqual([flush]);
    await second.spool.stop();
  });

  it("takes nothing beyond its bound, keeps what it has, and takes more when there is room", async () => {
    const { spool } = await open(await newFolder(), { bytesMax: 10_000, segmentBytes: 2_000 });
    const flushes: Flush[] = [];
    let refusal: unknown;
    while (refusal === undefined) {
      const flush = flushOf();
      await spool.append(flush).then(
        () => flushes.push(flush),
        (error: unknown) => {
          refusal = error;
        },
      );
    }
    expect(refusal).toBeInstanceOf(SpoolFullError);
    expect(spool.bytes).toBeLessThanOrEqual(10_000);

    expect(await drain(spool)).toEqual(flushes);
    await spool.append(flushOf());
    expect((await drain(spool)).length).toBe(1);
    await spool.stop();
  });

  it("cuts a tail that was being written, says so, and keeps the rest", async () => {
    const folder = await newFolder();
    const first = await open(folder);
    const flushes = [flushOf(), flushOf()];
    for (const flush of flushes) await first.spool.append(flush);
    await first.spool.stop();
    const [own] = readdirSync(folder).filter((name) => name !== "quarantine");
    const [segment] = readdirSync(join(folder, own ?? ""));
    appendFileSync(join(folder, own ?? "", segment ?? ""), "half a record");

    const { spool, events, messages } = await open(folder);

    expect(await drain(spool)).toEqual(flushes);
    expect(events).toContainEqual({ kind: "cut", bytes: "half a record".length });
    expect(messages).toContain("damaged bytes in the spool cut off and put aside");
    expect(readdirSync(join(folder, "quarantine")).length).toBe(1);
    await spool.stop();
  });

  it("puts aside what is too old to be sent again, and what is refused; moved to retry it comes again", async () => {
    const folder = await newFolder();
    const { spool, events } = await open(folder);
    const old = flushOf(10, uuidv7(Date.now() - 8 * 86_400_000));
    const refused = flushOf();
    await spool.append(old);
    await spool.append(refused);

    expect(await spool.next()).toEqual(refused);
    await spool.quarantine([refused]);
    await spool.done(1);
    expect(await spool.next()).toBeUndefined();
    expect(events.filter(({ kind }) => kind === "quarantined").length).toBe(2);
    expect(await surveySpool(folder)).toEqual({
      bytes: 0,
      oldestMs: undefined,
      quarantinedFiles: 2,
    });

    mkdirSync(join(folder, "retry"));
    for (const file of readdirSync(join(folder, "quarantine"))) {
      renameSync(join(folder, "quarantine", file), join(folder, "retry", file));
    }
    await spool.adopt();
    expect(await spool.next()).toEqual(refused);
    await spool.stop();
  });

  it("keeps the quarantine within a quarter of its bound", async () => {
    const folder = await newFolder();
    const { spool } = await open(folder, { bytesMax: 40_000 });
    for (let n = 0; n < 30; n++) await spool.quarantine([flushOf(50)]);

    const files = readdirSync(join(folder, "quarantine"));
    expect(files.length).toBeGreaterThan(1);
    expect(files.length).toBeLessThan(30);
    await spool.stop();
  });

  it("says what to do where it cannot be", async () => {
    const folder = await newFolder();
    mkdirSync(join(folder, ".."), { recursive: true });
    writeFileSync(folder, "a file");

    await expect(open(folder)).rejects.toThrow("set FAIRWALK_DATA_DIR");
  });

  it("works below a path that is longer than a socket's may be", async () => {
    const folder = join(await newFolder(), "a".repeat(120));
    const own = await makeOwnFolder(folder);
    const { spool } = await open(folder);

    await own.release();
    await spool.stop();
  });
});

describe("a disk that is full", () => {
  it("loses nothing that was taken: a record that did not fit is cut off", async () => {
    const folder = await newFolder();
    const program = join(import.meta.dirname, "..", "fixtures", "fill-spool.ts");

    // The limit of a file's size stops a write half-way, as a full disk does.
    const { stdout, stderr } = spawnSync(
      "bash",
      ["-c", `ulimit -f 256; exec "$0" --import tsx "$1" "$2"`, process.execPath, program, folder],
      { encoding: "utf8" },
    );

    const taken = stdout.split("\n").filter((line) => line !== "");
    expect(taken.length, stderr).toBeGreaterThan(3);
    expect(stderr).toContain("EFBIG");
    const { spool } = await open(folder);
    expect((await drain(spool)).map(({ flushId }) => flushId)).toEqual(taken);
    await spool.stop();
  });
});
