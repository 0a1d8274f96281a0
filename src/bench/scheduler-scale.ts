import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { machine, printResult, progress, rounded } from "./report.ts";
import { populate } from "./scheduler-scale-population.ts";
import { cpuUsSince, measureQueue } from "./scheduler-scale-queue.ts";
import { SimulatedZone } from "./scheduler-scale-zone.ts";

/**
 * The scheduler beyond what a machine can poll: its real code on simulated time. First the fair queue alone with every
 * tenant busy, then a whole zone with a cold leader below 80 % load. Lateness is from due to the start at a free slot.
 */

export interface SchedulerScaleOptions {
  readonly routers: number;
  readonly tenants: number;
  readonly slots: number;
  /** Simulated. */
  readonly seconds: number;
  readonly seed: number;
}

const DEAD_SHARE = 0.05;
const LOAD = 0.75;
const QUEUE_POLLS = 4_000_000;
const STEP_SECONDS = 10;

export function benchSchedulerScale(options: SchedulerScaleOptions): void {
  const { routers, tenants, slots, seconds, seed } = options;
  progress(`queue: ${tenants} tenants, always busy, ${slots} slots`);
  const queue = measureQueue({ tenants, slots, polls: QUEUE_POLLS, seed });
  progress(
    `queue: ${queue.releasesPerCpuSecond} releases a CPU-second, ${queue.pollsPerCpuSecond} whole polls, ` +
      `Jain's index ${rounded(queue.jain, 1_000_000)}`,
  );
  const zone = measureZone(options);
  printResult({
    bench: "scheduler-scale",
    routers,
    tenants,
    slots,
    seconds,
    dead_share: DEAD_SHARE,
    releases_per_cpu_second: queue.releasesPerCpuSecond,
    polls_per_cpu_second: queue.pollsPerCpuSecond,
    jain: rounded(queue.jain, 1_000_000),
    ...zone,
    seed,
    machine: machine(),
  });
}

function measureZone({ routers, tenants, slots, seconds, seed }: SchedulerScaleOptions) {
  const collectGarbage = garbageCollector();
  const population = populate({ routers, tenants, seed });
  const zone = new SimulatedZone(population, {
    slots,
    seed,
    deadShare: DEAD_SHARE,
    load: LOAD,
  });
  const heapBefore = heapBytes(collectGarbage);

  const rebuildBegan = process.cpuUsage();
  zone.rebuild();
  const rebuildSeconds = cpuUsSince(rebuildBegan) / 1_000_000;
  const bytesAfterRebuild = heapBytes(collectGarbage) - heapBefore;
  progress(
    `zone: ${zone.schedule.routers} routers known in ${rounded(rebuildSeconds, 100)} CPU-seconds, ` +
      `${Math.round(bytesAfterRebuild / routers)} bytes each; ` +
      `${Math.round(population.pollsPerSecond)} polls a second`,
  );

  const cpu = process.cpuUsage();
  let loadPeak = 0;
  for (let second = 0; second < seconds; second += STEP_SECONDS) {
    const until = Math.min(second + STEP_SECONDS, seconds);
    const usedBefore = zone.usedMs;
    zone.play(1_000 * second, 1_000 * until);
    const load = (zone.usedMs - usedBefore) / (1_000 * (until - second) * slots);
    loadPeak = Math.max(loadPeak, load);
    progress(
      `zone: ${until} s, ${zone.polls} polls, load ${rounded(load, 1_000)}, ` +
        `waiting ${zone.schedule.backlog}, p99 ${zone.latenessMs(0.99)} ms`,
    );
  }
  const cpuUs = cpuUsSince(cpu);
  const bytes = Math.max(bytesAfterRebuild, heapBytes(collectGarbage) - heapBefore);
  return {
    polls: zone.polls,
    polls_per_second: Math.round(zone.polls / seconds),
    lateness_p50_ms: zone.latenessMs(0.5),
    lateness_p99_ms: zone.latenessMs(0.99),
    lateness_max_ms: zone.latenessMs(1),
    load: rounded(zone.usedMs / (1_000 * seconds * slots), 1_000),
    load_peak: rounded(loadPeak, 1_000),
    skips: Object.fromEntries(zone.skips),
    bytes_per_router: Math.round(bytes / routers),
    rebuild_seconds: rounded(rebuildSeconds, 100),
    cpu_us_per_poll: rounded(cpuUs / zone.polls, 10),
    resident_mb: Math.round(process.memoryUsage().rss / 2 ** 20),
  };
}

/** Node hides its garbage collector; without it memory in use cannot be told from memory not yet freed. */
function garbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void; // What the flag makes global.
}

function heapBytes(collectGarbage: () => void): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
