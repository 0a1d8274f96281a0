import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PollResult } from "../routers/samples.ts";
import { CopyEncoder, POLLS_COLUMNS, SAMPLES_COLUMNS } from "../storage/copy-encoding.ts";
import { leafName } from "../storage/partitions.ts";
import { withTenant } from "../storage/pool.ts";
import { shapeParts } from "../storage/shapes.ts";
import type { TenantId } from "../tenants/tenant.ts";
import type { IngestDatabase } from "./ingest-database.ts";

/** Other ways into the same tables, for comparison. Each resolves to the milliseconds it took. */

/** Bytes of a COPY message around the data of one table: its head, and CopyDone. */
const COPY_HEAD_BYTES = 5;
const COPY_TAIL_BYTES = 5;

/** Whether `psql` is here to compare with. */
export function hasPsql(): boolean {
  try {
    execFileSync("psql", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** `\copy` from binary files into the leaves, one transaction a flush, as fairwalk_ingest, by one psql for all flushes. */
export async function copyByPsql(
  { url, folder }: IngestDatabase,
  flushes: readonly (readonly PollResult[])[],
  lowerOf: (tenantId: TenantId) => number,
): Promise<number> {
  const encoder = new CopyEncoder();
  const script: string[] = ["set role fairwalk_ingest;"];
  const files: string[] = [];
  const writeCopy = async (table: string, columns: string, addRows: () => void) => {
    encoder.reset();
    encoder.beginCopy();
    addRows();
    encoder.endCopy();
    const file = join(folder, `copy-${files.length}`);
    const encoded = encoder.take();
    await writeFile(file, encoded.subarray(COPY_HEAD_BYTES, encoded.length - COPY_TAIL_BYTES));
    files.push(file);
    script.push(`\\copy ${table} (${columns}) from '${file}' (format binary)`);
  };
  for (const flush of flushes) {
    script.push("begin;");
    for (const [tenantId, results] of byTenant(flush)) {
      const lower = lowerOf(tenantId);
      await writeCopy(leafName("samples", tenantId, lower), SAMPLES_COLUMNS, () => {
        for (const result of results) encoder.addSamples(result);
      });
      await writeCopy(leafName("polls", tenantId, lower), POLLS_COLUMNS, () => {
        for (const { poll } of results) encoder.addPoll(poll);
      });
    }
    script.push("commit;");
  }
  const scriptFile = join(folder, "copy.sql");
  await writeFile(scriptFile, `${script.join("\n")}\n`);
  const startedAt = performance.now();
  const child = spawn("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", scriptFile, url], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code] = (await once(child, "exit")) as [number | null];
  const tookMs = performance.now() - startedAt;
  for (const file of [...files, scriptFile]) await rm(file);
  if (code !== 0) throw new Error(`psql ended with ${code}`);
  return tookMs;
}

/** Rows in one INSERT; with six parameters each. */
const INSERT_ROWS = 100;

/** Multi-row INSERT into the parents, as fairwalk_app under row-level security, one transaction a flush of one tenant. */
export async function insertUnderRls(
  { app }: IngestDatabase,
  flushes: readonly (readonly PollResult[])[],
): Promise<number> {
  const startedAt = performance.now();
  for (const flush of flushes) {
    for (const [tenantId, results] of byTenant(flush)) {
      await withTenant(app, tenantId, async (client) => {
        for (let first = 0; first < results.length; first += INSERT_ROWS) {
          const some = results.slice(first, first + INSERT_ROWS);
          const samples = some.flatMap(({ poll, blocks }) =>
            blocks.flatMap((block) =>
              shapeParts(block).map((part) => [
                poll.tenantId,
                poll.routerId,
                part.id.toString(),
                new Date(poll.polledAtMs),
                Array.from(block.values, String),
              ]),
            ),
          );
          await client.query(
            `insert into samples (tenant_id, router_id, shape_id, polled_at, values) values ${placeholders(samples)}`,
            samples.flat(),
          );
          const polls = some.map(({ poll }) => [
            poll.tenantId,
            poll.routerId,
            new Date(poll.polledAtMs),
            new Date(poll.dueAtMs),
            new Date(poll.startedAtMs),
            poll.durationMs,
            poll.outcome,
            poll.costMs,
            poll.requests,
            poll.retries,
            poll.bytesIn,
            JSON.stringify(poll.modules),
          ]);
          await client.query(
            `insert into polls (${POLLS_COLUMNS}) values ${placeholders(polls)}`,
            polls.flat(),
          );
        }
      });
    }
  }
  return performance.now() - startedAt;
}

function placeholders(rows: readonly (readonly unknown[])[]): string {
  let n = 0;
  return rows.map((row) => `(${row.map(() => `$${++n}`).join(",")})`).join(",");
}

export function byTenant(flush: readonly PollResult[]): Map<TenantId, PollResult[]> {
  const groups = new Map<TenantId, PollResult[]>();
  for (const result of flush) {
    const group = groups.get(result.poll.tenantId);
    if (group === undefined) groups.set(result.poll.tenantId, [result]);
    else group.push(result);
  }
  return groups;
}
