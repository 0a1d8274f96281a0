/**
 * Things with a time, the earliest first: a heap of four children a node in two arrays, the times unboxed in one of
 * their own, so that a million entries take 16 bytes each and comparing them touches nothing else. It does not know
 * where a thing is: whoever takes one back leaves it in and drops it when it comes first (`retain` when too many are
 * stale).
 */
export class TimeHeap<T> {
  readonly #times: number[] = [];
  readonly #things: T[] = [];

  get size(): number {
    return this.#things.length;
  }

  get first(): T | undefined {
    return this.#things[0];
  }

  /** Infinity when empty. */
  get firstTime(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  push(time: number, thing: T): void {
    this.#times.push(time);
    this.#things.push(thing);
    this.#rise(time, thing, this.#things.length - 1);
  }

  /** Takes the first out. */
  pop(): T | undefined {
    const first = this.#things[0];
    const lastTime = this.#times.pop();
    const last = this.#things.pop();
    if (last !== undefined && lastTime !== undefined && this.#things.length > 0) {
      this.#sink(lastTime, last);
    }
    return first;
  }

  /** Gives the first another time, not earlier than it had. */
  postponeFirst(time: number): void {
    const first = this.#things[0];
    if (first !== undefined) this.#sink(time, first);
  }

  /** Keeps what `isLive` says, each at the time `timeOf` says. O(n log n): for rare occasions. */
  retain(isLive: (thing: T) => boolean, timeOf: (thing: T, time: number) => number): void {
    const times = this.#times.splice(0);
    const things = this.#things.splice(0);
    for (const [at, thing] of things.entries()) {
      if (isLive(thing)) this.push(timeOf(thing, times[at] ?? 0), thing);
    }
  }

  values(): IterableIterator<T> {
    return this.#things.values();
  }

  #rise(time: number, thing: T, from: number): void {
    const times = this.#times;
    const things = this.#things;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 2;
      const aboveTime = times[above] as number; // Inside the array: 0 <= above < at.
      if (aboveTime <= time) break;
      times[at] = aboveTime;
      things[at] = things[above] as T;
      at = above;
    }
    times[at] = time;
    things[at] = thing;
  }

  /** Puts `thing` where the first was, and down to its place. */
  #sink(time: number, thing: T): void {
    const times = this.#times;
    const things = this.#things;
    const size = things.length;
    let at = 0;
    for (;;) {
      const child = 4 * at + 1;
      if (child >= size) break;
      const end = Math.min(child + 4, size);
      let least = child;
      let leastTime = times[child] as number; // Inside the arrays: child < size.
      for (let each = child + 1; each < end; each++) {
        const eachTime = times[each] as number;
        if (eachTime < leastTime) {
          least = each;
          leastTime = eachTime;
        }
      }
      if (leastTime >= time) break;
      times[at] = leastTime;
      things[at] = things[least] as T;
      at = least;
    }
    times[at] = time;
    things[at] = thing;
  }
}
