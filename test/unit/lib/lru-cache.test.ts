import { describe, expect, it } from "vitest";
import { LruCache } from "../../../src/lib/lru-cache.ts";

describe("a cache of bounded size", () => {
  it("forgets the entry unused for longest", () => {
    const cache = new LruCache<string, number>(2);
    cache.set("a", 1);
    cache.set("b", 2);
    cache.get("a");

    cache.set("c", 3);

    expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual([1, undefined, 3]);
    expect(cache.size).toBe(2);
  });

  it("keeps one entry a key", () => {
    const cache = new LruCache<string, number>(2);
    cache.set("a", 1);
    cache.set("a", 2);

    expect(cache.get("a")).toBe(2);
    expect(cache.size).toBe(1);
  });
});
