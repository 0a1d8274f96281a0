import { createHash } from "node:crypto";
import { type Clock, systemClock } from "../lib/clock.ts";
import { invariant } from "../lib/invariant.ts";
import { LruCache } from "../lib/lru-cache.ts";
import type { PollResult, SampleBlock } from "../routers/samples.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { refusing } from "./errors.ts";
import { type Pool, withTenant } from "./pool.ts";
import { storableJson, storableText } from "./storable-text.ts";
import { TENANT_PARTITIONED_TABLES } from "./tenant-tables.ts";

/**
 * Shapes: what the numbers of a row of samples mean, stored once a tenant and referred to by id. The id is made of the
 * content, so that a worker knows it without asking and two workers find the same one.
 *
 * A block too large for a row is split by metrics, or where it is tall by instances, each part a shape of its own.
 */

/** Values in one row of samples at most: with these and its nulls a row stays inside a page of 8 kB. */
export const ROW_VALUES_MAX = 900;

/** With fewer metrics than these beside each other, a row of all instances gives way to rows of some instances. */
const METRICS_WIDE_MIN = 4;
/** Metrics in a row of a tall table at most: it then has 30 instances. */
const METRICS_TALL_MAX = 30;

export interface Shape {
  readonly module: string;
  readonly metrics: readonly string[];
  readonly instances: readonly string[];
  readonly labels: SampleBlock["labels"];
}

export interface ShapeId {
  /** The first 63 bits of the digest. */
  readonly id: bigint;
  readonly digest: Buffer;
}

/** The part of a block that goes into one row: some of its metrics and some of its instances, both without a gap. */
export interface ShapePart extends ShapeId {
  readonly shape: Shape;
  readonly firstMetric: number;
  readonly firstInstance: number;
}

/** Pure: equal content gives equal ids, in every process. */
export function shapeOf(shape: Shape): ShapeId {
  const content = JSON.stringify([shape.module, shape.metrics, shape.instances, shape.labels]);
  const digest = createHash("sha256").update(content).digest();
  return { id: digest.readBigUInt64BE(0) >> 1n, digest };
}

interface KnownParts {
  readonly module: string;
  readonly instances: readonly string[];
  readonly parts: readonly ShapePart[];
}

/**
 * Parts already worked out, by the very arrays they were made of: a poll that finds what the poll before found has the
 * same ones, and pays a look-up instead of a digest (50 µs for 24 interfaces). Scalars of all routers share their labels
 * and blocks of one table too, hence the metrics first. Entries go with the arrays.
 */
const knownParts = new WeakMap<Shape["metrics"], WeakMap<Shape["labels"], KnownParts>>();

/** The rows a block becomes; none when it is empty. Pure. */
export function shapeParts(block: Shape): readonly ShapePart[] {
  const { module, metrics, instances, labels } = block;
  const ofMetrics = knownParts.get(metrics) ?? new WeakMap<Shape["labels"], KnownParts>();
  const known = ofMetrics.get(labels);
  if (known !== undefined && known.instances === instances && known.module === module) {
    return known.parts;
  }
  const parts = split(block);
  knownParts.set(metrics, ofMetrics.set(labels, { module, instances, parts }));
  return parts;
}

function split(block: Shape): ShapePart[] {
  invariant(block.labels.length === block.instances.length, "every instance has its labels");
  if (block.instances.length === 0) return [];
  return metricRanges(block).flatMap(([firstMetric, metricsEnd]) =>
    ranges(block.instances.length, Math.floor(ROW_VALUES_MAX / (metricsEnd - firstMetric))).map(
      ([firstInstance, instancesEnd]) => {
        const shape = {
          module: block.module,
          metrics: block.metrics.slice(firstMetric, metricsEnd),
          instances: block.instances.slice(firstInstance, instancesEnd),
          labels: block.labels.slice(firstInstance, instancesEnd),
        };
        return { shape, firstMetric, firstInstance, ...shapeOf(shape) };
      },
    ),
  );
}

/**
 * All instances in each row while some metrics fit beside each other. Of a tall table many metrics of few instances: one
 * metric a row would write the labels of each instance once for every metric, seconds of work for 20,000 interfaces.
 */
function metricRanges({ metrics, instances }: Shape): [number, number][] {
  const fitting = Math.floor(ROW_VALUES_MAX / instances.length);
  return evenRanges(metrics.length, fitting >= METRICS_WIDE_MIN ? fitting : METRICS_TALL_MAX);
}

/** [0, length) cut at multiples of `step`: a table that grows at its end, or is cut elsewhere, keeps its first parts. */
function ranges(length: number, step: number): [number, number][] {
  return Array.from({ length: Math.ceil(length / step) }, (_, i) => [
    i * step,
    Math.min((i + 1) * step, length),
  ]);
}

/** [0, length) cut into the fewest ranges of at most `lengthMax`, as even as may be. */
function evenRanges(length: number, lengthMax: number): [number, number][] {
  const count = Math.ceil(length / lengthMax);
  return Array.from({ length: count }, (_, i) => [
    Math.floor((i * length) / count),
    Math.floor(((i + 1) * length) / count),
  ]);
}

/**
 * Stores the shapes of a tenant's blocks; those it has stay. To be called before the flush that refers to them. Rejects
 * with a StorageConflict `unknown_tenant` when the tenant is gone. As fairwalk_app.
 */
export function registerShapes(
  pool: Pool,
  tenantId: TenantId,
  blocks: readonly Shape[],
): Promise<void> {
  const parts = new Map(blocks.flatMap(shapeParts).map((part) => [part.id, part]));
  return storeShapes(pool, tenantId, [...parts.values()]);
}

async function storeShapes(
  pool: Pool,
  tenantId: TenantId,
  parts: readonly ShapePart[],
): Promise<void> {
  if (parts.length === 0) return;
  const rows = parts.map(({ id, digest, shape }) => ({
    id: id.toString(),
    digest: `\\x${digest.toString("hex")}`,
    module: shape.module,
    metrics: shape.metrics,
    instances: shape.instances.map(storableText),
    labels: shape.labels,
  }));
  await refusing("Cannot store the shapes of samples", () =>
    withTenant(pool, tenantId, async (client) => {
      await client.query(
        `insert into sample_shapes (tenant_id, id, digest, module, metrics, instances, labels)
         select $1, b.id, b.digest, b.module, b.metrics, b.instances, b.labels
         from jsonb_to_recordset($2) as b
           (id bigint, digest bytea, module text, metrics text[], instances text[], labels jsonb)
         order by b.id -- one order for all: two workers never wait for each other in a circle
         on conflict do nothing`,
        [tenantId, storableJson(rows)],
      );
      const ids = parts.map(({ id }) => id.toString());
      await client.query(
        `update sample_shapes s set used_at = now()
         from (
           select u.id from sample_shapes u
           where u.tenant_id = $1 and u.id = any ($2::bigint[]) and u.used_at < now() - make_interval(hours => 6)
           for no key update skip locked -- Whoever has it marks it.
         ) stale
         where s.tenant_id = $1 and s.id = stale.id`,
        [tenantId, ids],
      );
      const { rows: foreign } = await client.query(
        `select s.id from sample_shapes s
         join unnest($2::bigint[], $3::bytea[]) as b (id, digest) on b.id = s.id
         where s.tenant_id = $1 and s.digest <> b.digest`,
        [tenantId, ids, parts.map(({ digest }) => digest)],
      );
      invariant(
        foreign.length === 0,
        "two shapes of a tenant differ in the first 63 bits of SHA-256",
      );
    }),
  );
}

/**
 * Forgets shapes that nothing refers to any more: those that were last used before the tenant's oldest leaf begins. As
 * fairwalk_rollup. Answers how many.
 */
export function forgetShapes(pool: Pool, tenantId: TenantId): Promise<number> {
  return withTenant(pool, tenantId, async (client) => {
    const { rows } = await client.query<{ oldest: Date | null }>(
      `select min(l.lower) as oldest
       from unnest($2::text[]) p (name) cross join lateral fairwalk_table_leaves($1, p.name) l`,
      [tenantId, TENANT_PARTITIONED_TABLES],
    );
    const oldest = rows[0]?.oldest;
    if (oldest === null || oldest === undefined) return 0;
    const { rowCount } = await client.query(
      "delete from sample_shapes where tenant_id = $1 and used_at < $2",
      [tenantId, new Date(oldest.getTime() - REMEMBERED_MS - FLUSH_DELAY_MS_MAX)],
    );
    return rowCount ?? 0;
  });
}

/** How long a worker relies on a shape to be stored: then it stores it again, which marks it as used. */
const REMEMBERED_MS = 12 * 3_600_000;

/** A flush may follow its shapes by days: it waits in a worker while Postgres is away. */
const FLUSH_DELAY_MS_MAX = 7 * 86_400_000;

/** Shapes a worker remembers to have stored; about 100 bytes each. A forgotten one costs an insert that does nothing. */
const REMEMBERED_SHAPES_MAX = 200_000;

/** Stores each shape once: remembers what is stored, so that a usual poll costs no query. */
export class ShapeRegistry {
  readonly #pool: Pool;
  readonly #clock: Clock;
  /** When each was stored. */
  readonly #stored = new LruCache<string, number>(REMEMBERED_SHAPES_MAX);

  /** `pool` acts as fairwalk_app. */
  constructor(pool: Pool, clock: Clock = systemClock) {
    this.#pool = pool;
    this.#clock = clock;
  }

  /** Resolves when every shape of the results is stored; rejects as `registerShapes`. */
  async register(results: readonly PollResult[]): Promise<void> {
    const nowMs = this.#clock.now();
    const lacking = new Map<TenantId, Map<bigint, ShapePart>>();
    for (const { poll, blocks } of results) {
      for (const part of blocks.flatMap(shapeParts)) {
        const storedAtMs = this.#stored.get(keyOf(poll.tenantId, part));
        if (storedAtMs !== undefined && storedAtMs > nowMs - REMEMBERED_MS) continue;
        const ofTenant = lacking.get(poll.tenantId) ?? new Map<bigint, ShapePart>();
        lacking.set(poll.tenantId, ofTenant.set(part.id, part));
      }
    }
    for (const [tenantId, parts] of lacking) {
      await storeShapes(this.#pool, tenantId, [...parts.values()]);
      for (const part of parts.values()) this.#stored.set(keyOf(tenantId, part), nowMs);
    }
  }
}

function keyOf(tenantId: TenantId, { id }: ShapeId): string {
  return `${tenantId}/${id}`;
}
