import { describe, expect, test } from "vitest";
import { BerError, encodeOid, TAG, textValue, unsignedValue } from "../../../src/snmp/ber.ts";
import { decodeMessage, encodeMessage, type Varbind } from "../../../src/snmp/message.ts";

const community = textValue("public");
const upTime: Varbind = {
  oid: encodeOid("1.3.6.1.2.1.1.3.0"),
  tag: TAG.timeTicks,
  value: unsignedValue(4_294_967_295),
};

function response(varbinds: Iterable<Varbind>, sizeMax?: number) {
  return encodeMessage(
    { version: 1, community, pduType: TAG.response, requestId: 0x7fff_ffff, a: 0, b: 0, varbinds },
    sizeMax,
  );
}

describe("messages", () => {
  test("what is encoded is decoded", () => {
    const { bytes, varbinds } = response([upTime, upTime]);

    expect(varbinds).toBe(2);
    expect(decodeMessage(bytes)).toEqual({
      version: 1,
      community,
      pduType: TAG.response,
      requestId: 0x7fff_ffff,
      a: 0,
      b: 0,
      varbinds: [upTime, upTime],
    });
  });

  test("a request of v1 is decoded as a C agent would", () => {
    const datagram = Buffer.from(
      "302602010004067075626c6963a019020401020304020100020100300b300906052b060102010500",
      "hex",
    );

    const message = decodeMessage(datagram);

    expect(message).toMatchObject({ version: 0, pduType: TAG.getRequest, requestId: 0x01020304 });
    expect(message.varbinds).toHaveLength(1);
    expect(message.varbinds[0]?.tag).toBe(TAG.null);
  });

  test("an answer holds as many varbinds as fit, and never a byte more", () => {
    function* endless() {
      while (true) yield upTime;
    }
    for (let sizeMax = 60; sizeMax < 1_500; sizeMax += 7) {
      const { bytes, varbinds } = response(endless(), sizeMax);

      expect(bytes.length).toBeLessThanOrEqual(sizeMax);
      expect(decodeMessage(bytes).varbinds).toHaveLength(varbinds);
      expect(bytes.length + 19 + 6).toBeGreaterThan(sizeMax);
    }
  });

  test.each([
    ["v3", "3003020103"],
    ["no message", ""],
    ["a trap of v1", "300c02010004067075626c6963a400"],
    [
      "a varbind without a value",
      "302402010104067075626c6963a0170204010203040201000201003009300706052b06010201",
    ],
  ])("%s is refused", (_what, text) => {
    expect(() => decodeMessage(Buffer.from(text, "hex"))).toThrow(BerError);
  });

  test("every prefix of a message is refused", () => {
    const { bytes } = response([upTime, upTime]);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeMessage(bytes.subarray(0, length))).toThrow(BerError);
    }
  });
});
