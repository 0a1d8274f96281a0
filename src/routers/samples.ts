import type { TenantId } from "../tenants/tenant.ts";
import type { PollOutcome, RouterId } from "./router.ts";

export type Labels = Readonly<Record<string, string>>;

/**
 * A rectangle of samples: one poll's values of a block of metrics × instances.
 * Value m × instances.length + i is metric m of instance i (both from 0); `present` is 1 where the router said it.
 */
export interface SampleBlock {
  readonly module: string;
  readonly metrics: readonly string[];
  /** Index of each instance as dotted decimals; "" for scalars. */
  readonly instances: readonly string[];
  /** The label set of each instance (indexes and lookups such as ifName). */
  readonly labels: readonly Labels[];
  /** Integers hold the 64 bits of a Counter64 in two's complement (2^63 and above are negative); floats hold doubles. */
  readonly values: BigInt64Array | Float64Array;
  readonly present: Uint8Array;
}

/** A text a router said, kept as inventory (its latest value alone), not as a sample: sysDescr, ifPhysAddress. */
export interface TextFact {
  readonly module: string;
  readonly metric: string;
  readonly instance: string;
  readonly labels: Labels;
  readonly value: string;
}

/** How one module of a poll went. */
export interface ModuleReport {
  readonly module: string;
  readonly outcome: PollOutcome;
  readonly requests: number;
  readonly retries: number;
  readonly rows: number;
  /** What went wrong or was tolerated, in one sentence; absent when nothing did. */
  readonly reason?: string;
}

/** One visit to one router, as it is stored. Times in milliseconds since the Unix epoch. */
export interface PollRecord {
  readonly tenantId: TenantId;
  readonly routerId: RouterId;
  /** The time its samples carry; also the row's key together with the router. */
  readonly polledAtMs: number;
  readonly dueAtMs: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly outcome: PollOutcome;
  readonly costMs: number;
  readonly requests: number;
  readonly retries: number;
  readonly bytesIn: number;
  readonly modules: readonly ModuleReport[];
}

/** Everything one poll hands to the writer: committed together or not at all. */
export interface PollResult {
  readonly poll: PollRecord;
  readonly blocks: readonly SampleBlock[];
}
