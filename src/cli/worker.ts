import type { Config } from "../config/load.ts";
import { systemClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { collectionPlan } from "../modules/collection-plan.ts";
import { loadModules } from "../modules/load-modules.ts";
import { loadProfiles, modulesFor } from "../modules/profiles.ts";
import { openTransport } from "../snmp/transport.ts";
import { saveAnswerLimits } from "../storage/answer-limits.ts";
import { followChanges } from "../storage/change-feed.ts";
import { saveTextFacts } from "../storage/facts.ts";
import { saveInterfaces } from "../storage/interfaces.ts";
import { discoveryOf, saveInventory } from "../storage/inventories.ts";
import { routersForPolling } from "../storage/polling.ts";
import { openPool, withTenant } from "../storage/pool.ts";
import { heartbeat, removeWorker } from "../storage/workers.ts";
import { watchEventLoop } from "../worker/event-loop-pressure.ts";
import { LimitsKeeper } from "../worker/limits-keeper.ts";
import type { PlannedModule } from "../worker/poll-router.ts";
import { type PollTarget, RouterDirectory } from "../worker/router-directory.ts";
import { startWorker } from "../worker/worker.ts";
import type { Platform } from "./platform.ts";
import { startSampleWriter } from "./sample-writer.ts";
import { type Stoppable, StopStack } from "./stoppable.ts";
import { programVersion } from "./version.ts";

/** Connections a worker reads routers and writes inventories with. */
const APP_CONNECTIONS_MAX = 4;

/** The whole worker: what it stands on, then the worker itself. Stops in reverse order. */
export async function startWorkerRole(
  config: Config,
  platform: Platform,
  { metrics, log }: { readonly metrics: Metrics; readonly log: Log },
): Promise<Stoppable> {
  const started = new StopStack(log);
  const pool = (role: Parameters<typeof openPool>[0]["role"], max: number) =>
    started.pushEnd(
      `connections as ${role}`,
      openPool({ url: platform.databaseUrl, role, max, applicationName: "fairwalk worker", log }),
    );
  try {
    const { modulesOf, probes } = await moduleChooser(config);
    const app = pool("fairwalk_app", APP_CONNECTIONS_MAX);
    const state = pool("fairwalk_scheduler", 1);

    const { writer, pressures } = started.push(
      "writer",
      await startSampleWriter(config, { databaseUrl: platform.databaseUrl, app }, { metrics, log }),
    );
    const directory = new RouterDirectory((tenantId, routerIds) =>
      routersForPolling(app, platform.masterKey, tenantId, routerIds),
    );
    started.push(
      "change feed",
      followChanges(platform.databaseUrl, {
        onTenant: (tenantId) => directory.forgetTenant(tenantId),
        onReconnect: () => directory.forgetAll(),
        log,
      }),
    );
    const transport = started.push("SNMP sockets", await openTransport({}));
    const limits = started.push(
      "answer limits",
      new LimitsKeeper(
        (tenantId, learnt) =>
          withTenant(app, tenantId, (client) => saveAnswerLimits(client, learnt, new Date())),
        log,
      ),
    );
    const lag = started.push(
      "watch of the event loop",
      watchEventLoop(config.worker.eventLoopLagMsMax),
    );

    const version = programVersion();
    started.push(
      "worker",
      await startWorker(
        {
          backend: platform.queueBackend,
          transport,
          directory,
          writer,
          pressures: [...pressures, lag],
          modulesOf,
          discoveryOf: (tenantId, routerId) =>
            withTenant(app, tenantId, (client) => discoveryOf(client, routerId)),
          saveInventory: (tenantId, routerId, { interfaces, texts, sections }, seenAtMs) =>
            withTenant(app, tenantId, async (client) => {
              const seenAt = new Date(seenAtMs);
              if (interfaces !== undefined) {
                await saveInterfaces(client, routerId, interfaces, seenAt);
              }
              if (texts !== undefined) await saveTextFacts(client, routerId, texts, seenAt);
              if (sections !== undefined) await saveInventory(client, routerId, sections, seenAt);
            }),
          keepLimits: (...learnt) => limits.keep(...learnt),
          heartbeat: ({ slots, ...beat }) =>
            heartbeat(state, { ...beat, version, free: Math.max(0, slots - beat.busy) }),
          removeWorker: (workerId) => removeWorker(state, workerId),
          metrics,
          clock: systemClock,
          log,
        },
        {
          ...config.worker,
          probes,
          zones: config.servedZones,
        },
      ),
    );
    return started;
  } catch (error) {
    await started.stop();
    throw error;
  }
}

interface ModuleChooser {
  readonly modulesOf: (target: PollTarget) => readonly PlannedModule[] | undefined;
  /** OIDs that profiles ask routers about. */
  readonly probes: readonly string[];
}

/** Modules of a router by name, or by profile where it was registered without. */
async function moduleChooser(config: Config): Promise<ModuleChooser> {
  const modules = await loadModules(...config.moduleDirectories);
  const profiles = await loadProfiles(config.profilesFile, modules);
  const planned = new Map<string, PlannedModule>(
    [...modules].map(([name, module]) => [name, { module, plan: collectionPlan(module) }]),
  );
  // One list for each choice: what is asked is worked out once a list.
  const choices = new Map<string, readonly PlannedModule[] | undefined>();
  return {
    probes: profiles.probes.map(({ oid }) => oid),
    modulesOf: ({ router, discovery }) => {
      const names = router.modules ?? modulesFor(profiles, discovery);
      const key = names.join();
      if (!choices.has(key)) {
        const chosen = names.flatMap((name) => planned.get(name) ?? []);
        choices.set(key, chosen.length === names.length ? chosen : undefined);
      }
      return choices.get(key);
    },
  };
}
