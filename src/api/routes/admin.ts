import { Type } from "typebox";
import { type FairnessRow, fairnessRows } from "../../storage/scheduler-state.ts";
import { type LiveWorker, liveWorkers, setDesiredConcurrency } from "../../storage/workers.ts";
import type { Api } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { pageSchema } from "../pagination.ts";
import { notFound } from "../problems.ts";
import { ID, TIME } from "../schemas.ts";

/** Workers report every few seconds; one that missed several reports is not there. */
const WORKER_SILENCE_MS_MAX = 15_000;

const NUMBER_OR_NULL = Type.Union([Type.Number(), Type.Null()]);
const COUNTS = Type.Record(Type.String(), Type.Number());

const FAIRNESS = Type.Object({
  zones: Type.Array(
    Type.Object({
      zone: Type.String({ description: "The zone's key on the whole platform" }),
      updatedAt: TIME,
      tenants: Type.Array(
        Type.Object({
          tenantId: ID,
          slug: Type.String(),
          tier: Type.String(),
          weight: Type.Number(),
          demandMsPerSecond: Type.Number({ description: "Slot time its routers ask for" }),
          receivedMs: Type.Number({ description: "Slot time it got" }),
          fairShareMs: Type.Number({
            description: "Slot time an ideal scheduler would have given",
          }),
          shareRatio: Type.Union([Type.Number(), Type.Null()], {
            description: "received ÷ fair; null before anything was due",
          }),
          backlog: Type.Integer({ description: "Polls due and not started" }),
          oldestDueAt: Type.Union([TIME, Type.Null()]),
          latenessP50Ms: NUMBER_OR_NULL,
          latenessP99Ms: NUMBER_OR_NULL,
          onTimeRatio: NUMBER_OR_NULL,
          polls: { ...COUNTS, description: "By outcome" },
          skips: { ...COUNTS, description: "By reason" },
        }),
      ),
    }),
  ),
});

const WORKER = Type.Object({
  workerId: Type.String(),
  hostname: Type.String(),
  version: Type.String(),
  zones: Type.Array(Type.String()),
  concurrency: Type.Integer({ description: "Poll slots it runs with" }),
  desiredConcurrency: Type.Union([Type.Integer(), Type.Null()], {
    description: "Asked for by an administrator; null = its own configuration",
  }),
  busy: Type.Integer(),
  free: Type.Integer({ description: "Slots it offers: fewer while its writer or spool fills" }),
  startedAt: TIME,
  heartbeatAt: TIME,
});

/** What the platform's administrators watch and turn: fairness between tenants, and workers. */
export function adminRoutes(app: Api, { pools }: ApiDeps): void {
  const config = { access: "platform" } as const;
  const tags = ["platform"];

  app.get(
    "/v1/admin/fairness",
    {
      config,
      schema: {
        operationId: "getFairness",
        summary: "What each tenant asked for, got and should have got, by zone",
        tags,
        response: { 200: FAIRNESS },
      },
    },
    async () => ({ zones: zonesOf(await fairnessRows(pools.platform)) }),
  );

  app.get(
    "/v1/admin/workers",
    {
      config,
      schema: {
        operationId: "listWorkers",
        summary: "The live workers; all of them are on the first page",
        tags,
        response: { 200: pageSchema(WORKER) },
      },
    },
    async () => {
      const workers = await liveWorkers(pools.platform, WORKER_SILENCE_MS_MAX);
      return { items: workers.map(shownWorker), next: null };
    },
  );

  app.patch(
    "/v1/admin/workers",
    {
      config,
      schema: {
        operationId: "updateWorkers",
        summary: "Change how many polls a worker, or every worker, runs at once",
        description:
          "It holds from the worker's next report on, within seconds, and no running poll is cut short.",
        tags,
        body: Type.Object(
          {
            workerId: Type.Optional(
              Type.String({ minLength: 1, maxLength: 200, description: "absent = every worker" }),
            ),
            concurrency: Type.Union([Type.Integer({ minimum: 1, maximum: 100_000 }), Type.Null()], {
              description: "1 to 100000 poll slots; null = what the worker is configured with",
            }),
          },
          { additionalProperties: false },
        ),
        response: { 200: Type.Object({ workersAsked: Type.Integer() }) },
      },
    },
    async (request) => {
      const { workerId, concurrency } = request.body;
      const asked = await setDesiredConcurrency(pools.platform, workerId ?? null, concurrency);
      if (asked === 0 && workerId !== undefined) throw notFound("worker");
      return { workersAsked: asked };
    },
  );
}

function zonesOf(rows: readonly FairnessRow[]) {
  const zones = new Map<string, FairnessRow[]>();
  for (const row of rows) zones.set(row.zoneKey, [...(zones.get(row.zoneKey) ?? []), row]);
  return [...zones].map(([zone, tenants]) => ({
    zone,
    updatedAt: new Date(Math.max(...tenants.map((it) => it.updatedAt.getTime()))).toISOString(),
    tenants: tenants.map(shownFairness),
  }));
}

function shownFairness({ zoneKey: _zone, updatedAt: _at, oldestDueAtMs, ...row }: FairnessRow) {
  return {
    ...row,
    shareRatio: row.fairShareMs > 0 ? row.receivedMs / row.fairShareMs : null,
    oldestDueAt: oldestDueAtMs === null ? null : new Date(oldestDueAtMs).toISOString(),
  };
}

function shownWorker(worker: LiveWorker) {
  return {
    ...worker,
    zones: [...worker.zones],
    startedAt: worker.startedAt.toISOString(),
    heartbeatAt: worker.heartbeatAt.toISOString(),
  };
}
