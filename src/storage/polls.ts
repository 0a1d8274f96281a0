import type { PollOutcome, RouterId } from "../routers/router.ts";
import type { ModuleReport, PollRecord } from "../routers/samples.ts";
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
  detail: ModuleReport[];
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
    modules: row.detail,
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
