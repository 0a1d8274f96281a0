/**
 * Lateness of polls in a few hundred bytes: counts in buckets a quarter of an octave wide (a percentile is off by at
 * most 19 %), of the present span and the one before, so that figures speak of the last one to two minutes.
 */
const BUCKETS_PER_OCTAVE = 4;
/** Up to 2^24 ms: four and a half hours. */
const BUCKETS = 24 * BUCKETS_PER_OCTAVE;

export class LatenessHistogram {
  #current = new Uint32Array(BUCKETS);
  #previous = new Uint32Array(BUCKETS);

  add(latenessMs: number): void {
    const bucket = bucketOf(latenessMs);
    this.#current[bucket] = (this.#current[bucket] ?? 0) + 1;
  }

  /** Ends a span: what was counted in the one before it is forgotten. */
  turn(): void {
    const oldest = this.#previous;
    this.#previous = this.#current;
    this.#current = oldest.fill(0);
  }

  /** The upper end of the bucket that holds the given share of polls; null when there were none. */
  quantile(share: number): number | null {
    let total = 0;
    for (let i = 0; i < BUCKETS; i++) total += this.#count(i);
    if (total === 0) return null;
    let seen = 0;
    for (let i = 0; i < BUCKETS; i++) {
      seen += this.#count(i);
      if (seen >= share * total) return upperEnd(i);
    }
    return upperEnd(BUCKETS - 1);
  }

  #count(bucket: number): number {
    return (this.#current[bucket] ?? 0) + (this.#previous[bucket] ?? 0);
  }
}

function bucketOf(latenessMs: number): number {
  if (!(latenessMs > 1)) return 0;
  return Math.min(Math.ceil(Math.log2(latenessMs) * BUCKETS_PER_OCTAVE), BUCKETS - 1);
}

function upperEnd(bucket: number): number {
  return 2 ** (bucket / BUCKETS_PER_OCTAVE);
}
