import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Module } from "../modules/module.ts";
import type { ReachabilityRules } from "../routers/reachability.ts";
import type { Pool } from "../storage/pool.ts";
import type { Tier, TierRules } from "../tenants/tenant.ts";
import type { HealthDeps } from "./routes/health.ts";
import type { PlatformDeps } from "./routes/platform.ts";
import type { TargetGuard } from "./target-guard.ts";

/** What health and metrics need of the world. */
export interface OpsDeps extends PlatformDeps, Pick<HealthDeps, "readinessChecks" | "isDegraded"> {
  /** What FAIRWALK_ADMIN_TOKEN says; the empty text lets nobody in. */
  readonly adminToken: string;
  readonly log: Log;
  /** The program's version, for the API's description. */
  readonly version: string;
}

/** What the whole API needs besides. */
export interface ApiDeps extends OpsDeps {
  readonly pools: {
    /** Acts as fairwalk_app: tenants' own rows, under row-level security. */
    readonly app: Pool;
    /** Acts as fairwalk_platform: tenants, API keys, fairness and workers. */
    readonly platform: Pool;
  };
  /** 32 bytes; wraps the tenants' data keys. */
  readonly masterKey: Buffer;
  readonly tiers: Readonly<Record<Tier, TierRules>>;
  /** By name. */
  readonly modules: ReadonlyMap<string, Module>;
  readonly targetGuard: TargetGuard;
  /** As the scheduler goes by them. */
  readonly reachability: ReachabilityRules;
  /** How often workers read the routers' neighbours, in seconds. */
  readonly discoverySeconds: number;
  readonly clock: Clock;
  /** Bytes of an import's body; 8 MiB when absent, about 800 for each of the rows it may have. */
  readonly importBytesMax?: number;
}
