import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { MAINTENANCE_LOCK, startMaintenance } from "../../src/cli/maintenance.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { uuidv7 } from "../../src/lib/uuid.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import type { RouterId } from "../../src/routers/router.ts";
import type { PollResult } from "../../src/routers/samples.ts";
import { openSampleWriter } from "../../src/storage/copy.ts";
import { standForLeadership } from "../../src/storage/leadership.ts";
import { ShapeRegistry } from "../../src/storage/shapes.ts";
import type { Tenant } from "../../src/tenants/tenant.ts";
import { openStorageFixture, type StorageFixture, silentLog } from "../storage-fixture.ts";
import { TIERS } from "./api-fixture.ts";

let storage: StorageFixture;
let tenant: Tenant;
const routerId = uuidv7() as RouterId;
const HOUR_MS = 3_600_000;

/** Two hours ago, by the whole hour. */
const FROM_MS = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 2 * HOUR_MS;

beforeAll(async () => {
  storage = await openStorageFixture(inject("databaseUrl"));
  tenant = await storage.newTenant("kept");
  const results = Array.from({ length: 12 }, (_, n): PollResult => {
    const polledAtMs = FROM_MS + n * 60_000;
    return {
      poll: {
        tenantId: tenant.id,
        routerId,
        polledAtMs,
        dueAtMs: polledAtMs,
        startedAtMs: polledAtMs,
        durationMs: 1,
        outcome: "answered",
        costMs: 1,
        requests: 1,
        retries: 0,
        bytesIn: 1,
        modules: [],
      },
      blocks: [
        {
          module: "if_mib",
          metrics: ["ifHCInOctets"],
          instances: ["1"],
          labels: [{}],
          values: BigInt64Array.of(BigInt(n)),
          present: Uint8Array.of(1),
        },
      ],
    };
  });
  await new ShapeRegistry(storage.app).register(results);
  await openSampleWriter(storage.ingest).flush({ flushId: uuidv7(), results });
});

afterAll(() => storage.close());

function start(metrics = createMetrics()) {
  const candidate = standForLeadership(storage.url);
  const maintenance = startMaintenance(
    {
      pool: storage.scheduler,
      rollupPool: storage.rollup,
      tryLead: () => candidate.tryLead(MAINTENANCE_LOCK),
      kindOf: () => "counter",
      metrics,
      clock: systemClock,
      log: silentLog,
    },
    { tiers: TIERS },
  );
  return { maintenance, metrics, candidate };
}

async function linesOf(metrics: ReturnType<typeof createMetrics>, name: string): Promise<string[]> {
  const text = await metrics.registry.getSingleMetricAsString(name);
  return text.split("\n").filter((line) => line.startsWith(name));
}

it("is done by one scheduler at a time: it rolls up, and says how far it is", async () => {
  const first = start();
  const one = await first.maintenance;
  await expect
    .poll(() => linesOf(first.metrics, "fairwalk_rollup_rows_total"), { timeout: 30_000 })
    .toEqual([
      'fairwalk_rollup_rows_total{step="5m"} 3',
      'fairwalk_rollup_rows_total{step="1h"} 1',
    ]);
  const second = start();
  const other = await second.maintenance;

  const tasks = ["partitions_made", "rollups", "partitions_dropped", "flush_ids", "shapes"];
  await expect
    .poll(() => linesOf(first.metrics, "fairwalk_maintenance_last_success_timestamp_seconds"), {
      timeout: 30_000,
    })
    .toHaveLength(tasks.length);
  expect(await linesOf(first.metrics, "fairwalk_rollup_lag_seconds")).toEqual([
    "fairwalk_rollup_lag_seconds 0",
  ]);
  expect(await linesOf(first.metrics, "fairwalk_maintenance_failures_total")).toEqual([]);
  await other.stop();
  expect(
    await linesOf(second.metrics, "fairwalk_maintenance_last_success_timestamp_seconds"),
  ).toEqual([]);
  await one.stop();
  await first.candidate.stop();
  await second.candidate.stop();

  const { rows } = await storage.owner.query(
    `select r.bucket, r.increases::text, r.covered_ms::text from rollups_1h r where r.router_id = $1`,
    [routerId],
  );
  expect(rows).toEqual([{ bucket: new Date(FROM_MS), increases: "{11}", covered_ms: "{660000}" }]);
});

it("hands its lock on when it stops", async () => {
  const first = start();
  await (await first.maintenance).stop();
  const second = start();
  const maintenance = await second.maintenance;

  await expect
    .poll(() => linesOf(second.metrics, "fairwalk_maintenance_last_success_timestamp_seconds"), {
      timeout: 30_000,
    })
    .not.toEqual([]);
  await maintenance.stop();
  await first.candidate.stop();
  await second.candidate.stop();
});
