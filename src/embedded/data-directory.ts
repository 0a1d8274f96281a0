import { chmod, mkdir, realpath } from "node:fs/promises";

/**
 * Makes the data directory where it is missing and returns its real path. Others may pass through a directory we make
 * but not list it: as root, Postgres runs under another user and has to reach its files; every secret in it is 0600.
 */
export async function openDataDirectory(dataDir: string): Promise<string> {
  try {
    // Answers the first directory it had to make; an existing directory keeps the mode its owner gave it.
    const made = await mkdir(dataDir, { recursive: true });
    if (made !== undefined) await chmod(dataDir, 0o711);
    return await realpath(dataDir);
  } catch (cause) {
    throw new Error(
      `Cannot make the data directory "${dataDir}": ${(cause as Error).message}; set FAIRWALK_DATA_DIR to a folder this user may write`,
      { cause },
    );
  }
}
