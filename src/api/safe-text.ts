/**
 * Text that Postgres cannot hold: U+0000, and halves of surrogate pairs, which have no UTF-8 form (JSON smuggles both
 * in as \u escapes). Found here it is the client's error with a field's name; found by Postgres it would be ours.
 */

/** JSON Pointers of every string in `value` (names of members too) that cannot be stored. `value` has passed its schema. */
export function unstorableTexts(value: unknown, pointer = ""): string[] {
  if (typeof value === "string") return isStorable(value) ? [] : [pointer];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => unstorableTexts(item, `${pointer}/${index}`));
  }
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([name, member]) =>
      isStorable(name)
        ? unstorableTexts(member, `${pointer}/${escapePointer(name)}`)
        : [pointer || "/"],
    );
  }
  return [];
}

// With the u flag a surrogate pair is one character, so this class matches only halves left alone.
const HALF_OF_A_PAIR = /\p{Surrogate}/u;

function isStorable(text: string): boolean {
  return !text.includes("\0") && !HALF_OF_A_PAIR.test(text);
}

/** A member's name as a step of a JSON Pointer (RFC 6901, section 3). */
export function escapePointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
