/**
 * From passwords to keys (RFC 3414, appendix A.2; RFC 7860, section 9.3) and the two ways to stretch a digest into an
 * AES-192 or AES-256 key, which no RFC settles: Blumenthal's (AES192, AES256) and Reeder's, Cisco's choice (AES192C,
 * AES256C).
 */
import { createHash } from "node:crypto";
import type { AuthProtocol, PrivProtocol } from "../routers/router.ts";

interface AuthRule {
  readonly hash: string;
  /** Octets of the truncated HMAC in a message. */
  readonly macOctets: number;
}

export const AUTH_RULES: Readonly<Record<AuthProtocol, AuthRule>> = {
  MD5: { hash: "md5", macOctets: 12 },
  SHA: { hash: "sha1", macOctets: 12 },
  SHA224: { hash: "sha224", macOctets: 16 },
  SHA256: { hash: "sha256", macOctets: 24 },
  SHA384: { hash: "sha384", macOctets: 32 },
  SHA512: { hash: "sha512", macOctets: 48 },
};

interface PrivRule {
  readonly cipher: string;
  readonly keyOctets: number;
  readonly stretch: "blumenthal" | "reeder";
}

/**
 * OpenSSL 3 has put DES away but not triple DES, which with three equal keys is DES. The 16 octets of a DES key are the
 * key itself and the pre-IV (RFC 3414, section 8.1.1.1).
 */
export const PRIV_RULES: Readonly<Record<PrivProtocol, PrivRule>> = {
  DES: { cipher: "des-ede3-cbc", keyOctets: 16, stretch: "blumenthal" },
  AES: { cipher: "aes-128-cfb", keyOctets: 16, stretch: "blumenthal" },
  AES192: { cipher: "aes-192-cfb", keyOctets: 24, stretch: "blumenthal" },
  AES192C: { cipher: "aes-192-cfb", keyOctets: 24, stretch: "reeder" },
  AES256: { cipher: "aes-256-cfb", keyOctets: 32, stretch: "blumenthal" },
  AES256C: { cipher: "aes-256-cfb", keyOctets: 32, stretch: "reeder" },
};

/** Octets of repeated password that are hashed (RFC 3414, appendix A.2.1). */
const STRETCHED_OCTETS = 1 << 20;

/** The digest of a password, about 2 ms of CPU: keep it. The same for every engine. */
export function passwordDigest(auth: AuthProtocol, password: string | Uint8Array): Buffer {
  return createHash(AUTH_RULES[auth].hash)
    .update(Buffer.alloc(STRETCHED_OCTETS, password))
    .digest();
}

/** The key that belongs to one engine alone. */
export function localizedKey(auth: AuthProtocol, digest: Uint8Array, engineId: Uint8Array): Buffer {
  return createHash(AUTH_RULES[auth].hash).update(digest).update(engineId).update(digest).digest();
}

/** The privacy key of one engine, as long as the cipher wants it. Reeder's stretch costs another 2 ms. */
export function localizedPrivKey(
  auth: AuthProtocol,
  priv: PrivProtocol,
  digest: Uint8Array,
  engineId: Uint8Array,
): Buffer {
  const { keyOctets, stretch } = PRIV_RULES[priv];
  let last = localizedKey(auth, digest, engineId);
  let key = last;
  while (key.length < keyOctets) {
    last =
      stretch === "reeder"
        ? localizedKey(auth, passwordDigest(auth, last), engineId)
        : createHash(AUTH_RULES[auth].hash).update(key).digest();
    key = Buffer.concat([key, last]);
  }
  return key.subarray(0, keyOctets);
}
