import { hostname } from "node:os";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { LruCache } from "../lib/lru-cache.ts";
import { uuidv7 } from "../lib/uuid.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { AssemblyMemory } from "../modules/assemble.ts";
import type { QueueBackend } from "../queue/backend.ts";
import type { PollCompletion, TakenPollJob } from "../queue/poll-job.ts";
import {
  type Lease,
  LeaseLostError,
  type PollWorker,
  startPollWorker,
} from "../queue/poll-worker.ts";
import type { Discovery } from "../routers/inventory.ts";
import type { PollOutcome, Router, RouterId } from "../routers/router.ts";
import type { ModuleReport, PollRecord } from "../routers/samples.ts";
import { openSession, type Session } from "../snmp/session.ts";
import type { Transport } from "../snmp/transport.ts";
import type { TenantId } from "../tenants/tenant.ts";
import type { GroupCommit } from "./group-commit.ts";
import { InventoryKeeper, type InventoryToSave, type SaveInventory } from "./inventory-keeper.ts";
import {
  InventoryReader,
  type InventoryReaderOptions,
  type InventoryReading,
} from "./inventory-reader.ts";
import type { LimitsKeeper } from "./limits-keeper.ts";
import type { PollLimits } from "./poll-budget.ts";
import { type PlannedModule, type PolledRouter, pollRouter, probeRouter } from "./poll-router.ts";
import { offeredSlots, type Pressure } from "./pressure.ts";
import type { PollTarget, RouterDirectory } from "./router-directory.ts";

/**
 * Daemon 2: takes polls from the queues of its zones, speaks SNMP, hands the samples to the writer, and ends a job only
 * when they are committed. Tells the world once a second how many slots it has.
 */

/** How often a worker reports itself and reads the concurrency it should have. */
const HEARTBEAT_MS = 1_000;

/** A poll's share of its router's interval: the rest is for the commit and the next poll's punctuality. */
const DEADLINE_SHARE_OF_INTERVAL = 0.8;

/** Routers whose table layout is remembered between polls; about 10 kB each at 48 interfaces. */
const MEMORIES_KEPT_MAX = 50_000;

export interface Heartbeat {
  readonly workerId: string;
  readonly hostname: string;
  readonly zones: readonly string[];
  /** Slots this worker has. */
  readonly concurrency: number;
  /** Slots it can fill now: fewer than `concurrency` under pressure. */
  readonly slots: number;
  readonly busy: number;
  readonly startedAt: Date;
}

export interface WorkerDependencies {
  readonly backend: QueueBackend;
  readonly transport: Transport;
  readonly directory: RouterDirectory;
  readonly writer: GroupCommit;
  /** What may be behind, and then lets the worker offer fewer slots. */
  readonly pressures: readonly Pressure[];
  /** The modules a router is polled with; a name that is not loaded gives undefined and the poll is `misconfigured`. */
  readonly modulesOf: (target: PollTarget) => readonly PlannedModule[] | undefined;
  readonly saveInventory: SaveInventory;
  /** How a router's inventory was read last, by any worker. */
  readonly discoveryOf: (tenantId: TenantId, routerId: RouterId) => Promise<Discovery | undefined>;
  /** Takes note of what a poll learnt about the sizes of answers, by walk. */
  readonly keepLimits: LimitsKeeper["keep"];
  readonly heartbeat: (beat: Heartbeat) => Promise<{ readonly desiredConcurrency: number | null }>;
  readonly removeWorker: (workerId: string) => Promise<void>;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

export interface WorkerOptions extends InventoryReaderOptions, PollLimits {
  /** Keys of the zones to serve. The slots are divided evenly among them. */
  readonly zones: readonly string[];
  readonly concurrency: number;
  readonly pollDeadlineMsMax: number;
  readonly requestTimeoutMs: number;
  readonly requestRetries: number;
}

export interface RunningWorker {
  readonly workerId: string;
  /** Takes no more polls, lets the running ones end and commit, and takes itself off the list of workers. */
  stop(): Promise<void>;
}

/** Starts a worker. Rejects when the queue cannot be reached at first. */
export async function startWorker(
  dependencies: WorkerDependencies,
  options: WorkerOptions,
): Promise<RunningWorker> {
  const { backend, clock, log, metrics } = dependencies;
  const workerId = uuidv7(clock.now());
  const startedAt = new Date(clock.now());
  const poll = createPoll(dependencies, options);
  let concurrency = options.concurrency;
  const countRequests = requestCounting(dependencies.transport, metrics);

  const slotsUnderPressure = pressureGauge(dependencies, options.zones.length);

  const zoneWorkers: PollWorker[] = [];
  for (const zoneKey of options.zones) {
    zoneWorkers.push(
      await startPollWorker(
        { backend, zoneKey, poll, clock, log },
        slotsOfZone(concurrency, options.zones),
      ),
    );
  }

  const beat = async (): Promise<void> => {
    const busy = zoneWorkers.reduce((sum, worker) => sum + worker.running(), 0);
    countRequests();
    const slots = slotsUnderPressure(concurrency);
    for (const zone of options.zones) {
      metrics.workerSlots.set({ zone, state: "busy" }, busy / options.zones.length);
      metrics.workerSlots.set(
        { zone, state: "free" },
        Math.max(0, slots - busy) / options.zones.length,
      );
    }
    const { desiredConcurrency } = await dependencies.heartbeat({
      workerId,
      hostname: hostname(),
      zones: options.zones,
      concurrency,
      slots,
      busy,
      startedAt,
    });
    const wanted = desiredConcurrency ?? options.concurrency;
    if (wanted !== concurrency) {
      log.info({ from: concurrency, to: wanted }, "concurrency changed");
      concurrency = wanted;
      for (const worker of zoneWorkers)
        worker.setConcurrency(slotsOfZone(concurrency, options.zones));
      await beat(); // So that scheduler and administrator hear of it at once.
    }
  };
  const heart = startHeart(beat, log);
  await heart.first;
  log.info({ worker: workerId, zones: options.zones, concurrency }, "worker started");

  return {
    workerId,
    async stop() {
      // First no new polls, then no heartbeat: the scheduler stops counting on these slots at once.
      const drained = Promise.all(zoneWorkers.map((worker) => worker.stop()));
      await heart.stop();
      await dependencies.removeWorker(workerId).catch((error: Error) => {
        log.warn(
          { error: error.message },
          "worker not taken off the list; it will be seen as lost",
        );
      });
      await drained;
    },
  };
}

/** Asks every pressure, shows what it withholds, and gives the slots that remain: one a zone while there are any. */
function pressureGauge(
  { pressures, metrics, log }: WorkerDependencies,
  zones: number,
): (concurrency: number) => number {
  let wasWhole = true;
  return (concurrency) => {
    const shares = pressures.map(({ reason, share }) => ({ reason, share: share() }));
    for (const { reason, share } of shares) metrics.workerPressure.set({ reason }, 1 - share);
    const slots = offeredSlots(
      concurrency,
      shares.map(({ share }) => share),
      zones,
    );
    const isWhole = slots === concurrency;
    if (wasWhole && !isWhole) log.warn({ slots, shares }, "under pressure, offering fewer slots");
    if (!wasWhole && isWhole) log.info({ slots }, "offering all slots again");
    wasWhole = isWhole;
    return slots;
  };
}

/** Adds to the metric what the transport counted since the last call: the hot path touches no metric. */
function requestCounting(transport: Transport, metrics: Metrics): () => void {
  const results = {
    sent: () => transport.counters.requests,
    retried: () => transport.counters.retries,
    answered: () => transport.counters.responses,
    timeout: () => transport.counters.timeouts,
    late: () => transport.counters.late,
    spoofed: () => transport.counters.spoofed,
    malformed: () => transport.counters.malformed,
    duplicate_engine: () => transport.usm.duplicateIds,
  };
  const counted = new Map<string, number>();
  return () => {
    for (const [result, read] of Object.entries(results)) {
      const now = read();
      metrics.snmpRequests.inc({ result }, now - (counted.get(result) ?? 0));
      counted.set(result, now);
    }
  };
}

function slotsOfZone(concurrency: number, zones: readonly string[]): number {
  return Math.max(1, Math.ceil(concurrency / zones.length));
}

function startHeart(beat: () => Promise<void>, log: Log) {
  let failing = false;
  let beating: Promise<void> = Promise.resolve();
  const once = async () => {
    try {
      await beat();
      failing = false;
    } catch (error) {
      if (!failing)
        log.warn({ error: (error as Error).message }, "heartbeat not delivered, trying again");
      failing = true;
    }
  };
  let underWay = false;
  const timer = setInterval(() => {
    if (underWay) return; // Postgres is slow: one heartbeat at a time.
    underWay = true;
    beating = once().finally(() => {
      underWay = false;
    });
  }, HEARTBEAT_MS);
  return {
    first: once(),
    async stop() {
      clearInterval(timer);
      await beating;
    },
  };
}

/** The life of one poll in the worker: look the router up, visit it, commit, answer the scheduler. */
function createPoll(
  dependencies: WorkerDependencies,
  options: WorkerOptions,
): (job: TakenPollJob, lease: Lease) => Promise<PollCompletion> {
  const { clock, directory, metrics, transport, writer } = dependencies;
  const memories = new LruCache<RouterId, Map<string, AssemblyMemory>>(MEMORIES_KEPT_MAX);
  const inventory = new InventoryKeeper(dependencies.saveInventory, dependencies.log);
  const reader = new InventoryReader(dependencies.discoveryOf, options, dependencies.log);

  return async (job, lease) => {
    const startedAtMs = clock.now();
    const ended = (outcome: PollOutcome): PollCompletion => ({
      outcome,
      costMs: clock.now() - startedAtMs,
      startedAtMs,
    });
    if (startedAtMs >= job.expiresAtMs) return ended("expired");
    const target = await directory.find(job.tenantId, job.routerId);
    if (target === undefined) return ended("expired"); // Deleted, disabled or suspended since it was released.
    const modules = dependencies.modulesOf(target);
    if (modules === undefined) return ended("misconfigured");

    const deadlineMs = startedAtMs + pollMsMax(target.router, options);
    const session = sessionFor(transport, target, lease, deadlineMs, options);
    const polled =
      job.kind === "probe"
        ? await probeRouter(session)
        : await pollRouter(session, modules, options, memoryOf(memories, job.routerId));
    const reading =
      job.kind === "probe"
        ? undefined
        : await reader.read(
            session,
            { tenantId: job.tenantId, id: job.routerId, discovery: target.discovery },
            polled,
            deadlineMs,
          );
    dependencies.keepLimits(job.tenantId, job.routerId, session.learnt);
    const completion = ended(polled.outcome);
    if (!lease.isHeld()) throw new LeaseLostError(job.routerId);

    const report = reading?.read?.report;
    await writer.add({
      poll: recordOf(job, polled, report, completion, session),
      blocks: polled.blocks,
    });
    const isKept = await inventory.keep(
      job.tenantId,
      job.routerId,
      { texts: polled.texts, ...(reading && toSave(reading)) },
      startedAtMs,
    );
    if (reading !== undefined && isKept) directory.learn(job.routerId, reading.discovery);
    metrics.pollDuration.observe(completion.costMs / 1_000);
    return completion;
  };
}

function pollMsMax({ intervalSeconds }: Router, options: WorkerOptions): number {
  return Math.min(intervalSeconds * 1_000 * DEADLINE_SHARE_OF_INTERVAL, options.pollDeadlineMsMax);
}

function toSave({ discovery, read }: InventoryReading): Omit<InventoryToSave, "texts"> {
  if (read === undefined) return {};
  const { documents, interfaces } = read;
  return {
    ...(interfaces === undefined ? {} : { interfaces }),
    sections: { documents, discovery },
  };
}

function sessionFor(
  transport: Transport,
  target: PollTarget,
  lease: Lease,
  deadlineMs: number,
  options: WorkerOptions,
): Session {
  const { router, credential, answerLimits } = target;
  return openSession(
    transport,
    {
      address: router.address,
      port: router.port,
      context: router.context,
      credential,
      usmKey: `${router.tenantId}/${router.zone}/${router.address}/${router.port}`,
      ...(answerLimits === undefined ? {} : { answerLimits }),
    },
    {
      deadlineMs,
      timeoutMs: options.requestTimeoutMs,
      retries: options.requestRetries,
      mayStillSend: () => lease.isHeld(),
    },
  );
}

function memoryOf(
  memories: LruCache<RouterId, Map<string, AssemblyMemory>>,
  routerId: RouterId,
): (module: { readonly name: string }) => AssemblyMemory {
  let ofRouter = memories.get(routerId);
  if (ofRouter === undefined) {
    ofRouter = new Map();
    memories.set(routerId, ofRouter);
  }
  const known = ofRouter;
  return ({ name }) => {
    let memory = known.get(name);
    if (memory === undefined) {
      memory = new AssemblyMemory();
      known.set(name, memory);
    }
    return memory;
  };
}

function recordOf(
  job: TakenPollJob,
  { scalars, modules }: PolledRouter,
  inventory: ModuleReport | undefined,
  completion: PollCompletion,
  session: Session,
): PollRecord {
  return {
    tenantId: job.tenantId,
    routerId: job.routerId,
    polledAtMs: completion.startedAtMs,
    dueAtMs: job.dueAtMs,
    releasedAtMs: job.releasedAtMs,
    ...(job.takenAtMs !== undefined && { takenAtMs: job.takenAtMs }),
    startedAtMs: completion.startedAtMs,
    durationMs: completion.costMs,
    outcome: completion.outcome,
    costMs: completion.costMs,
    requests: session.stats.requests,
    retries: session.stats.retries,
    bytesIn: session.stats.bytesIn,
    scalars,
    modules: inventory === undefined ? modules : [...modules, inventory],
  };
}
