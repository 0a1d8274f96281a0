import type { Logger } from "pino";
import type { Config } from "../config/load.ts";
import { createMetrics } from "../metrics/metrics.ts";
import { checkQueueBackend } from "../queue/backend.ts";
import { startApiRole } from "./api.ts";
import { type Demo, startDemo } from "./demo.ts";
import { migrateAll } from "./migrate.ts";
import { openPlatform, type Platform, requireSecrets } from "./platform.ts";
import { startSchedulerRole } from "./scheduler.ts";
import { StopStack } from "./stoppable.ts";
import { startWorkerRole } from "./worker.ts";

export interface RunningSystem {
  readonly url: string;
  readonly platform: Platform;
  readonly demo: Demo | undefined;
  stop(): Promise<void>;
}

/**
 * Every role in one process. The order is what each stands on: Postgres, the schema, the API, then who polls. `progress`
 * hears of each step before it begins. Stops in reverse: no poll is cut short and none of its samples is left behind.
 */
export async function startAll(
  config: Config,
  log: Logger,
  options: { readonly demo: boolean; readonly progress: (step: string) => void },
): Promise<RunningSystem> {
  const { progress } = options;
  const started = new StopStack(log);
  try {
    progress(config.databaseUrl === undefined ? "starting Postgres" : "connecting to Postgres");
    const platform = started.push("Postgres", await openPlatform(config, log));
    requireSecrets(platform, "all", ["adminToken", "masterKey"]);
    await checkQueueBackend(platform.queueBackend);
    progress("migrating the database");
    await migrateAll(config, platform, log);

    const metrics = createMetrics();
    const running = { metrics, log };
    progress("starting the API");
    const api = started.push("API", await startApiRole(config, platform, running));
    const demo = options.demo
      ? await startDemo(config, { url: api.url, adminToken: platform.adminToken }, log)
      : undefined;
    if (demo !== undefined) started.push("demo network", demo);
    progress("starting worker and scheduler");
    started.push("worker", await startWorkerRole(config, platform, running));
    started.push("scheduler", await startSchedulerRole(config, platform, running));
    return { url: api.url, platform, demo, stop: () => started.stop() };
  } catch (error) {
    await started.stop();
    throw error;
  }
}
