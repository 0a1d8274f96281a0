import { Type } from "typebox";
import { type FairnessRow, fairnessRows } from "../../storage/scheduler-state.ts";
import { type LiveWorker, liveWorkers, setDesiredConcurrency } from "../../storage/workers.ts";
import { WORKER_SILENCE_MS_MAX, zoneDemands } from "../../storage/zone-loads.ts";
import type { Api } from "../access-control.ts";
import type { ApiDeps } from "../api-deps.ts";
import { capacities, ZONE_CAPACITY } from "../capacity.ts";
import { pageSchema } from "../pagination.ts";
import { POLLING_FIGURES, pollingFigures } from "../polling-figures.ts";
import { notFound } from "../problems.ts";
import { ID, TIME } from "../schemas.ts";

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
          receivedMs: Type.Number({ description: "Slot time it got" }),
          fairShareMs: Type.Number({
            description: "Slot time an ideal scheduler would have given",
          }),
          ...POLLING_FIGURES,
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
        description:
          "As each zone's leader reported last, every two seconds. Rates, lateness and shares speak of the last one to two minutes; `polls` and `skips` count since the leader began.",
        tags,
        response: { 200: FAIRNESS },
      },
    },
    async () => ({ zones: zonesOf(await fairnessRows(pools.platform)) }),
  );

  app.get(
    "/v1/admin/capacity",
    {
      config,
      schema: {
        operationId: "getCapacity",
        summary: "How many poll slots each zone needs, and has",
        description:
          "By Little's law: slots in use = polls that come due a second × the time one holds its slot, both as measured.",
        tags,
        response: { 200: Type.Object({ zones: Type.Array(ZONE_CAPACITY) }) },
      },
    },
    async () => ({
      zones: capacities(
        await zoneDemands(pools.platform),
        await liveWorkers(pools.platform, WORKER_SILENCE_MS_MAX),
      ),
    }),
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
          "It holds from the worker's next report on, within two seconds. A raise starts waiting polls at once; after a cut the polls that run end in peace, and no new one starts until they are fewer.",
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

function shownFairness(row: FairnessRow) {
  const { tenantId, slug, tier, weight, receivedMs, fairShareMs } = row;
  return { tenantId, slug, tier, weight, receivedMs, fairShareMs, ...pollingFigures(row) };
}

function shownWorker(worker: LiveWorker) {
  return {
    ...worker,
    zones: [...worker.zones],
    startedAt: worker.startedAt.toISOString(),
    heartbeatAt: worker.heartbeatAt.toISOString(),
  };
}
