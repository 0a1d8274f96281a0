import type { RouterId } from "../routers/router.ts";
import type { TenantClient } from "../storage/pool.ts";
import { INTERFACES_MAX, observationsAt, routersOfTopology } from "../storage/topology.ts";
import { computeTopology } from "../topology/compute-topology.ts";
import { OBSERVATIONS_MAX, type ObservationKind } from "../topology/observations.ts";
import { observedRouter } from "../topology/observe.ts";
import type { LinkLayer, Topology } from "../topology/topology.ts";
import { invalidQuery } from "./time-span.ts";

/** A tenant's topology at one time or several, read in three queries or one more for each. */

/**
 * Neighbours and peers in one topology: about a second of computing, and no request may take more from the others. 5,000
 * routers with 20 each.
 */
export const NEIGHBOURS_MAX = 100_000;

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
 * said of each other is as it was. Throws a Problem when that is too much for one answer.
 */
export async function readTopologies(
  client: TenantClient,
  times: readonly Date[],
  { zone, layer }: { readonly zone?: string | undefined; readonly layer?: LinkLayer | undefined },
): Promise<TopologyReading> {
  const routers = await routersOfTopology(client, zone);
  const kinds = layer === undefined ? Object.values(KIND_OF_LAYER) : [KIND_OF_LAYER[layer]];
  const incomplete = new Set(
    routers.filter((it) => it.interfaces.length >= INTERFACES_MAX).map(({ id }) => id),
  );
  const seenUntil = new Date(Math.max(...times.map(Number)));
  const topologies: Topology[] = [];
  for (const at of times) {
    const asked = { at, seenUntil, kinds, zone, limit: NEIGHBOURS_MAX + 1 };
    const observations = await observationsAt(client, asked);
    requireComputable([...observations.values()].reduce((sum, { length }) => sum + length, 0));
    for (const [id, { length }] of observations) {
      if (length >= OBSERVATIONS_MAX) incomplete.add(id);
    }
    topologies.push(
      computeTopology(routers.map((it) => observedRouter(it, observations.get(it.id) ?? []))),
    );
  }
  return {
    topologies,
    intervalSeconds: new Map(routers.map((it) => [it.id, it.intervalSeconds])),
    incomplete: [...incomplete].toSorted(),
  };
}

function requireComputable(neighbours: number): void {
  if (neighbours <= NEIGHBOURS_MAX) return;
  throw invalidQuery(
    "/zone",
    `zone or layer must narrow the topology to ${NEIGHBOURS_MAX} neighbours at most`,
  );
}
