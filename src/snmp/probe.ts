/**
 * Which subtrees an agent has anything below: one GETNEXT for many of them, instead of a walk for each that finds nothing.
 */
import type { Answer } from "./arrival.ts";
import { TAG } from "./ber.ts";
import type { EncodedOid } from "./oid-cache.ts";
import type { Session } from "./session.ts";
import { Varbinds } from "./varbinds.ts";

/** Names in one GETNEXT: each is answered with a value of any length. */
const NAMES_A_REQUEST = 16;

const NO_SUFFIXES = new Uint8Array(0);

/**
 * For each OID whether the agent has an instance below it. One that is not in the map is not known: what asks for it
 * went unanswered. Never rejects for what the router does; throws BerError when an OID is none. `oids` must not change
 * afterwards.
 */
export async function probeSubtrees(
  session: Session,
  oids: readonly string[],
): Promise<ReadonlyMap<string, boolean>> {
  const found = new Map<string, boolean>();
  const { list } = session.oids.encoded(oids);
  let chunks: (readonly EncodedOid[])[] = [];
  for (let at = 0; at < list.length; at += NAMES_A_REQUEST) {
    chunks.push(list.slice(at, at + NAMES_A_REQUEST));
  }
  while (chunks.length > 0) {
    const [names = [], ...others] = chunks;
    chunks = others;
    const reply = await session.request({
      pduType: TAG.getNextRequest,
      a: 0,
      b: 0,
      names,
      suffixes: NO_SUFFIXES,
    });
    // What does not answer this one will not answer the next: the walks find out more.
    if (reply.kind === "failure") break;
    chunks = [...takeAnswer(names, reply, found), ...others];
  }
  return found;
}

/** Notes what an answer says and returns what is to be asked again, always in smaller pieces. */
function takeAnswer(
  names: readonly EncodedOid[],
  answer: Answer,
  found: Map<string, boolean>,
): (readonly EncodedOid[])[] {
  if (answer.errorStatus !== 0) return afterError(names, answer, found);
  const varbinds = new Varbinds(answer.bytes, answer.at, answer.end);
  let at = 0;
  for (; at < names.length && varbinds.next(); at++) {
    const name = names[at] as EncodedOid;
    found.set(name.dotted, isBelow(name.octets, varbinds) && !isException(varbinds.tag));
  }
  return at === names.length || at === 0 ? [] : [names.slice(at)];
}

const NO_SUCH_NAME = 2;

/** v1 names the one that has nothing after it (RFC 1157, section 4.1.3); other errors are an agent's limits. */
function afterError(
  names: readonly EncodedOid[],
  { errorStatus, errorIndex }: Answer,
  found: Map<string, boolean>,
): (readonly EncodedOid[])[] {
  const named = names[errorIndex - 1];
  if (errorStatus === NO_SUCH_NAME && named !== undefined) {
    found.set(named.dotted, false);
    const others = names.filter((name) => name !== named);
    return others.length === 0 ? [] : [others];
  }
  if (names.length === 1) return [];
  const half = names.length >> 1;
  return [names.slice(0, half), names.slice(half)];
}

/** noSuchObject, noSuchInstance, endOfMibView (RFC 3416, section 3). */
function isException(tag: number): boolean {
  return tag >= 0x80 && tag <= 0x82;
}

function isBelow(prefix: Uint8Array, { bytes, oidStart, oidEnd }: Varbinds): boolean {
  if (oidEnd - oidStart <= prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[oidStart + i] !== prefix[i]) return false;
  return true;
}
