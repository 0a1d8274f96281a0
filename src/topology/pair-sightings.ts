import type { Sighting } from "./sightings.ts";

/** A connection as one end or both ends see it. */
export type Connection = readonly [seen: Sighting, back?: Sighting];

/**
 * Finds for what `ours` see of them what they, in turn, see of us: two sightings are one connection when each names the
 * other's port, or one does and the other names none or a wrong one (its own port each knows best), or a description
 * hints at it, or when neither says anything but nothing else is left on either side. Better evidence is used up first,
 * and what fits two alike is left single: parallel links are never crossed.
 */
export function pairSightings(
  ours: readonly Sighting[],
  theirs: readonly Sighting[],
): Connection[] {
  const left = new Set(ours);
  const right = new Set(theirs);
  const connections: Connection[] = [];
  for (const fits of [namesBoth, namesOne, hintsBoth, hintsOne]) {
    for (const [seen, back] of uniquePairs(left, right, fits)) {
      left.delete(seen);
      right.delete(back);
      connections.push([seen, back]);
    }
  }
  const [seen, anotherSeen] = left;
  const [back, anotherBack] = right;
  const isOnlyPair = anotherSeen === undefined && anotherBack === undefined;
  if (seen && back && isOnlyPair && isSilent(seen, back) && isSilent(back, seen)) {
    return [...connections, [seen, back]];
  }
  return [...connections, ...[...left, ...right].map((single): Connection => [single])];
}

type Fits = (seen: Sighting, back: Sighting) => boolean;

/** Pairs of which neither side fits anything else. */
function uniquePairs(
  left: ReadonlySet<Sighting>,
  right: ReadonlySet<Sighting>,
  fits: Fits,
): [Sighting, Sighting][] {
  const fitting = [...left].flatMap((seen) =>
    [...right].filter((back) => fits(seen, back)).map((back): [Sighting, Sighting] => [seen, back]),
  );
  const times = new Map<Sighting, number>();
  for (const sighting of fitting.flat()) times.set(sighting, (times.get(sighting) ?? 0) + 1);
  return fitting.filter((pair) => pair.every((sighting) => times.get(sighting) === 1));
}

const namesBoth: Fits = (seen, back) => names(seen, back) && names(back, seen);
const namesOne: Fits = (seen, back) => names(seen, back) || names(back, seen);
const hintsBoth: Fits = (seen, back) => hints(seen, back) && hints(back, seen);
const hintsOne: Fits = (seen, back) =>
  (hints(seen, back) && isSilent(back, seen)) || (hints(back, seen) && isSilent(seen, back));

/** Whether `seen` says that the far port is the one `back` was seen on. */
function names(seen: Sighting, back: Sighting): boolean {
  return seen.port?.isCertain === true && seen.port.ifIndex === back.localIfIndex;
}

function hints(seen: Sighting, back: Sighting): boolean {
  return seen.port !== undefined && seen.port.ifIndex === back.localIfIndex;
}

/** Whether `seen` says nothing that speaks against the far port's being the one `back` was seen on. */
function isSilent(seen: Sighting, back: Sighting): boolean {
  return seen.port === undefined || back.localIfIndex === undefined || hints(seen, back);
}
