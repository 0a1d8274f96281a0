import type { Topology } from "../topology.ts";
import { asCytoscape } from "./cytoscape.ts";
import { asD3 } from "./d3.ts";
import { asDot } from "./dot.ts";
import { asGrafana } from "./grafana.ts";
import { asGraphml } from "./graphml.ts";
import { asNetjson } from "./netjson.ts";

/** How a topology can be written, beside our own JSON: the type of the text and the text. */
export const FORMATS = {
  cytoscape: { contentType: "application/json", write: asText(asCytoscape) },
  grafana: { contentType: "application/json", write: asText(asGrafana) },
  d3: { contentType: "application/json", write: asText(asD3) },
  netjson: { contentType: "application/json", write: asText(asNetjson) },
  graphml: { contentType: "application/graphml+xml", write: asGraphml },
  dot: { contentType: "text/vnd.graphviz", write: asDot },
} as const satisfies Readonly<
  Record<string, { readonly contentType: string; readonly write: (topology: Topology) => string }>
>;

export type TopologyFormat = keyof typeof FORMATS;

function asText(format: (topology: Topology) => object): (topology: Topology) => string {
  return (topology) => JSON.stringify(format(topology));
}
