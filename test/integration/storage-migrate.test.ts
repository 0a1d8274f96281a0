import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { MigrationError, migrate, schemaState } from "../../src/storage/migrate.ts";
import { openPool } from "../../src/storage/pool.ts";
import { createTestDatabase, type TestDatabase } from "../database.ts";
import { MIGRATIONS, silentLog } from "../storage-fixture.ts";

const adminUrl = inject("databaseUrl");
const COUNT = (await readdir(MIGRATIONS)).length;
/** The number of a file that would come so many after the last. */
const numberAfter = (files: number) => String(COUNT + files).padStart(4, "0");
const NEXT = numberAfter(1);

describe("migrate", () => {
  let database: TestDatabase;
  let directory: string;

  beforeEach(async () => {
    database = await createTestDatabase(adminUrl);
    directory = await mkdtemp(join(tmpdir(), "fairwalk-migrations-"));
    await cp(MIGRATIONS, directory, { recursive: true });
  });

  afterEach(async () => {
    await database.drop();
    await rm(directory, { recursive: true });
  });

  const run = (url = database.url) => migrate({ url, directory, log: silentLog });

  it("applies every file once: a second run does nothing", async () => {
    const first = await run();
    const second = await run();

    expect(first[0]).toBe("0001-roles.sql");
    expect(second).toEqual([]);
  });

  it("applies every file once when many processes start together", async () => {
    const runs = await Promise.all([run(), run(), run()]);

    expect(runs.filter((applied) => applied.length > 0)).toHaveLength(1);
  });

  it("refuses a file that was changed after it had been applied", async () => {
    await run();
    await writeFile(join(directory, "0002-tenants.sql"), "select 1;");

    await expect(run()).rejects.toThrow(/"0002-tenants.sql" was changed/);
  });

  it("refuses a database that a later version migrated", async () => {
    await writeFile(join(directory, `${NEXT}-from-the-future.sql`), "select 1;");
    await run();
    await rm(join(directory, `${NEXT}-from-the-future.sql`));

    await expect(run()).rejects.toThrow(`"${NEXT}-from-the-future.sql", which this version`);
  });

  it("refuses a gap in the numbers", async () => {
    await writeFile(join(directory, `${numberAfter(3)}-too-far.sql`), "select 1;");

    await expect(run()).rejects.toThrow(`must be named ${NEXT}-`);
  });

  it("leaves nothing of a file that fails, and names it", async () => {
    await writeFile(
      join(directory, `${NEXT}-broken.sql`),
      "create table half (a int); select 1 / 0;",
    );

    await expect(run()).rejects.toThrow(`"${NEXT}-broken.sql": division by zero`);

    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query("select to_regclass('half') as half");
    await client.end();
    expect(rows).toEqual([{ half: null }]);
  });

  it("tells what is pending, as any role", async () => {
    await run();
    await writeFile(join(directory, `${NEXT}-next.sql`), "select 1;");
    const pool = openPool({
      url: database.url,
      role: "fairwalk_app",
      max: 1,
      applicationName: "test",
    });

    const state = await schemaState(pool, directory);
    await pool.end();

    expect(state.pending).toEqual([`${NEXT}-next.sql`]);
  });

  it("tells everything is pending in an empty database", async () => {
    const pool = openPool({ url: database.url, max: 1, applicationName: "test" });

    const state = await schemaState(pool, directory);
    await pool.end();

    expect(state.pending).toHaveLength(COUNT);
  });

  it("refuses a Postgres before 15, naming what is needed", async () => {
    const old = {
      query: async () => ({ rows: [{ number: "140012", text: "14.12" }], rowCount: 1 }),
    } as never; // What a Postgres 14 would answer; none can be started here.

    await expect(schemaState(old, directory)).rejects.toThrow(
      /Cannot use Postgres 14.12: 15 or later is needed/,
    );
  });

  describe("as a login user who is no superuser", () => {
    const login = `fairwalk_test_login_${randomBytes(4).toString("hex")}`;
    let url: string;

    beforeEach(async () => {
      await run(); // The roles exist from here on.
      await database.drop();
      database = await createTestDatabase(adminUrl);
      const parsed = new URL(database.url);
      parsed.username = login;
      parsed.password = "secret";
      url = parsed.href;
      await asAdmin(`create role ${login} login password 'secret'`);
      await asAdmin(`grant ${login} to current_user`); // Only who may act as a role may give to it.
      await asAdmin(`alter database ${parsed.pathname.slice(1)} owner to ${login}`);
    });

    afterEach(async () => {
      await database.drop();
      await asAdmin(`drop role ${login}`);
    });

    it("migrates a database it owns once it was granted the roles", async () => {
      await asAdmin(
        `grant fairwalk_owner, fairwalk_app, fairwalk_ingest, fairwalk_scheduler, fairwalk_rollup, fairwalk_platform to ${login}`,
      );

      await run(url);

      const pool = openPool({ url, role: "fairwalk_app", max: 1, applicationName: "test" });
      const { rows } = await pool.query("select current_user, count(*)::int from tenants");
      await pool.end();
      expect(rows).toEqual([{ current_user: "fairwalk_app", count: 0 }]);
    });

    it("is told what it lacks when it may not have the roles", async () => {
      const failure = await run(url).catch((error: unknown) => error);

      expect(failure).toBeInstanceOf(MigrationError);
      expect(String(failure)).toMatch(/"0001-roles.sql".*; migrate as a superuser, or/);
    });
  });
});

async function asAdmin(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
