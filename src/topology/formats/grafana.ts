import type { Topology, TopologyNode } from "../topology.ts";

const COLOURS: Readonly<Record<TopologyNode["kind"], string>> = {
  router: "green",
  unknown: "gray",
  segment: "blue",
};

/**
 * The two frames of Grafana's node graph panel, as rows: `id`, `title`, `mainstat` and so on, in lower case as Grafana
 * has them since 8.5. A data source for JSON (Infinity) reads each by its key, `nodes` and `edges`.
 */
export function asGrafana({ nodes, links }: Topology): object {
  return {
    nodes: nodes.map(({ id, name, kind, zone, platform, addresses }) => ({
      id,
      title: name,
      subtitle: zone,
      mainstat: kind,
      secondarystat: addresses?.[0] ?? "",
      color: COLOURS[kind],
      detail__platform: platform ?? "",
    })),
    edges: links.map(({ id, a, b, layer, protocols, oneSided }) => ({
      id,
      source: a.node,
      target: b.node,
      mainstat: `${a.ifName ?? "?"} - ${b.ifName ?? "?"}`,
      secondarystat: protocols.join(", "),
      strokedasharray: oneSided ? "5 5" : "",
      detail__layer: layer,
    })),
  };
}
