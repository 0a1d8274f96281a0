import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import type { Log } from "../lib/log.ts";
import { sqlStateOf } from "./errors.ts";
import type { Queryable } from "./pool.ts";

/**
 * Brings the schema to where this version of the program expects it: plain SQL files, forward only, each in its own
 * transaction, under an advisory lock, so that any number of processes may start at once.
 *
 * A file that was applied is never applied again and must not change: its digest is compared. A database that is ahead
 * of the program is refused rather than guessed at.
 */

export interface MigrateOptions {
  /** The login user: a superuser, or the database's owner with CREATEROLE, or the owner and member of roles that exist. */
  readonly url: string;
  /** The folder of NNNN-what-it-does.sql files. */
  readonly directory: string;
  readonly log: Pick<Log, "info">;
}

/** Thrown when the database cannot be brought to the present schema; the message says what to do about it. */
export class MigrationError extends Error {}

export const POSTGRES_MAJOR_MIN = 15;

const UNDEFINED_TABLE = "42P01";
const INSUFFICIENT_PRIVILEGE = "42501";

/** The advisory lock of one database's migrations: "fairwalk" in ASCII, as a number. */
const LOCK_KEY = "7377293604959644779";

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly digest: string;
}

interface AppliedMigration {
  readonly number: number;
  readonly name: string;
  readonly digest: string;
}

/** Applies what is pending and resolves to the names of what it applied. Harmless when nothing is. */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const migrations = await readMigrations(options.directory);
  const client = new pg.Client({
    connectionString: options.url,
    application_name: "fairwalk migrate",
    connectionTimeoutMillis: 10_000,
  });
  // A query at hand rejects with the same error; between queries there is none.
  client.on("error", () => undefined);
  await client.connect();
  try {
    await requireVersion(client);
    await client.query(`select pg_advisory_lock(${LOCK_KEY})`);
    const pending = pendingOf(migrations, await appliedMigrations(client));
    for (const migration of pending) {
      const startedAt = performance.now();
      await apply(client, migration);
      const milliseconds = Math.round(performance.now() - startedAt);
      options.log.info({ migration: migration.name, milliseconds }, "migration applied");
    }
    return pending.map(({ name }) => name);
  } finally {
    await client.end();
  }
}

export interface SchemaState {
  /** Names of migrations the database has not had yet: run `fairwalk migrate`. */
  readonly pending: readonly string[];
}

/**
 * What is missing for this program to run on the database. Works as any role of ours. Rejects with a MigrationError when
 * the database is too old, ahead of the program, or was migrated by files that are not these.
 */
export async function schemaState(client: Queryable, directory: string): Promise<SchemaState> {
  await requireVersion(client);
  const pending = pendingOf(await readMigrations(directory), await appliedMigrations(client));
  return { pending: pending.map(({ name }) => name) };
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (name, index) => {
      const number = Number(/^(\d{4})-[a-z0-9-]+\.sql$/.exec(name)?.[1]);
      if (number !== index + 1) {
        throw new MigrationError(
          `Cannot read migration "${name}": the next one must be named ${String(index + 1).padStart(4, "0")}-what-it-does.sql`,
        );
      }
      // A checkout that turned line ends into CRLF is the same migration.
      const sql = (await readFile(join(directory, name), "utf8")).replaceAll("\r\n", "\n");
      return { number, name, sql, digest: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}

async function appliedMigrations(client: Queryable): Promise<AppliedMigration[]> {
  try {
    const { rows } = await client.query<{ number: number; name: string; digest: string }>(
      "select number, name, digest from fairwalk_migrations order by number",
    );
    return rows;
  } catch (error) {
    if (sqlStateOf(error) === UNDEFINED_TABLE) return [];
    throw error;
  }
}

function pendingOf(
  migrations: readonly Migration[],
  applied: readonly AppliedMigration[],
): Migration[] {
  for (const { number, name, digest } of applied) {
    const file = migrations[number - 1];
    if (file === undefined) {
      throw new MigrationError(
        `Cannot use this database: it has had migration "${name}", which this version of fairwalk does not know; run the version that applied it, or a later one`,
      );
    }
    if (file.digest !== digest) {
      throw new MigrationError(
        `Cannot use this database: migration "${file.name}" was changed after it had been applied; restore the file and put the change in a new migration`,
      );
    }
  }
  return migrations.slice(applied.length);
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  try {
    await client.query("begin");
    await client.query(migration.sql);
    await client.query("set local role fairwalk_owner");
    await client.query(
      "insert into fairwalk_migrations (number, name, digest) values ($1, $2, $3)",
      [migration.number, migration.name, migration.digest],
    );
    await client.query("commit");
  } catch (error) {
    const remedy =
      sqlStateOf(error) === INSUFFICIENT_PRIVILEGE
        ? "; migrate as a superuser, or as the database's owner with CREATEROLE, or have an administrator create the roles and grant them to the owner"
        : "";
    const reason = error instanceof Error ? error.message : String(error);
    throw new MigrationError(`Cannot apply migration "${migration.name}": ${reason}${remedy}`, {
      cause: error,
    });
  }
}

async function requireVersion(client: Queryable): Promise<void> {
  const { rows } = await client.query<{ number: string; text: string }>(
    "select current_setting('server_version_num') as number, current_setting('server_version') as text",
  );
  const major = Math.floor(Number(rows[0]?.number) / 10_000);
  if (major >= POSTGRES_MAJOR_MIN) return;
  throw new MigrationError(
    `Cannot use Postgres ${rows[0]?.text}: ${POSTGRES_MAJOR_MIN} or later is needed; upgrade it, or unset DATABASE_URL to use the embedded one`,
  );
}
