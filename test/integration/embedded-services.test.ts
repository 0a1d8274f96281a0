import { Client } from "pg";
import { describe, expect, inject, it } from "vitest";
import { redisCommand } from "../../src/bench/redis-server.ts";
import { describeOnBackends } from "../backends.ts";

describe("the services of a test run", () => {
  it("give a login that may create databases and roles and is no superuser", async () => {
    const client = new Client({ connectionString: inject("databaseUrl") });
    await client.connect();

    const { rows } = await client.query(
      "select rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname = current_user",
    );
    await client.end();

    expect(rows).toEqual([{ rolsuper: false, rolcreatedb: true, rolcreaterole: true }]);
  });
});

describeOnBackends("a suite for both back ends", (backend) => {
  it("finds its back end empty and writable", async () => {
    if (backend.kind === "redis") {
      expect(await redisCommand(backend.url, "DBSIZE")).toBe(":0");
      expect(await redisCommand(backend.url, "SET probe 1")).toBe("+OK");
      return;
    }
    const client = new Client({ connectionString: backend.url });
    await client.connect();
    await client.query("create table probe (id int)");
    const { rows } = await client.query(
      "select count(*)::int as tables from pg_tables where schemaname = 'public'",
    );
    await client.end();
    expect(rows).toEqual([{ tables: 1 }]);
  });
});
