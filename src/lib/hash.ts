/** FNV-1a over UTF-16 code units, 32 bits, unsigned: spreads identifiers evenly; not for anything an attacker gains from. */
export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}
