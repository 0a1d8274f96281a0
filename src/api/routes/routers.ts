import { type Static, Type } from "typebox";
import { invariant } from "../../lib/invariant.ts";
import type { RouterId } from "../../routers/router.ts";
import { credentialById } from "../../storage/credentials.ts";
import { recentPolls } from "../../storage/polls.ts";
import { type TenantClient, withTenant } from "../../storage/pool.ts";
import {
  deleteRouter,
  insertRouters,
  listRouters,
  requestPoll,
  routerById,
  type StoredRouter,
  updateRouter,
} from "../../storage/routers.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import type { Admission } from "../admission.ts";
import { routerAdmission } from "../admit-routers.ts";
import type { ApiDeps } from "../api-deps.ts";
import { routerBody } from "../import-plan.ts";
import { idOf, PAGE_QUERY, pageAnswer, pageOf, pageSchema, rowsToFetch } from "../pagination.ts";
import { pollingOf, pollsWanted } from "../polling-state.ts";
import { invalidField, invalidFields, notFound, Problem } from "../problems.ts";
import { lockTenant, reserveRouters } from "../quota.ts";
import { routerRulesReader } from "../router-context.ts";
import { routerErrors } from "../router-rules.ts";
import {
  ADMITTED_ROUTER,
  NEW_ROUTER,
  POLLED_ROUTER,
  ROUTER,
  ROUTER_CHANGES,
  type RouterChanges,
} from "../router-schemas.ts";
import { ID, ID_PATH, NO_CONTENT, TIME } from "../schemas.ts";
import { conflictsAs } from "../storage-conflicts.ts";
import { canonicalAddress } from "../target-guard.ts";

/** A poll may carry a time before its router was made: that of a worker whose clock is wrong. */
const WORKER_CLOCK_BEHIND_MS_MAX = 86_400_000;

const LIST_QUERY = Type.Object(
  {
    ...PAGE_QUERY,
    name: Type.Optional(Type.String({ maxLength: 200, description: "exactly this name" })),
    address: Type.Optional(Type.String({ maxLength: 64, description: "an IP address" })),
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    zone: Type.Optional(Type.String({ maxLength: 63, description: "the zone's name" })),
    credentialId: Type.Optional(ID),
    enabled: Type.Optional(Type.Boolean({ description: "true or false" })),
    search: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description: "a part of the name or the address",
      }),
    ),
  },
  { additionalProperties: false },
);

/** Routers: what a tenant has polled. */
export function routersRoutes(app: Api, deps: ApiDeps): void {
  const { pools, tiers, clock, reachability } = deps;
  const readRules = routerRulesReader(deps);
  const admit = routerAdmission(deps);
  const tags = ["routers"];

  app.post(
    "/v1/routers",
    {
      config: { access: "routers:write" },
      schema: {
        operationId: "createRouter",
        summary: "Register a router; it is polled from now on",
        description:
          "`admission` says what the tenant's routers now ask of the zone and what there is. Where they ask for more than the tenant's guaranteed share and than the zone has free, the tier refuses it (409 `capacity-exceeded`) or warns.",
        tags,
        body: NEW_ROUTER,
        response: { 201: ADMITTED_ROUTER },
      },
    },
    async (request, reply) => {
      const { tenant } = tenantCaller(request);
      const body = request.body;
      const { router, admission } = await refusingRouter(body, () =>
        withTenant(pools.app, tenant.id, async (client) => {
          const rules = await readRules(client, tenant);
          const errors = routerErrors({ ...body, zone: body.zone ?? "default" }, rules);
          if (errors.length > 0) throw invalidFields(errors);
          await requireCredential(client, body.credentialId);
          await reserveRouters(client, 1, { tenant, tier: tiers[tenant.tier] });
          const after = routerBody(body);
          const admission = only(await admit(client, tenant, [{ after }], rules.zones));
          const router = found((await insertRouters(client, [after]))[0]);
          return { router, admission };
        }),
      );
      reply.code(201).header("location", `/v1/routers/${router.id}`);
      return { ...shownRouter(router), admission };
    },
  );

  app.get(
    "/v1/routers",
    {
      config: { access: "routers:read" },
      schema: {
        operationId: "listRouters",
        summary: "List routers, oldest first",
        tags,
        querystring: LIST_QUERY,
        response: { 200: pageSchema(ROUTER) },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const filters = filtersOf(request.query);
      const rows = await withTenant(pools.app, tenantCaller(request).tenant.id, (client) =>
        listRouters(client, { ...rowsToFetch(page), filters }),
      );
      return pageAnswer(rows, page, { keyOf: idOf, shown: shownRouter });
    },
  );

  app.get(
    "/v1/routers/:id",
    {
      config: { access: "routers:read" },
      schema: {
        operationId: "getRouter",
        summary: "One router, and how it stands",
        tags,
        params: ID_PATH,
        response: { 200: POLLED_ROUTER },
      },
    },
    async (request) =>
      withTenant(pools.app, tenantCaller(request).tenant.id, async (client) => {
        const router = found(await routerById(client, routerId(request)));
        const polls = await recentPolls(client, [router.id], {
          limit: pollsWanted(reachability),
          since: new Date(router.createdAt.getTime() - WORKER_CLOCK_BEHIND_MS_MAX),
        });
        const polling = pollingOf(router, polls.get(router.id) ?? [], reachability, clock.now());
        return { ...shownRouter(router), polling };
      }),
  );

  app.patch(
    "/v1/routers/:id",
    {
      config: { access: "routers:write" },
      schema: {
        operationId: "updateRouter",
        summary: "Change a router; the next poll goes by it",
        description:
          "`admission` says what the tenant's routers then ask of the zone and what there is, as for a new one. A change that asks for no more than before is never refused for want of capacity.",
        tags,
        params: ID_PATH,
        body: ROUTER_CHANGES,
        response: { 200: ADMITTED_ROUTER },
      },
    },
    async (request) => {
      const { tenant } = tenantCaller(request);
      const changes = request.body;
      const { router, admission } = await refusingRouter(changes, () =>
        withTenant(pools.app, tenant.id, async (client) => {
          if (changesLoad(changes)) await lockTenant(client);
          const present = found(await routerById(client, routerId(request)));
          const rules = await readRules(client, tenant);
          const errors = routerErrors(fieldsToJudge(present, changes), rules);
          if (errors.length > 0) throw invalidFields(errors);
          if (changes.credentialId) await requireCredential(client, changes.credentialId);
          const address = changes.address && canonicalAddress(changes.address);
          const change = { id: present.id, before: present, after: { ...present, ...changes } };
          const admission = only(await admit(client, tenant, [change], rules.zones));
          const router = found(await updateRouter(client, present.id, { ...changes, address }));
          return { router, admission };
        }),
      );
      return { ...shownRouter(router), admission };
    },
  );

  app.delete(
    "/v1/routers/:id",
    {
      config: { access: "routers:write" },
      schema: {
        operationId: "deleteRouter",
        summary: "Remove a router; its samples stay until they are too old",
        tags,
        params: ID_PATH,
        response: { 204: NO_CONTENT },
      },
    },
    async (request, reply) => {
      const isDeleted = await withTenant(pools.app, tenantCaller(request).tenant.id, (client) =>
        deleteRouter(client, routerId(request)),
      );
      if (!isDeleted) throw notFound("router");
      reply.code(204);
      return null;
    },
  );

  app.post(
    "/v1/routers/:id/poll",
    {
      config: { access: "routers:poll" },
      schema: {
        operationId: "pollRouter",
        summary: "Ask for a poll now, out of turn but not out of the tenant's share",
        tags,
        params: ID_PATH,
        response: { 202: Type.Object({ routerId: ID, requestedAt: TIME }) },
      },
    },
    async (request, reply) => {
      const requestedAt = new Date(clock.now());
      const router = await withTenant(
        pools.app,
        tenantCaller(request).tenant.id,
        async (client) => {
          const present = found(await routerById(client, routerId(request)));
          if (present.enabled) await requestPoll(client, present.id, requestedAt);
          return present;
        },
      );
      if (!router.enabled) {
        const detail = "The router is disabled; enable it first (PATCH it with enabled: true)";
        throw new Problem("router-disabled", { detail });
      }
      reply.code(202);
      return { routerId: router.id, requestedAt: requestedAt.toISOString() };
    },
  );
}

/** The routes of one router take its id from the path; whether it is one of the tenant's, the query tells. */
export function routerId(request: { readonly params: { readonly id: string } }): RouterId {
  return request.params.id as RouterId;
}

/** Whether a change may ask for more poll slots. */
function changesLoad({ zone, intervalSeconds, modules, enabled }: RouterChanges): boolean {
  return [zone, intervalSeconds, modules, enabled].some((field) => field !== undefined);
}

/** A new zone puts the present address under other rules, so it is judged again. */
function fieldsToJudge(present: StoredRouter, changes: RouterChanges) {
  const isMoved = changes.zone !== undefined && changes.zone !== present.zone;
  return {
    ...changes,
    zone: changes.zone ?? present.zone,
    address: changes.address ?? (isMoved ? present.address : undefined),
  };
}

function filtersOf(query: Static<typeof LIST_QUERY>) {
  const { name, port, zone, credentialId, enabled, search } = query;
  const address = query.address === undefined ? undefined : canonicalAddress(query.address);
  if (query.address !== undefined && address === undefined) {
    const detail = `address "${query.address}" is not an IP address, such as 192.0.2.1 or 2001:db8::1`;
    throw invalidFields([{ in: "query", pointer: "/address", detail }]);
  }
  return { name, address, port, zone, credentialId, enabled, search };
}

async function requireCredential(client: TenantClient, id: string): Promise<void> {
  if (!(await credentialById(client, id))) throw unknownCredential();
}

function unknownCredential(): Problem {
  const detail =
    "credentialId is not one of this tenant's credentials (GET /v1/credentials lists them)";
  return invalidField("/credentialId", detail);
}

/** What the database refuses after the rules have passed: most often somebody was faster. */
function refusingRouter<T>(
  body: { readonly name?: string; readonly zone?: string },
  work: () => Promise<T>,
): Promise<T> {
  return conflictsAs(
    {
      duplicate_address: () =>
        new Problem("router-exists", {
          detail:
            "A router has this address, port, zone and context already (GET /v1/routers?address=)",
        }),
      duplicate_name: () =>
        new Problem("name-taken", {
          detail: `A router has the name "${body.name}"; choose another`,
        }),
      unknown_credential: unknownCredential,
      unknown_zone: () => invalidField("/zone", `zone "${body.zone}" does not exist any more`),
    },
    work,
  );
}

function only(admissions: readonly Admission[]): Admission {
  const [admission] = admissions;
  invariant(admission !== undefined, "a router is judged in the zone it is in");
  return admission;
}

function found(router: StoredRouter | undefined): StoredRouter {
  if (!router) throw notFound("router");
  return router;
}

function shownRouter({ tenantId: _, ...router }: StoredRouter) {
  return {
    ...router,
    modules: router.modules && [...router.modules],
    createdAt: router.createdAt.toISOString(),
    updatedAt: router.updatedAt.toISOString(),
  };
}
