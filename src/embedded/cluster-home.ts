/**
 * Where the cluster lives: in the data directory, unless root started us and the user Postgres runs as cannot get
 * there (a data directory below /root). Then it lives in /var/lib/fairwalk-<digest of the data directory's path>, and
 * the data directory says so in `postgres-location`, which from then on is followed wherever the data directory moves.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Account, canReach } from "./unprivileged-user.ts";

/** The folder that holds the cluster, its binaries and its log. */
export interface ClusterHome {
  readonly folder: string;
  readonly isElsewhere: boolean;
}

/** The folder named by `<dataDir>/postgres-location`, undefined when the cluster is in the data directory or not made. */
export async function recordedHome(dataDir: string): Promise<string | undefined> {
  const record = join(dataDir, "postgres-location");
  if (!existsSync(record)) return undefined;
  const folder = (await readFile(record, "utf8")).trim();
  if (existsSync(clusterFolder(folder))) return folder;
  throw new Error(
    `Cannot find the database in "${folder}", where "${record}" says it is: restore that folder, or delete the file to begin with an empty database`,
  );
}

/** Decides on the home of the cluster and makes it. */
export async function openClusterHome(
  dataDir: string,
  recorded: string | undefined,
  account: Account | undefined,
): Promise<ClusterHome> {
  if (recorded !== undefined) return { folder: recorded, isElsewhere: true };
  if (account === undefined || canReach(account, dataDir)) {
    return { folder: dataDir, isElsewhere: false };
  }
  if (existsSync(clusterFolder(dataDir))) {
    throw new Error(
      `Cannot start the embedded Postgres in "${dataDir}": user "${account.name}", who owns the database, cannot reach it; allow others to pass through each folder above it (chmod o+x), or move it elsewhere`,
    );
  }

  const digest = createHash("sha256").update(dataDir).digest("hex").slice(0, 12);
  const folder = `/var/lib/fairwalk-${digest}`;
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o711);
  return { folder, isElsewhere: true };
}

/** To be called once the cluster is whole: a record always points to data. */
export async function recordHome(dataDir: string, home: ClusterHome): Promise<void> {
  if (home.isElsewhere) await writeFile(join(dataDir, "postgres-location"), `${home.folder}\n`);
}

/** Postgres' own data directory in a home. */
export function clusterFolder(home: string): string {
  return join(home, "postgres");
}
