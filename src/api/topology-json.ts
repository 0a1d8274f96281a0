import { type Static, Type } from "typebox";
import type { RouterId } from "../routers/router.ts";
import type { Evidence, Link, TopologyNode } from "../topology/topology.ts";
import { ID, TIME } from "./schemas.ts";

/** Our own JSON of a topology. */

const NODE = Type.Object({
  id: Type.String({ description: "The router's id, or one made of what tells the neighbour" }),
  kind: Type.Enum(["router", "unknown", "segment"], {
    description:
      "router: one of yours; unknown: a neighbour that is none of them for certain; segment: what several neighbours on one port share",
  }),
  name: Type.String(),
  zone: Type.String(),
  routerId: Type.Optional(ID),
  candidates: Type.Optional(
    Type.Array(ID, { description: "The routers an unknown neighbour may be" }),
  ),
  platform: Type.Optional(Type.String()),
  addresses: Type.Optional(Type.Array(Type.String())),
});

const END = Type.Object({
  node: Type.String({ description: "The id of a node" }),
  routerId: Type.Optional(ID),
  ifIndex: Type.Optional(Type.Integer()),
  ifName: Type.Optional(Type.String()),
  aggregateIfIndex: Type.Optional(
    Type.Integer({ description: "The aggregate the port is a member of" }),
  ),
});

const EVIDENCE = Type.Object({
  protocol: Type.Enum(["lldp", "cdp", "bgp", "ospf"]),
  seenBy: Type.String({ description: "The id of the router that said so" }),
  localIfIndex: Type.Optional(Type.Integer()),
  remoteSysName: Type.Optional(Type.String()),
  remoteChassisId: Type.Optional(Type.String()),
  remotePort: Type.Optional(Type.String()),
  remotePortDesc: Type.Optional(Type.String()),
  remoteAddress: Type.Optional(Type.String()),
  state: Type.Optional(Type.String({ description: "established, full, twoWay, or down" })),
  remoteAs: Type.Optional(Type.Integer()),
  matchedBy: Type.Optional(
    Type.String({ description: "How the neighbour was recognised; absent when it was not" }),
  ),
  portMatchedBy: Type.Optional(Type.String({ description: "How its port was recognised" })),
  portCandidate: Type.Optional(
    Type.Integer({ description: "A port that only a description hints at" }),
  ),
  firstSeen: TIME,
  lastSeen: TIME,
});

export const LINK = Type.Object({
  id: Type.String({ description: "The same as long as its ends are" }),
  a: END,
  b: END,
  layer: Type.Enum(["physical", "bgp", "ospf"]),
  protocols: Type.Array(Type.String()),
  oneSided: Type.Boolean({ description: "Only one end says so" }),
  stale: Type.Boolean({
    description:
      "Not confirmed for twice as long as neighbours are read in; nothing says it is gone",
  }),
  evidence: Type.Array(EVIDENCE, { description: "What each router said, as it said it" }),
  firstSeen: TIME,
  lastSeen: TIME,
});

export const TOPOLOGY = Type.Object({
  at: TIME,
  nodes: Type.Array(NODE),
  links: Type.Array(LINK),
  incomplete: Type.Array(ID, {
    description: "Routers that list more neighbours or interfaces than are taken",
  }),
});

/** Whether nobody confirmed a link of late. */
export type IsStale = (link: Link) => boolean;

/** A topology's links are stale that nobody confirmed for two of the readings due by `at`. */
export function staleAt(
  at: Date,
  discoverySeconds: number,
  intervalSeconds: ReadonlyMap<RouterId, number>,
): IsStale {
  return ({ evidence }) =>
    evidence.every(({ seenBy, lastSeenMs }) => {
      const seconds = Math.max(discoverySeconds, intervalSeconds.get(seenBy) ?? 0);
      return at.getTime() - lastSeenMs > 2 * seconds * 1_000;
    });
}

export function nodeJson({ candidates, addresses, ...node }: TopologyNode): Static<typeof NODE> {
  return {
    ...node,
    ...(candidates !== undefined && { candidates: [...candidates] }),
    ...(addresses !== undefined && { addresses: [...addresses] }),
  };
}

export function linkJson(link: Link, isStale: IsStale): Static<typeof LINK> {
  const { protocols, evidence, firstSeenMs, lastSeenMs, ...rest } = link;
  return {
    ...rest,
    protocols: [...protocols],
    stale: isStale(link),
    evidence: evidence.map(evidenceJson),
    ...seenJson({ firstSeenMs, lastSeenMs }),
  };
}

function evidenceJson({ firstSeenMs, lastSeenMs, ...said }: Evidence): Static<typeof EVIDENCE> {
  return { ...said, ...seenJson({ firstSeenMs, lastSeenMs }) };
}

function seenJson({ firstSeenMs, lastSeenMs }: Pick<Link, "firstSeenMs" | "lastSeenMs">) {
  return {
    firstSeen: new Date(firstSeenMs).toISOString(),
    lastSeen: new Date(lastSeenMs).toISOString(),
  };
}
