import { describe, expect, test } from "vitest";
import type { AuthProtocol, PrivProtocol } from "../../../src/routers/router.ts";
import { localizedKey, localizedPrivKey, passwordDigest } from "../../../src/snmp/usm-keys.ts";

const ENGINE = Buffer.from("000000000000000000000002", "hex");
const PASSWORD = "maplesyrup";

describe("keys", () => {
  test.each<[AuthProtocol, string, string]>([
    // RFC 3414, appendix A.3.
    ["MD5", "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"],
    ["SHA", "9fb5cc0381497b3793528939ff788d5d79145211", "6695febc9288e36282235fc7151f128497b38f3f"],
  ])("of %s are those of RFC 3414", (auth, digest, key) => {
    const stretched = passwordDigest(auth, PASSWORD);

    expect(stretched.toString("hex")).toBe(digest);
    expect(localizedKey(auth, stretched, ENGINE).toString("hex")).toBe(key);
  });

  test.each<[AuthProtocol, PrivProtocol, string]>([
    // The examples of draft-reeder-snmpv3-usm-3desede-00, section 2.1, as long as the cipher's key.
    ["MD5", "AES256C", "526f5eed9fcce26f8964c2930787d82b79eff44a90650ee0a3a40abfac5acc12"],
    ["SHA", "AES256C", "6695febc9288e36282235fc7151f128497b38f3f9b8b6d78936ba6e7d19dfd9c"],
    ["SHA", "AES192C", "6695febc9288e36282235fc7151f128497b38f3f9b8b6d78"],
  ])("of %s and %s are stretched Reeder's way", (auth, priv, key) => {
    const digest = passwordDigest(auth, PASSWORD);

    expect(localizedPrivKey(auth, priv, digest, ENGINE).toString("hex")).toBe(key);
  });

  test.each<[PrivProtocol, number]>([
    ["DES", 16],
    ["AES", 16],
    ["AES192", 24],
    ["AES192C", 24],
    ["AES256", 32],
    ["AES256C", 32],
  ])(
    "of %s have %d octets under any digest, and the two ways part after the digest's own",
    (priv, octets) => {
      for (const auth of ["MD5", "SHA", "SHA224", "SHA256", "SHA512"] as const) {
        const digest = passwordDigest(auth, PASSWORD);
        const key = localizedPrivKey(auth, priv, digest, ENGINE);
        const own = localizedKey(auth, digest, ENGINE);

        expect(key).toHaveLength(octets);
        expect(key.subarray(0, own.length)).toEqual(own.subarray(0, octets));
      }
    },
  );
});
