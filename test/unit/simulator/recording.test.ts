import { describe, expect, it } from "vitest";
import { flowRate } from "../../../src/simulator/counters.ts";
import { RecordedValues, type Recording, recordingOf } from "../../../src/simulator/recording.ts";
import type { Agent } from "../../../src/simulator/responder.ts";
import { parseSnmprec } from "../../../src/simulator/snmprec.ts";
import { texts, walk } from "./ask.ts";

const LINES = [
  "1.3.6.1.2.1.1.3.0|67|4294967290",
  "1.3.6.1.2.1.1.5.0|4|core|one",
  "1.3.6.1.2.1.2.2.1.10.7|65|4294967000",
  "1.3.6.1.2.1.2.2.1.14.7|65|5",
  "1.3.6.1.2.1.31.1.1.1.6.7|70|18446744073709551000",
  "1.3.6.1.2.1.31.1.1.1.10.7|66|12",
  "1.3.6.1.2.1.31.1.1.1.10.2147467776|70|9007199254740993",
];

function record(live: boolean): Recording {
  return recordingOf("lab", parseSnmprec(Buffer.from(LINES.join("\n")), "lab.snmprec"), live);
}

function agentOf(recording: Recording, router: number): Agent {
  return {
    view: recording.view,
    community: Buffer.from("public"),
    messageBytesMax: 65_507,
    writeMoving: new RecordedValues(recording, router, { seed: 1, sinceMs: 1_000 }).write,
  };
}

function textsAt(recording: Recording, router: number, nowMs: number): string[] {
  const varbinds = walk(agentOf(recording, router), nowMs);
  const rest = { version: 1, community: new Uint8Array(0), pduType: 0, requestId: 0, a: 0, b: 0 };
  return texts({ ...rest, varbinds });
}

const asRecorded = LINES.map((line) => line.replace("|", " = ").replace("|", ":"));

describe("a recorded router", () => {
  it("says what was recorded, at any time", () => {
    expect(textsAt(record(false), 0, 1_000)).toEqual(asRecorded);
    expect(textsAt(record(false), 0, 9_000_000)).toEqual(asRecorded);
  });

  it("is known by the sysName it recorded", () => {
    expect(record(false).sysName).toBe("core|one");
    expect(recordingOf("lab", [], false).sysName).toBeUndefined();
  });

  it("live, begins with what was recorded", () => {
    expect(textsAt(record(true), 0, 1_000)).toEqual(asRecorded);
  });

  it("live, moves octets by their rate through any wrap, sysUpTime by the clock, and nothing else", () => {
    const inRate = BigInt(flowRate(1, 0, 7, "inOctets"));
    const outRate = BigInt(flowRate(1, 0, 2_147_467_776, "outOctets"));

    expect(textsAt(record(true), 0, 11_000)).toEqual([
      `1.3.6.1.2.1.1.3.0 = 67:${BigInt.asUintN(32, 4_294_967_290n + 1_000n)}`,
      "1.3.6.1.2.1.1.5.0 = 4:core|one",
      `1.3.6.1.2.1.2.2.1.10.7 = 65:${BigInt.asUintN(32, 4_294_967_000n + inRate * 10n)}`,
      "1.3.6.1.2.1.2.2.1.14.7 = 65:5",
      `1.3.6.1.2.1.31.1.1.1.6.7 = 70:${BigInt.asUintN(64, 18_446_744_073_709_551_000n + inRate * 10n)}`,
      "1.3.6.1.2.1.31.1.1.1.10.7 = 66:12",
      `1.3.6.1.2.1.31.1.1.1.10.2147467776 = 70:${9_007_199_254_740_993n + outRate * 10n}`,
    ]);
  });

  it("live, moves at rates of its own although the recording is shared", () => {
    const recording = record(true);

    expect(textsAt(recording, 0, 11_000)).not.toEqual(textsAt(recording, 1, 11_000));
  });
});
