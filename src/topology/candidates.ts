/** Which owners have a key: one is an identification, several are only candidates. */
export class Candidates<Key, Owner> {
  /** Nearly all keys have one owner: no set is made for those. */
  readonly #first = new Map<Key, Owner>();
  readonly #all = new Map<Key, Set<Owner>>();

  add(key: Key, owner: Owner): void {
    const first = this.#first.get(key);
    if (first === undefined) this.#first.set(key, owner);
    else if (first !== owner) this.#addAnother(key, first, owner);
  }

  of(key: Key): readonly Owner[] {
    const all = this.#all.get(key);
    if (all !== undefined) return [...all];
    const first = this.#first.get(key);
    return first === undefined ? [] : [first];
  }

  /** The one owner of the key; undefined when there is none or several. */
  only(key: Key): Owner | undefined {
    return this.#all.has(key) ? undefined : this.#first.get(key);
  }

  #addAnother(key: Key, first: Owner, owner: Owner): void {
    const all = this.#all.get(key);
    if (all === undefined) this.#all.set(key, new Set([first, owner]));
    else all.add(owner);
  }
}
