import type { Topology } from "../topology.ts";

/**
 * What d3-force and networkx's node-link reader take: `nodes` by id, `links` with `source` and `target`. Marked as an
 * undirected multigraph with a `key` for each link, so that parallel links survive networkx.
 */
export function asD3({ nodes, links }: Topology): object {
  return {
    directed: false,
    multigraph: true,
    graph: {},
    nodes: nodes.map(({ id, name, kind, zone }) => ({ id, name, group: kind, zone })),
    links: links.map(({ id, a, b, layer, oneSided }) => ({
      key: id,
      source: a.node,
      target: b.node,
      value: 1,
      layer,
      oneSided,
      sourcePort: a.ifName ?? "",
      targetPort: b.ifName ?? "",
    })),
  };
}
