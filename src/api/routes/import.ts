import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Type } from "typebox";
import type { Router } from "../../routers/router.ts";
import { listCredentials } from "../../storage/credentials.ts";
import { type TenantClient, withTenant } from "../../storage/pool.ts";
import { insertRouters, listRouters, updateRouter } from "../../storage/routers.ts";
import { type Api, tenantCaller } from "../access-control.ts";
import { ADMISSION } from "../admission.ts";
import { type RouterChange, routerAdmission } from "../admit-routers.ts";
import type { ApiDeps } from "../api-deps.ts";
import { everyRow } from "../every-row.ts";
import { type PlannedRow, planImport } from "../import-plan.ts";
import { csvRows, jsonRows, type ReadRows } from "../import-rows.ts";
import { type FieldError, invalidField, Problem } from "../problems.ts";
import { lockTenant, reserveRouters } from "../quota.ts";
import { routerRulesReader } from "../router-context.ts";
import { IMPORT_ROW, IMPORT_ROWS_MAX } from "../router-schemas.ts";
import { ID } from "../schemas.ts";
import { conflictsAs } from "../storage-conflicts.ts";
import { compileSchema } from "../validation.ts";

const IMPORT_BYTES_MAX_DEFAULT = 8 * 1024 * 1024;

/** More complaints than this help nobody: who has that many has one systematic mistake. `errors_total` says how many. */
const ERRORS_SHOWN_MAX = 100;

const JSON_BODY = Type.Object(
  { routers: Type.Array(IMPORT_ROW, { minItems: 1, maxItems: IMPORT_ROWS_MAX }) },
  { additionalProperties: false },
);
const CSV_BODY = Type.String({
  description:
    "The first line names the columns: fields of a router, `credential` and `labels.<name>`; `modules` are separated by spaces, `labels` are `name=value` pairs separated by `;`",
});

const IMPORTED = Type.Object({
  dryRun: Type.Boolean(),
  created: Type.Integer(),
  updated: Type.Integer(),
  unchanged: Type.Integer(),
  admission: Type.Array(ADMISSION, {
    description: "One for each zone in which the rows make or change routers",
  }),
  routers: Type.Array(
    Type.Object({
      row: Type.Integer({ description: "From 1; a CSV's header is not counted" }),
      id: Type.Union([ID, Type.Null()], { description: "null = a dry run would make it" }),
      name: Type.String(),
      action: Type.String({ description: "created, updated or unchanged" }),
    }),
  ),
});

/** Many routers at once, all or none. */
export function importRoutes(app: Api, deps: ApiDeps): void {
  const readRules = routerRulesReader(deps);
  const admit = routerAdmission(deps);

  // A scope of its own, because only here a body may be CSV.
  const routes: FastifyPluginAsyncTypebox = async (scope) => {
    scope.addContentTypeParser<Buffer>(
      "text/csv",
      { parseAs: "buffer" },
      (_request, body, parsed) => {
        try {
          parsed(null, new TextDecoder("utf-8", { fatal: true }).decode(body));
        } catch {
          const detail = "The file is not UTF-8; save it as CSV UTF-8 and send it again";
          parsed(new Problem("malformed-request", { detail }));
        }
      },
    );

    scope.post(
      "/v1/routers/import",
      {
        config: { access: "routers:write" },
        bodyLimit: deps.importBytesMax ?? IMPORT_BYTES_MAX_DEFAULT,
        schema: {
          operationId: "importRouters",
          summary: "Register or change many routers, from JSON or CSV, all or none",
          description:
            "A row is the router with its zone, address, port and context: one that exists is changed where the row says something else, so importing twice changes nothing. `credential` names a credential instead of `credentialId`. `admission` judges all rows together, as it does a single router: what is refused (409 `capacity-exceeded`) imports nothing.",
          tags: ["routers"],
          querystring: Type.Object(
            {
              dry_run: Type.Optional(
                Type.Boolean({ description: "true = say what would happen and change nothing" }),
              ),
            },
            { additionalProperties: false },
          ),
          body: {
            content: {
              "application/json": { schema: JSON_BODY },
              "text/csv": { schema: CSV_BODY },
            },
          },
          response: { 200: IMPORTED },
        },
        // Rows are judged one by one, so that each complaint carries its row and line.
        validatorCompiler: (route) =>
          route.httpPart === "body" ? () => true : compileSchema(route),
      },
      async (request) => {
        const { tenant } = tenantCaller(request);
        const isDryRun = request.query.dry_run ?? false;
        const rows = rowsOf(request.body);
        const { outcomes, admission } = await refusingImport(() =>
          withTenant(deps.pools.app, tenant.id, async (client) => {
            // Before anything is read: what is planned below must still hold when it is written.
            await lockTenant(client);
            const rules = await readRules(client, tenant);
            const existing = await everyRow((page) => listRouters(client, page));
            const { planned, errors } = planImport(rows, {
              rules,
              existing,
              credentials: await everyRow((page) => listCredentials(client, page)),
            });
            if (errors.length > 0) throw refusedRows(errors);
            const creates = planned.filter(({ action }) => action === "create");
            await reserveRouters(client, creates.length, {
              tenant,
              tier: deps.tiers[tenant.tier],
            });
            const changes = changesOf(planned, existing);
            const admission = await admit(client, tenant, changes, rules.zones);
            const outcomes = isDryRun
              ? planned.map((row) => outcome(row))
              : await carryOut(client, planned);
            return { outcomes, admission };
          }),
        );
        return { ...importAnswer(outcomes, isDryRun), admission };
      },
    );
  };
  app.register(routes);
}

function rowsOf(body: unknown): ReadRows["rows"] {
  if (body === undefined || body === null) {
    const detail = "This needs a body: JSON or, with the header content-type: text/csv, CSV";
    throw new Problem("malformed-request", { detail });
  }
  const { rows, errors } = typeof body === "string" ? csvRows(body) : jsonRows(body);
  if (errors.length > 0) throw refusedRows(errors);
  return rows;
}

function refusedRows(errors: readonly FieldError[]): Problem {
  const first = errors[0];
  const place = first?.line ? `line ${first.line}: ` : first?.row ? `row ${first.row}: ` : "";
  return new Problem("validation-failed", {
    detail: `Nothing was imported: ${errors.length} error(s). The first: ${place}${first?.detail}`,
    errors: errors.slice(0, ERRORS_SHOWN_MAX),
    members: { errors_total: errors.length },
  });
}

interface RowOutcome {
  readonly row: number;
  readonly id: string | null;
  readonly name: string;
  readonly action: "created" | "updated" | "unchanged";
}

const ACTION_DONE = { create: "created", update: "updated", keep: "unchanged" } as const;

function outcome(row: PlannedRow, id: string | null = null): RowOutcome {
  return {
    row: row.row,
    id: row.action === "create" ? id : row.id,
    name: row.values.name,
    action: ACTION_DONE[row.action],
  };
}

/** The rows that make or change a router, as far as load goes. */
function changesOf(planned: readonly PlannedRow[], existing: readonly Router[]): RouterChange[] {
  const byId = new Map(existing.map((router) => [router.id, router]));
  return planned.flatMap((row): RouterChange[] => {
    if (row.action === "create") return [{ after: row.values }];
    const before = byId.get(row.id);
    return row.action === "keep" || before === undefined
      ? []
      : [{ id: row.id, before, after: row.values }];
  });
}

async function carryOut(
  client: TenantClient,
  planned: readonly PlannedRow[],
): Promise<RowOutcome[]> {
  for (const row of planned) {
    if (row.action === "update") await updateRouter(client, row.id, row.values);
  }
  const creates = planned.filter(({ action }) => action === "create");
  const made = await insertRouters(
    client,
    creates.map(({ values }) => values),
  );
  const idOfRow = new Map(creates.map(({ row }, index) => [row, made[index]?.id]));
  return planned.map((row) => outcome(row, idOfRow.get(row.row)));
}

function importAnswer(routers: readonly RowOutcome[], dryRun: boolean) {
  const count = (action: RowOutcome["action"]) =>
    routers.filter((it) => it.action === action).length;
  return {
    dryRun,
    created: count("created"),
    updated: count("updated"),
    unchanged: count("unchanged"),
    routers: [...routers],
  };
}

/** Requests that do not take the tenant's lock may have been faster: a renamed router, a removed credential or zone. */
function refusingImport<T>(work: () => Promise<T>): Promise<T> {
  const changed = (field: string) => () =>
    invalidField("/routers", `${field} changed while this was imported; send it again`);
  return conflictsAs(
    {
      duplicate_name: changed("a router's name"),
      duplicate_address: changed("a router's address"),
      unknown_credential: changed("a credential"),
      unknown_zone: changed("a zone"),
    },
    work,
  );
}
