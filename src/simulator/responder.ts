/**
 * What a correct agent answers: GET, GETNEXT, GETBULK and SET over a read-only MIB, as v1 (RFC 1157, section 4.1) and
 * as v2c (RFC 3416, section 4.2). The hot path of every benchmark's other side, so it copies octets encoded beforehand
 * and makes no object but the answer's view.
 *
 * The varbinds are written first, at a fixed place; the headers, whose lengths depend on them, then backwards before.
 */
import { lengthOctets, TAG, writeLength } from "../snmp/ber.ts";
import type { MibView, WriteMoving } from "./mib-view.ts";
import { Request } from "./request.ts";

/** One agent: what it says, and on what terms. */
export interface Agent {
  readonly view: MibView;
  readonly community: Uint8Array;
  /** No answer is longer, in octets. */
  readonly messageBytesMax: number;
  /** Writes the values the view leaves open. */
  readonly writeMoving: WriteMoving;
}

/** The largest UDP payload over IPv4; also over loopback. */
export const MESSAGE_BYTES_MAX = 65_507;

/** Longer communities are not served, so that every header fits before the varbinds. */
export const COMMUNITY_BYTES_MAX = 255;

/** Room for the headers: 3 lengths of up to 4 octets, tags, version, community, request id, error status and index. */
const HEADERS_BYTES_MAX = 40 + COMMUNITY_BYTES_MAX;

/** More than any single varbind this file writes without asking first: an OID of 128 sub-identifiers, or a moving value. */
const VARBIND_SLACK = 1_024;

/** error-status (RFC 3416, section 3). */
export const ERROR_STATUS = { noError: 0, tooBig: 1, noSuchName: 2, notWritable: 17 } as const;

/** Why there was no answer. */
export type Unanswered = "malformed" | "wrong community" | "not a request";

export class Responder {
  /** The request last answered, until the next one. */
  readonly request = new Request();
  /** Why the last request was not answered. */
  unanswered: Unanswered = "malformed";

  #out = Buffer.allocUnsafe(HEADERS_BYTES_MAX + MESSAGE_BYTES_MAX + VARBIND_SLACK);
  #outWords = wordsOf(this.#out);
  #at = 0;
  #limit = 0;
  #nowMs = 0;
  /** GETBULK's place in each repeated column: the entry last returned, or before the first one that follows the request. */
  readonly #cursors = new Int32Array(this.request.oidStarts.length);

  /** Reads a message into `request`; false when it is none (`unanswered` says why). */
  read(message: Uint8Array): boolean {
    this.unanswered = "malformed";
    return this.request.read(message);
  }

  /**
   * The agent's answer to `request`, or undefined when a correct agent stays silent (`unanswered` says why). The answer
   * is a view of octets the next call overwrites: see `releaseAnswer`.
   */
  answer(agent: Agent, nowMs: number): Buffer | undefined {
    const { request } = this;
    if (!this.#isCommunity(agent.community)) {
      this.unanswered = "wrong community";
      return undefined;
    }
    this.#nowMs = nowMs;
    this.#at = HEADERS_BYTES_MAX;
    this.#limit = HEADERS_BYTES_MAX + this.#roomForVarbinds(agent);
    switch (request.pduType) {
      case TAG.getRequest:
        return this.#answerGet(agent);
      case TAG.getNextRequest:
        return this.#answerGetNext(agent);
      case TAG.setRequest:
        return this.#answerSet(agent);
      case TAG.getBulkRequest:
        // v1 has no GETBULK.
        return request.version === 0 ? this.#noAnswer() : this.#answerGetBulk(agent);
      default:
        return this.#noAnswer();
    }
  }

  #noAnswer(): undefined {
    this.unanswered = "not a request";
    return undefined;
  }

  /** Gives up the octets of the last answer to whoever still needs them: the next answer is written elsewhere. */
  releaseAnswer(): void {
    this.#out = Buffer.allocUnsafe(this.#out.length);
    this.#outWords = wordsOf(this.#out);
  }

  #answerGet(agent: Agent): Buffer | undefined {
    const { request } = this;
    const { view } = agent;
    for (let i = 0; i < request.varbinds; i++) {
      const start = request.oidStarts[i] as number;
      const end = request.oidEnds[i] as number;
      const entry = view.find(request.message, start, end);
      if (entry >= 0 && !(request.version === 0 && view.tags[entry] === TAG.counter64)) {
        if (!this.#putEntry(agent, entry)) return this.#tooBig(agent);
        continue;
      }
      // v1 has no Counter64: such an object does not exist for it (RFC 3584, section 4.2.2.1).
      if (request.version === 0) return this.#error(agent, ERROR_STATUS.noSuchName, i + 1);
      const tag = this.#objectExists(view, start, end) ? TAG.noSuchInstance : TAG.noSuchObject;
      if (!this.#putException(request.message, start, end, tag)) return this.#tooBig(agent);
    }
    return this.#finish(agent, ERROR_STATUS.noError, 0);
  }

  #answerGetNext(agent: Agent): Buffer | undefined {
    const { request } = this;
    const { view } = agent;
    for (let i = 0; i < request.varbinds; i++) {
      const start = request.oidStarts[i] as number;
      const end = request.oidEnds[i] as number;
      let entry = view.firstAfter(request.message, start, end);
      if (request.version === 0) {
        while (entry < view.count && view.tags[entry] === TAG.counter64) entry++;
        if (entry === view.count) return this.#error(agent, ERROR_STATUS.noSuchName, i + 1);
      }
      const fits =
        entry < view.count
          ? this.#putEntry(agent, entry)
          : this.#putException(request.message, start, end, TAG.endOfMibView);
      if (!fits) return this.#tooBig(agent);
    }
    return this.#finish(agent, ERROR_STATUS.noError, 0);
  }

  /**
   * RFC 3416, section 4.2.3. What does not fit is cut from the end; only an answer that could not hold even its first
   * varbind is tooBig. Once a whole repetition is past the end of the view, no more are sent.
   */
  #answerGetBulk(agent: Agent): Buffer | undefined {
    const { request } = this;
    const { view } = agent;
    const cursors = this.#cursors;
    const nonRepeaters = Math.min(Math.max(request.a, 0), request.varbinds);
    for (let i = 0; i < request.varbinds; i++) {
      const start = request.oidStarts[i] as number;
      const end = request.oidEnds[i] as number;
      // One before the entry to return next; past the end it stays, at count - 1 or below 0.
      cursors[i] = view.firstAfter(request.message, start, end) - 1;
    }
    for (let i = 0; i < nonRepeaters; i++) {
      if (!this.#putNext(agent, i, true)) return this.#cutShort(agent);
    }
    for (let repetition = 0; repetition < request.b; repetition++) {
      let ended = true;
      for (let i = nonRepeaters; i < request.varbinds; i++) {
        if ((cursors[i] as number) + 1 < view.count) ended = false;
        if (!this.#putNext(agent, i, repetition === 0)) return this.#cutShort(agent);
      }
      if (ended) break;
    }
    return this.#finish(agent, ERROR_STATUS.noError, 0);
  }

  /** Puts what follows the cursor of request varbind `i` and moves it on. False when it does not fit. */
  #putNext(agent: Agent, i: number, first: boolean): boolean {
    const { view } = agent;
    const cursors = this.#cursors;
    const entry = (cursors[i] as number) + 1;
    if (entry < view.count) {
      cursors[i] = entry;
      return this.#putEntry(agent, entry);
    }
    // The name of endOfMibView is the one last returned in this column, at first the one asked for.
    if (first) {
      const { request } = this;
      const start = request.oidStarts[i] as number;
      return this.#putException(
        request.message,
        start,
        request.oidEnds[i] as number,
        TAG.endOfMibView,
      );
    }
    return this.#putLastName(view, i);
  }

  #putLastName(view: MibView, i: number): boolean {
    const { request } = this;
    const start = request.oidStarts[i] as number;
    const end = request.oidEnds[i] as number;
    // Nothing was ever returned in this column when the request itself was past the end.
    if (view.firstAfter(request.message, start, end) === view.count) {
      return this.#putException(request.message, start, end, TAG.endOfMibView);
    }
    const last = view.count - 1;
    return this.#putException(
      view.bytes,
      view.oidStarts[last] as number,
      view.oidEnds[last] as number,
      TAG.endOfMibView,
    );
  }

  #cutShort(agent: Agent): Buffer | undefined {
    return this.#at === HEADERS_BYTES_MAX
      ? this.#tooBig(agent)
      : this.#finish(agent, ERROR_STATUS.noError, 0);
  }

  #answerSet(agent: Agent): Buffer | undefined {
    if (this.request.varbinds === 0) return this.#finish(agent, ERROR_STATUS.noError, 0);
    const status = this.request.version === 0 ? ERROR_STATUS.noSuchName : ERROR_STATUS.notWritable;
    return this.#error(agent, status, 1);
  }

  /** tooBig: v1 returns the request's varbinds, v2c none (RFC 3416, section 4.2.1). */
  #tooBig(agent: Agent): Buffer | undefined {
    if (this.request.version === 0) return this.#error(agent, ERROR_STATUS.tooBig, 0);
    this.#at = HEADERS_BYTES_MAX;
    return this.#finish(agent, ERROR_STATUS.tooBig, 0);
  }

  /** An error of which the request's varbinds are returned unchanged. Silent when even they do not fit. */
  #error(agent: Agent, status: number, index: number): Buffer | undefined {
    const { request } = this;
    const size = request.listEnd - request.listStart;
    if (HEADERS_BYTES_MAX + size > this.#limit) return undefined;
    this.#out.set(request.message.subarray(request.listStart, request.listEnd), HEADERS_BYTES_MAX);
    this.#at = HEADERS_BYTES_MAX + size;
    return this.#finish(agent, status, index);
  }

  /** Appends a varbind of the view. False, and nothing appended, when it does not fit. */
  #putEntry(agent: Agent, entry: number): boolean {
    const { view } = agent;
    const out = this.#out;
    const start = view.starts[entry] as number;
    const end = view.starts[entry + 1] as number;
    const at = this.#at;
    const key = view.moving[entry] as number;
    if (key === 0) {
      if (at + end - start > this.#limit) return false;
      if (end - start > 200) out.set(view.bytes.subarray(start, end), at);
      else copyWords(view.words, start, end, this.#outWords, at);
      this.#at = at + end - start;
      return true;
    }
    // Less than 128 octets inside: one octet of length.
    copyWords(view.words, start, end, this.#outWords, at + 2);
    const to = agent.writeMoving(key, out, at + 2 + end - start, this.#nowMs);
    if (to > this.#limit) return false;
    out[at] = TAG.sequence;
    out[at + 1] = to - at - 2;
    this.#at = to;
    return true;
  }

  /** Appends a varbind of an OID and a value without content. False, and nothing appended, when it does not fit. */
  #putException(source: Uint8Array, start: number, end: number, tag: number): boolean {
    const inside = 1 + lengthOctets(end - start) + end - start + 2;
    if (this.#at + 1 + lengthOctets(inside) + inside > this.#limit) return false;
    const out = this.#out;
    out[this.#at] = TAG.sequence;
    let at = writeLength(out, this.#at + 1, inside);
    out[at] = TAG.oid;
    at = writeLength(out, at + 1, end - start);
    for (let i = start; i < end; i++, at++) out[at] = source[i] as number;
    out[at] = tag;
    out[at + 1] = 0;
    this.#at = at + 2;
    return true;
  }

  /** Whether the view has other instances of the object asked for, as far as an agent without MIBs can tell. */
  #objectExists(view: MibView, start: number, end: number): boolean {
    const { message } = this.request;
    let parentEnd = end - 1;
    while (parentEnd > start && (message[parentEnd - 1] as number) >= 0x80) parentEnd--;
    return parentEnd > start && view.hasBelow(message, start, parentEnd);
  }

  #isCommunity(community: Uint8Array): boolean {
    const { message, communityStart, communityEnd } = this.request;
    if (communityEnd - communityStart !== community.length) return false;
    for (let i = 0; i < community.length; i++) {
      if (community[i] !== message[communityStart + i]) return false;
    }
    return true;
  }

  /** How many octets of varbinds keep the message within the agent's size, taking lengths at their longest. */
  #roomForVarbinds(agent: Agent): number {
    const idOctets = this.request.requestIdEnd - this.request.requestIdStart;
    const constructed = 3 * (1 + lengthOctets(agent.messageBytesMax));
    const community = 1 + lengthOctets(agent.community.length) + agent.community.length;
    // Version, error-status and, of two octets at most, error-index.
    const integers = 3 + 3 + 4;
    return agent.messageBytesMax - constructed - community - idOctets - integers;
  }

  /** Writes the headers before the varbinds. */
  #finish(agent: Agent, status: number, index: number): Buffer {
    const { request } = this;
    const out = this.#out;
    const end = this.#at;
    let at = writeHeaderBefore(out, HEADERS_BYTES_MAX, TAG.sequence, end - HEADERS_BYTES_MAX);
    at = writeIntegerBefore(out, at, index);
    at = writeIntegerBefore(out, at, status);
    for (let i = request.requestIdEnd - 1; i >= request.requestIdStart; i--) {
      out[--at] = request.message[i] as number;
    }
    at = writeHeaderBefore(out, at, TAG.response, end - at);
    const { community } = agent;
    for (let i = community.length - 1; i >= 0; i--) out[--at] = community[i] as number;
    at = writeHeaderBefore(out, at, TAG.octetString, community.length);
    at = writeIntegerBefore(out, at, request.version);
    at = writeHeaderBefore(out, at, TAG.sequence, end - at);
    return out.subarray(at, end);
  }
}

function wordsOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * Copies [start, end) four octets at a time, so up to three more than that: both sides have room. A third of the time
 * of a loop over octets, and for varbinds of 20 to 30 a quarter of TypedArray.set's.
 */
function copyWords(from: DataView, start: number, end: number, to: DataView, at: number): void {
  for (let i = start, j = at; i < end; i += 4, j += 4) {
    to.setUint32(j, from.getUint32(i, true), true);
  }
}

/** Writes tag and length so that they end at `end`; returns where they begin. */
function writeHeaderBefore(out: Uint8Array, end: number, tag: number, length: number): number {
  const at = end - 1 - lengthOctets(length);
  out[at] = tag;
  writeLength(out, at + 1, length);
  return at;
}

/** Writes an INTEGER of 0 to 32,767 so that it ends at `end`; returns where it begins. */
function writeIntegerBefore(out: Uint8Array, end: number, value: number): number {
  out[end - 1] = value;
  if (value < 0x80) return writeHeaderBefore(out, end - 1, TAG.integer, 1);
  out[end - 2] = value >>> 8;
  return writeHeaderBefore(out, end - 2, TAG.integer, 2);
}
