import { describe, test } from "vitest";
import { expectSameDecoding } from "../../snmp-differential.ts";

const SEED = 1_157;
const MESSAGES = 5_000;

describe(`${MESSAGES} messages (seed ${SEED})`, () => {
  test("are decoded as net-snmp does, by the hot path and by the plain one", () => {
    expectSameDecoding({ seed: SEED, messages: MESSAGES });
  });
});
