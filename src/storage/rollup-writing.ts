import type { Rollup } from "../routers/rollup.ts";
import type { RouterId } from "../routers/router.ts";
import type { TenantClient } from "./pool.ts";
import { encodeRollup, ROLLUP_COLUMNS, type RollupColumns } from "./rollup-encoding.ts";

/** One bucket of one router and shape. */
export interface RouterRollups {
  readonly routerId: RouterId;
  readonly rollup: Rollup;
}

/** Rows of one statement: about 3 MB of a router of 48 interfaces. */
const WRITE_ROWS_MAX = 200;

/** Writes rollups over those that are there. */
export async function writeRollups(
  client: TenantClient,
  table: "rollups_5m" | "rollups_1h",
  rollups: readonly RouterRollups[],
): Promise<void> {
  // A following bucket may have been computed for several windows: the last one counts, and no row is written twice.
  const byKey = new Map(
    rollups.map((it) => [`${it.routerId}/${it.rollup.shapeId}/${it.rollup.bucketMs}`, it]),
  );
  const distinct = [...byKey.values()];
  for (let first = 0; first < distinct.length; first += WRITE_ROWS_MAX) {
    const some = distinct.slice(first, first + WRITE_ROWS_MAX);
    const encoded = some.map(({ rollup }) => encodeRollup(rollup));
    await client.query(WRITE_STATEMENT[table], [
      client.tenantId,
      some.map(({ routerId }) => routerId),
      some.map(({ rollup }) => rollup.shapeId),
      some.map(({ rollup }) => new Date(rollup.bucketMs)),
      some.map(({ rollup }) => new Date(rollup.lastAtMs)),
      ...ROLLUP_COLUMNS.map((name) => encoded.map((columns) => columns[name])),
    ]);
  }
}

const COLUMN_TYPES = {
  counts: "integer[]",
  covered_ms: "bigint[]",
  resets: "integer[]",
  increases: "bigint[]",
  float_increases: "float8[]",
  minima: "float8[]",
  maxima: "float8[]",
  lasts: "float8[]",
  sums: "float8[]",
} satisfies Record<keyof RollupColumns, string>;

const WRITE_STATEMENT = {
  rollups_5m: writeStatement("rollups_5m"),
  rollups_1h: writeStatement("rollups_1h"),
};

/** A row that says the same already is left alone: computing again makes no bloat. */
function writeStatement(table: string): string {
  const columns = ["last_at", ...ROLLUP_COLUMNS];
  const casts = ROLLUP_COLUMNS.map((name) => `b.${name}::${COLUMN_TYPES[name]}`);
  const parameters = ROLLUP_COLUMNS.map((_, i) => `$${i + 6}::text[]`);
  return `insert into ${table} as r (tenant_id, router_id, shape_id, bucket, ${columns.join(", ")})
    select $1, b.router_id, b.shape_id, b.bucket, b.last_at, ${casts.join(", ")}
    from unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], ${parameters.join(", ")})
      as b (router_id, shape_id, bucket, ${columns.join(", ")})
    on conflict (tenant_id, router_id, shape_id, bucket) do update
    set ${columns.map((name) => `${name} = excluded.${name}`).join(", ")}
    where (${columns.map((name) => `r.${name}`).join(", ")})
      is distinct from (${columns.map((name) => `excluded.${name}`).join(", ")})`;
}
