import { expect, test } from "vitest";
import {
  type ExposedRouter,
  type ExpositionOptions,
  exposition,
  type LatestBlock,
  type LatestText,
} from "../../../src/modules/exposition.ts";
import { parseModules } from "../../../src/modules/parse-modules.ts";

const MODULES = parseModules(
  `
modules:
  ports:
    metrics:
      - { name: octets, oid: 1.3.9.1.1, type: counter, help: 'Octets \\ in', indexes: [{ labelname: port, type: gauge }] }
      - { name: level, oid: 1.3.9.1.2, type: gauge, help: Level, indexes: [{ labelname: port, type: gauge }] }
      - { name: kind, oid: 1.3.9.1.3, type: EnumAsInfo, help: Kind, enum_values: { 1: fibre }, indexes: [{ labelname: port, type: gauge }] }
      - { name: state, oid: 1.3.9.1.4, type: EnumAsStateSet, help: State, enum_values: { 1: up, 2: down }, indexes: [{ labelname: port, type: gauge }] }
      - { name: flags, oid: 1.3.9.1.5, type: Bits, help: Flags, enum_values: { 0: bridge, 9: router }, indexes: [{ labelname: port, type: gauge }] }
      - { name: address, oid: 1.3.9.1.6, type: PhysAddress48, help: Address, indexes: [{ labelname: port, type: gauge }] }
      - { name: power, oid: 1.3.9.1.7, type: DisplayString, help: Power, regex_extracts: { Watts: [{ regex: '(.*) W' }] }, indexes: [{ labelname: port, type: gauge }] }
  other:
    metrics:
      - { name: level, oid: 1.3.9.2.2, type: gauge, help: Another level, indexes: [{ labelname: port, type: gauge }] }
`,
  "test.yaml",
);

const NOW = Date.UTC(2030, 0, 1);

function router(id: string, change: Partial<ExposedRouter> = {}): ExposedRouter {
  return {
    id,
    name: `name of ${id}`,
    zone: "default",
    labels: {},
    intervalSeconds: 60,
    up: undefined,
    lastPolledAtMs: undefined,
    ...change,
  };
}

function block(
  routerId: string,
  metrics: Readonly<Record<string, readonly (bigint | number | null)[]>>,
  change: Partial<LatestBlock> = {},
): LatestBlock {
  const cells = Object.values(metrics).flat();
  const instances = Object.values(metrics)[0]?.map((_, i) => String(i + 1)) ?? [];
  const isFloat = cells.some((cell) => typeof cell === "number");
  return {
    routerId,
    module: "ports",
    polledAt: new Date(NOW - 1_000),
    metrics: Object.keys(metrics),
    instances,
    labels: instances.map((port) => ({ port })),
    present: Uint8Array.from(cells, (cell) => (cell === null ? 0 : 1)),
    values: isFloat
      ? Float64Array.from(cells, (cell) => Number(cell ?? 0))
      : BigInt64Array.from(cells, (cell) => BigInt.asIntN(64, BigInt(cell ?? 0))),
    ...change,
  };
}

function fact(routerId: string, metric: string, value: string): LatestText {
  return { routerId, module: "ports", metric, instance: "1", labels: { port: "1" }, value };
}

async function render(
  blocks: readonly LatestBlock[],
  texts: readonly LatestText[] = [],
  change: Partial<ExpositionOptions> = {},
): Promise<string> {
  const options = {
    modules: MODULES,
    routers: [router("r1")],
    nowMs: NOW,
    identify: false,
    ...change,
  };
  let text = "";
  for await (const chunk of exposition(options, blocks, texts)) text += chunk;
  return text;
}

test("a family is in one piece over all routers, with one HELP and TYPE", async () => {
  const text = await render(
    [block("r1", { octets: [1n], level: [2n] }), block("r2", { octets: [3n], level: [4n] })],
    [],
    { routers: [router("r1"), router("r2", { zone: "north" })], identify: true },
  );

  expect(text).toBe(
    [
      "# HELP octets Octets \\\\ in",
      "# TYPE octets counter",
      'octets{port="1",router="name of r1",router_id="r1",zone="default"} 1',
      'octets{port="1",router="name of r2",router_id="r2",zone="north"} 3',
      "# HELP level Level",
      "# TYPE level gauge",
      'level{port="1",router="name of r1",router_id="r1",zone="default"} 2',
      'level{port="1",router="name of r2",router_id="r2",zone="north"} 4',
      "",
    ].join("\n"),
  );
});

test("what the router did not say has no series", async () => {
  const text = await render([block("r1", { octets: [null, 5n], level: [null, null] })]);

  expect(seriesOf(text)).toEqual(['octets{port="2"} 5']);
});

test("a 64-bit counter wraps at 2^53 as a float must, or is written whole when asked", async () => {
  const counters = [
    block("r1", { octets: [2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n, 2n ** 63n + 7n, 2n ** 32n] }),
  ];

  expect(valuesIn(await render(counters))).toEqual([
    "9007199254740991",
    "0",
    "9007199254740991",
    "7",
    "4294967296",
  ]);
  expect(valuesIn(await render(counters, [], { wrapCounters: false }))).toEqual([
    "9007199254740991",
    "9007199254740992",
    "18446744073709551615",
    "9223372036854775815",
    "4294967296",
  ]);
});

test("a gauge keeps its sign, and floats are written as Prometheus reads them", async () => {
  const text = await render([
    block("r1", { level: [-1n, -2_147_483_648n, 2_147_483_648n] }),
    block("r1", {
      powerWatts: [0.1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN],
    }),
  ]);

  expect(valuesIn(text)).toEqual(["-1", "-2147483648", "2147483648", "0.1", "+Inf", "-Inf", "NaN"]);
  expect(text).toContain("# HELP powerWatts Power (regex extracted)\n# TYPE powerWatts gauge\n");
});

test("enumerations are named as snmp_exporter names them, and an unknown number is its own name", async () => {
  const text = await render([block("r1", { kind: [1n, 7n], state: [2n, 3n] })]);

  expect(text).toContain("# HELP kind_info Kind (EnumAsInfo)\n# TYPE kind_info gauge\n");
  expect(text).toContain("# HELP state State (EnumAsStateSet)\n# TYPE state gauge\n");
  expect(seriesOf(text)).toEqual([
    'kind_info{kind="fibre",port="1"} 1',
    'kind_info{kind="7",port="2"} 1',
    'state{port="1",state="down"} 1',
    'state{port="1",state="up"} 0',
    'state{port="2",state="3"} 1',
    'state{port="2",state="up"} 0',
    'state{port="2",state="down"} 0',
  ]);
});

test("texts are labels of series that are 1, and BITS are one series a bit", async () => {
  const text = await render(
    [block("r1", { level: [1n] })],
    [fact("r1", "address", "00:1A:2B:3C:4D:5E"), fact("r1", "flags", "0x0040")],
  );

  expect(seriesOf(text)).toEqual([
    'level{port="1"} 1',
    'flags{flags="bridge",port="1"} 0',
    'flags{flags="router",port="1"} 1',
    'address{address="00:1A:2B:3C:4D:5E",port="1"} 1',
  ]);
});

test("label values are escaped", async () => {
  const text = await render([
    block("r1", { level: [1n] }, { labels: [{ port: 'a\\b"c\nd – é' }] }),
  ]);

  expect(seriesOf(text)).toEqual(['level{port="a\\\\b\\"c\\nd – é"} 1']);
});

test("a label name is used once: the router's identity, then the module's, then the tenant's, which are renamed", async () => {
  const owned = router("r1", {
    labels: { port: "mine", zone: "theirs", "site name": "Oslo", __meta: "x", level: "gold" },
  });

  const text = await render(
    [block("r1", { level: [1n] }, { labels: [{ port: "1", router: "next hop" }] })],
    [{ ...fact("r1", "level", "high"), module: "gone" }],
    { routers: [owned], identify: true },
  );

  const identity = 'router="name of r1",router_id="r1",zone="default"';
  const others =
    '_meta="x",level="gold",exported_port="mine",site_name="Oslo",exported_zone="theirs"';
  expect(seriesOf(text)[0]).toBe(
    `level{port="1",exported_router="next hop",${identity},${others}} 1`,
  );
  expect(seriesOf(text)[1]).toContain('level="high"');
  expect(seriesOf(text)[1]).toContain('exported_level="gold"');
});

test("a series that two modules share, or a router repeats, is written once", async () => {
  const text = await render([
    block("r1", { level: [1n, 2n] }),
    block("r1", { level: [3n, 4n, 5n] }, { module: "other" }),
  ]);

  expect(seriesOf(text)).toEqual(['level{port="1"} 1', 'level{port="2"} 2', 'level{port="3"} 5']);
});

test("series are withdrawn when their poll is older than three intervals, and texts with them", async () => {
  const old = new Date(NOW - 180_001);
  const young = new Date(NOW - 180_000);
  const facts = [fact("r1", "address", "a"), fact("r2", "address", "b")];

  const text = await render(
    [
      block("r1", { level: [1n] }, { polledAt: old }),
      block("r2", { level: [2n] }, { polledAt: young }),
    ],
    facts,
    { routers: [router("r1"), router("r2")] },
  );

  expect(seriesOf(text)).toEqual(['level{port="1"} 2', 'address{address="b",port="1"} 1']);
});

test("rows of routers that are not asked for are passed over", async () => {
  const text = await render([block("r9", { level: [1n] })], [fact("r9", "address", "a")]);

  expect(text).toBe("");
});

test("samples of a module that is not loaded any more are still shown, untyped", async () => {
  const text = await render([block("r1", { oldMetric: [1n] }, { module: "gone" })]);

  expect(text).toContain("# TYPE oldMetric untyped\noldMetric");
});

test("every router says whether it is up and when it was polled, once it was", async () => {
  const text = await render([], [], {
    routers: [
      router("r1", { up: true, lastPolledAtMs: 1_500 }),
      router("r2", { up: false, lastPolledAtMs: 2_000, labels: { site: "Oslo" } }),
      router("r3"),
    ],
    identify: true,
  });

  expect(seriesOf(text)).toEqual([
    'fairwalk_router_up{router="name of r1",router_id="r1",zone="default"} 1',
    'fairwalk_router_up{router="name of r2",router_id="r2",zone="default",site="Oslo"} 0',
    'fairwalk_router_last_poll_timestamp_seconds{router="name of r1",router_id="r1",zone="default"} 1.5',
    'fairwalk_router_last_poll_timestamp_seconds{router="name of r2",router_id="r2",zone="default",site="Oslo"} 2',
  ]);
});

test("families of the caller's come first, without the router's labels", async () => {
  const text = await render([block("r1", { level: [1n] })], [], {
    extra: [
      {
        name: "snmp_scrape_pdus_returned",
        help: "PDUs",
        type: "gauge",
        series: [{ labels: { module: "ports" }, value: 12 }],
      },
    ],
  });

  expect(seriesOf(text)).toEqual([
    'snmp_scrape_pdus_returned{module="ports"} 12',
    'level{port="1"} 1',
  ]);
});

test("the text comes in chunks of about 64 KiB", async () => {
  const values = Array.from({ length: 20_000 }, (_, i) => BigInt(i));
  const options = { modules: MODULES, routers: [router("r1")], nowMs: NOW };
  const sizes: number[] = [];

  for await (const chunk of exposition(options, [block("r1", { octets: values })], [])) {
    sizes.push(chunk.length);
  }

  expect(sizes.length).toBeGreaterThan(20);
  expect(Math.max(...sizes)).toBeLessThan(2 * 65_536);
});

function seriesOf(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

function valuesIn(text: string): readonly string[] {
  return seriesOf(text).map((line) => line.slice(line.lastIndexOf(" ") + 1));
}
