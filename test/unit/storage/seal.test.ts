import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import {
  masterKeyId,
  newDataKey,
  SealError,
  seal,
  unseal,
  unwrapDataKey,
  wrapDataKey,
} from "../../../src/storage/seal.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";

const key = randomBytes(32);
const secret = Buffer.from('{"community":"s3cret"}');

it("what is sealed opens with the same key at the same place", () => {
  expect(unseal(key, seal(key, secret, "tenant/row"), "tenant/row")).toEqual(secret);
});

it("the same secret is never sealed to the same bytes, and does not show", () => {
  const [one, two] = [seal(key, secret, "p"), seal(key, secret, "p")];

  expect(one).not.toEqual(two);
  expect(one.includes("s3cret")).toBe(false);
});

it("opens nowhere else, under no other key, and with no byte changed", () => {
  const sealed = seal(key, secret, "tenant/row");
  const attempts = [
    () => unseal(key, sealed, "tenant/other"),
    () => unseal(key, sealed, "other/row"),
    () => unseal(randomBytes(32), sealed, "tenant/row"),
    () => unseal(key, sealed.subarray(0, -1), "tenant/row"),
    () => unseal(key, Buffer.alloc(0), "tenant/row"),
    ...Array.from(sealed, (byte, i) => () => {
      const changed = Buffer.from(sealed);
      changed[i] = byte ^ 1;
      return unseal(key, changed, "tenant/row");
    }),
  ];

  for (const attempt of attempts) expect(attempt).toThrow(SealError);
});

it("a data key is wrapped for one tenant", () => {
  const dataKey = newDataKey();
  const wrapped = wrapDataKey(key, "a" as TenantId, dataKey);

  expect(unwrapDataKey(key, "a" as TenantId, wrapped)).toEqual(dataKey);
  expect(() => unwrapDataKey(key, "b" as TenantId, wrapped)).toThrow(SealError);
});

it("master keys are told apart without being told", () => {
  expect(masterKeyId(key)).toBe(masterKeyId(Buffer.from(key)));
  expect(masterKeyId(key)).not.toBe(masterKeyId(randomBytes(32)));
  expect(masterKeyId(key)).not.toContain(key.toString("hex").slice(0, 8));
});

it("a key of another length is a bug, not a weaker seal", () => {
  expect(() => seal(randomBytes(16), secret, "p")).toThrow(/a key has 32 bytes/);
});
