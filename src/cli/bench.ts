import { type Command, Option } from "commander";
import { benchE2e } from "../bench/e2e.ts";
import { benchFairness, FAIRNESS_SCENARIOS } from "../bench/fairness.ts";
import { benchIngest } from "../bench/ingest.ts";
import { benchRead } from "../bench/read.ts";
import { benchSchedulerScale } from "../bench/scheduler-scale.ts";
import { benchSnmp } from "../bench/snmp.ts";
import { OperatorError } from "./platform.ts";

/** `fairwalk bench <scenario>`: each prints its progress on stderr and one JSON object as the last line of stdout. */
export function registerBenchmarks(program: Command): void {
  const bench = program.command("bench").description("measure; needs Linux for CPU times");
  bench
    .command("e2e")
    .description("the whole product on simulated routers, for each back end of the queue")
    .option("--routers <n>", "simulated routers", wholeNumber, 2_000)
    .option("--interfaces <n>", "interfaces of each router", wholeNumber, 48)
    .option("--seconds <n>", "how long to measure", wholeNumber, 60)
    .option("--interval <n>", "seconds between two polls of a router", wholeNumber, 10)
    .option("--concurrency <n>", "poll slots of the worker", wholeNumber, 200)
    .option("--seed <n>", "what the simulated network is made of", wholeNumber, 1)
    .addOption(new Option("--backend <kind>", "only this back end").choices(["postgres", "redis"]))
    .action(benchE2e);
  bench
    .command("fairness")
    .description("whether any tenant makes another late; needs redis-server on PATH")
    .option("--seconds <n>", "how long to measure the shares; half of it the rest", wholeNumber, 60)
    .option("--seed <n>", "what costs and moments are drawn from", wholeNumber, 1)
    .addOption(new Option("--scenario <name>", "only this one").choices(FAIRNESS_SCENARIOS))
    .action(benchFairness);
  bench
    .command("ingest")
    .description("samples into Postgres, beside psql \\copy and INSERT under row-level security")
    .option("--polls <n>", "polls in a flush", wholeNumber, 1_000)
    .option("--interfaces <n>", "interfaces of each router", wholeNumber, 48)
    .option("--flushes <n>", "flushes in a turn", wholeNumber, 10)
    .option("--rounds <n>", "turns of each way; medians are reported", wholeNumber, 3)
    .option("--seed <n>", "what the values are drawn from", wholeNumber, 1)
    .action(benchIngest);
  bench
    .command("scheduler-scale")
    .description("the scheduler alone, on simulated time, far beyond what this machine could poll")
    .option("--routers <n>", "simulated routers, a twentieth of them dead", wholeNumber, 1_000_000)
    .option("--tenants <n>", "of all tiers and sizes", wholeNumber, 10_000)
    .option("--slots <n>", "slots of the simulated workers", wholeNumber, 20_000)
    .option("--seconds <n>", "how long the zone runs, in simulated time", wholeNumber, 300)
    .option("--seed <n>", "what costs and sizes are drawn from", wholeNumber, 1)
    .action(benchSchedulerScale);
  bench
    .command("read")
    .description("reading history, with few and many tenants in the database")
    .option("--routers <n>", "routers whose newest values are read", wholeNumber, 1_000)
    .option("--interfaces <n>", "interfaces of each router", wholeNumber, 48)
    .option("--tenants <n>", "in the database, the second time", wholeNumber, 1_000)
    .option("--leaves <n>", "of samples, where planning is measured", wholeNumber, 10_000)
    .option("--rounds <n>", "how often each reading is done", wholeNumber, 100)
    .option("--seed <n>", "what the counters are drawn from", wholeNumber, 1)
    .action(benchRead);
  bench
    .command("snmp")
    .description("CPU of polling a router, beside net-snmp, snmpbulkwalk and snmp_exporter")
    .option("--routers <n>", "simulated routers", wholeNumber, 500)
    .option("--interfaces <n>", "interfaces of each router", wholeNumber, 48)
    .option("--seconds <n>", "how long to measure each poller in each setting", wholeNumber, 2)
    .option("--rounds <n>", "how often; medians are reported", wholeNumber, 3)
    .option("--seed <n>", "what the simulated network is made of", wholeNumber, 1)
    .option("--fuzz <n>", "send the transport so many spoilt datagrams instead", wholeNumber)
    .action(benchSnmp);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new OperatorError(`Cannot use "${text}": a whole number above 0 is needed`);
}
