import type { Evidence, Link, Topology } from "./topology.ts";

/** What became of a link between two times. */
export type LinkChange =
  | { readonly change: "appeared"; readonly after: Link }
  | { readonly change: "disappeared"; readonly before: Link }
  | { readonly change: "changed"; readonly before: Link; readonly after: Link };

/** The links that differ, by their ids: in what is said of them, not in when it was said. */
export function linkChanges(before: Topology, after: Topology): LinkChange[] {
  const earlier = new Map(before.links.map((link) => [link.id, link]));
  const later = new Map(after.links.map((link) => [link.id, link]));
  const ids = [...new Set([...earlier.keys(), ...later.keys()])].toSorted();
  return ids.flatMap((id): LinkChange[] => {
    const [old, now] = [earlier.get(id), later.get(id)];
    if (old === undefined) return now === undefined ? [] : [{ change: "appeared", after: now }];
    if (now === undefined) return [{ change: "disappeared", before: old }];
    return essence(old) === essence(now) ? [] : [{ change: "changed", before: old, after: now }];
  });
}

function essence({ a, b, protocols, oneSided, evidence }: Link): string {
  return JSON.stringify([a, b, protocols, oneSided, evidence.map(said).toSorted()]);
}

function said({ firstSeenMs: _first, lastSeenMs: _last, ...facts }: Evidence): string {
  return JSON.stringify(Object.entries(facts).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
