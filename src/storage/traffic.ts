import type { RouterId } from "../routers/router.ts";
import type { Labels } from "../routers/samples.ts";
import type { TenantClient } from "./pool.ts";
import { ROLLUP_TABLE, type RollupStep } from "./rollup-due.ts";
import { rollupsIn, windowsOfTenant } from "./rollups.ts";
import { type SeriesWindow, windowsOf } from "./samples.ts";

/**
 * What interfaces carried, from rollups: for rankings and for bills. Interfaces without 64-bit counters are known by
 * their 32-bit ones; where two modules read the same interface, the one that measured more counts.
 */

const FLOWS = {
  in: ["ifHCInOctets", "ifInOctets"],
  out: ["ifHCOutOctets", "ifOutOctets"],
  errorsIn: ["ifInErrors"],
  errorsOut: ["ifOutErrors"],
  speed: ["ifHighSpeed"],
} as const;

export type Flow = keyof typeof FLOWS;

const FLOW_OF = new Map<string, Flow>(
  (Object.keys(FLOWS) as Flow[]).flatMap((flow) => FLOWS[flow].map((metric) => [metric, flow])),
);

/** One bucket of one flow of an interface: an increase and the time it was measured over, or a gauge's last value. */
export interface FlowBucket {
  readonly flow: Flow;
  readonly increase: number;
  readonly coveredMs: number;
  readonly last: number | undefined;
  readonly bucketMs: number;
}

export interface InterfaceTraffic {
  readonly routerId: RouterId;
  readonly ifIndex: number;
  /** As of its last bucket. */
  labels: Labels;
  readonly buckets: FlowBucket[];
}

export interface TrafficRequest {
  readonly flows: readonly Flow[];
  readonly step: RollupStep;
  readonly from: Date;
  /** Not included. */
  readonly to: Date;
}

/** Sums of one flow of an interface over a time. */
export interface FlowSum {
  increase: number;
  coveredMs: number;
  last: number | undefined;
}

export interface InterfaceSums {
  readonly routerId: RouterId;
  readonly ifIndex: number;
  readonly module: string;
  /** As of its last bucket. */
  labels: Labels;
  readonly flows: Partial<Record<Flow, FlowSum>>;
}

/** What each interface of the tenant's routers carried, summed up as the rollups come: memory for interfaces, not for time. */
export async function trafficOfTenant(
  client: TenantClient,
  { flows, step, from, to }: TrafficRequest,
): Promise<InterfaceSums[]> {
  const metrics = flows.flatMap((flow) => FLOWS[flow]);
  const windows = await windowsOfTenant(client, step, { metrics, from, to });
  const sums = new Map<string, InterfaceSums>();
  for await (const { routerId, window, rollup } of rollupsIn(client, step, windows, {
    from,
    to,
    withGauges: flows.includes("speed"),
  })) {
    const flow = FLOW_OF.get(window.metric);
    if (flow === undefined) continue;
    const { module } = window;
    window.instances.forEach((instance, cell) => {
      if ((rollup.counts[cell] ?? 0) === 0) return;
      const key = `${routerId}/${instance}/${module}`;
      let one = sums.get(key);
      if (one === undefined) {
        one = { routerId, ifIndex: Number(instance), module, labels: {}, flows: {} };
        sums.set(key, one);
      }
      one.labels = window.labels[cell] ?? {};
      one.flows[flow] ??= { increase: 0, coveredMs: 0, last: undefined };
      const sum = one.flows[flow];
      const last = rollup.lasts[cell] ?? Number.NaN;
      sum.increase += Number(rollup.increases[cell] ?? 0);
      sum.coveredMs += rollup.coveredMs[cell] ?? 0;
      if (!Number.isNaN(last)) sum.last = last;
    });
  }
  return bestModules([...sums.values()], ({ flows: its }) =>
    Object.values(its).reduce((ms, { coveredMs }) => ms + coveredMs, 0),
  );
}

/** The buckets of one router's interfaces, in the order of time; with `ifIndex` of that one alone. */
export async function trafficOfRouter(
  client: TenantClient,
  routerId: RouterId,
  { flows, step, from, to }: TrafficRequest,
  ifIndex?: number,
): Promise<InterfaceTraffic[]> {
  const metrics = flows.flatMap((flow) => FLOWS[flow]);
  const instances = ifIndex === undefined ? undefined : [String(ifIndex)];
  const windows = await windowsOf(client, ROLLUP_TABLE[step], {
    routerId,
    metrics,
    instances,
    from,
    to,
  });
  const traffic = new Map<string, InterfaceTraffic & { module: string }>();
  for await (const { window, rollup } of rollupsIn(client, step, windows, {
    routerId,
    from,
    to,
    withGauges: flows.includes("speed"),
  })) {
    const flow = FLOW_OF.get(window.metric);
    if (flow === undefined) continue;
    window.instances.forEach((instance, cell) => {
      if ((rollup.counts[cell] ?? 0) === 0) return;
      const one = interfaceOf(traffic, routerId, window, instance);
      const last = rollup.lasts[cell] ?? Number.NaN;
      one.labels = window.labels[cell] ?? {};
      one.buckets.push({
        flow,
        increase: Number(rollup.increases[cell] ?? 0),
        coveredMs: rollup.coveredMs[cell] ?? 0,
        last: Number.isNaN(last) ? undefined : last,
        bucketMs: rollup.bucketMs,
      });
    });
  }
  return bestModules([...traffic.values()], ({ buckets }) =>
    buckets.reduce((ms, { coveredMs }) => ms + coveredMs, 0),
  );
}

function interfaceOf(
  traffic: Map<string, InterfaceTraffic & { module: string }>,
  routerId: RouterId,
  { module }: SeriesWindow,
  instance: string,
): InterfaceTraffic {
  const key = `${instance}/${module}`;
  const known = traffic.get(key);
  if (known !== undefined) return known;
  const one = { routerId, ifIndex: Number(instance), module, labels: {}, buckets: [] };
  traffic.set(key, one);
  return one;
}

/** One entry an interface: that of the module which measured it longest. */
function bestModules<Entry extends { readonly routerId: RouterId; readonly ifIndex: number }>(
  entries: readonly Entry[],
  measuredMs: (entry: Entry) => number,
): Entry[] {
  const best = new Map<string, Entry>();
  for (const entry of entries) {
    const key = `${entry.routerId}/${entry.ifIndex}`;
    const other = best.get(key);
    if (other === undefined || measuredMs(entry) > measuredMs(other)) best.set(key, entry);
  }
  return [...best.values()];
}

/** A page of the tenant's routers by id, with their names; `routerId`: that one alone. */
export async function routersToBill(
  client: TenantClient,
  page: {
    readonly limit: number;
    readonly after?: string | undefined;
    readonly routerId?: RouterId | undefined;
  },
): Promise<{ id: RouterId; name: string }[]> {
  const { rows } = await client.query<{ id: RouterId; name: string }>(
    `select id, name from routers
     where tenant_id = $1 and ($2::uuid is null or id > $2) and ($3::uuid is null or id = $3) order by id limit $4`,
    [client.tenantId, page.after ?? null, page.routerId ?? null, page.limit],
  );
  return rows;
}

/** Names of some of the tenant's routers. */
export async function routerNames(
  client: TenantClient,
  ids: readonly RouterId[],
): Promise<ReadonlyMap<RouterId, string>> {
  const { rows } = await client.query<{ id: RouterId; name: string }>(
    "select id, name from routers where tenant_id = $1 and id = any ($2)",
    [client.tenantId, ids],
  );
  return new Map(rows.map(({ id, name }) => [id, name]));
}
