import { expect, it } from "vitest";
import { changedCredential, credentialOf } from "../../../src/api/credential-rules.ts";
import { Problem } from "../../../src/api/problems.ts";

const COMMUNITY = { version: "2c", community: "not-public" } as const;
const AUTH = {
  version: "3",
  username: "poller",
  securityLevel: "authNoPriv",
  authProtocol: "SHA256",
  authPassword: "long enough 1",
} as const;
const PRIV = {
  ...AUTH,
  securityLevel: "authPriv",
  privProtocol: "AES",
  privPassword: "long enough 2",
} as const;

it.each([COMMUNITY, { ...COMMUNITY, version: "1" } as const, AUTH, PRIV])(
  "%j is a credential",
  (fields) => {
    expect(credentialOf(fields)).toEqual(fields);
  },
);

function check(work: () => unknown, pointers: readonly string[]) {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    expect(error.parts.errors?.map(({ pointer }) => pointer).sort()).toEqual([...pointers].sort());
    expect(JSON.stringify(error.parts)).not.toMatch(/not-public|long enough/);
    return;
  }
  expect.unreachable("the fields are refused");
}

it("fields that are missing or out of place are named, secrets never shown", () => {
  check(() => credentialOf({ version: "2c" }), ["/community"]);
  check(() => credentialOf({ ...COMMUNITY, username: "x" }), ["/username"]);
  check(() => credentialOf({ version: "3", username: "x" }), ["/securityLevel"]);
  check(() => credentialOf({ ...AUTH, community: "not-public" }), ["/community"]);
  check(() => credentialOf({ ...AUTH, privPassword: "long enough 2" }), ["/privPassword"]);
  check(
    () => credentialOf({ version: "3", username: "x", securityLevel: "authPriv" }),
    ["/authPassword", "/authProtocol", "/privPassword", "/privProtocol"],
  );
});

it("a change keeps what it does not mention, secrets too", () => {
  expect(changedCredential(PRIV, { username: "other" })).toEqual({ ...PRIV, username: "other" });
});

it("a lower security level drops the passwords it has no use for", () => {
  expect(changedCredential(PRIV, { securityLevel: "authNoPriv" })).toEqual(AUTH);
});

it("another version drops all of the old one's and asks for the new one's", () => {
  expect(changedCredential(PRIV, COMMUNITY)).toEqual(COMMUNITY);
  check(() => changedCredential(COMMUNITY, { version: "3" }), ["/username", "/securityLevel"]);
  check(() => changedCredential(COMMUNITY, { username: "x" }), ["/username"]);
});
