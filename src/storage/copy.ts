import pg from "pg";
import { invariant } from "../lib/invariant.ts";
import { isUuid } from "../lib/uuid.ts";
import type { Flush } from "../routers/flush.ts";
import type { PollResult } from "../routers/samples.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { CopyEncoder, POLLS_COLUMNS, SAMPLES_COLUMNS } from "./copy-encoding.ts";
import { FlushError, isSessionEnd } from "./errors.ts";
import { partId } from "./flush-ids.ts";
import { LeafDirectory } from "./leaves.ts";
import { leafName } from "./partitions.ts";
import { StatementRefused, sendPipelined } from "./pipelined-copy.ts";
import { type Pool, withConnection } from "./pool.ts";
import { ROLLUP_BUCKET_MS } from "./rollup-due.ts";
import { shapeParts } from "./shapes.ts";

/**
 * The only way samples and polls reach Postgres: COPY into the tenants' leaves, as fairwalk_ingest, all tenants of a
 * flush in one transaction and one round trip.
 *
 * The flush's id is written in the same transaction. So a flush that is sent again because nobody heard its answer finds
 * its id and changes nothing: each sample is stored exactly once.
 */

export interface SampleWriter {
  /**
   * Resolves when everything is committed by this call, or when the flush's id is used already: then an earlier call
   * committed it, or it was taken apart. Rejects with a FlushError.
   */
  flush(flush: Flush): Promise<"committed" | "found">;
  /**
   * Makes sure that a flush will not be committed as a whole any more: resolves to `apart`, now and whenever it is asked
   * again; or to `whole` when it was committed before that. Rejects with a FlushError.
   */
  takeApart(flushId: string): Promise<"apart" | "whole">;
}

/** Longer than a flush takes on a disk that is busy with everything else; then the connection counts as lost. */
const FLUSH_TIMEOUT_MS = 60_000;

/** Buffers larger than this are given back after use, so that one giant flush does not stay in memory. */
const KEPT_BYTES_MAX = 33_554_432;

/** Classes of SQLSTATE that are about the rows sent: data exception, integrity violation, access rule (a missing leaf). */
const REFUSAL_CLASSES = ["22", "23", "42"];

const UNIQUE_VIOLATION = "23505";

/** Statement 0 of every flush. */
const FLUSH_ID_STATEMENT = 0;

/** Where the COPY of one statement goes. */
interface CopyTarget {
  readonly tenantId: TenantId;
  readonly leaf: string;
}

/** `pool` acts as fairwalk_ingest; as many flushes run at once as it has connections. The shapes are stored already. */
export function openSampleWriter(pool: Pool): SampleWriter {
  const leaves = new LeafDirectory(pool);
  const idleEncoders: CopyEncoder[] = [];

  async function flush({ flushId, results }: Flush): Promise<"committed" | "found"> {
    invariant(isUuid(flushId), "a flush's id is a UUID");
    if (results.length === 0) return "committed";
    const targets: CopyTarget[] = [];
    try {
      const groups = await groupByLeaf(leaves, results);
      const statements = orRefused(() => statementsOf(targets, flushId, groups));
      const encoder = idleEncoders.pop() ?? new CopyEncoder();
      await withConnection(pool, (connection) =>
        sendPipelined(connection, statements, encodedChunks(encoder, groups), {
          timeoutMs: FLUSH_TIMEOUT_MS,
          onSent: () => {
            if (encoder.capacity <= KEPT_BYTES_MAX) idleEncoders.push(encoder);
          },
        }),
      );
      return "committed";
    } catch (error) {
      if (isIdUsed(error, FLUSH_ID_STATEMENT)) return "found";
      const flushError = flushErrorOf(error, targets);
      // The leaf may have been dropped: ask again next time.
      if (flushError.kind === "refused" && flushError.tenantId !== undefined) {
        leaves.forget(flushError.tenantId);
      }
      throw flushError;
    }
  }

  async function takeApart(flushId: string): Promise<"apart" | "whole"> {
    // The order matters: that the flush's own id is used tells nothing where the other one is used too.
    const ids = [partId(flushId, "apart"), flushId];
    const statements = ids.map(
      (id) => `insert into ingest_flushes (id, row_count) values ('${id}', 0)`,
    );
    try {
      await withConnection(pool, (connection) =>
        sendPipelined(connection, statements, [], {
          timeoutMs: FLUSH_TIMEOUT_MS,
          onSent: () => undefined,
        }),
      );
      return "apart";
    } catch (error) {
      if (isIdUsed(error, 0)) return "apart";
      if (isIdUsed(error, 1)) return "whole";
      throw flushErrorOf(error, []);
    }
  }

  return { flush, takeApart };
}

/** What cannot be written down cannot be stored: the fault lies in the results, not in Postgres. */
function orRefused<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof FlushError) throw cause;
    throw new FlushError("refused", (cause as Error).message, { cause });
  }
}

interface LeafGroup {
  readonly tenantId: TenantId;
  readonly lowerMs: number;
  readonly results: PollResult[];
}

/** Results of one leaf together, in the order of first appearance. Rejects with a FlushError where there is no leaf. */
async function groupByLeaf(
  leaves: LeafDirectory,
  results: readonly PollResult[],
): Promise<readonly LeafGroup[]> {
  const unknown = new Set<TenantId>();
  for (const { poll } of results) {
    orRefused(() =>
      invariant(isUuid(poll.tenantId) && isUuid(poll.routerId), "ids of a poll are UUIDs"),
    );
    if (leaves.find(poll.tenantId, poll.polledAtMs) === undefined) unknown.add(poll.tenantId);
  }
  if (unknown.size > 0) await leaves.learn([...unknown]);

  const groups = new Map<string, LeafGroup>();
  for (const result of results) {
    const { tenantId, polledAtMs } = result.poll;
    const leaf = leaves.find(tenantId, polledAtMs);
    if (leaf === undefined) {
      const time = timeText(polledAtMs);
      throw new FlushError("refused", `tenant "${tenantId}" has no partition for ${time}`, {
        tenantId,
      });
    }
    const key = `${tenantId}/${leaf.lowerMs}`;
    const group = groups.get(key);
    if (group === undefined)
      groups.set(key, { tenantId, lowerMs: leaf.lowerMs, results: [result] });
    else group.results.push(result);
  }
  return [...groups.values()];
}

/** Any number a clock may give, also one that is no time. */
function timeText(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? `the time ${ms}` : time.toISOString();
}

/** The statements of a flush; notes in `targets` where each COPY goes. */
function statementsOf(
  targets: CopyTarget[],
  flushId: string,
  groups: readonly LeafGroup[],
): string[] {
  const copies: string[] = [];
  const copy = (leaf: string, tenantId: TenantId, columns: string) => {
    copies.push(`copy ${leaf} (${columns}) from stdin (format binary)`);
    targets.push({ tenantId, leaf });
  };
  let rows = 0;
  for (const { tenantId, lowerMs, results } of groups) {
    if (hasSamples(results)) {
      copy(leafName("samples", tenantId, lowerMs), tenantId, SAMPLES_COLUMNS);
      for (const { blocks } of results) {
        for (const block of blocks) rows += shapeParts(block).length;
      }
    }
    copy(leafName("polls", tenantId, lowerMs), tenantId, POLLS_COLUMNS);
    rows += results.length;
  }
  return [flushStatement(flushId, rows, touchedBuckets(groups)), ...copies];
}

function hasSamples(results: readonly PollResult[]): boolean {
  return results.some(({ blocks }) => blocks.length > 0);
}

/** What is sent at once: enough for one system call to be worth it, little enough for the server to begin early. */
const CHUNK_BYTES = 262_144;

/** The data of the statements' COPYs, in their order. Throws a FlushError where it cannot be written down. */
function* encodedChunks(encoder: CopyEncoder, groups: readonly LeafGroup[]): Generator<Buffer> {
  encoder.reset();
  for (const { results } of groups) {
    if (hasSamples(results)) {
      encoder.beginCopy();
      for (const result of results) {
        orRefused(() => encoder.addSamples(result));
        if (encoder.untaken >= CHUNK_BYTES) yield encoder.take();
      }
      encoder.endCopy();
    }
    encoder.beginCopy();
    for (const { poll } of results) orRefused(() => encoder.addPoll(poll));
    encoder.endCopy();
    if (encoder.untaken >= CHUNK_BYTES) yield encoder.take();
  }
  yield encoder.take();
}

/** Which tenants' rollups the flush changes, by bucket: late polls mark theirs like all others. */
function touchedBuckets(groups: readonly LeafGroup[]): Map<number, Set<TenantId>> {
  const touched = new Map<number, Set<TenantId>>();
  for (const { tenantId, results } of groups) {
    for (const { poll, blocks } of results) {
      if (blocks.length === 0) continue;
      const bucketMs = Math.floor(poll.polledAtMs / ROLLUP_BUCKET_MS) * ROLLUP_BUCKET_MS;
      const tenants = touched.get(bucketMs);
      if (tenants === undefined) touched.set(bucketMs, new Set([tenantId]));
      else tenants.add(tenantId);
    }
  }
  return touched;
}

/** The flush's id and the marks for its rollups, as one statement. Ids are known to be UUIDs. */
function flushStatement(
  flushId: string,
  rows: number,
  touched: ReadonlyMap<number, ReadonlySet<TenantId>>,
): string {
  const id = `insert into ingest_flushes (id, row_count) values ('${flushId}', ${rows})`;
  if (touched.size === 0) return id;
  const marks = [...touched].map(
    ([bucketMs, tenants]) =>
      `('${flushId}', '${new Date(bucketMs).toISOString()}', '{${[...tenants].join(",")}}')`,
  );
  return `with marks as (insert into rollup_marks (flush_id, bucket, tenant_ids) values ${marks.join(", ")}) ${id}`;
}

function isIdUsed(error: unknown, statement: number): boolean {
  return (
    error instanceof StatementRefused &&
    error.statement === statement &&
    error.refusal.code === UNIQUE_VIOLATION
  );
}

function flushErrorOf(error: unknown, targets: readonly CopyTarget[]): FlushError {
  if (error instanceof FlushError) return error;
  const cause = error instanceof StatementRefused ? error.refusal : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const sqlState = cause instanceof pg.DatabaseError ? cause.code : undefined;
  if (sqlState === undefined || isSessionEnd(cause)) {
    return new FlushError("disconnected", reason, { sqlState, cause });
  }
  const target =
    error instanceof StatementRefused
      ? targets[error.statement - FLUSH_ID_STATEMENT - 1]
      : undefined;
  const isAboutRows = target !== undefined && REFUSAL_CLASSES.includes(sqlState.slice(0, 2));
  const kind = isAboutRows ? "refused" : "failed";
  return new FlushError(kind, reason, { sqlState, cause, ...target });
}

/**
 * Forgets the ids of flushes before `before`. A flush that is repeated after its id was forgotten would be stored twice:
 * keep them longer than any worker keeps a flush to repeat. As fairwalk_scheduler.
 */
export async function forgetFlushes(pool: Pool, before: Date): Promise<number> {
  const lowest = `${before.getTime().toString(16).padStart(12, "0")}${"0".repeat(20)}`;
  const { rowCount } = await pool.query("delete from ingest_flushes where id < $1", [lowest]);
  return rowCount ?? 0;
}
