import type { ApiDeps } from "../../../src/api/api-deps.ts";
import { openPool } from "../../../src/storage/pool.ts";

/** An API whose database refuses every connection: for what is decided before a query. */
export function depsWithoutDatabase(): ApiDeps {
  const nowhere = { url: "postgres://nobody@127.0.0.1:1/none", max: 1, applicationName: "test" };
  const rules = {
    weight: 1,
    routersMax: 10,
    intervalSecondsMin: 30,
    retentionDays: 30,
    rollups5mDays: 90,
    rollups1hDays: 400,
    admission: "warn",
  } as const;
  return {
    pools: { app: openPool(nowhere), platform: openPool(nowhere) },
    masterKey: Buffer.alloc(32),
    adminToken: "the-admin-token",
    tiers: {
      free: rules,
      professional: rules,
      business: rules,
      enterprise: rules,
      msp: rules,
    },
    modules: new Map(),
    targetGuard: { allowLoopback: false, ownAddresses: [], allow: [] },
    reachability: { failuresMax: 3, probeSpacingMsMax: 900_000 },
    discoverySeconds: 900,
    platformMetrics: async () => ({ contentType: "text/plain; version=0.0.4", body: "up 1\n" }),
    readinessChecks: {},
    log: { debug() {}, info() {}, warn() {}, error() {} },
    clock: { now: () => Date.parse("2026-01-02T03:04:05Z") },
    version: "1.2.3",
  };
}
