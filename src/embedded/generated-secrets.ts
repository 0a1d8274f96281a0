/**
 * The secrets an operator would otherwise have to invent, made once and kept in the data directory, mode 0600. A file
 * that is there but damaged is an error, never a reason for a new secret: with the master key go all credentials.
 */
import { randomBytes } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { openDataDirectory } from "./data-directory.ts";

/** The platform administrator's token in `<dataDir>/admin-token`, generated at the first call. */
export async function generatedAdminToken(dataDir: string): Promise<string> {
  return await keptSecret(dataDir, "admin-token", /^[A-Za-z0-9_-]{32,}$/, () =>
    randomBytes(32).toString("base64url"),
  );
}

/** The 32 bytes in `<dataDir>/master-key` (base64) that wrap the tenants' data keys, generated at the first call. */
export async function generatedMasterKey(dataDir: string): Promise<Buffer> {
  const text = await keptSecret(dataDir, "master-key", /^[A-Za-z0-9+/]{43}=$/, () =>
    randomBytes(32).toString("base64"),
  );
  return Buffer.from(text, "base64");
}

/** The password of the embedded cluster in `<dataDir>/postgres-password`, generated at the first call. */
export async function generatedPostgresPassword(dataDir: string): Promise<string> {
  return await keptSecret(dataDir, "postgres-password", /^[A-Za-z0-9_-]{32,}$/, () =>
    randomBytes(24).toString("base64url"),
  );
}

async function keptSecret(
  dataDir: string,
  name: string,
  shape: RegExp,
  generate: () => string,
): Promise<string> {
  const file = join(await openDataDirectory(dataDir), name);
  const text = (await readIfThere(file)) ?? (await writeOnce(file, generate()));
  if (!shape.test(text.trim())) {
    throw new Error(
      `Cannot use the generated secret in "${file}": it is damaged; restore it from a backup, or delete it to generate another`,
    );
  }
  return text.trim();
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Error(`Cannot read the generated secret in "${file}": ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Whole or not at all, and the first writer wins: a second process that starts at the same time takes the same secret. */
async function writeOnce(file: string, secret: string): Promise<string> {
  const draft = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.writeFile(`${secret}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, file);
    return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return await readFile(file, "utf8");
    throw new Error(`Cannot write the generated secret to "${file}": ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    await rm(draft, { force: true });
  }
}
