/**
 * What an ideal scheduler would give: weighted max-min fair shares. Everyone gets the least of what it asks for and
 * its weight's part of what the others leave; what the modest leave goes to the rest by weight (water-filling).
 */
export interface Claim {
  readonly weight: number;
  /** In the unit of the capacity. */
  readonly demand: number;
}

/** The share of each claim, in their order. They sum to the smaller of capacity and demand. O(n log n). */
export function fairShares(capacity: number, claims: readonly Claim[]): number[] {
  const shares = new Array<number>(claims.length).fill(0);
  const byThirst = claims
    .map((claim, index) => ({ ...claim, index, level: claim.demand / claim.weight }))
    .sort((a, b) => a.level - b.level);
  let left = Math.max(capacity, 0);
  let weights = byThirst.reduce((sum, claim) => sum + claim.weight, 0);
  for (const { weight, demand, index } of byThirst) {
    const share = Math.max(0, Math.min(demand, (left * weight) / weights));
    shares[index] = share;
    left -= share;
    weights -= weight;
  }
  return shares;
}
