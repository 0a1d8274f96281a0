/** Disjoint sets of the integers 0 to size − 1. */
export class UnionFind {
  readonly #parent: number[];

  constructor(size: number) {
    this.#parent = Array.from({ length: size }, (_, i) => i);
  }

  find(item: number): number {
    let root = item;
    while (this.#parentOf(root) !== root) root = this.#parentOf(root);
    for (let at = item; at !== root; ) {
      const next = this.#parentOf(at);
      this.#parent[at] = root;
      at = next;
    }
    return root;
  }

  union(a: number, b: number): void {
    this.#parent[this.find(a)] = this.find(b);
  }

  /** The sets, in the order of their first items. */
  groups(): number[][] {
    const groups = new Map<number, number[]>();
    for (let item = 0; item < this.#parent.length; item++) {
      const root = this.find(item);
      const group = groups.get(root);
      if (group === undefined) groups.set(root, [item]);
      else group.push(item);
    }
    return [...groups.values()];
  }

  #parentOf(item: number): number {
    return this.#parent[item] ?? item;
  }
}
