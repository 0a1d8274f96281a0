/** Throws when `condition` is false: a bug of ours, never a fault of the world. `rule` states what always holds. */
export function invariant(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${rule}`);
}
