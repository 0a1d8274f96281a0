import { createHash } from "node:crypto";
import type { RouterId } from "../routers/router.ts";
import type { Evidence, Link, LinkEnd, LinkLayer } from "./topology.ts";

/** Makes the end of a link at a router's port. */
export type EndOf = (routerId: RouterId, ifIndex: number | undefined) => LinkEnd;

/** A link with its ends in order and its id made of them, so that it is found again whoever reports it first. */
export function makeLink(
  layer: LinkLayer,
  one: LinkEnd,
  other: LinkEnd,
  evidence: readonly Evidence[],
  oneSided: boolean,
): Link {
  const [a, b] = [one, other].toSorted((x, y) => compare(endKey(x), endKey(y))) as [
    LinkEnd,
    LinkEnd,
  ];
  return {
    id: createHash("sha256")
      .update(`${layer} ${endKey(a)} ${endKey(b)}`)
      .digest("hex")
      .slice(0, 24),
    a,
    b,
    layer,
    protocols: [...new Set(evidence.map((it) => it.protocol))].toSorted(),
    oneSided,
    evidence,
    firstSeenMs: Math.min(...evidence.map((it) => it.firstSeenMs)),
    lastSeenMs: Math.max(...evidence.map((it) => it.lastSeenMs)),
  };
}

/** Names a link's end: the node and, where it is known, the port. */
export function endKey({ node, ifIndex, ifName }: LinkEnd): string {
  return `${node} ${ifIndex ?? ifName ?? "?"}`;
}

/** Two reports of one pair of ports are one link with the evidence of both. */
export function uniqueById(links: readonly Link[]): Link[] {
  const unique = new Map<string, Link>();
  for (const link of links) {
    const same = unique.get(link.id);
    if (same === undefined) {
      unique.set(link.id, link);
      continue;
    }
    const evidence = [...same.evidence, ...link.evidence];
    const oneSided = same.oneSided && link.oneSided && isFromOneSide(evidence);
    unique.set(link.id, makeLink(link.layer, link.a, link.b, evidence, oneSided));
  }
  return [...unique.values()];
}

function isFromOneSide(evidence: readonly Evidence[]): boolean {
  return new Set(evidence.map((it) => it.seenBy)).size <= 1;
}

/** Texts in the order of their code units, whatever the locale. */
export function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
