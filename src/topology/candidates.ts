/** Which owners have a key: one is an identification, several are only candidates. */
export class Candidates<Key, Owner> {
  readonly #owners = new Map<Key, Set<Owner>>();

  add(key: Key, owner: Owner): void {
    const owners = this.#owners.get(key);
    if (owners === undefined) this.#owners.set(key, new Set([owner]));
    else owners.add(owner);
  }

  of(key: Key): readonly Owner[] {
    return [...(this.#owners.get(key) ?? [])];
  }

  /** The one owner of the key; undefined when there is none or several. */
  only(key: Key): Owner | undefined {
    const [owner, another] = this.of(key);
    return another === undefined ? owner : undefined;
  }
}
