/**
 * What a process knows of the SNMPv3 engines it polls: id, clock and keys of each, so that a poll needs no discovery
 * packet and no password is stretched twice. Keyed by what the poller says a router is (tenant, zone, address, port):
 * two tenants that poll the same address share nothing.
 */
import {
  createHash,
  createSecretKey,
  getCipherInfo,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { LruCache } from "../lib/lru-cache.ts";
import type { AuthProtocol, PrivProtocol, SnmpCredential } from "../routers/router.ts";
import { localizedKey, localizedPrivKey, PRIV_RULES, passwordDigest } from "./usm-keys.ts";

export type UsmCredential = Extract<SnmpCredential, { version: "3" }>;

/** Engines kept, about 1 KB each; the one not polled for longest is forgotten first and costs a discovery packet. */
const ENGINES_MAX = 20_000;
/** Password digests kept: one or two a credential. */
const DIGESTS_MAX = 4_096;

/** The largest snmpEngineTime (RFC 3414, section 2.2.1). */
const TIME_MAX_SECONDS = 0x7fff_ffff;

const TIME_WINDOW_SECONDS = 150;

const NO_ENGINE = Buffer.alloc(0);

export class UsmCache {
  readonly #engines = new LruCache<string, UsmEngine>(ENGINES_MAX);
  readonly #digests = new LruCache<string, Buffer>(DIGESTS_MAX);
  readonly #salt = randomBytes(8);
  /** The last router to give itself each engine id, by tenant and id. */
  readonly #routerOf = new LruCache<string, string>(ENGINES_MAX);
  /**
   * How often a router said that it is an engine which another router of its tenant is. Their keys are the same, and
   * answers of one would authenticate as the other's: agents were cloned, and should be given ids of their own.
   */
  duplicateIds = 0;

  get engines(): number {
    return this.#engines.size;
  }

  /** The engine of a router, as this credential sees it; with other keys or none it is as good as never seen. */
  engine(usmKey: string, credential: UsmCredential): UsmEngine {
    const fingerprint = fingerprintOf(credential);
    let engine = this.#engines.get(usmKey);
    if (engine === undefined || engine.fingerprint !== fingerprint) {
      engine = new UsmEngine(usmKey, credential, fingerprint, this);
    }
    this.#engines.set(usmKey, engine);
    return engine;
  }

  /** Takes note of the id that the router known as `usmKey` (tenant/zone/address/port) has given itself. */
  noteId(usmKey: string, id: Uint8Array): void {
    const [tenant = ""] = usmKey.split("/", 1);
    const key = `${tenant}/${Buffer.from(id).toString("base64")}`;
    const before = this.#routerOf.get(key);
    if (before !== undefined && before !== usmKey) this.duplicateIds++;
    this.#routerOf.set(key, usmKey);
  }

  digest(auth: AuthProtocol, password: string): Buffer {
    const key = createHash("sha256").update(`${auth}\0${password}`).digest("base64");
    const digest = this.#digests.get(key) ?? passwordDigest(auth, password);
    this.#digests.set(key, digest);
    return digest;
  }

  /** Eight octets never used before by this process: the next number after a random one (RFC 3826, section 3.1.1.1). */
  nextSalt(): Buffer {
    const salt = this.#salt;
    for (let i = salt.length - 1; i >= 0; i--) {
      const next = ((salt[i] as number) + 1) & 0xff;
      salt[i] = next;
      if (next !== 0) break;
    }
    return Buffer.from(salt);
  }
}

interface UsmKeys {
  readonly auth: KeyObject | undefined;
  readonly priv: KeyObject | undefined;
  /** What a DES salt is combined with; empty for AES. */
  readonly preIv: Buffer;
}

/** One engine under one credential. Until it has learnt an engine id, only a discovery may be sent. */
export class UsmEngine {
  readonly user: Buffer;
  /** The msgFlags of its security level: 1 authenticated, 2 private (RFC 3412, section 6.4). */
  readonly flags: 0 | 1 | 3;
  readonly authProtocol: AuthProtocol | undefined;
  readonly privProtocol: PrivProtocol | undefined;
  readonly fingerprint: string;
  /** Why no request can be made with this credential. */
  readonly flaw: string | undefined;
  id: Buffer = NO_ENGINE;
  boots = 0;
  /** Grows with each time its clock is set anew after the first. */
  syncs = 0;
  readonly #usmKey: string;
  readonly #credential: UsmCredential;
  readonly #cache: UsmCache;
  #timeSeconds = 0;
  #readAtMs = 0;
  #keys: UsmKeys | undefined;

  constructor(usmKey: string, credential: UsmCredential, fingerprint: string, cache: UsmCache) {
    this.#usmKey = usmKey;
    const level = credential.securityLevel;
    this.flags = level === "authPriv" ? 3 : level === "authNoPriv" ? 1 : 0;
    this.user = Buffer.from(credential.username);
    this.authProtocol = this.flags >= 1 ? credential.authProtocol : undefined;
    this.privProtocol = this.flags === 3 ? credential.privProtocol : undefined;
    this.fingerprint = fingerprint;
    this.flaw = missingField(credential);
    this.#credential = credential;
    this.#cache = cache;
  }

  get isKnown(): boolean {
    return this.id.length > 0;
  }

  /** The engine's clock now: it goes on ticking between polls (RFC 3414, section 2.2.1). */
  timeSeconds(nowMs: number): number {
    const elapsedSeconds = Math.floor((nowMs - this.#readAtMs) / 1_000);
    return Math.min(this.#timeSeconds + elapsedSeconds, TIME_MAX_SECONDS);
  }

  /** Takes over what the engine says of itself. Another id makes other keys. */
  learn(id: Uint8Array, boots: number, timeSeconds: number, nowMs: number): void {
    if (!this.id.equals(id)) {
      this.id = Buffer.from(id);
      this.#keys = undefined;
      this.#cache.noteId(this.#usmKey, id);
    }
    this.boots = boots;
    this.#timeSeconds = timeSeconds;
    this.#readAtMs = nowMs;
    this.syncs++;
  }

  /** Whether an authentic message is not an old one played again (RFC 3414, section 3.2, 7b). */
  isTimely(boots: number, timeSeconds: number, nowMs: number): boolean {
    if (boots !== this.boots) return boots > this.boots;
    return timeSeconds >= this.timeSeconds(nowMs) - TIME_WINDOW_SECONDS;
  }

  /** Sets the clock forward by an authentic answer (RFC 3414, section 3.2, 7b): never back. */
  advance(boots: number, timeSeconds: number, nowMs: number): void {
    const isNewer = boots === this.boots && timeSeconds > this.timeSeconds(nowMs);
    if (boots < this.boots || (boots === this.boots && !isNewer)) return;
    this.boots = boots;
    this.#timeSeconds = timeSeconds;
    this.#readAtMs = nowMs;
  }

  forget(): void {
    this.id = NO_ENGINE;
    this.boots = 0;
    this.#timeSeconds = 0;
    this.#keys = undefined;
  }

  keys(): UsmKeys {
    this.#keys ??= this.#deriveKeys();
    return this.#keys;
  }

  #deriveKeys(): UsmKeys {
    const { authPassword = "", privPassword = "" } = this.#credential;
    const { authProtocol, privProtocol } = this;
    if (authProtocol === undefined) {
      return { auth: undefined, priv: undefined, preIv: NO_ENGINE };
    }
    const digest = this.#cache.digest(authProtocol, authPassword);
    const auth = createSecretKey(localizedKey(authProtocol, digest, this.id));
    if (privProtocol === undefined) return { auth, priv: undefined, preIv: NO_ENGINE };
    const privDigest = this.#cache.digest(authProtocol, privPassword);
    const key = localizedPrivKey(authProtocol, privProtocol, privDigest, this.id);
    if (privProtocol !== "DES") return { auth, priv: createSecretKey(key), preIv: NO_ENGINE };
    const des = key.subarray(0, 8);
    const tripled = Buffer.concat([des, des, des]);
    return { auth, priv: createSecretKey(tripled), preIv: key.subarray(8, 16) };
  }
}

export function cipherOf(engine: UsmEngine): string {
  return engine.privProtocol === undefined ? "" : PRIV_RULES[engine.privProtocol].cipher;
}

function missingField(credential: UsmCredential): string | undefined {
  const { securityLevel, authProtocol, authPassword, privProtocol, privPassword } = credential;
  if (securityLevel === "noAuthNoPriv") return undefined;
  if (authProtocol === undefined || !authPassword) {
    return "The credential lacks its authentication protocol or password";
  }
  if (securityLevel === "authNoPriv") return undefined;
  if (privProtocol === undefined || !privPassword) {
    return "The credential lacks its privacy protocol or password";
  }
  const { cipher } = PRIV_RULES[privProtocol];
  return getCipherInfo(cipher) === undefined
    ? `This system's OpenSSL does not have ${cipher}, which ${privProtocol} needs`
    : undefined;
}

function fingerprintOf(credential: UsmCredential): string {
  const { username, securityLevel, authProtocol, authPassword, privProtocol, privPassword } =
    credential;
  const fields = [username, securityLevel, authProtocol, authPassword, privProtocol, privPassword];
  return createHash("sha256").update(JSON.stringify(fields)).digest("base64");
}
