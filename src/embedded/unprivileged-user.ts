/**
 * Postgres refuses to run as root. Started by root (a container, a bare machine) we run it under a system user that
 * exists already: creating one would leave a trace on the machine that nothing removes.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Users a Unix system has without our help, the most fitting first. */
const CANDIDATES = ["postgres", "_postgres", "nobody"];

/**
 * Who Postgres shall run as: undefined means ourselves. A cluster that exists keeps its owner, so that data made by an
 * ordinary user can be started by root.
 */
export function accountForPostgres(cluster: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = accountsOf(readFileSync("/etc/passwd", "utf8"));
  const owner = statSync(cluster, { throwIfNoEntry: false })?.uid ?? 0;
  const account =
    owner === 0
      ? CANDIDATES.map((name) => accounts.find((one) => one.name === name)).find(Boolean)
      : accounts.find((one) => one.uid === owner);
  if (account !== undefined) return account;
  throw new Error(
    owner === 0
      ? `Cannot run the embedded Postgres as root: none of the users ${CANDIDATES.join(", ")} exists; start Fairwalk as an ordinary user, or set DATABASE_URL`
      : `Cannot run the embedded Postgres in "${cluster}": its owner (uid ${owner}) is no user of this machine; change the owner, or start with another FAIRWALK_DATA_DIR`,
  );
}

/** Whether `account` may enter `folder`. Asked of the kernel, by trying: modes alone tell nothing of ACLs or mounts. */
export function canReach(account: Account, folder: string): boolean {
  const { uid, gid } = account;
  const attempt = spawnSync("/bin/sh", ["-c", 'cd -- "$1"', "sh", folder], {
    uid,
    gid,
    cwd: "/",
    stdio: "ignore",
  });
  if (attempt.error !== undefined) {
    throw new Error(
      `Cannot start a program as user "${account.name}": ${attempt.error.message}; start Fairwalk as an ordinary user, or set DATABASE_URL`,
      { cause: attempt.error },
    );
  }
  return attempt.status === 0;
}

/** The lines of passwd(5). macOS writes nobody's ids as -2: the kernel's are unsigned. */
function accountsOf(passwd: string): Account[] {
  return passwd
    .split("\n")
    .map((line) => line.split(":"))
    .filter((fields) => fields.length >= 4)
    .map(([name = "", , uid, gid]) => ({ name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }));
}
