/** OIDs in octets, made once for each list of names: a module's plan asks thousands of routers for the same ones. */
import { fnv1a32 } from "../lib/hash.ts";
import { LruCache } from "../lib/lru-cache.ts";
import { compareOidBytes, encodeOid } from "./ber.ts";
import type { RequestName } from "./codec.ts";

/** An OID that is asked for as it is: a name without a suffix. */
export interface EncodedOid extends RequestName {
  readonly dotted: string;
  /** Its place in the list it came from. */
  readonly place: number;
}

export interface EncodedOids {
  readonly list: readonly EncodedOid[];
  readonly inOidOrder: readonly EncodedOid[];
  /** The list in pieces that fit into one GET. */
  readonly chunks: readonly (readonly EncodedOid[])[];
  /** Tells lists apart where a mistake costs no more than a hint; readable: its first OID, how many follow, a hash. */
  readonly key: string;
}

/** Names in one GET: answers to it stay below 1,400 octets unless they are long texts. */
const NAMES_A_GET = 40;

/** Lists kept by what is in them: those of all modules and their combinations. */
const LISTS_MAX = 4_096;

export class OidCache {
  readonly #lists = new WeakMap<readonly string[], EncodedOids>();
  /** Some lists are put together anew for every poll. */
  readonly #byContent = new LruCache<string, EncodedOids>(LISTS_MAX);

  /** The OIDs of a list that must not change afterwards. Throws BerError when one is not an OID. */
  encoded(oids: readonly string[]): EncodedOids {
    let encoded = this.#lists.get(oids);
    if (encoded === undefined) {
      const content = oids.join();
      encoded = this.#byContent.get(content) ?? encode(oids);
      this.#byContent.set(content, encoded);
      this.#lists.set(oids, encoded);
    }
    return encoded;
  }
}

function encode(oids: readonly string[]): EncodedOids {
  const list = oids.map((dotted, place) => {
    return { dotted, place, octets: encodeOid(dotted), suffixStart: 0, suffixEnd: 0 };
  });
  const chunks: EncodedOid[][] = [];
  for (let at = 0; at < list.length; at += NAMES_A_GET)
    chunks.push(list.slice(at, at + NAMES_A_GET));
  const inOidOrder = list.toSorted((a, b) => compareOidBytes(a.octets, b.octets));
  const hash = fnv1a32(oids.join()).toString(36);
  const key = `${inOidOrder[0]?.dotted ?? ""}+${Math.max(list.length - 1, 0)}/${hash}`;
  return { list, inOidOrder, chunks, key };
}
