import { describe, expect, it } from "vitest";
import { computeTopology } from "../../../src/topology/compute-topology.ts";
import { FORMATS } from "../../../src/topology/formats/formats.ts";
import type { Topology } from "../../../src/topology/topology.ts";
import { aRouter, lldp } from "./routers.ts";

const NASTY = `quote " back \\ angle <b>&amp; line\n\u0001 end\\`;

function network(): Topology {
  return computeTopology([
    aRouter("a", {
      name: NASTY,
      chassis: { subtype: 4, id: "aa:00:00:00:00:01" },
      neighbours: [
        lldp(1, "bc:00:00:00:00:01", "Gi1"),
        lldp(2, "bc:00:00:00:00:01", "Gi2"),
        lldp(3, "d0:00:00:00:00:01", "eth0", { remoteSysName: NASTY }),
      ],
    }),
    aRouter("b", {
      chassis: { subtype: 4, id: "bc:00:00:00:00:01" },
      neighbours: [lldp(1, "aa:00:00:00:00:01", "Gi1")],
    }),
  ]);
}

/** Every format names the same nodes and links. */
describe.each(["cytoscape", "grafana", "d3", "netjson"] as const)("%s", (format) => {
  it("has each node and each link once, and links between nodes it has", () => {
    const topology = network();
    const value = JSON.parse(FORMATS[format].write(topology));
    const graph = value.elements ?? value;
    const plain = (item: { data?: object }): { id: string; source: string; target: string } =>
      (item.data ?? item) as never;
    const nodes: string[] = graph.nodes.map((it: object) => plain(it).id);
    const links = (graph.edges ?? graph.links).map(plain);

    expect(nodes).toEqual(topology.nodes.map((it) => it.id));
    expect(links.map((it: { source: string; target: string }) => [it.source, it.target])).toEqual(
      topology.links.map(({ a, b }) => [a.node, b.node]),
    );
  });

  it("is the same text for the same routers", () => {
    expect(FORMATS[format].write(network())).toBe(FORMATS[format].write(network()));
  });
});

it("netjson is a NetworkGraph", () => {
  expect(JSON.parse(FORMATS.netjson.write(network()))).toMatchObject({
    type: "NetworkGraph",
    protocol: expect.any(String),
    version: null,
    metric: null,
  });
});

it("d3 keeps parallel links apart for networkx", () => {
  const { links, multigraph } = JSON.parse(FORMATS.d3.write(network()));

  expect(multigraph).toBe(true);
  expect(new Set(links.map((it: { key: string }) => it.key)).size).toBe(links.length);
});

it("graphml is well-formed XML that names what the topology has, whatever routers are called", () => {
  const text = FORMATS.graphml.write(network());

  expect(text.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
  expect(text.match(/<node /g)).toHaveLength(network().nodes.length);
  expect(text.match(/<edge /g)).toHaveLength(network().links.length);
  expect(withoutElements(text)).toBe("");
});

it("dot quotes everything, whatever routers are called", () => {
  const statements = FORMATS.dot.write(network()).split("\n").slice(1, -2);
  const quoted = String.raw`"(?:[^"\\\n]|\\.)*"`;
  const attributes = String.raw`\[(?:\w+=(?:${quoted}|\w+)(?:, )?)*\];`;

  expect(statements).toHaveLength(network().nodes.length + network().links.length);
  for (const statement of statements) {
    expect(statement).toMatch(new RegExp(`^  ${quoted}(?: -- ${quoted})? ${attributes}$`));
  }
});

/** Takes innermost elements away until none is left: what remains of a well-formed document is nothing. */
function withoutElements(xml: string): string {
  let rest = xml.replace(/^<\?xml[^?]*\?>/, "");
  const innermost =
    /<([a-z]+)((?: [a-zA-Z.]+="[^"<>]*")*)(?:\/>|>(?:[^<>&]|&(?:amp|lt|gt|quot);)*<\/\1>)/g;
  for (let before = ""; before !== rest; ) {
    before = rest;
    rest = rest.replace(innermost, "");
  }
  return rest.trim();
}
