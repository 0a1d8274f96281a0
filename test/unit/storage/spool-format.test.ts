import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { uuidv7 } from "../../../src/lib/uuid.ts";
import type { Flush } from "../../../src/routers/flush.ts";
import type { RouterId } from "../../../src/routers/router.ts";
import type { SampleBlock } from "../../../src/routers/samples.ts";
import { flushTimeMs, partId } from "../../../src/storage/flush-ids.ts";
import {
  SEGMENT_HEAD_BYTES,
  SegmentDecoder,
  SegmentEncoder,
  scanSegment,
  segmentHead,
} from "../../../src/storage/spool-format.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";

const SEED = 12_345;

function blockOf(values: readonly (bigint | null)[], name = "eth"): SampleBlock {
  return {
    module: "if_mib",
    metrics: ["ifHCInOctets"],
    instances: values.map((_, index) => String(index + 1)),
    labels: values.map((_, index) => ({ ifName: `${name}${index}` })),
    values: BigInt64Array.from(values, (value) => value ?? 0n),
    present: Uint8Array.from(values, (value) => (value === null ? 0 : 1)),
  };
}

function flushOf(...polls: readonly (readonly SampleBlock[])[]): Flush {
  return {
    flushId: uuidv7(),
    results: polls.map((blocks, index) => ({
      poll: {
        tenantId: uuidv7() as TenantId,
        routerId: uuidv7() as RouterId,
        polledAtMs: 1_700_000_000_000 + index,
        dueAtMs: 1_700_000_000_000,
        startedAtMs: 1_700_000_000_000,
        durationMs: 12.5,
        outcome: "answered",
        costMs: 13,
        requests: 4,
        retries: 1,
        bytesIn: 5_000_000_000,
        modules: [
          {
            module: "if_mib",
            outcome: "answered",
            requests: 4,
            retries: 1,
            rows: 2,
            reason: "\0é",
          },
        ],
      },
      blocks,
    })),
  };
}

function segmentOf(flushes: readonly Flush[]): Buffer {
  const encoder = new SegmentEncoder(SEED);
  return Buffer.concat([segmentHead(SEED), ...flushes.map((flush) => encoder.encode(flush))]);
}

function flushesIn(segment: Buffer): Flush[] {
  const decoder = new SegmentDecoder();
  return scanSegment(segment).records.map(({ from, to }) =>
    decoder.decode(segment.subarray(from, to)),
  );
}

describe("a segment of the spool", () => {
  it("gives back what was put in: 64 bits, holes, floats, odd floats", () => {
    const floats: SampleBlock = {
      ...blockOf([1n, 2n, 3n, 4n], "temp"),
      values: Float64Array.of(0.1, Number.NaN, Number.POSITIVE_INFINITY, -0),
    };
    const flushes = [
      flushOf([blockOf([-1n, 2n ** 63n - 1n, null])], []),
      flushOf([blockOf([7n, 8n, 9n]), floats]),
    ];

    expect(flushesIn(segmentOf(flushes))).toEqual(flushes);
  });

  it("says once what the values of a block mean, however often they come", () => {
    const encoder = new SegmentEncoder(SEED);
    const first = encoder.encode(flushOf([blockOf([1n, 2n, 3n])]));
    const again = encoder.encode(flushOf([blockOf([4n, 5n, 6n])]));

    expect(first.includes("ifName")).toBe(true);
    expect(again.includes("ifName")).toBe(false);
  });

  it("leaves out blocks without values", () => {
    const flush = flushOf([blockOf([])]);

    expect(flushesIn(segmentOf([flush]))[0]?.results[0]?.blocks).toEqual([]);
  });

  it("ends at the last whole record, wherever it was cut", () => {
    const flushes = [flushOf([blockOf([1n])]), flushOf([blockOf([2n], "wan")]), flushOf([])];
    const segment = segmentOf(flushes);
    const ends = scanSegment(segment).records.map(({ to }) => to);

    for (let length = SEGMENT_HEAD_BYTES; length <= segment.length; length++) {
      const { records, damaged } = scanSegment(segment.subarray(0, length));
      const whole = ends.filter((end) => end <= length);
      const lastEnd = whole.at(-1) ?? SEGMENT_HEAD_BYTES;
      expect(records.length).toBe(whole.length);
      expect(damaged).toEqual(lastEnd === length ? [] : [{ from: lastEnd, to: length }]);
    }
  });

  it("never takes damaged bytes for good ones, and finds the good ones behind them", () => {
    const flushes = [flushOf([blockOf([1n])]), flushOf([blockOf([2n], "wan")]), flushOf([])];
    const segment = segmentOf(flushes);
    const ends = scanSegment(segment).records.map(({ to }) => to);

    fc.assert(
      fc.property(
        fc.integer({ min: SEGMENT_HEAD_BYTES, max: segment.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (at, change) => {
          const damaged = Buffer.from(segment);
          damaged[at] = (damaged[at] ?? 0) ^ change;
          const hit = ends.findIndex((end) => at < end);

          const good = flushes.filter((_, index) => index !== hit);
          expect(flushesIn(damaged)).toEqual(good);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("is damaged as a whole without its head, and empty when it was just made", () => {
    const segment = segmentOf([flushOf([])]);

    expect(scanSegment(segment.subarray(1)).records).toEqual([]);
    expect(scanSegment(Buffer.from("FWSP")).damaged).toEqual([{ from: 0, to: 4 }]);
    expect(scanSegment(Buffer.alloc(0))).toEqual({ records: [], damaged: [] });
    expect(scanSegment(Buffer.concat([segmentHead(SEED), Buffer.alloc(4_096)]))).toEqual({
      records: [],
      damaged: [{ from: SEGMENT_HEAD_BYTES, to: SEGMENT_HEAD_BYTES + 4_096 }],
    });
  });

  it("does not take a record of another segment for one of its own", () => {
    const encoder = new SegmentEncoder(SEED + 1);
    const foreign = Buffer.concat([segmentHead(SEED), encoder.encode(flushOf([]))]);

    expect(scanSegment(foreign).records).toEqual([]);
  });

  it("says so when what a record's values mean was damaged", () => {
    const encoder = new SegmentEncoder(SEED);
    encoder.encode(flushOf([blockOf([1n])]));
    const segment = Buffer.concat([segmentHead(SEED), encoder.encode(flushOf([blockOf([2n])]))]);

    expect(() => flushesIn(segment)).toThrow("was in a damaged record");
  });
});

describe("the id of a part of a flush", () => {
  it("is the same each time, differs between parts, and keeps the flush's time", () => {
    const flushId = uuidv7(1_700_000_000_000);

    expect(partId(flushId, "a")).toBe(partId(flushId, "a"));
    expect(partId(flushId, "a")).not.toBe(partId(flushId, "b"));
    expect(partId(flushId, "a")).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(flushTimeMs(partId(flushId, "a"))).toBe(1_700_000_000_000);
  });
});
