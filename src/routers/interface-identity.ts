/**
 * Which of the interfaces a router lists now are which of those it listed before. An agent may number its interfaces anew
 * whenever it starts (RFC 2863, section 3.1.5), so a number proves nothing by itself: a name does, else a description of
 * an operator's or a MAC that nobody else has. What fits several is nobody: it becomes an interface of its own, and no
 * history is continued by guessing.
 */

import type { Interface } from "./router.ts";

/** The known interface each of `listed` is, in its order; undefined = one not seen before. No known one is given twice. */
export function matchInterfaces<Known extends Interface>(
  known: readonly Known[],
  listed: readonly Interface[],
): readonly (Known | undefined)[] {
  const found = new Array<Known | undefined>(listed.length).fill(undefined);
  const free = new Set(known);
  for (const ruleOf of RULES) {
    const left = listed.map((one, place) => (found[place] === undefined ? ruleOf(one) : undefined));
    const counts = countsOf(left);
    const knownBy = new Map<string, Known | "several">();
    for (const one of free) {
      const key = ruleOf(one);
      if (key !== undefined) knownBy.set(key, knownBy.has(key) ? "several" : one);
    }
    left.forEach((key, place) => {
      const match = key === undefined ? undefined : knownBy.get(key);
      if (match === undefined || match === "several" || counts.get(key ?? "") !== 1) return;
      found[place] = match;
      free.delete(match);
    });
  }
  return found;
}

/** What must be equal, and unique on both sides, the surest first; undefined = the rule does not apply. */
const RULES: readonly ((one: Interface) => string | undefined)[] = [
  ({ ifIndex, ifName }) => (ifName ? `${ifIndex} ${ifName}` : undefined),
  ({ ifIndex, ifName, ifDescr }) => (!ifName && ifDescr ? `${ifIndex} ${ifDescr}` : undefined),
  ({ ifName }) => ifName || undefined,
  ({ ifName, ifDescr }) => (ifName ? undefined : ifDescr || undefined),
  ({ ifAlias, ifPhysAddress }) => (ifAlias ? `${ifAlias} ${ifPhysAddress ?? ""}` : undefined),
  ({ ifPhysAddress }) => ifPhysAddress || undefined,
  // An agent that names nothing leaves nothing but the number.
  ({ ifIndex, ifName, ifDescr }) => (!ifName && !ifDescr ? String(ifIndex) : undefined),
];

function countsOf(keys: readonly (string | undefined)[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}
