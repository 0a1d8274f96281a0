import pg from "pg";
import { invariant } from "../lib/invariant.ts";
import type { Log } from "../lib/log.ts";
import { isUuid } from "../lib/uuid.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { isSessionEnd } from "./errors.ts";

/**
 * Connections to Postgres, and the one way to a tenant's tables: `withTenant`.
 *
 * A pool acts as one of the roles the migrations make (fairwalk_app, fairwalk_ingest, …), chosen when it connects: what
 * it may touch is the database's decision.
 */

export type Role =
  | "fairwalk_owner"
  | "fairwalk_app"
  | "fairwalk_ingest"
  | "fairwalk_scheduler"
  | "fairwalk_rollup"
  | "fairwalk_platform";

export type Pool = pg.Pool;

export interface PoolOptions {
  readonly url: string;
  /** The role to act as; the login user must be a member of it. Undefined: the login user itself. */
  readonly role?: Role | undefined;
  /** Connections at most. */
  readonly max: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  readonly log?: Pick<Log, "warn"> | undefined;
}

/** How long to wait for a connection, whether the pool is exhausted or Postgres does not answer. */
const CONNECT_TIMEOUT_MS = 10_000;

/** A pool that connects when first asked. It outlives lost connections: the query at hand rejects, the next connects anew. */
export function openPool(options: PoolOptions): Pool {
  const pool = new pg.Pool({
    connectionString: withStartupSettings(options.url, {
      ...(options.role === undefined ? {} : { role: options.role }),
      // Only a plan made for the actual tenant skips the other tenants' partitions (2,004 locks and 94 ms without).
      plan_cache_mode: "force_custom_plan",
      TimeZone: "UTC",
    }),
    max: options.max,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  // Without a listener a connection lost while idle would end the process. The pool has already replaced it.
  pool.on("error", (error) => {
    options.log?.warn({ error: error.message }, "idle connection to Postgres lost");
  });
  return pool;
}

/** `url` with settings that hold from the first statement of a session on, after any the URL has itself. */
export function withStartupSettings(
  url: string,
  settings: Readonly<Record<string, string>>,
): string {
  const parsed = new URL(url);
  const own = parsed.searchParams.get("options");
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  parsed.searchParams.set("options", [...(own === null ? [] : [own]), ...ours].join(" "));
  return parsed.href;
}

/** What a query may run on: a pool or a tenant's transaction. */
export interface Queryable {
  query<Row extends pg.QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ rows: Row[]; rowCount: number | null }>;
}

/** A transaction that sees the rows of one tenant and no others. Of no use once its function has returned. */
export interface TenantClient extends Queryable {
  readonly tenantId: TenantId;
}

/**
 * Runs `work` in one transaction as the tenant: row-level security shows and accepts the rows of that tenant alone.
 * Commits when `work` resolves, rolls back when it rejects, and then rejects with the same error.
 */
export async function withTenant<T>(
  pool: Pool,
  tenantId: TenantId,
  work: (client: TenantClient) => Promise<T>,
): Promise<T> {
  // Named in the text rather than as a parameter, so that beginning takes one round trip: hence the check.
  invariant(isUuid(tenantId), "a tenant's id is a UUID");
  return inTransaction(
    pool,
    `begin; select set_config('fairwalk.tenant_id', '${tenantId}', true)`,
    (client) => work({ tenantId, query: client.query }),
  );
}

/** Runs `work` in one transaction as the pool's role, for no tenant: only policies of that role show it any row. */
export function withTransaction<T>(
  pool: Pool,
  work: (client: Queryable) => Promise<T>,
): Promise<T> {
  return inTransaction(pool, "begin", work);
}

function inTransaction<T>(
  pool: Pool,
  begin: string,
  work: (client: Queryable) => Promise<T>,
): Promise<T> {
  return withConnection(pool, async (connection) => {
    let isOver = false;
    const client: Queryable = {
      query: (text, values) => {
        invariant(!isOver, "a transaction is not used after its function has returned");
        return connection.query(text, values === undefined ? undefined : [...values]);
      },
    };
    try {
      await connection.query(begin);
      const result = await work(client);
      isOver = true;
      await connection.query("commit");
      return result;
    } catch (error) {
      isOver = true;
      try {
        await connection.query("rollback");
      } catch (rollbackError) {
        throw new ConnectionBroken(error, rollbackError);
      }
      throw error;
    }
  });
}

/** Carries an error out of `withConnection` together with the news that the connection is of no more use. */
class ConnectionBroken extends Error {
  readonly reason: unknown;

  constructor(reason: unknown, cause: unknown) {
    super("Connection to Postgres is broken", { cause });
    this.reason = reason;
  }
}

/** Lends a connection of the pool to `work`. One that was lost meanwhile is thrown away. */
export async function withConnection<T>(
  pool: Pool,
  work: (connection: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const connection = await pool.connect();
  let isBroken = false;
  // A lost connection is an event besides a query's rejection, and one that ends the process if nobody listens.
  const onLost = () => {
    isBroken = true;
  };
  connection.on("error", onLost);
  try {
    return await work(connection);
  } catch (error) {
    // The news that Postgres ends the session comes before its end.
    isBroken ||= error instanceof ConnectionBroken || isSessionEnd(error);
    throw error instanceof ConnectionBroken ? error.reason : error;
  } finally {
    connection.off("error", onLost);
    connection.release(isBroken);
  }
}
