import type { Topology } from "../topology.ts";

/** Cytoscape.js elements (js.cytoscape.org, "Elements JSON"). */
export function asCytoscape({ nodes, links }: Topology): object {
  return {
    elements: {
      nodes: nodes.map(({ id, name, kind, zone, routerId }) => ({
        data: { id, label: name, kind, zone, ...(routerId !== undefined && { routerId }) },
      })),
      edges: links.map(({ id, a, b, layer, protocols, oneSided }) => ({
        data: {
          id,
          source: a.node,
          target: b.node,
          sourcePort: a.ifName ?? "",
          targetPort: b.ifName ?? "",
          layer,
          protocols: protocols.join(","),
          oneSided,
        },
      })),
    },
  };
}
