import { expect, it } from "vitest";
import type { RouterId } from "../../../src/routers/router.ts";
import type { PollRecord, SampleBlock } from "../../../src/routers/samples.ts";
import { CopyEncoder } from "../../../src/storage/copy-encoding.ts";
import { shapeOf } from "../../../src/storage/shapes.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";

const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

const poll: PollRecord = {
  tenantId: "01900000-0000-7000-8000-00000000abcd" as TenantId,
  routerId: "01900000-0000-7000-9fff-0123456789ab" as RouterId,
  polledAtMs: Date.parse("2026-05-06T07:08:09.123Z"),
  dueAtMs: Date.parse("1999-12-31T23:59:59.999Z"),
  startedAtMs: Date.parse("2026-05-06T07:08:09.100Z"),
  durationMs: 12.6,
  outcome: "answered",
  costMs: 5e12,
  requests: 3,
  retries: 0,
  bytesIn: 9_007_199_254_740_000,
  modules: [],
};

const block: SampleBlock = {
  module: "m",
  metrics: ["a", "b"],
  instances: ["1", "2"],
  labels: [{}, {}],
  values: BigInt64Array.of(-1n, 1n, 2n ** 62n, 0n),
  present: Uint8Array.of(1, 1, 1, 0),
};

/** The rows of one COPY, each a list of fields, as Postgres would take the message apart. */
function decode(message: Buffer): { rows: (Buffer | null)[][]; end: number } {
  expect(message.toString("latin1", 0, 1)).toBe("d");
  const end = 1 + message.readInt32BE(1);
  expect(message.toString("latin1", 5, 16)).toBe("PGCOPY\n\xff\r\n\0");
  expect(message.readInt32BE(16)).toBe(0);
  expect(message.readInt32BE(20)).toBe(0);
  const rows: (Buffer | null)[][] = [];
  let at = 24;
  for (;;) {
    const count = message.readInt16BE(at);
    at += 2;
    if (count === -1) break;
    const fields: (Buffer | null)[] = [];
    for (let i = 0; i < count; i++) {
      const length = message.readInt32BE(at);
      at += 4;
      fields.push(length === -1 ? null : message.subarray(at, at + length));
      at += Math.max(length, 0);
    }
    rows.push(fields);
  }
  expect(at).toBe(end);
  expect(message.subarray(end, end + 5)).toEqual(Buffer.from([0x63, 0, 0, 0, 4]));
  return { rows, end: end + 5 };
}

const uuidOf = (text: string) => Buffer.from(text.replaceAll("-", ""), "hex");
const timeOf = (field: Buffer | null | undefined) =>
  Number((field?.readBigInt64BE() ?? 0n) / 1_000n) + POSTGRES_EPOCH_MS;

it("a row of samples holds the values as they lie in the block, nulls where nothing was said", () => {
  const encoder = new CopyEncoder();
  encoder.beginCopy();
  encoder.addSamples({ poll, blocks: [block] });
  encoder.endCopy();

  const encoded = encoder.take();
  const { rows, end } = decode(encoded);

  expect(end).toBe(encoded.length);
  expect(rows).toHaveLength(1);
  const [tenant, router, shape, polledAt, values, floats] = rows[0] ?? [];
  expect(tenant).toEqual(uuidOf(poll.tenantId));
  expect(router).toEqual(uuidOf(poll.routerId));
  expect(shape?.readBigInt64BE()).toBe(shapeOf(block).id);
  expect(timeOf(polledAt)).toBe(poll.polledAtMs);
  expect(floats).toBeNull();
  // One dimension, with nulls, of int8 (oid 20), four elements, counted from 1.
  expect([0, 4, 8, 12, 16].map((at) => values?.readInt32BE(at))).toEqual([1, 1, 20, 4, 1]);
  expect(values?.subarray(20).toString("hex")).toBe(
    `00000008${"f".repeat(16)}00000008000000000000000100000008${"4".padEnd(16, "0")}ffffffff`,
  );
});

it("floats go into their own column", () => {
  const encoder = new CopyEncoder();
  encoder.beginCopy();
  encoder.addSamples({
    poll,
    blocks: [
      { ...block, values: Float64Array.of(1.5, -2, 0, 4), present: Uint8Array.of(1, 1, 1, 1) },
    ],
  });
  encoder.endCopy();

  const [, , , , values, floats] = decode(encoder.take()).rows[0] ?? [];

  expect(values).toBeNull();
  expect([4, 8].map((at) => floats?.readInt32BE(at))).toEqual([0, 701]);
  expect([0, 1, 2, 3].map((i) => floats?.readDoubleBE(24 + 12 * i))).toEqual([1.5, -2, 0, 4]);
});

it("a poll keeps its times and sizes; what an int4 cannot hold becomes the largest it can", () => {
  const encoder = new CopyEncoder();
  encoder.beginCopy();
  encoder.addPoll(poll);
  encoder.endCopy();

  const [row = []] = decode(encoder.take()).rows;

  expect(row.slice(2, 5).map(timeOf)).toEqual([poll.polledAtMs, poll.dueAtMs, poll.startedAtMs]);
  expect([5, 7, 8, 9].map((i) => row[i]?.readInt32BE())).toEqual([13, 2_147_483_647, 3, 0]);
  expect(row[6]?.toString()).toBe("answered");
  expect(row[10]?.readBigInt64BE()).toBe(9_007_199_254_740_000n);
  expect(row[11]?.toString("latin1")).toBe('\x01{"modules":[]}');
});

it("COPYs follow each other in one buffer that grows, and is used again", () => {
  const encoder = new CopyEncoder();
  const many = { poll, blocks: Array.from({ length: 5_000 }, () => block) };
  for (let round = 0; round < 2; round++) {
    encoder.reset();
    encoder.beginCopy();
    encoder.addSamples(many);
    encoder.endCopy();
    encoder.beginCopy();
    encoder.addPoll(poll);
    encoder.endCopy();

    const encoded = encoder.take();
    const first = decode(encoded);
    const second = decode(encoded.subarray(first.end));
    expect([first.rows.length, second.rows.length]).toEqual([5_000, 1]);
    expect(first.end + second.end).toBe(encoded.length);
  }
});

it("what is taken in the middle of a COPY is whole messages of the same rows", () => {
  const encoder = new CopyEncoder();
  const rows = 400; // More than the buffer holds at first.
  encoder.beginCopy();
  for (let i = 0; i < rows; i++) encoder.addSamples({ poll, blocks: [block] });
  encoder.endCopy();
  const whole = Buffer.from(encoder.take());
  encoder.reset();

  const chunks: Buffer[] = [];
  encoder.beginCopy();
  for (let i = 0; i < rows; i++) {
    encoder.addSamples({ poll, blocks: [block] });
    if (i % 150 === 0) chunks.push(Buffer.from(encoder.take()));
  }
  encoder.endCopy();
  chunks.push(encoder.take());

  expect(chunks.length).toBe(4);
  expect(chunks.every((chunk) => chunk.length > 0)).toBe(true);
  expect(payloadOf(Buffer.concat(chunks))).toEqual(payloadOf(whole));
});

/** The data of all CopyData messages up to CopyDone, which must be the last. */
function payloadOf(messages: Buffer): Buffer {
  const payloads: Buffer[] = [];
  let at = 0;
  while (messages[at] === 0x64) {
    const length = messages.readInt32BE(at + 1);
    payloads.push(messages.subarray(at + 5, at + 1 + length));
    at += 1 + length;
  }
  expect(messages.subarray(at)).toEqual(Buffer.from([0x63, 0, 0, 0, 4]));
  return Buffer.concat(payloads);
}

it("a block whose arrays do not match is a bug that reaches no database", () => {
  const encoder = new CopyEncoder();
  encoder.beginCopy();
  const wrong = { ...block, present: Uint8Array.of(1) };

  expect(() => encoder.addSamples({ poll, blocks: [wrong] })).toThrow(/a value for each metric/);
});
