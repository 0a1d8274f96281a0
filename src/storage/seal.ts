import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { invariant } from "../lib/invariant.ts";
import type { TenantId } from "../tenants/tenant.ts";

/**
 * How secrets lie in the database: AES-256-GCM, each tenant under its own data key, the data keys under the platform's
 * master key. What is sealed is bound to its place (tenant, row): moved to another row or tenant it does not open.
 *
 * Sealed bytes: version 1, nonce (12), tag (16), ciphertext. Pure but for the random nonces and keys.
 */

/** Thrown when sealed bytes do not open: another key, another place, or changed bytes. Says nothing of the contents. */
export class SealError extends Error {}

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES;

export const KEY_BYTES = 32;

/** Seals `plaintext` under `key`, bound to `place`. */
export function seal(key: Uint8Array, plaintext: Uint8Array, place: string): Buffer {
  invariant(key.length === KEY_BYTES, "a key has 32 bytes");
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(place));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), ciphertext]);
}

/** What `seal` was given. Throws a SealError unless key and place are the same and no byte was changed. */
export function unseal(key: Uint8Array, sealed: Uint8Array, place: string): Buffer {
  invariant(key.length === KEY_BYTES, "a key has 32 bytes");
  if (sealed.length < HEADER_BYTES || sealed[0] !== VERSION) {
    throw new SealError(`Cannot unseal "${place}": not sealed by this version`);
  }
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
  const tag = sealed.subarray(1 + NONCE_BYTES, HEADER_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(place))
    .setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES)), decipher.final()]);
  } catch (error) {
    throw new SealError(`Cannot unseal "${place}": wrong key, wrong place or changed bytes`, {
      cause: error,
    });
  }
}

export function newDataKey(): Buffer {
  return randomBytes(KEY_BYTES);
}

export function wrapDataKey(
  masterKey: Uint8Array,
  tenantId: TenantId,
  dataKey: Uint8Array,
): Buffer {
  return seal(masterKey, dataKey, tenantId);
}

/** Throws a SealError when `masterKey` is not the one that wrapped the key, or the key is another tenant's. */
export function unwrapDataKey(
  masterKey: Uint8Array,
  tenantId: TenantId,
  wrapped: Uint8Array,
): Buffer {
  return unseal(masterKey, wrapped, tenantId);
}

/** Tells master keys apart without telling anything about them. */
export function masterKeyId(masterKey: Uint8Array): string {
  return createHash("sha256")
    .update("fairwalk master key\0")
    .update(masterKey)
    .digest("hex")
    .slice(0, 16);
}
