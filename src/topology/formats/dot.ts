import type { Topology, TopologyNode } from "../topology.ts";

const SHAPES: Readonly<Record<TopologyNode["kind"], string>> = {
  router: "box",
  unknown: "ellipse",
  segment: "point",
};

/** An undirected Graphviz graph: everything quoted, ports as labels at the ends, one-sided links dashed. */
export function asDot({ nodes, links }: Topology): string {
  const lines = [
    ...nodes.map(
      ({ id, name, kind }) => `  ${quoted(id)} [label=${quoted(name)}, shape=${SHAPES[kind]}];`,
    ),
    ...links.map(({ id, a, b, oneSided }) => {
      const attributes = [
        `id=${quoted(id)}`,
        `taillabel=${quoted(a.ifName ?? "")}`,
        `headlabel=${quoted(b.ifName ?? "")}`,
        `style=${oneSided ? "dashed" : "solid"}`,
      ];
      return `  ${quoted(a.node)} -- ${quoted(b.node)} [${attributes.join(", ")}];`;
    }),
  ];
  return `graph topology {\n${lines.join("\n")}\n}\n`;
}

/** A DOT string. A backslash is doubled, for DOT keeps it but labels read escapes; control characters have no place. */
function quoted(text: string): string {
  const escaped = text
    .replaceAll(/\p{Cc}+/gu, " ")
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"');
  return `"${escaped}"`;
}
