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

/** How one walk of a table went, or the request for single values. Times in milliseconds. */
export interface WalkReport {
  /** Of the table's rows; "" for single values. */
  readonly oid: string;
  readonly outcome: PollOutcome;
  readonly columns: number;
  readonly rows: number;
  readonly requests: number;
  readonly retries: number;
  readonly bytesIn: number;
  readonly varbinds: number;
  readonly durationMs: number;
  readonly rttMsP50: number;
  readonly rttMsMax: number;
  /** The most that was asked for at once, "columns × repetitions"; absent for single values. */
  readonly asked?: string;
  /** Why no more was asked for at once; absent while nothing stood in the way. */
  readonly sizing?: string;
  /** What went wrong, and what was tolerated or adapted to, in the order it happened. */
  readonly remarks?: readonly string[];
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
  /** Values that were read, and the milliseconds it took; the next three are absent where a poll never got so far. */
  readonly varbinds?: number;
  readonly walkMs?: number;
  /** The slowest of its walks, in the order they were made. */
  readonly walks?: readonly WalkReport[];
}

/** One visit to one router, as it is stored. Times in milliseconds since the Unix epoch. */
export interface PollRecord {
  readonly tenantId: TenantId;
  readonly routerId: RouterId;
  /** The time its samples carry; also the row's key together with the router. */
  readonly polledAtMs: number;
  readonly dueAtMs: number;
  /** When the scheduler let it go to the queue, by the scheduler's clock, and when a worker took it from there. */
  readonly releasedAtMs?: number | undefined;
  readonly takenAtMs?: number | undefined;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly outcome: PollOutcome;
  readonly costMs: number;
  readonly requests: number;
  readonly retries: number;
  readonly bytesIn: number;
  /** The request for the single values of all modules, which comes first; absent where none was made. */
  readonly scalars?: WalkReport | undefined;
  readonly modules: readonly ModuleReport[];
}

/** What is stored of a poll as one document. */
export type PollDetail = Pick<PollRecord, "releasedAtMs" | "takenAtMs" | "scalars" | "modules">;

/** Everything one poll hands to the writer: committed together or not at all. */
export interface PollResult {
  readonly poll: PollRecord;
  readonly blocks: readonly SampleBlock[];
}
