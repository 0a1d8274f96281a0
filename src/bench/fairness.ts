import { measureDeadNeighbour } from "./fairness-dead-neighbour.ts";
import { measureNewcomers } from "./fairness-newcomer.ts";
import { measureShares } from "./fairness-shares.ts";
import { measureThroughput } from "./fairness-throughput.ts";
import { startRedisServer } from "./redis-server.ts";
import { machine, printResult } from "./report.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "./temporary-directory.ts";
import { requireRedisServer } from "./whole-product.ts";

/**
 * Does any tenant make another late? Four scenarios, one run, one machine; each file of its name says what is in it and what
 * is measured. The figures the project promises stand at the top of the result, the rest under the scenario's name.
 */

export const FAIRNESS_SCENARIOS = ["neighbour", "shares", "newcomer", "throughput"] as const;
export type FairnessScenario = (typeof FAIRNESS_SCENARIOS)[number];

export interface FairnessOptions {
  /** How long the shares are measured; the neighbour and the newcomers half of it each. */
  readonly seconds: number;
  readonly seed: number;
  /** Only this one; all without it. */
  readonly scenario?: FairnessScenario;
}

export async function benchFairness({ seconds, seed, scenario }: FairnessOptions): Promise<void> {
  const wants = (name: FairnessScenario) => scenario === undefined || scenario === name;
  const half = Math.ceil(seconds / 2);
  const neighbour = wants("neighbour") ? await measureDeadNeighbour({ seconds: half, seed }) : null;
  const shares = wants("shares")
    ? await withRedis((url) => measureShares(url, { seconds, seed }))
    : null;
  const newcomer = wants("newcomer")
    ? await withRedis((url) => measureNewcomers(url, { seconds: half, seed }))
    : null;
  const throughput = wants("throughput")
    ? await withRedis((url) => measureThroughput(url, { seed }))
    : null;
  printResult({
    bench: "fairness",
    seed,
    victim_alone_p99_ms: neighbour?.victim_alone_p99_ms,
    victim_p99_ms: neighbour?.victim_p99_ms,
    victim_p99_allowed_ms: neighbour?.victim_p99_allowed_ms,
    victim_on_time_ratio: neighbour?.victim_on_time_ratio,
    fifo_victim_p99_ms: neighbour?.fifo_victim_p99_ms,
    priority_victim_p99_ms: neighbour?.priority_victim_p99_ms,
    jain: shares?.jain,
    share_ratio_worst: shares?.share_ratio_worst,
    newcomer_first_wait_ms: newcomer?.newcomer_first_wait_ms,
    throughput_ratio: throughput?.throughput_ratio,
    scenarios: { neighbour, shares, newcomer, throughput },
    machine: machine(),
  });
}

/** Each scenario has a Redis of its own, with nothing in it. */
async function withRedis<T>(measure: (redisUrl: string) => Promise<T>): Promise<T> {
  const folder = await makeTemporaryDirectory("bench");
  const redis = await startRedisServer(requireRedisServer(), folder);
  try {
    return await measure(redis.url);
  } finally {
    await redis.stop();
    await removeTemporaryDirectory(folder);
  }
}
