import {
  type BulkJobOptions,
  createRedisBackend,
  type Job,
  type JobType,
  type Processor,
  type QueueEventsListener,
  withBackend,
} from "bullmq";
import { Redis } from "ioredis";
import type { PollCompletionBody, PollJobBody } from "./poll-job.ts";
import { createPollBackend } from "./postgres-backend.ts";

/**
 * Where BullMQ keeps its queues: Redis (or Valkey), or the Postgres we have anyway. One code path above this file:
 * the two back ends differ only in how a connection is described.
 */
export type QueueBackend =
  | { readonly kind: "redis"; readonly url: string }
  | { readonly kind: "postgres"; readonly url: string };

/** Thrown when the queue's database cannot be used as it is; the message says what to change. */
export class QueueBackendError extends Error {}

type PollJobHandle = Job<PollJobBody, PollCompletionBody, "poll">;

/** What we use of BullMQ's Queue, QueueEvents and Worker: the same on both back ends. */
export interface PollQueueHandle {
  addBulk(
    jobs: { name: "poll"; data: PollJobBody; opts: BulkJobOptions }[],
  ): Promise<readonly unknown[]>;
  getJobs(states: JobType[]): Promise<Pick<PollJobHandle, "id" | "data" | "processedOn">[]>;
  getJobState(jobId: string): Promise<string>;
  remove(jobId: string): Promise<number>;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
}

export interface PollEventsHandle {
  on<E extends "active" | "completed" | "failed" | "error">(
    event: E,
    listener: QueueEventsListener<PollCompletionBody>[E],
  ): unknown;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

export interface PollWorkerHandle {
  concurrency: number;
  extendJobLocks(jobIds: string[], tokens: string[], durationMs: number): Promise<string[]>;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "failed", listener: (job: { id?: string } | undefined, error: Error) => void): unknown;
  waitUntilReady(): Promise<unknown>;
  close(force?: boolean): Promise<void>;
}

export type PollProcessor = Processor<PollJobBody, PollCompletionBody, "poll">;

/** Events kept for readers that fall behind. Four a poll: about 12,000 polls. Lost ones are found by asking the queue. */
const EVENTS_KEPT_MAX = 50_000;

const redisClasses = withBackend(createRedisBackend);
const postgresClasses = withBackend(createPollBackend);

/** Connections a queue object may open to Postgres. A worker's fetches and completions share them. */
const POSTGRES_CONNECTIONS_MAX = 8;

/** A new connection costs as much as thirty polls: those of a burst are kept for the next one. */
const POSTGRES_IDLE_MS_MAX = 300_000;

/** The Postgres schema of BullMQ's tables; made by `migrateQueue`, touched by nothing else. */
const POSTGRES_SCHEMA = "bullmq";

/** A Redis Cluster keeps keys of one hash tag on one node: all of a zone's queue, another zone's perhaps elsewhere. */
export function redisPrefix(zoneKey: string): string {
  return `{fairwalk-${zoneKey}}`;
}

function queueName(zoneKey: string): string {
  return `poll-${zoneKey}`;
}

function postgresConnection(url: string, applicationName: string) {
  return {
    connectionString: url,
    schema: POSTGRES_SCHEMA,
    max: POSTGRES_CONNECTIONS_MAX,
    idleTimeoutMillis: POSTGRES_IDLE_MS_MAX,
    application_name: applicationName,
    keepAlive: true,
  };
}

export function redisConnection(url: string) {
  // Commands wait out a Redis that is away instead of failing: what is released is decided by our own leases.
  return { url, maxRetriesPerRequest: null, retryStrategy: (n: number) => Math.min(50 * n, 1_000) };
}

export function createQueue(backend: QueueBackend, zoneKey: string): PollQueueHandle {
  const options = { streams: { events: { maxLen: EVENTS_KEPT_MAX } } };
  return backend.kind === "redis"
    ? new redisClasses.Queue<PollJobBody, PollCompletionBody, "poll">(queueName(zoneKey), {
        ...options,
        connection: redisConnection(backend.url),
        prefix: redisPrefix(zoneKey),
      })
    : new postgresClasses.Queue<PollJobBody, PollCompletionBody, "poll">(queueName(zoneKey), {
        ...options,
        connection: postgresConnection(backend.url, `fairwalk-queue ${zoneKey}`),
      });
}

export function createQueueEvents(backend: QueueBackend, zoneKey: string): PollEventsHandle {
  return backend.kind === "redis"
    ? new redisClasses.QueueEvents<PollCompletionBody>(queueName(zoneKey), {
        connection: redisConnection(backend.url),
        prefix: redisPrefix(zoneKey),
      })
    : new postgresClasses.QueueEvents<PollCompletionBody>(queueName(zoneKey), {
        connection: postgresConnection(backend.url, `fairwalk-queue ${zoneKey} events`),
      });
}

export interface WorkerSettings {
  readonly concurrency: number;
  readonly lockDurationMs: number;
  readonly stalledIntervalMs: number;
}

export function createWorker(
  backend: QueueBackend,
  zoneKey: string,
  processor: PollProcessor,
  settings: WorkerSettings,
): PollWorkerHandle {
  const options = {
    concurrency: settings.concurrency,
    lockDuration: settings.lockDurationMs,
    stalledInterval: settings.stalledIntervalMs,
    // A poll whose worker died is not run again by the queue: the scheduler hears of it and decides.
    maxStalledCount: 0,
    // We renew locks ourselves, so that we know until when each is certain (see poll-worker.ts).
    skipLockRenewal: true,
  };
  return backend.kind === "redis"
    ? new redisClasses.Worker<PollJobBody, PollCompletionBody, "poll">(
        queueName(zoneKey),
        processor,
        { ...options, connection: redisConnection(backend.url), prefix: redisPrefix(zoneKey) },
      )
    : new postgresClasses.Worker<PollJobBody, PollCompletionBody, "poll">(
        queueName(zoneKey),
        processor,
        {
          ...options,
          connection: postgresConnection(backend.url, `fairwalk-queue ${zoneKey} worker`),
        },
      );
}

/** Makes the queue's tables where the back end has any (Postgres); harmless when they are there. */
export async function migrateQueue(backend: QueueBackend): Promise<void> {
  if (backend.kind === "redis") return;
  const queue = new postgresClasses.Queue("migration", {
    connection: { ...postgresConnection(backend.url, "fairwalk migrate"), max: 1, migrate: true },
  });
  try {
    await queue.waitUntilReady();
  } finally {
    await queue.close();
  }
}

/**
 * Refuses a Redis that would lose polls: older than 6.2, or one that may evict keys. Rejects with QueueBackendError
 * naming the remedy, also when Redis does not answer within `timeoutMs`.
 */
export async function checkQueueBackend(backend: QueueBackend, timeoutMs = 5_000): Promise<void> {
  if (backend.kind === "postgres") return;
  const redis = new Redis(backend.url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on("error", () => undefined); // The connect below rejects with the same error.
  try {
    await redis.connect();
    const server = await redis.info("server");
    const memory = await redis.info("memory");
    requireVersion(server);
    requireNoEviction(memory);
  } catch (error) {
    if (error instanceof QueueBackendError) throw error;
    throw new QueueBackendError(
      `Cannot reach Redis at "${withoutPassword(backend.url)}": ${errorText(error)}; start it, or correct REDIS_URL, or unset it to keep the queue in Postgres`,
      { cause: error },
    );
  } finally {
    redis.disconnect();
  }
}

function requireVersion(server: string): void {
  const version = /redis_version:(\d+)\.(\d+)/.exec(server);
  const major = Number(version?.[1]);
  const minor = Number(version?.[2]);
  if (major > 6 || (major === 6 && minor >= 2)) return;
  throw new QueueBackendError(
    `Cannot use Redis ${major}.${minor}: 6.2 or later is needed; upgrade it, or unset REDIS_URL to keep the queue in Postgres`,
  );
}

function requireNoEviction(memory: string): void {
  const policy = /maxmemory_policy:(\S+)/.exec(memory)?.[1] ?? "unknown";
  if (policy === "noeviction") return;
  throw new QueueBackendError(
    `Cannot use a Redis with maxmemory-policy "${policy}": it may evict queued polls; set "maxmemory-policy noeviction" in its configuration`,
  );
}

function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
  } catch {
    return "(not a URL)";
  }
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
