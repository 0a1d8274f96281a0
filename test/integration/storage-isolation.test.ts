import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { uuidv7 } from "../../src/lib/uuid.ts";
import type { PollResult } from "../../src/routers/samples.ts";
import { saveAnswerLimits } from "../../src/storage/answer-limits.ts";
import { createApiKey } from "../../src/storage/api-keys.ts";
import { openSampleWriter } from "../../src/storage/copy.ts";
import { sqlStateOf } from "../../src/storage/errors.ts";
import { saveTextFacts } from "../../src/storage/facts.ts";
import { saveInterfaces } from "../../src/storage/interfaces.ts";
import { saveInventory } from "../../src/storage/inventories.ts";
import { isolationFindings } from "../../src/storage/isolation.ts";
import { openPool, type Pool, withTenant, withTransaction } from "../../src/storage/pool.ts";
import {
  beginRollups,
  type RollUpContext,
  rollUpBuckets,
  rollUpHours,
} from "../../src/storage/roll-up.ts";
import { ROLLUP_BUCKET_MS, ROLLUP_HOUR_MS } from "../../src/storage/rollup-due.ts";
import { ShapeCache } from "../../src/storage/samples.ts";
import { saveFairness } from "../../src/storage/scheduler-state.ts";
import { ShapeRegistry } from "../../src/storage/shapes.ts";
import { TENANT_PARTITIONED_TABLES, TENANT_ROW_TABLES } from "../../src/storage/tenant-tables.ts";
import { createZone } from "../../src/storage/zones.ts";
import type { Tenant } from "../../src/tenants/tenant.ts";
import { openStorageFixture, type StorageFixture } from "../storage-fixture.ts";

const PERMISSION_DENIED = "42501";

const TENANT_TABLES = [...TENANT_ROW_TABLES, ...TENANT_PARTITIONED_TABLES];

let storage: StorageFixture;
let alpha: Tenant;
let beta: Tenant;

beforeAll(async () => {
  storage = await openStorageFixture(inject("databaseUrl"), { ownerSeesAll: false });
  alpha = await storage.newTenant("alpha");
  beta = await storage.newTenant("beta");
  await fill(alpha);
  await fill(beta);
});

afterAll(() => storage.close());

/** One row at least in each table of a tenant. */
async function fill(tenant: Tenant): Promise<void> {
  await createApiKey(storage.platform, {
    tenantId: tenant.id,
    name: "key",
    role: "viewer",
    scopes: [],
    expiresAt: null,
  });
  const router = await storage.newRouter(tenant);
  const now = new Date();
  await withTenant(storage.app, tenant.id, async (client) => {
    await createZone(client, { name: "site" });
    await saveInterfaces(client, router.id, [{ ifIndex: 1 }], now);
    const fact = { module: "system", metric: "sysName", instance: "", labels: {}, value: "r" };
    await saveTextFacts(client, router.id, [fact], now);
    const discovery = { readAtMs: {}, answering: [], signals: {} };
    const neighbours = {
      section: "neighbours",
      document: [{ protocol: "cdp", index: "1.1", remoteSysName: "other" }],
      isComplete: true,
    } as const;
    await saveInventory(client, router.id, { documents: [neighbours], discovery }, now);
    const limits = { answerBytesMax: 1_400, repetitionsMax: 9, varbindsMax: 90, limitsSinceMs: 0 };
    await saveAnswerLimits(client, [{ routerId: router.id, walk: "1.3+1/x", limits }], now);
  });
  const atMs = now.getTime();
  const result: PollResult = {
    poll: {
      tenantId: tenant.id,
      routerId: router.id,
      polledAtMs: atMs,
      dueAtMs: atMs,
      startedAtMs: atMs,
      durationMs: 1,
      outcome: "answered",
      costMs: 1,
      requests: 1,
      retries: 0,
      bytesIn: 1,
      modules: [],
    },
    blocks: [
      {
        module: "system",
        metrics: ["sysUpTime"],
        instances: [""],
        labels: [{}],
        values: BigInt64Array.of(1n),
        present: Uint8Array.of(1),
      },
    ],
  };
  await new ShapeRegistry(storage.app).register([result]);
  await openSampleWriter(storage.ingest).flush({ flushId: uuidv7(), results: [result] });
  const rollups: RollUpContext = {
    pool: storage.rollup,
    kindOf: () => "gauge",
    shapes: new ShapeCache(),
  };
  const hourMs = Math.floor(atMs / ROLLUP_HOUR_MS) * ROLLUP_HOUR_MS;
  await beginRollups(rollups, tenant.id);
  await rollUpBuckets(rollups, tenant.id, [
    { startMs: Math.floor(atMs / ROLLUP_BUCKET_MS) * ROLLUP_BUCKET_MS, marks: "0" }, // It stays due.
  ]);
  await rollUpHours(rollups, tenant.id, [{ startMs: hourMs, marks: "0" }]);
  await saveFairness(storage.scheduler, `zone-of-${tenant.slug}`, [
    {
      tenantId: tenant.id,
      weight: 1,
      routers: 5,
      unreachableRouters: 1,
      pollsPerSecond: 0.5,
      meanCostMs: 25,
      inFlight: 1,
      demandMsPerSecond: 1,
      receivedMs: 1,
      fairShareMs: 1,
      backlog: 0,
      oldestDueAtMs: null,
      latenessP50Ms: null,
      latenessP99Ms: null,
      onTimeRatio: null,
      polls: {},
      skips: {},
    },
  ]);
}

/** SQLSTATE of what the statement was refused with; undefined when it was not. */
async function refusalOf(pool: Pool, statement: string): Promise<string | undefined> {
  return withTransaction(pool, async (client) => {
    await client.query(statement);
    throw new Error("not refused"); // So that nothing stays.
  }).catch(sqlStateOf);
}

const leafOf = async (tenant: Tenant): Promise<string> => {
  const { rows } = await storage.owner.query<{ leaf: string }>(
    "select leaf from fairwalk_leaves($1) where parent = 'samples'",
    [tenant.id],
  );
  return rows[0]?.leaf ?? "";
};

describe.each(TENANT_TABLES)("table %s", (table) => {
  it("shows a tenant its own rows and no others", async () => {
    const seen = await withTenant(storage.app, alpha.id, (client) =>
      client.query<{ tenant: string }>(`select distinct tenant_id as tenant from ${table}`),
    );

    expect(seen.rows).toEqual([{ tenant: alpha.id }]);
  });

  it("shows nothing, and no error, where no tenant is set", async () => {
    const { rows } = await withTransaction(storage.app, (client) =>
      client.query(`select tenant_id from ${table}`),
    );

    expect(rows).toEqual([]);
  });
});

describe("a session that was another tenant's before", () => {
  it("sees nothing once that transaction is over", async () => {
    const connection = await storage.app.connect();
    await connection.query("begin");
    await connection.query("select set_config('fairwalk.tenant_id', $1, true)", [alpha.id]);
    await connection.query("commit");

    const { rows } = await connection.query("select id from routers");
    connection.release();

    expect(rows).toEqual([]);
  });
});

describe("a tenant", () => {
  it("cannot write rows of another", async () => {
    const writing = withTenant(storage.app, alpha.id, (client) =>
      client.query(
        "insert into zones (tenant_id, id, name, created_at) values ($1, $2, 'stolen', now())",
        [beta.id, uuidv7()],
      ),
    );

    await expect(writing).rejects.toMatchObject({ code: PERMISSION_DENIED });
  });

  it("cannot move its rows to another, nor change or delete another's", async () => {
    const changes = [
      "update routers set name = 'x' where tenant_id = $1",
      "delete from zones where tenant_id = $1",
    ];
    for (const change of changes) {
      const answer = await withTenant(storage.app, alpha.id, (client) =>
        client.query(change, [beta.id]),
      );
      expect(answer.rowCount).toBe(0);
    }
    const moving = withTenant(storage.app, alpha.id, (client) =>
      client.query("update zones set tenant_id = $1", [beta.id]),
    );
    await expect(moving).rejects.toMatchObject({ code: PERMISSION_DENIED });
  });

  it("is nobody when its id is no UUID", async () => {
    await expect(
      withTenant(storage.app, "' or true --" as never, async () => undefined),
    ).rejects.toThrow(/a tenant's id is a UUID/);
  });
});

describe("roles", () => {
  it("keep ingest to adding rows to leaves", async () => {
    const leaf = await leafOf(alpha);
    for (const statement of [
      `select * from ${leaf}`,
      `copy ${leaf} to stdout`,
      `delete from ${leaf}`,
      `update ${leaf} set shape_id = 0`,
      `truncate ${leaf}`,
      "select * from samples",
      "insert into samples (tenant_id) values (null)",
      "select * from routers",
      "select * from ingest_flushes",
      "delete from ingest_flushes",
      "select * from rollup_marks",
      "select * from rollups_5m",
      "insert into rollups_5m (tenant_id) values (null)",
      "select fairwalk_make_partitions(null, null, null)",
      "select fairwalk_drop_leaf(null, null, null)",
    ]) {
      expect([statement, await refusalOf(storage.ingest, statement)]).toEqual([
        statement,
        PERMISSION_DENIED,
      ]);
    }
  });

  it("keep the scheduler from credentials, samples and how to reach a router", async () => {
    for (const statement of [
      "select * from credentials",
      "select tenant_id from credentials",
      "select * from tenant_keys",
      "select * from samples",
      "select * from polls",
      "select * from rollups_5m",
      "insert into rollups_1h (tenant_id) values (null)",
      "select * from api_keys",
      "select address from routers",
      "select credential_id from routers",
      "select fairwalk_drop_partitions(null)",
    ]) {
      expect([statement, await refusalOf(storage.scheduler, statement)]).toEqual([
        statement,
        PERMISSION_DENIED,
      ]);
    }
  });

  it("keep who rolls up to one tenant's samples, and from everything else", async () => {
    for (const statement of [
      `select * from ${await leafOf(alpha)}`,
      "insert into samples (tenant_id) values (null)",
      "delete from rollups_5m",
      "select * from rollup_marks",
      "select * from routers",
      "select * from interfaces",
      "select * from tenants",
      "select * from credentials",
      "select * from tenant_keys",
      "select * from api_keys",
      "select * from text_facts",
      "select fairwalk_drop_leaf(null, null, null)",
    ]) {
      expect([statement, await refusalOf(storage.rollup, statement)]).toEqual([
        statement,
        PERMISSION_DENIED,
      ]);
    }
    for (const table of ["samples", "polls", "rollups_5m", "rollup_due"]) {
      const seen = await withTenant(storage.rollup, alpha.id, (client) =>
        client.query(`select distinct tenant_id from ${table}`),
      );
      expect(seen.rows).toEqual([{ tenant_id: alpha.id }]);
      const nobody = await withTransaction(storage.rollup, (client) =>
        client.query(`select from ${table}`),
      );
      expect(nobody.rowCount).toBe(0);
    }
  });

  it("keep the platform's administrators from samples and secrets", async () => {
    for (const statement of [
      "select * from samples",
      "select * from rollups_1h",
      "select sealed from credentials",
      "select wrapped_key from tenant_keys",
      "select address from routers",
    ]) {
      expect([statement, await refusalOf(storage.platform, statement)]).toEqual([
        statement,
        PERMISSION_DENIED,
      ]);
    }
  });

  it("keep the application from leaves, other roles' tables, other roles and the schema", async () => {
    const leaf = await leafOf(alpha);
    // A login user as an operator would make one for the API alone.
    const login = `fairwalk_test_api_${randomBytes(4).toString("hex")}`;
    await storage.login.query(`create role ${login} login password 'secret' in role fairwalk_app`);
    const url = new URL(storage.url);
    url.username = login;
    url.password = "secret";
    const pool = openPool({ url: url.href, max: 1, applicationName: "test" });
    for (const statement of [
      `select * from ${leaf}`,
      "insert into samples (tenant_id) values (null)",
      "select secret_digest from api_keys",
      "update tenants set tier = 'msp'",
      "insert into tenant_fairness (tenant_id) values (null)",
      "select * from workers",
      "truncate routers",
      "create table mine (a int)",
      "alter table routers disable row level security",
      "set role fairwalk_platform",
      "set role fairwalk_owner",
    ]) {
      const refused = await refusalOf(pool, statement);
      expect([statement, refused]).toEqual([statement, PERMISSION_DENIED]);
    }
    await pool.end();
    await storage.login.query(`drop role ${login}`);
  });
});

describe("the isolation check", () => {
  it("finds nothing in the schema as it is, as any role", async () => {
    expect(await isolationFindings(storage.app)).toEqual([]);
    expect(await isolationFindings(storage.login)).toEqual([]);
  });

  it.each([
    [
      "create table leak (tenant_id uuid)",
      "table leak has a tenant_id and is not in the registry (src/storage/tenant-tables.ts)",
    ],
    ["create table leak (tenant_id uuid)", "table leak: row-level security is off"],
    ["create table leak (tenant_id uuid)", "table leak: no index begins with tenant_id"],
    [
      "alter table routers no force row level security",
      "table routers: row-level security does not hold for its owner (no FORCE)",
    ],
    ["alter table routers disable row level security", "table routers: row-level security is off"],
    ["alter table zones rename to areas", "table zones is in the registry and not in the database"],
    ["drop policy tenant_isolation on zones", "table zones has no policy tenant_isolation"],
    [
      "alter policy tenant_isolation on zones using (true)",
      "table zones: policy tenant_isolation is not the one of every tenant table (true, check (tenant_id = ( SELECT fairwalk_tenant() AS fairwalk_tenant)))",
    ],
    [
      "alter policy tenant_isolation on zones with check (true)",
      "table zones: policy tenant_isolation is not the one of every tenant table ((tenant_id = ( SELECT fairwalk_tenant() AS fairwalk_tenant)), check true)",
    ],
    [
      "create policy open on routers to fairwalk_app using (true)",
      "table routers: policy open lets fairwalk_app see other tenants' rows",
    ],
    [
      "create policy open on routers using (true)",
      "table routers: policy open lets PUBLIC see other tenants' rows",
    ],
    [
      "alter table zones drop constraint zones_pkey cascade, drop constraint zones_name_key",
      "table zones: no index begins with tenant_id",
    ],
    ["grant select on samples to public", "PUBLIC may select table samples"],
    ["grant truncate on routers to fairwalk_app", "fairwalk_app may truncate table routers"],
    [
      "grant select (sealed) on credentials to fairwalk_platform",
      "role fairwalk_platform may read the secret credentials.sealed",
    ],
    ["grant select on samples to fairwalk_ingest", "role fairwalk_ingest may select samples"],
    [
      "grant select on credentials to fairwalk_scheduler",
      "role fairwalk_scheduler may select credentials",
    ],
    ["grant select on routers to fairwalk_rollup", "role fairwalk_rollup may select routers"],
    [
      "grant select on rollups_1h to fairwalk_scheduler",
      "role fairwalk_scheduler may select rollups_1h",
    ],
    [
      "create policy open on samples to fairwalk_rollup using (true)",
      "table samples: policy open lets fairwalk_rollup see other tenants' rows",
    ],
    [
      "grant insert on {rollups} to fairwalk_ingest",
      "fairwalk_ingest may insert partition {rollups}",
    ],
    ["grant update on tenants to fairwalk_app", "role fairwalk_app may update tenants"],
    ["grant select on {leaf} to fairwalk_app", "fairwalk_app may select partition {leaf}"],
    [
      "grant select (shape_id) on {leaf} to fairwalk_app",
      "columns of partition {leaf} are granted to someone",
    ],
    ["grant insert on {part} to fairwalk_ingest", "fairwalk_ingest may insert partition {part}"],
    [
      "alter table {leaf} enable row level security",
      "partition {leaf} has row-level security of its own, so COPY refuses it",
    ],
    [
      "revoke insert on {leaf} from fairwalk_ingest",
      "partition {leaf} is not writable by fairwalk_ingest",
    ],
    [
      "create view all_routers as select * from routers",
      "view all_routers reads routers past row-level security: make it security_invoker",
    ],
    [
      "create materialized view kept as select * from routers",
      "view kept reads routers past row-level security: make it security_invoker, or no materialized view",
    ],
    [
      "create function peek() returns bigint language sql security definer as 'select 1::bigint'",
      "function peek() acts with the rights of fairwalk_owner and is none of ours",
    ],
    [
      "grant execute on function fairwalk_drop_partitions(uuid) to public",
      "function fairwalk_drop_partitions(uuid) acts with the rights of fairwalk_owner and anyone may call it",
    ],
  ])("finds the hole: %s", async (hole, finding) => {
    await expectFinding(storage.owner, hole, finding);
  });

  it.each([
    [
      "create table leak (tenant_id uuid)",
      "table leak belongs to {login} instead of fairwalk_owner",
    ],
    [
      "create schema other; create table other.leak (tenant_id uuid)",
      "table other.leak: row-level security is off",
    ],
    ["alter role fairwalk_app createrole", "role fairwalk_app may create roles"],
    [
      "alter role fairwalk_app login",
      "role fairwalk_app may log in: it is meant to be granted to login users",
    ],
    ["grant fairwalk_owner to fairwalk_app", "role fairwalk_app is a member of fairwalk_owner"],
  ])("finds the hole that the database's owner can make: %s", async (hole, finding) => {
    await expectFinding(storage.login, hole, finding);
  });

  it("accepts a view that reads with its caller's rights", async () => {
    const view = "create view mine with (security_invoker = true) as select id from routers";

    expect(await findingsWith(storage.owner, view)).toEqual([]);
  });
});

async function expectFinding(pool: Pool, hole: string, finding: string): Promise<void> {
  const { rows } = await storage.login.query<{ login: string }>("select current_user as login");
  const leaf = await leafOf(alpha);
  const { rows: rollups } = await storage.owner.query<{ leaf: string }>(
    "select leaf from fairwalk_table_leaves($1, 'rollups_5m')",
    [alpha.id],
  );
  const named = (text: string) =>
    text
      .replaceAll("{leaf}", leaf)
      .replaceAll("{rollups}", rollups[0]?.leaf ?? "")
      .replaceAll("{part}", `samples_${alpha.id.replaceAll("-", "")}`)
      .replaceAll("{login}", rows[0]?.login ?? "");

  expect(await findingsWith(pool, named(hole))).toContain(named(finding));
}

/** What is found once the statement ran, in a transaction that never commits. */
async function findingsWith(pool: Pool, statement: string): Promise<string[]> {
  let findings: string[] = [];
  const planted = withTransaction(pool, async (client) => {
    await client.query(statement);
    findings = await isolationFindings(client);
    throw new Error("rolled back");
  });
  await expect(planted).rejects.toThrow("rolled back");
  return findings;
}
