import type { Topology } from "../topology.ts";

/** A NetJSON NetworkGraph. It has no ports and no key for parallel links, so both stand in `properties`. */
export function asNetjson({ nodes, links }: Topology): object {
  return {
    type: "NetworkGraph",
    protocol: "static",
    version: null,
    metric: null,
    label: "topology",
    nodes: nodes.map(({ id, name, kind, zone, addresses }) => ({
      id,
      label: name,
      ...(addresses !== undefined && { local_addresses: addresses }),
      properties: { kind, zone },
    })),
    links: links.map(({ id, a, b, layer, protocols, oneSided }) => ({
      source: a.node,
      target: b.node,
      cost: 1,
      properties: {
        id,
        layer,
        protocols: protocols.join(","),
        oneSided,
        sourcePort: a.ifName ?? "",
        targetPort: b.ifName ?? "",
      },
    })),
  };
}
