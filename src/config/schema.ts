import { type Static, Type } from "typebox";
import { ADMISSION_POLICIES, TIERS } from "../tenants/tenant.ts";

/** The configuration file's shape; config/fairwalk.yaml explains each key and holds the same defaults. */

const count = (value: number, minimum: number, maximum: number) =>
  Type.Integer({ default: value, minimum, maximum });

const section = <T extends Parameters<typeof Type.Object>[0]>(properties: T) =>
  Type.Object(properties, { additionalProperties: false, default: {} });

const ZONE_NAME = "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$";

export const FILE_SCHEMA = section({
  zones: section({
    shared: Type.Array(Type.String({ pattern: ZONE_NAME }), { default: ["default"], minItems: 1 }),
  }),
  scheduler: section({
    tickMs: count(20, 5, 1_000),
    workerLostAfterMs: count(5_000, 2_000, 60_000),
    unreachableAfterFailures: count(3, 1, 100),
    probeSpacingSecondsMax: count(900, 10, 86_400),
  }),
  worker: section({
    concurrency: count(200, 1, 100_000),
    pollDeadlineMsMax: count(30_000, 500, 300_000),
    requestTimeoutMs: count(2_000, 50, 60_000),
    requestRetries: count(2, 0, 10),
    tableRowsMax: count(50_000, 100, 10_000_000),
    pollValuesMax: count(1_000_000, 1_000, 100_000_000),
    pollBytesMax: count(33_554_432, 65_536, 1_073_741_824),
    eventLoopLagMsMax: count(200, 20, 10_000),
    inventorySeconds: count(3_600, 1, 604_800),
    discoverySeconds: count(900, 1, 604_800),
  }),
  writer: section({
    gatherMs: count(50, 0, 1_000),
    flushPollsMax: count(1_000, 1, 100_000),
    waitingPollsMax: count(5_000, 1, 1_000_000),
    storeMsMax: count(5_000, 100, 60_000),
    spoolBytesMax: count(4_294_967_296, 1_048_576, 1_099_511_627_776),
    spoolReplayPollsPerSecondMax: count(2_000, 1, 1_000_000),
  }),
  api: section({
    bodyBytesMax: count(8_388_608, 65_536, 268_435_456),
  }),
  targets: section({
    allowLoopback: Type.Boolean({ default: false }),
    ownAddresses: Type.Array(Type.String(), { default: [] }),
    allow: Type.Array(Type.String(), { default: [] }),
  }),
  log: section({
    level: Type.Union(
      ["trace", "debug", "info", "warn", "error", "silent"].map((level) => Type.Literal(level)),
      { default: "info" },
    ),
  }),
});

export type FileConfig = Static<typeof FILE_SCHEMA>;

const TIER_SCHEMA = Type.Object(
  {
    weight: Type.Number({ minimum: 0.001, maximum: 1_000_000 }),
    routersMax: Type.Integer({ minimum: 0, maximum: 10_000_000 }),
    intervalSecondsMin: Type.Integer({ minimum: 1, maximum: 86_400 }),
    retentionDays: Type.Integer({ minimum: 1, maximum: 36_500 }),
    rollups5mDays: Type.Integer({ default: 400, minimum: 1, maximum: 36_500 }),
    rollups1hDays: Type.Integer({ default: 1_100, minimum: 1, maximum: 36_500 }),
    admission: Type.Enum([...ADMISSION_POLICIES], { default: "warn" }),
  },
  { additionalProperties: false },
);

/** Every tier, and no other. */
export const TIERS_SCHEMA = Type.Object(
  Object.fromEntries(TIERS.map((tier) => [tier, TIER_SCHEMA])) as Record<
    (typeof TIERS)[number],
    typeof TIER_SCHEMA
  >,
  { additionalProperties: false },
);
