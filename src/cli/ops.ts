import { type RunningApi, startOpsApi } from "../api/start-api.ts";
import type { Config } from "../config/load.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { openPool } from "../storage/pool.ts";
import type { Platform } from "./platform.ts";
import { hasSpooledSamples } from "./sample-writer.ts";
import { StopStack } from "./stoppable.ts";
import { programVersion } from "./version.ts";

/** Health and metrics of a scheduler or worker that runs alone: /livez, /readyz, /metrics and nothing of a tenant. */
export async function startOps(
  config: Config,
  platform: Platform,
  { metrics, log }: { readonly metrics: Metrics; readonly log: Log },
): Promise<RunningApi> {
  const started = new StopStack(log);
  const pool = started.pushEnd(
    "connections for readiness",
    openPool({
      url: platform.databaseUrl,
      role: "fairwalk_scheduler",
      max: 1,
      applicationName: "fairwalk ops",
      log,
    }),
  );
  try {
    const api = started.push(
      "ops API",
      await startOpsApi(
        {
          adminToken: platform.adminToken,
          readinessChecks: {
            postgres: async () => {
              await pool.query("select 1");
            },
          },
          isDegraded: () => hasSpooledSamples(metrics),
          platformMetrics: async () => ({
            contentType: metrics.registry.contentType,
            body: await metrics.registry.metrics(),
          }),
          log,
          version: programVersion(),
        },
        config.listen,
      ),
    );
    log.info({ url: api.url }, "health and metrics listening");
    return { url: api.url, stop: () => started.stop() };
  } catch (error) {
    await started.stop();
    throw error;
  }
}
