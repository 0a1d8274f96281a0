import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordedHome } from "../embedded/cluster-home.ts";

/** A new directory that other users may pass through: as root, Postgres runs as another user. */
export async function makeTemporaryDirectory(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `fairwalk-${name}-`));
  await chmod(folder, 0o711);
  return folder;
}

/** Removes a directory of ours, and the database it keeps elsewhere if it was a data directory that Postgres could not reach. */
export async function removeTemporaryDirectory(folder: string): Promise<void> {
  const elsewhere = await recordedHome(folder).catch(() => undefined);
  if (elsewhere !== undefined) await rm(elsewhere, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
}
