/**
 * The embedded default: a real Postgres of our own, so that one command works on a machine with nothing but Node. It
 * is started from npm's binaries, keeps its data in the data directory, listens on loopback with a generated
 * password, and is ended with us. If we are killed it lives on; the next start ends it in order and begins anew.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../lib/log.ts";
import {
  type ClusterTools,
  createCluster,
  DATABASE,
  hasCluster,
  LOGIN,
  resetPassword,
} from "./cluster.ts";
import { clusterFolder, openClusterHome, recordedHome, recordHome } from "./cluster-home.ts";
import { openDataDirectory } from "./data-directory.ts";
import { generatedPostgresPassword } from "./generated-secrets.ts";
import { bundledPostgres, installBinaries, removeOtherBinaries } from "./native-binaries.ts";
import { endOrphanedPostmaster, type Postmaster, startPostmaster } from "./postmaster.ts";
import { lockFolder } from "./single-instance.ts";
import { accountForPostgres } from "./unprivileged-user.ts";

export interface EmbeddedPostgresOptions {
  readonly dataDir: string;
  readonly log: Log;
  /** Absent: a free port, chosen at each start. */
  readonly port?: number;
}

export interface EmbeddedPostgres {
  /** A login that may create roles and databases, and owns the database it names. The same as long as it runs. */
  readonly url: string;
  /** Postgres' version, e.g. `18.4`. */
  readonly version: string;
  /** Ends the server in order. Whatever uses it must have stopped. */
  stop(): Promise<void>;
}

/** A server that ends this often, each time within a minute of its start, is not started again. */
const RESTARTS_MAX = 5;
const STEADY_MS = 60_000;

/** The first restart is immediate; each further one waits this much longer. */
const RESTART_DELAY_MS = 1_000;

/**
 * Starts the embedded Postgres on `dataDir`, making what is missing. Rejects, naming the remedy, when another Fairwalk
 * uses the directory, when the platform has no binaries, when another major version made the data, and when the server
 * does not start. A server that is killed later is started again on the same URL.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const { log } = options;
  const bundle = await bundledPostgres();
  const dataDir = await openDataDirectory(options.dataDir);
  const recorded = await recordedHome(dataDir);
  const account = accountForPostgres(clusterFolder(recorded ?? dataDir));
  const home = await openClusterHome(dataDir, recorded, account);
  if (home.isElsewhere) {
    log.info(
      { dataDir, database: home.folder },
      `the database lives in ${home.folder}: the user Postgres runs as cannot reach the data directory`,
    );
  }

  const lock = await lockFolder(home.folder).catch((error: unknown) => {
    throw withRemedy(error, home.folder);
  });
  try {
    const isNew = !(await hasCluster(home.folder, bundle.major));
    if (isNew) log.info({ version: bundle.release }, "preparing the embedded Postgres, once");
    const binaries = await installBinaries(bundle, home.folder, account);
    const tools = { binaries, home: home.folder, account };
    await preparePassword(tools, dataDir, isNew, log);
    const password = await generatedPostgresPassword(dataDir);
    await recordHome(dataDir, home);

    const server = await superviseServer(tools, options.port, log);
    await removeOtherBinaries(bundle, home.folder);
    log.info({ port: server.port, version: bundle.release }, "embedded Postgres is ready");
    return {
      url: `postgres://${LOGIN}:${password}@127.0.0.1:${server.port}/${DATABASE}`,
      version: bundle.release,
      stop: async () => {
        await server.stop();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw withRemedy(error, home.folder);
  }
}

/** Leaves a cluster behind that takes the password of the data directory, and no server running on it. */
async function preparePassword(
  tools: ClusterTools,
  dataDir: string,
  isNew: boolean,
  log: Log,
): Promise<void> {
  const isLost = !isNew && !existsSync(join(dataDir, "postgres-password"));
  if (await endOrphanedPostmaster(clusterFolder(tools.home))) {
    log.warn({}, "ended the embedded Postgres that an earlier run, killed, had left behind");
  }
  const password = await generatedPostgresPassword(dataDir);
  if (isNew) await createCluster(tools, password);
  if (isLost) {
    log.warn({ dataDir }, "the file postgres-password was gone: the database has a new password");
    await resetPassword(tools, password);
  }
}

/** Keeps one server running on one port until stopped. */
async function superviseServer(
  tools: ClusterTools,
  wishedPort: number | undefined,
  log: Log,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const start = (port: number | undefined): Promise<Postmaster> =>
    startPostmaster(
      {
        binaries: tools.binaries,
        cluster: clusterFolder(tools.home),
        logFile: join(tools.home, "postgres.log"),
        account: tools.account,
        port,
      },
      log,
    );
  const first = await start(wishedPort);
  const { port } = first;
  let running = first;
  let isStopping = false;

  // A restart that fails is a server that ended at once.
  const startAgain = (): Promise<Postmaster> =>
    start(port).catch((error: unknown) => ({
      port,
      ended: Promise.resolve(String(error)),
      stop: async () => {},
    }));
  const supervise = async (): Promise<void> => {
    let startedAt = Date.now();
    for (let failures = 0; !isStopping; ) {
      const how = await running.ended;
      if (isStopping) return;
      failures = Date.now() - startedAt < STEADY_MS ? failures + 1 : 1;
      if (failures > RESTARTS_MAX) {
        log.error({ how, failures }, "embedded Postgres keeps ending and is not started again");
        return;
      }
      log.error({ how }, "embedded Postgres ended unexpectedly; starting it again");
      await delay((failures - 1) * RESTART_DELAY_MS);
      startedAt = Date.now();
      running = await startAgain();
    }
  };
  const supervision = supervise();

  return {
    port,
    stop: async () => {
      isStopping = true;
      await running.stop();
      await supervision;
      // A restart may have been under way.
      await running.stop();
    },
  };
}

/** A full disk and another user's files show themselves in many places; each gets the same remedy. */
function withRemedy(error: unknown, folder: string): unknown {
  const message = error instanceof Error ? error.message : String(error);
  if (/ENOSPC|No space left on device/.test(message)) {
    return new Error(
      `Cannot start the embedded Postgres: the disk of "${folder}" is full; it needs about 250 MB to begin: free some, or set FAIRWALK_DATA_DIR to a folder on another disk`,
      { cause: error },
    );
  }
  if (/^(EACCES|EPERM|EROFS)/.test(message)) {
    return new Error(
      `Cannot start the embedded Postgres: this user may not write in "${folder}" (${message}); start Fairwalk as the user who made it, or set FAIRWALK_DATA_DIR to another folder`,
      { cause: error },
    );
  }
  return error;
}
