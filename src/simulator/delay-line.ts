/**
 * Holds things back for one constant time. Whatever goes in first comes out first, so a queue and one timer for its head
 * do, however many wait: a timer a packet would cost more than the packets.
 */
export interface DelayLine<T> {
  add(item: T): void;
  /** Drops what still waits. */
  stop(): void;
}

/** Calls `release` with each item `delayMs` after it was added, at most a timer's millisecond late. */
export function openDelayLine<T>(delayMs: number, release: (item: T) => void): DelayLine<T> {
  let waiting: { readonly item: T; readonly dueMs: number }[] = [];
  let head = 0;
  let timer: NodeJS.Timeout | undefined;

  function releaseDue(): void {
    timer = undefined;
    const nowMs = performance.now();
    for (;;) {
      const next = waiting[head];
      if (next === undefined) break;
      if (next.dueMs > nowMs) {
        timer = setTimeout(releaseDue, next.dueMs - nowMs);
        break;
      }
      head++;
      release(next.item);
    }
    if (head * 2 >= waiting.length) {
      waiting = waiting.slice(head);
      head = 0;
    }
  }

  return {
    add(item) {
      waiting.push({ item, dueMs: performance.now() + delayMs });
      timer ??= setTimeout(releaseDue, delayMs);
    },
    stop() {
      clearTimeout(timer);
      timer = undefined;
      waiting = [];
      head = 0;
    },
  };
}
