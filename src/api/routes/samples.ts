import { Type } from "typebox";
import { metricKinds } from "../../modules/metric-kinds.ts";
import type { Module } from "../../modules/module.ts";
import {
  DISCONTINUITY_METRIC,
  type MetricKind,
  SLOW_SPEED_METRIC,
  SPEED_METRIC,
  speedOf,
  UPTIME_METRIC,
} from "../../routers/counters.ts";
import { type CounterPoint, ratesOf } from "../../routers/rates.ts";
import { mergePoints, type RollupPoint } from "../../routers/rollup-points.ts";
import type { RouterId } from "../../routers/router.ts";
import { type TenantClient, withTenant } from "../../storage/pool.ts";
import { type RollupStep, STEP_MS } from "../../storage/rollup-due.ts";
import { type RollupSeries, rollupSeries } from "../../storage/rollups.ts";
import { type SampleSeries, SeriesTooLongError, sampleSeries } from "../../storage/samples.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { ID, ID_PATH, TIME } from "../schemas.ts";
import { invalidQuery, SPAN_QUERY, spanOf, type TimeSpan } from "../time-span.ts";
import { ownRouter } from "./readings.ts";
import { routerId } from "./routers.ts";

/** Points of one answer: 5 to 15 MB of JSON. */
const POINTS_MAX = 100_000;

/** Steps one answer may span: a year of hours, a month of 5 minutes. */
const STEPS_MAX = 10_000;

const HOUR_MS = 3_600_000;
const SPAN_DAYS_MAX = 3_700; // No tier keeps anything longer.
const METRICS_MAX = 20;
const INTERFACES_MAX = 500;

const SAMPLES_QUERY = Type.Object(
  {
    metric: Type.String({
      pattern: `^[A-Za-z_:][A-Za-z0-9_:]*(,[A-Za-z_:][A-Za-z0-9_:]*){0,${METRICS_MAX - 1}}$`,
      maxLength: 2_000,
      description: `such as ifHCInOctets; up to ${METRICS_MAX}, separated by commas`,
    }),
    ifIndex: Type.Optional(
      Type.String({
        pattern: `^[0-9]{1,10}(,[0-9]{1,10}){0,${INTERFACES_MAX - 1}}$`,
        description: `only of this interface; up to ${INTERFACES_MAX}, separated by commas`,
      }),
    ),
    instance: Type.Optional(
      Type.String({
        pattern: "^[0-9]+(\\.[0-9]+)*$",
        maxLength: 640,
        description: "only of this row, by its dotted index",
      }),
    ),
    ...SPAN_QUERY,
    step: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 86_400 * 31,
        description:
          "seconds. Absent: every sample. Below 300: the last sample of each step. Multiples of 300: what each step sums up to, from rollups",
      }),
    ),
    rate: Type.Optional(
      Type.Boolean({
        description:
          "Counters as rates a second, never across a restart; other metrics are left out",
      }),
    ),
  },
  { additionalProperties: false },
);

const COUNTER_VALUE = Type.Union([Type.Number(), Type.String()], {
  description: "Counters are decimal strings: 64 bits do not fit a JSON number",
});

const POINT = Type.Object({
  time: Type.String({
    format: "date-time",
    description: "Of the sample; of a step where it begins",
  }),
  value: Type.Optional(COUNTER_VALUE),
  rate: Type.Optional(Type.Number({ description: "A second" })),
  increase: Type.Optional(COUNTER_VALUE),
  seconds: Type.Optional(
    Type.Number({
      description: "What the increase was measured over: not the step where polls were missed",
    }),
  ),
  resets: Type.Optional(Type.Integer({ description: "Times the counter began anew" })),
  count: Type.Optional(Type.Integer({ description: "Samples in the step" })),
  min: Type.Optional(Type.Number()),
  avg: Type.Optional(Type.Number()),
  max: Type.Optional(Type.Number()),
  last: Type.Optional(Type.Number()),
});

const SAMPLES = Type.Object({
  routerId: ID,
  metric: Type.String({ description: "As it was asked for" }),
  from: TIME,
  to: TIME,
  resolution: Type.String({ description: "raw, 5m or 1h: what the points were made of" }),
  series: Type.Array(
    Type.Object({
      module: Type.String(),
      metric: Type.String(),
      type: Type.String({ description: "counter or gauge" }),
      instance: Type.String({ description: 'Dotted index of the row; "" for scalars' }),
      labels: Type.Record(Type.String(), Type.String()),
      unreliable: Type.Optional(
        Type.String({
          description:
            "Why it has no rates: a counter of 32 bits that its interface may take around between two samples",
        }),
      ),
      points: Type.Array(POINT),
    }),
  ),
});

/** A router's series over time: as they were read, as rates, or summed up. */
export function samplesRoutes(app: Api, { pools, modules, clock }: ApiDeps): void {
  const kindOf = metricKinds(modules);
  const knownMetrics = new Set(metricNames(modules));
  const counterNames = onlyCounters(modules);

  app.get(
    "/v1/routers/:id/samples",
    {
      config: { access: "routers:read" },
      schema: {
        operationId: "listSamples",
        summary: "Metrics over time: every interface's, or some",
        description:
          "Increases and rates are exact and never cross a restart of the router or a discontinuity it tells of. Rollups follow the samples by a minute or two, those of an hour once it is over.",
        tags: ["readings"],
        params: ID_PATH,
        querystring: SAMPLES_QUERY,
        response: { 200: SAMPLES },
      },
    },
    async (request) => {
      const { metric, step, rate = false } = request.query;
      const span = spanOf(request.query, {
        nowMs: clock.now(),
        defaultMs: HOUR_MS,
        maxMs: SPAN_DAYS_MAX * 24 * HOUR_MS,
      });
      const resolution = resolutionOf(step, span);
      const asked = { metrics: metric.split(","), instances: instancesOf(request.query), ...span };
      const withGauges = asked.metrics.some((name) => !counterNames.has(name));
      const { tenant } = tenantCaller(request);
      const series = await explainingLength(() =>
        withTenant(pools.app, tenant.id, async (client): Promise<ShownSeries[]> => {
          const wanted = { ...asked, routerId: await ownRouter(client, routerId(request)) };
          if (resolution !== "raw" && step !== undefined) {
            const found = await rollupSeries(client, resolution, { ...wanted, withGauges });
            return found.map((one) =>
              shownRollups(one, kindOf(one.module, one.metric), { step, rate }),
            );
          }
          const found = await sampleSeries(client, tenant.id, wanted);
          return rate
            ? withRates(client, found, wanted, kindOf, step)
            : found.map((one) => shownSamples(one, kindOf(one.module, one.metric), step));
        }),
      );
      const unknown = asked.metrics.find(
        (name) => !knownMetrics.has(name) && !series.some((one) => one.metric === name),
      );
      if (unknown !== undefined) {
        throw invalidQuery(
          "/metric",
          `No module has a metric "${unknown}", and nothing is stored under that name`,
        );
      }
      if (series.reduce((sum, { points }) => sum + points.length, 0) > POINTS_MAX) {
        throw invalidQuery(
          "/from",
          `More than ${POINTS_MAX} points; ask for a shorter time, a larger step or fewer interfaces`,
        );
      }
      return {
        routerId: request.params.id,
        metric,
        from: span.from.toISOString(),
        to: span.to.toISOString(),
        resolution,
        series: series.filter(
          ({ points, unreliable }) => points.length > 0 || unreliable !== undefined,
        ),
      };
    },
  );
}

interface ShownPoint {
  time: string;
  value?: number | string;
  rate?: number;
  increase?: number | string;
  seconds?: number;
  resets?: number;
  count?: number;
  min?: number;
  avg?: number;
  max?: number;
  last?: number;
}

interface ShownSeries {
  module: string;
  metric: string;
  type: string;
  instance: string;
  labels: Readonly<Record<string, string>>;
  unreliable?: string;
  points: ShownPoint[];
}

const UNRELIABLE = { unreliable: "counter may wrap" };

/** Names that are counters in every module that has them. */
function onlyCounters(modules: ReadonlyMap<string, Module>): ReadonlySet<string> {
  const metrics = [...modules.values()].flatMap((module) => module.metrics);
  const others = new Set(metrics.filter(({ type }) => type !== "counter").map(({ name }) => name));
  return new Set(metrics.map(({ name }) => name).filter((name) => !others.has(name)));
}

function* metricNames(modules: ReadonlyMap<string, Module>): Generator<string> {
  for (const { metrics } of modules.values()) {
    for (const { name, regexExtracts } of metrics) {
      yield name;
      for (const { suffix } of regexExtracts) yield name + suffix;
    }
  }
}

/** What a step is made of; the coarsest that has whole ones of it. */
function resolutionOf(step: number | undefined, { from, to }: TimeSpan): "raw" | RollupStep {
  if (step === undefined) return "raw";
  const steps = (to.getTime() - from.getTime()) / 1_000 / step;
  if (steps > STEPS_MAX) {
    throw invalidQuery(
      "/step",
      `from and to are ${Math.ceil(steps)} steps apart, ${STEPS_MAX} may be at most; ask for a larger step or a shorter time`,
    );
  }
  const stepMs = step * 1_000;
  if (stepMs < STEP_MS["5m"]) return "raw";
  if (stepMs % STEP_MS["1h"] === 0) return "1h";
  if (stepMs % STEP_MS["5m"] === 0) return "5m";
  throw invalidQuery(
    "/step",
    "step must be below 300 or a multiple of 300, which rollups are kept in",
  );
}

/** Rows of IF-MIB's tables are indexed by ifIndex alone (RFC 2863). */
function instancesOf(query: {
  ifIndex?: string;
  instance?: string;
}): readonly string[] | undefined {
  if (query.ifIndex === undefined)
    return query.instance === undefined ? undefined : [query.instance];
  if (query.instance !== undefined) {
    throw invalidQuery("/instance", "instance and ifIndex exclude each other; give one");
  }
  return query.ifIndex.split(",").map((ifIndex) => String(Number(ifIndex)));
}

async function explainingLength<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof SeriesTooLongError ? invalidQuery("/from", error.message) : error;
  }
}

function headOf(one: SampleSeries | RollupSeries, kind: MetricKind): Omit<ShownSeries, "points"> {
  const { module, metric, instance, labels } = one;
  return { module, metric, type: kind === "gauge" ? "gauge" : "counter", instance, labels };
}

function shownSamples(
  series: SampleSeries,
  kind: MetricKind,
  step: number | undefined,
): ShownSeries {
  const points = lastOfSteps(series.points, step, ({ at }) => at.getTime());
  return {
    ...headOf(series, kind),
    points: points.map(({ at, value }) => ({
      time: at.toISOString(),
      value: shownValue(value, kind),
    })),
  };
}

/** Right for counters and gauges alike: each point that is left is one the router gave, at its time. */
function lastOfSteps<Point>(
  points: readonly Point[],
  stepSeconds: number | undefined,
  timeOf: (point: Point) => number,
): readonly Point[] {
  if (stepSeconds === undefined) return points;
  const stepOf = (point: Point | undefined) =>
    point && Math.floor(timeOf(point) / (stepSeconds * 1_000));
  return points.filter((point, n) => stepOf(point) !== stepOf(points[n + 1]));
}

function shownValue(value: bigint | number, kind: MetricKind): number | string {
  if (typeof value === "number") return value;
  return kind === "gauge" ? Number(value) : BigInt.asUintN(64, value).toString();
}

/** The rates of the counters among the series, by what the router said of its age and speeds at the same times. */
async function withRates(
  client: TenantClient,
  found: readonly SampleSeries[],
  wanted: TimeSpan & { readonly routerId: RouterId },
  kindOf: (module: string, metric: string) => MetricKind,
  step: number | undefined,
): Promise<ShownSeries[]> {
  const counters = found.filter(({ module, metric }) => kindOf(module, metric) !== "gauge");
  if (counters.length === 0) return [];
  const { routerId, from, to } = wanted;
  const said = await sampleSeries(client, client.tenantId, {
    metrics: [UPTIME_METRIC, DISCONTINUITY_METRIC, SPEED_METRIC, SLOW_SPEED_METRIC],
    instances: [...new Set(["", ...counters.map(({ instance }) => instance)])],
    routerId,
    from,
    to,
  });
  const valuesOf = (matches: (one: SampleSeries) => boolean) => {
    const points = said.find(matches)?.points ?? [];
    const known = new Map(points.map(({ at, value }) => [at.getTime(), Number(value)]));
    return (atMs: number) => known.get(atMs);
  };
  const uptimeTicks = valuesOf(
    ({ metric, instance }) => metric === UPTIME_METRIC && instance === "",
  );
  return counters.map((one) => {
    const kind = kindOf(one.module, one.metric);
    const points = one.points.map(({ at, value }): CounterPoint => ({ atMs: at.getTime(), value }));
    const ofInterface = (name: string) =>
      valuesOf(
        ({ module, metric, instance }) =>
          metric === name && module === one.module && instance === one.instance,
      );
    const [highSpeed, speed] = [ofInterface(SPEED_METRIC), ofInterface(SLOW_SPEED_METRIC)];
    const rates = ratesOf(
      { metric: one.metric, kind },
      lastOfSteps(points, step, ({ atMs }) => atMs),
      {
        uptimeTicks,
        discontinuityTicks: ofInterface(DISCONTINUITY_METRIC),
        bitsPerSecond: (atMs) => speedOf(highSpeed(atMs), speed(atMs)),
      },
    );
    return {
      ...headOf(one, kind),
      ...(rates.mayGoAround ? UNRELIABLE : {}),
      points: rates.points.map(({ atMs, perSecond }) => ({
        time: new Date(atMs).toISOString(),
        rate: perSecond,
      })),
    };
  });
}

function shownRollups(
  series: RollupSeries,
  kind: MetricKind,
  { step, rate }: { readonly step: number; readonly rate: boolean },
): ShownSeries {
  const points = mergePoints(series.points, step * 1_000);
  const shown = points.map(rate ? shownRate : shownRollup);
  return {
    ...headOf(series, kind),
    ...(kind === "counter32" && wasNotMeasured(series.points) ? UNRELIABLE : {}),
    points: shown.flatMap((point) => point ?? []),
  };
}

/** Whether samples followed each other without a reset and yet nothing was measured between any of them. */
function wasNotMeasured(points: readonly RollupPoint[]): boolean {
  const count = points.reduce((sum, point) => sum + point.count, 0);
  const resets = points.reduce((sum, point) => sum + point.resets, 0);
  return count > resets + 1 && points.every(({ increase }) => increase === undefined);
}

function shownRate({ bucketMs, increase, coveredMs }: RollupPoint): ShownPoint | undefined {
  if (increase === undefined) return undefined;
  return {
    time: new Date(bucketMs).toISOString(),
    rate: (Number(increase) * 1_000) / coveredMs,
    seconds: coveredMs / 1_000,
  };
}

function shownRollup(point: RollupPoint): ShownPoint {
  const { bucketMs, count, resets, increase, coveredMs, gauge } = point;
  const time = new Date(bucketMs).toISOString();
  if (gauge !== undefined) {
    const { min, max, last, sum } = gauge;
    return { time, count, min, avg: sum / count, max, last };
  }
  if (increase === undefined) return { time, count, resets };
  return {
    time,
    count,
    resets,
    increase: typeof increase === "bigint" ? increase.toString() : increase,
    rate: (Number(increase) * 1_000) / coveredMs,
    seconds: coveredMs / 1_000,
  };
}
