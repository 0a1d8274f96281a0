import type { Command } from "commander";
import { type Config, loadConfig } from "../config/load.ts";
import { createMetrics } from "../metrics/metrics.ts";
import { loadModules } from "../modules/load-modules.ts";
import { loadProfiles } from "../modules/profiles.ts";
import { checkQueueBackend } from "../queue/backend.ts";
import { type RunningSystem, startAll } from "./all.ts";
import { startApiRole } from "./api.ts";
import { registerBenchmarks } from "./bench.ts";
import { doctor } from "./doctor.ts";
import { migrateAll } from "./migrate.ts";
import { startOps } from "./ops.ts";
import {
  openLog,
  openPlatform,
  type Platform,
  requireSecrets,
  sharedPlatform,
} from "./platform.ts";
import { startSchedulerRole } from "./scheduler.ts";
import { requireSchema } from "./schema-check.ts";
import { registerSimulate } from "./simulate.ts";
import { type Stoppable, StopStack } from "./stoppable.ts";
import { allTenants, createTenantWithKey } from "./tenant.ts";
import { aborted, untilSignal } from "./until-signal.ts";
import { startWorkerRole } from "./worker.ts";

/** Every command of `fairwalk`; each reads the configuration, runs, and stops in order at a signal. */
export function registerCommands(program: Command): void {
  program
    .command("all")
    .description(
      "run every role in one process, on an embedded Postgres unless DATABASE_URL is set",
    )
    .option("--demo", "while no tenant exists, register three demo tenants with simulated routers")
    .action(async (options: { demo?: boolean }) => {
      const config = readConfig();
      await runAll(config, config.demo ?? options.demo ?? false);
    });

  const roles = { scheduler: startSchedulerRole, worker: startWorkerRole, api: startApiRole };
  for (const [role, start] of Object.entries(roles)) {
    program
      .command(role)
      .description(
        `run the ${role} alone; needs DATABASE_URL (and REDIS_URL where the queue is there)`,
      )
      .action(() => runRole(role as keyof typeof roles, start));
  }

  program
    .command("migrate")
    .description("bring the database and the queue to this version's schema")
    .action(() =>
      withPlatform(async (platform, config) => {
        const applied = await migrateAll(config, platform, openLog(config));
        console.log(applied.length === 0 ? "nothing to migrate" : `applied ${applied.join(", ")}`);
      }),
    );

  const tenant = program.command("tenant").description("create and list tenants");
  tenant
    .command("create <slug>")
    .option("--name <name>", "the name people see (the slug)")
    .option("--tier <tier>", "free, professional, business, enterprise or msp", "free")
    .description("create a tenant and print it with its first API key")
    .action((slug: string, { name, tier }: { name?: string; tier: string }) =>
      withPlatform(async (platform) => {
        requireSecrets(platform, "tenant create", ["masterKey"]);
        console.log(
          JSON.stringify(await createTenantWithKey(platform, { slug, name, tier }), null, 2),
        );
      }),
    );
  tenant
    .command("list")
    .description("print every tenant, one JSON line each")
    .action(() =>
      withPlatform(async (platform) => {
        for (const each of await allTenants(platform)) console.log(JSON.stringify(each));
      }),
    );

  program
    .command("doctor")
    .description("check the database: schema, isolation of tenants, partitions, rollups, bloat")
    .option("--isolation", "only the isolation of tenants")
    .action((options: { isolation?: boolean }) =>
      withPlatform(async (platform, config) => {
        process.exitCode = (await doctor(platform, config, options)) ? 0 : 1;
      }),
    );

  registerSimulate(program);
  registerBenchmarks(program);

  const config = program.command("config").description("work with the configuration");
  config
    .command("check")
    .description("check the configuration file, the environment, the modules and the profiles")
    .action(async () => {
      const checked = readConfig();
      const modules = await loadModules(...checked.moduleDirectories);
      await loadProfiles(checked.profilesFile, modules);
      console.log(`${checked.file}: good, ${modules.size} modules`);
    });
}

function readConfig(): Config {
  return loadConfig(process.env);
}

async function runRole(
  role: "scheduler" | "worker" | "api",
  start: (
    config: Config,
    platform: Platform,
    running: {
      readonly metrics: ReturnType<typeof createMetrics>;
      readonly log: ReturnType<typeof openLog>;
    },
  ) => Promise<Stoppable>,
): Promise<void> {
  const config = readConfig();
  const log = openLog(config);
  const signal = untilSignal();
  const platform = sharedPlatform(config, role);
  await requireSchema(platform, signal, log);
  if (role !== "api") await checkQueueBackend(platform.queueBackend);

  const started = new StopStack(log);
  const metrics = createMetrics();
  try {
    // The API serves its own health and metrics; the others do where they are told to listen.
    if (role !== "api" && process.env["FAIRWALK_LISTEN"]) {
      started.push("ops", await startOps(config, platform, { metrics, log }));
    }
    started.push(role, await start(config, platform, { metrics, log }));
    await aborted(signal);
    log.info({ role }, "stopping");
  } finally {
    await started.stop();
  }
}

async function runAll(config: Config, wantsDemo: boolean): Promise<void> {
  const log = openLog(config);
  const signal = untilSignal();
  const system = await startAll(config, log, {
    demo: wantsDemo,
    progress: (step) => console.error(`fairwalk: ${step}`),
  });
  try {
    printWelcome(config, system);
    await aborted(signal);
    console.error("fairwalk: stopping");
  } finally {
    await system.stop();
  }
}

function printWelcome(config: Config, { url, platform, demo }: RunningSystem): void {
  const first = demo?.tenants[0];
  const lines = [
    "",
    `API             ${url}`,
    `Description     ${url}/openapi.json`,
    `Admin token     ${config.adminToken === undefined ? platform.adminToken : "(FAIRWALK_ADMIN_TOKEN)"}`,
    ...(demo?.tenants ?? []).map(
      ({ slug, tier, apiKey }) => `Tenant          ${slug} (${tier})  ${apiKey}`,
    ),
    "",
  ];
  if (first !== undefined) {
    lines.push(
      "Try:",
      `  curl -s -H 'Authorization: Bearer ${first.apiKey}' '${url}/v1/metrics' | grep ifHCInOctets`,
      `  curl -s -H 'Authorization: Bearer ${first.apiKey}' '${url}/v1/routers?limit=3'`,
      `  curl -s -H 'Authorization: Bearer ${platform.adminToken}' '${url}/v1/admin/fairness'`,
      "",
    );
  }
  console.log(lines.join("\n"));
}

async function withPlatform(
  work: (platform: Platform, config: Config) => Promise<void>,
): Promise<void> {
  const config = readConfig();
  const platform = await openPlatform(config, openLog(config));
  try {
    await work(platform, config);
  } finally {
    await platform.stop();
  }
}
