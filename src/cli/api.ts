import { type RunningApi, startApi } from "../api/start-api.ts";
import type { Config } from "../config/load.ts";
import { systemClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { loadModules } from "../modules/load-modules.ts";
import { openPool } from "../storage/pool.ts";
import { type Platform, publishJson } from "./platform.ts";
import { hasSpooledSamples } from "./sample-writer.ts";
import { StopStack } from "./stoppable.ts";
import { programVersion } from "./version.ts";

const APP_CONNECTIONS_MAX = 10;
const PLATFORM_CONNECTIONS_MAX = 4;

/** The whole API; writes `api.json` into the data directory once it answers. */
export async function startApiRole(
  config: Config,
  platform: Platform,
  { metrics, log }: { readonly metrics: Metrics; readonly log: Log },
): Promise<RunningApi> {
  const started = new StopStack(log);
  const pool = (role: "fairwalk_app" | "fairwalk_platform", max: number) =>
    started.pushEnd(
      `connections as ${role}`,
      openPool({ url: platform.databaseUrl, role, max, applicationName: "fairwalk api", log }),
    );
  try {
    const modules = await loadModules(...config.moduleDirectories);
    const app = pool("fairwalk_app", APP_CONNECTIONS_MAX);
    const platformPool = pool("fairwalk_platform", PLATFORM_CONNECTIONS_MAX);
    const api = started.push(
      "API",
      await startApi(
        {
          pools: { app, platform: platformPool },
          masterKey: platform.masterKey,
          adminToken: platform.adminToken,
          importBytesMax: config.api.bodyBytesMax,
          tiers: config.tiers,
          modules,
          targetGuard: {
            allowLoopback: config.targets.allowLoopback || platform.embedded,
            ownAddresses: config.targets.ownAddresses,
            allow: config.targets.allow,
          },
          reachability: {
            failuresMax: config.scheduler.unreachableAfterFailures,
            probeSpacingMsMax: 1_000 * config.scheduler.probeSpacingSecondsMax,
          },
          discoverySeconds: config.worker.discoverySeconds,
          readinessChecks: {
            postgres: async () => {
              await app.query("select 1");
            },
          },
          isDegraded: () => hasSpooledSamples(metrics),
          platformMetrics: async () => ({
            contentType: metrics.registry.contentType,
            body: await metrics.registry.metrics(),
          }),
          log,
          clock: systemClock,
          version: programVersion(),
        },
        config.listen,
      ),
    );
    await publishJson(config, "api.json", { url: api.url });
    log.info({ url: api.url }, "API listening");
    return { url: api.url, stop: () => started.stop() };
  } catch (error) {
    await started.stop();
    throw error;
  }
}
