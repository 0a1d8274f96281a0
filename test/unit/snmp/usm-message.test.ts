import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/lib/seeded-random.ts";
import { AUTH_PROTOCOLS, PRIV_PROTOCOLS } from "../../../src/routers/router.ts";
import { BerWriter, encodeOid, TAG, unsignedValue } from "../../../src/snmp/ber.ts";
import { newEnvelope, readEnvelope } from "../../../src/snmp/codec.ts";
import { writePdu } from "../../../src/snmp/message.ts";
import { UsmCache, type UsmCredential, type UsmEngine } from "../../../src/snmp/usm-cache.ts";
import { encodeUsmMessage, openUsmMessage } from "../../../src/snmp/usm-message.ts";

/** Both ends are ours here: a message of one engine must open on another with the same credential. snmpd judges us in test/integration. */

const ENGINE_ID = Buffer.from("80001f880401020304", "hex");
const ID = 0x0102_0304;
const NOW_MS = 5_000;
const CREDENTIAL: UsmCredential = {
  version: "3",
  username: "poller",
  securityLevel: "authPriv",
  authProtocol: "SHA256",
  authPassword: "the authentication password",
  privProtocol: "AES",
  privPassword: "the privacy password",
};

function engineOf(
  credential: UsmCredential = CREDENTIAL,
  boots = 3,
  timeSeconds = 1_000,
): UsmEngine {
  const engine = new UsmCache().engine("key", credential);
  engine.learn(ENGINE_ID, boots, timeSeconds, NOW_MS);
  return engine;
}

function pdu(
  pduType: number = TAG.response,
  oid = "1.3.6.1.2.1.1.3.0",
  requestId = ID,
): Uint8Array {
  const writer = new BerWriter();
  const varbinds = [{ oid: encodeOid(oid), tag: TAG.timeTicks, value: unsignedValue(42) }];
  writePdu(writer, { pduType, requestId, a: 0, b: 0, varbinds });
  return writer.bytes();
}

function message(engine: UsmEngine, payload: Uint8Array = pdu()): Uint8Array {
  return encodeUsmMessage(engine, {
    messageId: ID,
    contextName: Buffer.from(""),
    pdu: payload,
    salt: new UsmCache().nextSalt(),
    nowMs: NOW_MS,
  });
}

function open(engine: UsmEngine, bytes: Uint8Array) {
  const envelope = newEnvelope();
  if (!readEnvelope(bytes, envelope) || envelope.version !== 3) return undefined;
  return openUsmMessage(engine, bytes, envelope.at, ID, NOW_MS);
}

describe("a v3 message", () => {
  const combinations = AUTH_PROTOCOLS.flatMap((authProtocol) =>
    PRIV_PROTOCOLS.map((privProtocol) => ({ authProtocol, privProtocol })),
  );

  test.each(combinations)(
    "of $authProtocol and $privProtocol opens at the other end",
    (protocols) => {
      const credential = { ...CREDENTIAL, ...protocols };

      expect(open(engineOf(credential), message(engineOf(credential)))).toMatchObject({
        kind: "answer",
        requestId: ID,
        errorStatus: 0,
      });
    },
  );

  test.each(["noAuthNoPriv", "authNoPriv"] as const)(
    "of level %s opens at the other end",
    (securityLevel) => {
      const credential = { ...CREDENTIAL, securityLevel };

      expect(open(engineOf(credential), message(engineOf(credential)))?.kind).toBe("answer");
    },
  );

  test.each([
    ["another authentication password", { authPassword: "another password" }],
    ["another authentication protocol", { authProtocol: "SHA" }],
    ["another user's name", { username: "somebody" }],
  ] as const)("made with %s is rejected", (_what, changes) => {
    expect(open(engineOf(), message(engineOf({ ...CREDENTIAL, ...changes })))?.kind).toBe(
      "rejection",
    );
  });

  test.each([
    ["noAuthNoPriv", "authPriv"],
    ["authNoPriv", "authPriv"],
    ["noAuthNoPriv", "authNoPriv"],
  ] as const)("of level %s is no answer to one of %s", (answered, asked) => {
    const weaker = engineOf({ ...CREDENTIAL, securityLevel: answered });
    const engine = engineOf({ ...CREDENTIAL, securityLevel: asked });

    expect(open(engine, message(weaker))).toMatchObject({ kind: "rejection", outcome: "refused" });
  });

  test("with any octet changed is never an answer", () => {
    const bytes = message(engineOf());
    const engine = engineOf();
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] as number) ^ 0x01;
      expect(open(engine, changed)?.kind, `octet ${at}`).not.toBe("answer");
    }
  });

  test("cut off anywhere is never an answer", () => {
    const bytes = message(engineOf());
    const engine = engineOf();
    for (let length = 0; length < bytes.length; length++) {
      expect(open(engine, bytes.slice(0, length))?.kind).not.toBe("answer");
    }
  });

  test("to another request is rejected", () => {
    expect(
      open(engineOf(), message(engineOf(), pdu(TAG.response, "1.3.6.1", ID + 1))),
    ).toMatchObject({
      kind: "rejection",
      reason: "It answers with a wrong request id",
    });
  });

  test("that asks instead of answering is rejected", () => {
    expect(open(engineOf(), message(engineOf(), pdu(TAG.getRequest)))?.kind).toBe("rejection");
  });

  test("from before the time window is rejected, within it not", () => {
    const at = (boots: number, timeSeconds: number) =>
      open(engineOf(CREDENTIAL, 3, 1_000), message(engineOf(CREDENTIAL, boots, timeSeconds)))?.kind;

    expect(at(3, 850)).toBe("answer");
    expect(at(3, 849)).toBe("rejection");
    expect(at(2, 1_000)).toBe("rejection");
    expect(at(4, 1)).toBe("answer");
  });

  test("no two are encrypted with the same salt", () => {
    const cache = new UsmCache();
    const salts = new Set(Array.from({ length: 1_000 }, () => cache.nextSalt().toString("hex")));

    expect(salts.size).toBe(1_000);
  });

  test("any octets at all are judged without throwing", () => {
    const seed = 3_414;
    const dice = seededRandom(seed);
    const engine = engineOf();
    const valid = message(engineOf());
    for (let round = 0; round < 20_000; round++) {
      const bytes = valid.slice(0, dice() < 0.2 ? Math.floor(dice() * valid.length) : valid.length);
      for (let changes = 1 + Math.floor(dice() * 6); changes > 0; changes--) {
        // Mostly the header: what follows is authenticated.
        const at = Math.floor(dice() * (dice() < 0.8 ? Math.min(90, bytes.length) : bytes.length));
        if (at < bytes.length) bytes[at] = Math.floor(dice() * 256);
      }
      expect(() => open(engine, bytes), `seed ${seed}, round ${round}`).not.toThrow();
    }
  });
});

describe("a report", () => {
  const report = (counter: number) => pdu(TAG.report, `1.3.6.1.6.3.15.1.1.${counter}.0`);

  test("of an unknown engine id teaches the id and the clock", () => {
    const engine = new UsmCache().engine("key", CREDENTIAL);
    const unauthenticated = engineOf({ ...CREDENTIAL, securityLevel: "noAuthNoPriv" }, 9, 77);

    expect(open(engine, message(unauthenticated, report(4)))).toEqual({
      kind: "report",
      counter: 4,
    });
    expect(engine.id).toEqual(ENGINE_ID);
    expect(engine.boots).toBe(9);
    expect(engine.timeSeconds(NOW_MS + 3_000)).toBe(80);
  });

  test("of a wrong time sets the clock, back as well", () => {
    const engine = engineOf(CREDENTIAL, 30, 9_999);

    expect(open(engine, message(engineOf(CREDENTIAL, 2, 5), report(2)))?.kind).toBe("report");
    expect([engine.boots, engine.timeSeconds(NOW_MS)]).toEqual([2, 5]);
  });

  test("of a wrong password teaches nothing", () => {
    const engine = engineOf();

    expect(open(engine, message(engineOf(CREDENTIAL, 99, 99), report(5)))).toEqual({
      kind: "report",
      counter: 5,
    });
    expect(engine.boots).toBe(3);
  });

  test("without varbinds or of another MIB is one of no known kind", () => {
    const writer = new BerWriter();
    writePdu(writer, { pduType: TAG.report, requestId: ID, a: 0, b: 0, varbinds: [] });

    expect(open(engineOf(), message(engineOf(), writer.bytes()))).toEqual({
      kind: "report",
      counter: 0,
    });
    expect(open(engineOf(), message(engineOf(), pdu(TAG.report, "1.3.6.1.6.3.12.1.5.0")))).toEqual({
      kind: "report",
      counter: 0,
    });
  });
});

describe("what is known of engines", () => {
  test("goes on ticking and never beyond the largest time", () => {
    const engine = engineOf(CREDENTIAL, 1, 0x7fff_fff0);

    expect(engine.timeSeconds(NOW_MS + 10_000)).toBe(0x7fff_fffa);
    expect(engine.timeSeconds(NOW_MS + 1e9)).toBe(0x7fff_ffff);
  });

  test("is the same for one credential and router, and nothing for any other", () => {
    const cache = new UsmCache();
    const engine = cache.engine("tenant a/10.0.0.1", CREDENTIAL);

    expect(cache.engine("tenant a/10.0.0.1", { ...CREDENTIAL })).toBe(engine);
    expect(cache.engine("tenant b/10.0.0.1", CREDENTIAL)).not.toBe(engine);
    expect(
      cache.engine("tenant a/10.0.0.1", { ...CREDENTIAL, authPassword: "changed now" }),
    ).not.toBe(engine);
  });

  test("is bounded", () => {
    const cache = new UsmCache();
    for (let i = 0; i < 25_000; i++) {
      cache.engine(`router ${i}`, { ...CREDENTIAL, securityLevel: "noAuthNoPriv" });
    }

    expect(cache.engines).toBe(20_000);
  });

  test("names what a credential lacks instead of falling back to a weaker level", () => {
    const { privPassword: _, ...lacking } = CREDENTIAL;

    expect(new UsmCache().engine("key", lacking).flaw).toMatch(/lacks its privacy/);
    expect(new UsmCache().engine("key", { ...CREDENTIAL, authPassword: "" }).flaw).toMatch(
      /lacks its auth/,
    );
  });
});
