import { inTurns } from "../lib/in-turns.ts";
import type { RouterId } from "../routers/router.ts";
import { type Pool, withTenant } from "../storage/pool.ts";
import { INTERFACES_MAX, observationsAt, routersOfTopology } from "../storage/topology.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { topologySteps } from "../topology/compute-topology.ts";
import {
  OBSERVATIONS_MAX,
  type Observation,
  type ObservationKind,
} from "../topology/observations.ts";
import { observedRouter, type RouterFacts } from "../topology/observe.ts";
import type { LinkLayer, Topology } from "../topology/topology.ts";
import { invalidQuery } from "./time-span.ts";

/** A tenant's topology at one time or several, read in three queries or one more for each. */

/** Neighbours and peers in one topology, 5,000 routers with 20 each: some seconds of computing, in turns with others. */
export const NEIGHBOURS_MAX = 100_000;

/** What of the network is asked for; all where nothing is said. */
export interface TopologyScope {
  readonly zone?: string | undefined;
  readonly layer?: LinkLayer | undefined;
}

export interface TopologyReading {
  /** In the order of the times asked for. */
  readonly topologies: readonly Topology[];
  /** How often each router is polled, in seconds: its tables are read no more often. */
  readonly intervalSeconds: ReadonlyMap<RouterId, number>;
  /** Routers of which not everything was taken, for there was too much. */
  readonly incomplete: readonly RouterId[];
}

const KIND_OF_LAYER: Readonly<Record<LinkLayer, ObservationKind>> = {
  physical: "neighbour",
  bgp: "bgp",
  ospf: "ospf",
};

/**
 * Computes the topology at each of `times`. Routers, their names, addresses and interfaces are as they are now: what they
 * said of each other is as it was. Rejects with a Problem when that is too much for one answer.
 */
export async function readTopologies(
  pool: Pool,
  tenantId: TenantId,
  times: readonly Date[],
  { zone, layer }: TopologyScope,
): Promise<TopologyReading> {
  const kinds = layer === undefined ? Object.values(KIND_OF_LAYER) : [KIND_OF_LAYER[layer]];
  const seenUntil = new Date(Math.max(...times.map(Number)));
  const { routers, observed } = await withTenant(pool, tenantId, async (client) => {
    const found = await routersOfTopology(client, zone);
    const observations: Awaited<ReturnType<typeof observationsAt>>[] = [];
    for (const at of times) {
      const asked = { at, seenUntil, kinds, zone, limit: NEIGHBOURS_MAX + 1 };
      observations.push(await observationsAt(client, asked));
    }
    return { routers: found, observed: observations };
  });

  const topologies: Topology[] = [];
  for (const observations of observed) {
    requireComputable([...observations.values()].reduce((sum, { length }) => sum + length, 0));
    const steps = topologySteps(
      routers.map((it) => observedRouter(it, observations.get(it.id) ?? [])),
    );
    topologies.push(await inTurns(steps));
  }
  const isCut = ({ id, interfaces }: RouterFacts) =>
    interfaces.length >= INTERFACES_MAX ||
    observed.some((observations) => isFull(observations.get(id) ?? []));
  return {
    topologies,
    intervalSeconds: new Map(routers.map((it) => [it.id, it.intervalSeconds])),
    incomplete: routers.filter(isCut).map(({ id }) => id),
  };
}

/** Whether there is as much of one kind as is ever kept. */
function isFull(observations: readonly Observation[]): boolean {
  return Object.values(KIND_OF_LAYER).some(
    (kind) => observations.filter((it) => it.kind === kind).length >= OBSERVATIONS_MAX,
  );
}

function requireComputable(neighbours: number): void {
  if (neighbours <= NEIGHBOURS_MAX) return;
  throw invalidQuery(
    "/zone",
    `zone or layer must narrow the topology to ${NEIGHBOURS_MAX} neighbours at most`,
  );
}
