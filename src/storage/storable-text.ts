/**
 * Routers say anything; Postgres stores Unicode without U+0000. What it would refuse becomes U+FFFD, so that one odd
 * string never costs a poll its samples.
 */

const UNSTORABLE = /\0|\p{Surrogate}/gu; // In a Unicode pattern only unpaired surrogates match.

export function storableText(text: string): string {
  return text.replace(UNSTORABLE, "\u{fffd}");
}

/** JSON that jsonb takes, whatever the strings inside `value` hold. */
export function storableJson(value: unknown): string {
  const json = JSON.stringify(value);
  // Escapes of what is unstorable are rare; looking for them is cheaper than looking at every string.
  if (!/\\u(?:0000|d[89a-f])/.test(json)) return json;
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "string" ? storableText(inner) : inner,
  );
}
