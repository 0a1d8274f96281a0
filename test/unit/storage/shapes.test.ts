import fc from "fast-check";
import { expect, it } from "vitest";
import { ROW_VALUES_MAX, shapeOf, shapeParts } from "../../../src/storage/shapes.ts";

const shape = {
  module: "if_mib",
  metrics: ["ifInOctets", "ifOutOctets"],
  instances: ["1", "2"],
  labels: [{ ifName: "a" }, { ifName: "b" }],
};

const sized = (metrics: number, instances: number) => ({
  module: "m",
  metrics: Array.from({ length: metrics }, (_, i) => `metric${i}`),
  instances: Array.from({ length: instances }, (_, i) => String(i)),
  labels: Array.from({ length: instances }, (_, i) => ({ ifIndex: String(i) })),
});

it("an id is made of the content: the same everywhere, another for anything else", () => {
  const { id, digest } = shapeOf(shape);

  expect(shapeOf(structuredClone(shape))).toEqual({ id, digest });
  expect(id).toBe(digest.readBigUInt64BE() >> 1n);
  for (const other of [
    { ...shape, module: "other" },
    { ...shape, metrics: ["ifOutOctets", "ifInOctets"] },
    { ...shape, instances: ["1", "3"] },
    { ...shape, labels: [{ ifName: "a" }, { ifName: "c" }] },
  ]) {
    expect(shapeOf(other).id).not.toBe(id);
  }
});

it("a block that fits is one row; an empty one none", () => {
  expect(shapeParts(shape)).toMatchObject([{ shape, firstMetric: 0, firstInstance: 0 }]);
  expect(shapeParts(sized(0, 3))).toEqual([]);
  expect(shapeParts(sized(3, 0))).toEqual([]);
});

it("a large block is cut so that every value is in exactly one row, and every row fits in a page", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 3_000 }),
      (metrics, instances) => {
        const block = sized(metrics, instances);
        const seen = new Uint8Array(metrics * instances);

        for (const part of shapeParts(block)) {
          expect(part.shape.metrics.length * part.shape.instances.length).toBeLessThanOrEqual(
            ROW_VALUES_MAX,
          );
          expect(part.shape.labels).toHaveLength(part.shape.instances.length);
          part.shape.metrics.forEach((metric, m) => {
            expect(metric).toBe(block.metrics[part.firstMetric + m]);
            part.shape.instances.forEach((_, i) => {
              const at = (part.firstMetric + m) * instances + part.firstInstance + i;
              seen[at] = (seen[at] ?? 0) + 1;
            });
          });
        }

        expect(seen.every((times) => times === 1)).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});

it("a block is cut by metrics before its instances are torn apart", () => {
  const parts = shapeParts(sized(20, 100));

  expect(
    parts.map(({ shape: { metrics, instances } }) => [metrics.length, instances.length]),
  ).toEqual([
    [6, 100],
    [7, 100],
    [7, 100],
  ]);
});

it("a tall block is cut by instances: each one's labels are stored once, and its first rows stay when it grows", () => {
  const parts = shapeParts(sized(20, 1_000));

  expect(parts.reduce((sum, { shape: { labels } }) => sum + labels.length, 0)).toBe(1_000);
  expect(parts[0]?.shape).toMatchObject({ metrics: { length: 20 }, instances: { length: 45 } });
  const grown = shapeParts(sized(20, 1_010)).map(({ id }) => id);
  expect(grown.slice(0, 22)).toEqual(parts.slice(0, 22).map(({ id }) => id));
});

it("parts are worked out once for the same labels, and again for other metrics or instances", () => {
  const block = sized(2, 3);

  expect(shapeParts({ ...block })).toBe(shapeParts({ ...block }));
  expect(shapeParts({ ...block, metrics: ["x"] })[0]?.id).not.toBe(shapeParts(block)[0]?.id);
  expect(shapeParts({ ...block, instances: ["7", "8", "9"] })[0]?.id).not.toBe(
    shapeParts(block)[0]?.id,
  );
});
