/** Judges what a change of routers asks of its zones: reads the figures, and refuses where admission.ts says so. */
import type { RouterId } from "../routers/router.ts";
import { recentPolls } from "../storage/polls.ts";
import type { TenantClient } from "../storage/pool.ts";
import { ownLoads, zoneStanding } from "../storage/zone-loads.ts";
import type { Tenant } from "../tenants/tenant.ts";
import {
  type Admission,
  admissionOf,
  type LoadChange,
  MODULES_BY_PROFILE,
  type RouterLoad,
} from "./admission.ts";
import type { ApiDeps } from "./api-deps.ts";
import { Problem } from "./problems.ts";

/** A router's cost is the mean of so many of its last polls, none older than a day. */
const COST_POLLS = 5;
const COST_AGE_MS_MAX = 86_400_000;

/** A router before and after the change; `before` is absent for a new one. */
export interface RouterChange {
  readonly id?: RouterId;
  readonly before?: LoadInZone;
  readonly after: LoadInZone;
}
type LoadInZone = RouterLoad & { readonly zone: string };

export type AdmitRouters = (
  client: TenantClient,
  tenant: Tenant,
  changes: readonly RouterChange[],
  zones: ReadonlyMap<string, { readonly zoneKey: string }>,
) => Promise<Admission[]>;

/**
 * One admission for each zone that routers are in after the changes, in the order of `changes`. Rejects with the problem
 * `capacity-exceeded` for the first that is refused. The caller holds the tenant's lock where demand may rise, so that
 * parallel requests cannot each have the same room.
 */
export function routerAdmission({
  pools,
  tiers,
  clock,
}: Pick<ApiDeps, "pools" | "tiers" | "clock">): AdmitRouters {
  return async (client, tenant, changes, zones) => {
    const costs = await costsOf(client, changes, clock.now());
    const byZone = new Map<string, LoadChange[]>();
    for (const { after } of changes) byZone.set(after.zone, []);
    for (const { id, before, after } of changes) {
      const costMs = id === undefined ? undefined : costs.get(id);
      const was = before && { ...before, costMs };
      const is = { ...after, costMs };
      if (before && before.zone !== after.zone) {
        byZone.get(before.zone)?.push({ before: was });
        byZone.get(after.zone)?.push({ after: is });
      } else {
        byZone.get(after.zone)?.push({ before: was, after: is });
      }
    }
    const keyOf = (zone: string) => zones.get(zone)?.zoneKey ?? zone;
    const loads = await ownLoads(client, [...byZone.keys()].map(keyOf), MODULES_BY_PROFILE);
    const admissions: Admission[] = [];
    for (const [zone, inZone] of byZone) {
      const zoneKey = keyOf(zone);
      const load = loads.find((it) => it.zoneKey === zoneKey);
      if (load === undefined) continue;
      const { weight, admission: policy } = tiers[tenant.tier];
      const { isRefused, ...admission } = admissionOf({
        zone,
        load,
        standing: await zoneStanding(pools.platform, zoneKey, tenant, tiers.msp.weight),
        changes: inZone,
        tenant: { weight, isOfMsp: tenant.parentId !== null, policy },
        mspWeight: tiers.msp.weight,
      });
      if (isRefused) throw refusal(admission);
      admissions.push(admission);
    }
    return admissions;
  };
}

/** The mean of each changed router's last polls; new routers have none. */
async function costsOf(
  client: TenantClient,
  changes: readonly RouterChange[],
  nowMs: number,
): Promise<Map<RouterId, number>> {
  const ids = changes.flatMap(({ id }) => id ?? []);
  if (ids.length === 0) return new Map();
  const polls = await recentPolls(client, ids, {
    limit: COST_POLLS,
    since: new Date(nowMs - COST_AGE_MS_MAX),
  });
  return new Map(
    [...polls].map(([id, last]) => [
      id,
      last.reduce((sum, { costMs }) => sum + costMs, 0) / last.length,
    ]),
  );
}

function refusal(admission: Admission): Problem {
  const { zone, demandBefore, demandAfter } = admission;
  return new Problem("capacity-exceeded", {
    detail: `Nothing was changed. ${admission.warning}`,
    members: {
      zone,
      demandBefore,
      demandAfter,
      guaranteedShare: admission.guaranteedShare ?? 0,
      zoneCapacity: admission.zoneCapacity ?? 0,
      zoneFreeRatio: admission.zoneFreeRatio ?? 0,
      costMs: admission.costMs,
      costIs: admission.costIs,
    },
  });
}
