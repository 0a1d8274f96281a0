import type { Topology } from "../topology.ts";

const KEYS: readonly (readonly [id: string, of: "node" | "edge", type: "string" | "boolean"])[] = [
  ["name", "node", "string"],
  ["kind", "node", "string"],
  ["zone", "node", "string"],
  ["sourcePort", "edge", "string"],
  ["targetPort", "edge", "string"],
  ["layer", "edge", "string"],
  ["protocols", "edge", "string"],
  ["oneSided", "edge", "boolean"],
];

/** GraphML 1.0 (graphml.graphdrawing.org) with typed attributes, as Gephi, yEd and OpenNMS read it. */
export function asGraphml({ nodes, links }: Topology): string {
  const keys = KEYS.map(
    ([id, of, type]) => `  <key id="${id}" for="${of}" attr.name="${id}" attr.type="${type}"/>`,
  );
  const nodeElements = nodes.map(({ id, name, kind, zone }) =>
    element("node", { id }, { name, kind, zone }),
  );
  const edgeElements = links.map(({ id, a, b, layer, protocols, oneSided }) =>
    element(
      "edge",
      { id, source: a.node, target: b.node },
      {
        sourcePort: a.ifName ?? "",
        targetPort: b.ifName ?? "",
        layer,
        protocols: protocols.join(","),
        oneSided: String(oneSided),
      },
    ),
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ...keys,
    '  <graph id="topology" edgedefault="undirected">',
    ...nodeElements,
    ...edgeElements,
    "  </graph>",
    "</graphml>",
    "",
  ].join("\n");
}

function element(
  name: string,
  attributes: Readonly<Record<string, string>>,
  values: Readonly<Record<string, string>>,
): string {
  const head = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(value)}"`);
  const body = Object.entries(values).map(
    ([key, value]) => `<data key="${key}">${escaped(value)}</data>`,
  );
  return `    <${name}${head.join("")}>${body.join("")}</${name}>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** XML text. Control characters and lone surrogates cannot stand in XML 1.0, not even escaped: they become spaces. */
function escaped(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu, " ")
    .replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}
