import { join } from "node:path";
import type { Config } from "../config/load.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { openSampleWriter } from "../storage/copy.ts";
import { openPool, type Pool, withStartupSettings } from "../storage/pool.ts";
import { openSampleStore } from "../storage/sample-store.ts";
import { ShapeRegistry } from "../storage/shapes.ts";
import { openSpool, type Spool, type SpoolEvent } from "../storage/spool.ts";
import { type FlushEvent, GroupCommit } from "../worker/group-commit.ts";
import { type Pressure, shareOfRoom } from "../worker/pressure.ts";
import { startSpoolReplay } from "../worker/spool-replay.ts";
import { type Stoppable, StopStack } from "./stoppable.ts";

/** One for present polls, one for large ones, one for those from the spool. */
const INGEST_CONNECTIONS = 3;

/** A flush waits no longer for a leaf that others lock: the other tenants in it go without. */
const LOCK_TIMEOUT = "2s";

/** How often the figures of the spool are published. */
const FIGURES_MS = 1_000;

export interface RunningWriter extends Stoppable {
  readonly writer: GroupCommit;
  readonly pressures: readonly Pressure[];
}

/**
 * The way of samples into Postgres: group commit, the spool it falls back on, and what replays the spool. `app` acts as
 * fairwalk_app. Rejects when there is no place for a spool.
 */
export async function startSampleWriter(
  config: Pick<Config, "dataDir" | "writer">,
  { databaseUrl, app }: { readonly databaseUrl: string; readonly app: Pool },
  { metrics, log }: { readonly metrics: Metrics; readonly log: Log },
): Promise<RunningWriter> {
  const started = new StopStack(log);
  try {
    const limits = config.writer;
    const ingest = started.pushEnd(
      "connections as fairwalk_ingest",
      openPool({
        url: withStartupSettings(databaseUrl, { lock_timeout: LOCK_TIMEOUT }),
        role: "fairwalk_ingest",
        max: INGEST_CONNECTIONS,
        applicationName: "fairwalk worker",
        log,
      }),
    );
    const { store } = openSampleStore({
      writer: openSampleWriter(ingest),
      shapes: new ShapeRegistry(app),
    });
    const spool = started.push(
      "spool",
      await openSpool(
        spoolFolder(config),
        { bytesMax: limits.spoolBytesMax },
        { observe: (event) => observeSpool(metrics, event), log },
      ),
    );
    started.push("figures of the spool", publishFigures(spool, metrics));
    const writer = new GroupCommit(
      {
        store,
        spool: (flush) => spool.append(flush),
        observe: (event) => observeFlush(metrics, event),
        log,
      },
      limits,
    );
    started.push(
      "replay of the spool",
      startSpoolReplay(
        { spool, store, stored: () => writer.postgresIsBack(), log },
        { pollsPerSecondMax: limits.spoolReplayPollsPerSecondMax },
      ),
    );
    started.push("writer", writer);
    const pressures = [
      { reason: "writer", share: () => shareOfRoom(writer.waitingPolls, limits.waitingPollsMax) },
      {
        reason: "spool",
        share: () => (writer.isStuck ? 0 : shareOfRoom(spool.bytes, limits.spoolBytesMax)),
      },
    ];
    return { writer, pressures, stop: () => started.stop() };
  } catch (error) {
    await started.stop();
    throw error;
  }
}

/** Where the workers of a data directory keep their spools. */
export function spoolFolder({ dataDir }: Pick<Config, "dataDir">): string {
  return join(dataDir, "spool");
}

/** Whether samples of a worker of this process wait on its disk, by the figures it published. */
export async function hasSpooledSamples(metrics: Metrics): Promise<boolean> {
  const { values } = await metrics.spoolBytes.get();
  return values.some(({ value }) => value > 0);
}

function publishFigures(spool: Spool, metrics: Metrics): Stoppable {
  const publish = () => {
    const { bytes, oldestMs } = spool;
    metrics.spoolBytes.set(bytes);
    metrics.spoolOldestAge.set(
      oldestMs === undefined ? 0 : Math.max(0, (Date.now() - oldestMs) / 1_000),
    );
  };
  const timer = setInterval(publish, FIGURES_MS);
  publish();
  return {
    async stop() {
      clearInterval(timer);
    },
  };
}

function observeSpool(metrics: Metrics, event: SpoolEvent): void {
  if (event.kind === "cut") metrics.spoolCutBytes.inc(event.bytes);
  else metrics.spoolPolls.inc({ event: event.kind }, event.polls);
}

function observeFlush(metrics: Metrics, event: FlushEvent): void {
  switch (event.kind) {
    case "committed":
      metrics.ingestRows.inc(event.rows);
      metrics.ingestFlush.observe(event.seconds);
      break;
    case "failed":
      metrics.ingestFlushFailures.inc();
      break;
    case "refused":
      metrics.ingestRefusedPolls.inc(event.polls);
      break;
    case "waiting":
      metrics.ingestWaitingPolls.set(event.polls);
      break;
  }
}
