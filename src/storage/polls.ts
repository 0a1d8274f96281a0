import type { PollOutcome, RouterId } from "../routers/router.ts";
import type { ModuleReport, PollDetail, PollRecord } from "../routers/samples.ts";
import type { TenantId } from "../tenants/tenant.ts";
import type { TenantClient } from "./pool.ts";

/** Reading polls, under the tenant's policy; every statement names its tenant besides (see samples.ts). */

interface PollRow {
  tenant_id: TenantId;
  router_id: RouterId;
  polled_at: Date;
  due_at: Date;
  started_at: Date;
  duration_ms: number;
  outcome: PollOutcome;
  cost_ms: number;
  requests: number;
  retries: number;
  bytes_in: string;
  /** Of a worker of the first release the modules alone. */
  detail: PollDetail | ModuleReport[];
}

const COLUMNS =
  "p.tenant_id, p.router_id, p.polled_at, p.due_at, p.started_at, p.duration_ms, p.outcome, p.cost_ms, p.requests, p.retries, p.bytes_in, p.detail";

function pollOf(row: PollRow): PollRecord {
  return {
    tenantId: row.tenant_id,
    routerId: row.router_id,
    polledAtMs: row.polled_at.getTime(),
    dueAtMs: row.due_at.getTime(),
    startedAtMs: row.started_at.getTime(),
    durationMs: row.duration_ms,
    outcome: row.outcome,
    costMs: row.cost_ms,
    requests: row.requests,
    retries: row.retries,
    bytesIn: Number(row.bytes_in),
    ...(Array.isArray(row.detail) ? { modules: row.detail } : row.detail),
  };
}

/** The newest poll since `since` of each of the tenant's routers that had one. */
export async function latestPolls(
  client: TenantClient,
  tenantId: TenantId,
  since: Date,
): Promise<PollRecord[]> {
  const { rows } = await client.query<PollRow>(
    `select distinct on (p.router_id) ${COLUMNS} from polls p
     where p.tenant_id = $1 and p.polled_at >= $2
     order by p.router_id, p.polled_at desc`,
    [tenantId, since],
  );
  return rows.map(pollOf);
}

/** A router's polls, newest first; `before` (not included) is where the page before ended. */
export async function pollsOfRouter(
  client: TenantClient,
  tenantId: TenantId,
  request: {
    readonly routerId: RouterId;
    readonly limit: number;
    readonly before?: Date | undefined;
  },
): Promise<PollRecord[]> {
  const { rows } = await client.query<PollRow>(
    `select ${COLUMNS} from polls p
     where p.tenant_id = $1 and p.router_id = $2 and p.polled_at < $3
     order by p.polled_at desc limit $4`,
    [tenantId, request.routerId, request.before ?? "infinity", request.limit],
  );
  return rows.map(pollOf);
}

/** How one poll went, without what it brought. */
export interface PollSummary {
  readonly dueAt: Date;
  readonly startedAt: Date;
  readonly outcome: PollOutcome;
  readonly costMs: number;
}

/** The last polls of each of the routers, newest first and `limit` of each at most; a router without polls is absent. */
export async function recentPolls(
  client: TenantClient,
  routerIds: readonly RouterId[],
  { limit, since }: { readonly limit: number; readonly since: Date },
): Promise<Map<RouterId, PollSummary[]>> {
  const { rows } = await client.query<{
    router_id: RouterId;
    due_at: Date;
    started_at: Date;
    outcome: PollOutcome;
    cost_ms: number;
  }>(
    `select r.id as router_id, l.due_at, l.started_at, l.outcome, l.cost_ms
     from unnest($2::uuid[]) r (id)
     cross join lateral (
       select p.due_at, p.started_at, p.outcome, p.cost_ms, p.polled_at from polls p
       where p.tenant_id = $1 and p.router_id = r.id and p.polled_at >= $3
       order by p.polled_at desc limit $4
     ) l
     order by l.polled_at desc`,
    [client.tenantId, routerIds, since, limit],
  );
  const polls = new Map<RouterId, PollSummary[]>();
  for (const row of rows) {
    const poll = {
      dueAt: row.due_at,
      startedAt: row.started_at,
      outcome: row.outcome,
      costMs: row.cost_ms,
    };
    const known = polls.get(row.router_id);
    if (known === undefined) polls.set(row.router_id, [poll]);
    else known.push(poll);
  }
  return polls;
}
