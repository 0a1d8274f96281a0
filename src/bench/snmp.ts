/**
 * `bench snmp`: CPU, packets and memory of reading 20 columns and 7 scalars, by the product's own path from address to
 * typed samples, and by others, side by side on the same simulated routers. Each poller is a process of its own and runs
 * built code; the routers are another process and count for nobody.
 */
import { buildProgram } from "./built-program.ts";
import { machine, printResult, progress } from "./report.ts";
import { fuzzTransport } from "./snmp-fuzz.ts";
import {
  type Agents,
  type Poller,
  type PollOptions,
  type Program,
  type Running,
  startAgentsPart,
  startPollerPart,
} from "./snmp-parts.ts";
import { findProgram, openNetSnmpTools, startExporter } from "./snmp-peers.ts";
import { varbindsOf } from "./snmp-workload.ts";

export interface SnmpBenchOptions {
  readonly routers: number;
  readonly interfaces: number;
  /** How long each contender is measured in each setting, each time. */
  readonly seconds: number;
  /** How often; the medians are reported. */
  readonly rounds: number;
  readonly seed: number;
  /** Spoilt datagrams to send the transport, instead of measuring. */
  readonly fuzz?: number;
}

/** As the Dockerfile and the systemd unit start it: a larger young generation saves a tenth of a poll for 30 MB. */
const PRODUCT_FLAGS = ["--max-semi-space-size=32"];

const FUZZ_SECONDS_MAX = 3_600;

const ETHERNET_BYTES = 1_472;
const UNLIMITED_BYTES = 65_507;

interface Setting {
  readonly key: string;
  readonly messageBytesMax: number;
  readonly rttMs: number;
  readonly concurrency: number;
}

const SETTINGS: readonly Setting[] = [
  ...[1, 50, 500].map((concurrency) => setting("limited", ETHERNET_BYTES, 0, concurrency)),
  ...[1, 50, 500].map((concurrency) => setting("unlimited", UNLIMITED_BYTES, 0, concurrency)),
  setting("limited_rtt20", ETHERNET_BYTES, 20, 50),
];
/** The setting whose figures stand for the others. */
const MAIN = "limited_c50";
/** Ours as it polls from day to day: names are read again only when something says that they changed. */
const STEADY = "ours_steady";

function setting(
  name: string,
  messageBytesMax: number,
  rttMs: number,
  concurrency: number,
): Setting {
  return { key: `${name}_c${concurrency}`, messageBytesMax, rttMs, concurrency };
}

interface Contender {
  readonly name: string;
  readonly version: PollOptions["version"];
  start(): Promise<Running<Poller>>;
  /** The settings it is measured in. */
  readonly settings: readonly string[];
}

/** What a poll of one router took. */
interface Measured {
  /** Of CPU, a router. */
  readonly cpuUs: number;
  /** Sent to a router. */
  readonly packets: number;
  readonly rssMb: number;
  /** The share of polls that did not bring everything. */
  readonly incomplete: number;
}

export async function benchSnmp(options: SnmpBenchOptions): Promise<void> {
  if (options.fuzz !== undefined) {
    await benchFuzz(options.fuzz, options.seed);
    return;
  }
  progress("building the program");
  const built = await buildProgram();
  const program: Program = { folder: built.folder, extension: "js", flags: PRODUCT_FLAGS };
  const agents = startAgentsPart({ ...program, flags: [] });
  const taken: Taken = new Map();
  try {
    const contenders = contendersIn(program);
    for (let round = 1; round <= options.rounds; round++) {
      for (const setting of SETTINGS) {
        for (const contender of contenders) {
          if (!contender.settings.includes(setting.key)) continue;
          const measured = await measure(contender, setting, agents, options);
          const key = `${contender.name}/${setting.key}`;
          taken.set(key, [...(taken.get(key) ?? []), measured]);
          progress(`round ${round}, ${key}: ${asText(measured)}`);
        }
      }
    }
  } finally {
    await agents.stop();
    await built.remove();
  }
  printResult(resultOf(taken, options));
}

async function benchFuzz(datagrams: number, seed: number): Promise<void> {
  const onProgress = (sent: number): void => progress(`${sent} spoilt datagrams`);
  const result = await fuzzTransport({ seed, datagrams, seconds: FUZZ_SECONDS_MAX, onProgress });
  printResult({ bench: "snmp-fuzz", seed, ...result, machine: machine() });
}

/** By contender and setting, a measurement a round. */
type Taken = Map<string, Measured[]>;

function contendersIn(program: Program): Contender[] {
  const everywhere = SETTINGS.map(({ key }) => key);
  const start = (name: "ours" | "net-snmp") => () =>
    Promise.resolve(startPollerPart(name, program));
  const contenders: Contender[] = [
    { name: "ours", version: "2c", start: start("ours"), settings: everywhere },
    { name: STEADY, version: "2c", start: start("ours"), settings: [MAIN, "unlimited_c50"] },
    { name: "net_snmp", version: "2c", start: start("net-snmp"), settings: everywhere },
    { name: "ours_v3", version: "3", start: start("ours"), settings: [MAIN] },
    { name: "net_snmp_v3", version: "3", start: start("net-snmp"), settings: [MAIN] },
  ];
  const exporter = findProgram("prometheus-snmp-exporter");
  if (exporter !== null) {
    const startIt = () => startExporter(exporter);
    contenders.push({ name: "snmp_exporter", version: "2c", start: startIt, settings: everywhere });
  }
  const tools = openNetSnmpTools();
  if (tools !== undefined) {
    const settings = [MAIN, "unlimited_c50"];
    const startThem = () => Promise.resolve(tools);
    contenders.push({ name: "snmpbulkwalk", version: "2c", start: startThem, settings });
  }
  return contenders;
}

/** One contender in one setting, started afresh: what the one before learnt or left in memory is gone. */
async function measure(
  { name, version, start }: Contender,
  { messageBytesMax, rttMs, concurrency }: Setting,
  agents: Agents,
  { routers: count, interfaces, seconds, seed }: SnmpBenchOptions,
): Promise<Measured> {
  const network = { routers: count, interfaces, messageBytesMax, rttMs, seed };
  const routers = await agents.start(network);
  const poller = await start();
  try {
    const readsNamesAlways = name !== STEADY;
    const whatToPoll = { routers, interfaces, messageBytesMax, version, readsNamesAlways };
    await poller.warm({ ...whatToPoll, concurrency, seconds });
    await agents.requests();
    const { cpuUs, polls, rssMb, incomplete } = await poller.measure();
    const packets = await agents.requests();
    return {
      cpuUs: cpuUs / polls,
      packets: packets / polls,
      rssMb,
      incomplete: incomplete / polls,
    };
  } finally {
    await poller.stop();
  }
}

function asText({ cpuUs, packets, rssMb, incomplete }: Measured): string {
  const whole = incomplete === 0 ? "" : `, ${(100 * incomplete).toFixed(1)} % incomplete`;
  return `${Math.round(cpuUs)} µs a router, ${packets.toFixed(1)} packets, ${rssMb} MB${whole}`;
}

function resultOf(taken: Taken, options: SnmpBenchOptions): object {
  const of = (name: string, key: string, what: keyof Measured, digits = 0): number | null => {
    const values = (taken.get(`${name}/${key}`) ?? []).map((measured) => measured[what]);
    return values.length === 0 ? null : rounded(median(values), digits);
  };
  const names = ["ours", "net_snmp", "snmpbulkwalk", "snmp_exporter"];
  const each = (figure: (name: string) => number | null) =>
    Object.fromEntries(names.map((name) => [name, figure(name)]));
  /** A peer's CPU a router over ours. */
  const ratio = (peer: string, key: string): number | null => {
    const [theirs, ours] = [of(peer, key, "cpuUs"), of("ours", key, "cpuUs")];
    return theirs === null || ours === null ? null : rounded(theirs / ours, 2);
  };
  const varbinds = varbindsOf(options.interfaces);
  return {
    bench: "snmp",
    seed: options.seed,
    routers: options.routers,
    interfaces: options.interfaces,
    varbinds_per_router: varbinds,
    code: "built",
    cpu_us_per_router: each((name) => of(name, MAIN, "cpuUs")),
    varbinds_per_cpu_second: each((name) => {
      const cpuUs = of(name, MAIN, "cpuUs");
      return cpuUs === null ? null : Math.round((varbinds * 1_000_000) / cpuUs);
    }),
    packets_per_router: each((name) => of(name, MAIN, "packets", 1)),
    ratio_net_snmp: ratio("net_snmp", MAIN),
    ratio_snmp_exporter: ratio("snmp_exporter", MAIN),
    steady_cpu_us_per_router: of(STEADY, MAIN, "cpuUs"),
    steady_packets_per_router: of(STEADY, MAIN, "packets", 1),
    rss_mb: { c50: of("ours", "limited_c50", "rssMb"), c500: of("ours", "limited_c500", "rssMb") },
    v3_cpu_us_per_router: of("ours_v3", MAIN, "cpuUs"),
    v3_net_snmp_cpu_us_per_router: of("net_snmp_v3", MAIN, "cpuUs"),
    settings: Object.fromEntries(
      SETTINGS.map(({ key }) => [
        key,
        {
          cpu_us_per_router: each((name) => of(name, key, "cpuUs")),
          packets_per_router: each((name) => of(name, key, "packets", 1)),
          rss_mb: each((name) => of(name, key, "rssMb")),
          ratio_net_snmp: ratio("net_snmp", key),
          ratio_snmp_exporter: ratio("snmp_exporter", key),
        },
      ]),
    ),
    incomplete_ratio_worst: rounded(
      Math.max(...[...taken.values()].flat().map(({ incomplete }) => incomplete)),
      4,
    ),
    machine: machine(),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
