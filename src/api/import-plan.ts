/**
 * What an import would do: which rows make a router, which change one, which change nothing. A row is the router with
 * its (zone, address, port, context), so importing a file twice changes nothing the second time; a member that a row
 * leaves out keeps its value in a router that exists. Pure; nothing is planned when any row has an error.
 */
import type { Router, RouterId } from "../routers/router.ts";
import type { RouterBody } from "../storage/routers.ts";
import { inRow, type NumberedRow } from "./import-rows.ts";
import type { FieldError } from "./problems.ts";
import { type RouterRules, routerErrors } from "./router-rules.ts";
import { type ImportRow, type NewRouter, ROUTER_DEFAULTS } from "./router-schemas.ts";
import { canonicalAddress } from "./target-guard.ts";

export type PlannedRow = NumberedRow & { readonly values: RouterBody } & (
    | { readonly action: "create" }
    | { readonly action: "update" | "keep"; readonly id: RouterId }
  );

export interface ImportContext {
  readonly rules: RouterRules;
  /** The tenant's routers. */
  readonly existing: readonly Router[];
  /** The tenant's credentials; a name may belong to one alone. */
  readonly credentials: readonly { readonly id: string; readonly name: string }[];
}

export interface ImportPlan {
  readonly planned: readonly PlannedRow[];
  readonly errors: readonly FieldError[];
}

export function planImport(rows: readonly NumberedRow[], context: ImportContext): ImportPlan {
  const existing = new Map(context.existing.map((router) => [identityOf(router), router]));
  const taken = { identities: new Map<string, number>(), names: new Map<string, number>() };
  const ownerOfName = new Map(context.existing.map((router) => [router.name, router]));
  const planned: PlannedRow[] = [];
  const errors: FieldError[] = [];
  for (const row of rows) {
    const identity = identityOf(withDefaults(row.router));
    const old = existing.get(identity);
    const complaints = [
      ...rowErrors(row.router, context),
      ...twinErrors(taken.identities.get(identity), taken.names.get(row.router.name)),
      ...nameErrors(row.router.name, ownerOfName.get(row.router.name), old),
    ];
    errors.push(...complaints.map((error) => inRow(error, row)));
    taken.identities.set(identity, row.row);
    taken.names.set(row.router.name, row.row);
    if (complaints.length > 0) continue;

    planned.push(planRow(row, old, credentialId(row.router, context) ?? ""));
  }
  return { planned: errors.length > 0 ? [] : planned, errors };
}

/** A new router as it is stored: defaults filled in, the address in canonical text. The request has passed the rules. */
export function routerBody(router: NewRouter): RouterBody {
  return { ...ROUTER_DEFAULTS, ...router, address: canonicalAddress(router.address) ?? "" };
}

function planRow(row: NumberedRow, old: Router | undefined, credentialId: string): PlannedRow {
  const { credential: _, ...said } = row.router;
  if (!old) return { ...row, action: "create", values: routerBody({ ...said, credentialId }) };
  const before = valuesOf(old);
  const values = { ...before, ...said, address: old.address, credentialId };
  return { ...row, id: old.id, values, action: isSame(before, values) ? "keep" : "update" };
}

function rowErrors(router: ImportRow, context: ImportContext): FieldError[] {
  return [
    ...routerErrors({ ...router, zone: router.zone ?? ROUTER_DEFAULTS.zone }, context.rules),
    ...credentialErrors(router, context),
  ];
}

function twinErrors(sameIdentity: number | undefined, sameName: number | undefined): FieldError[] {
  if (sameIdentity !== undefined) {
    const detail = `address, port, zone and context are those of row ${sameIdentity}; keep one of the two`;
    return [{ pointer: "/address", detail }];
  }
  if (sameName === undefined) return [];
  return [
    { pointer: "/name", detail: `name is that of row ${sameName}; give each router its own` },
  ];
}

function nameErrors(
  name: string,
  owner: Router | undefined,
  old: Router | undefined,
): FieldError[] {
  if (!owner || owner.id === old?.id) return [];
  const at = `${owner.address}, port ${owner.port}, zone ${owner.zone}`;
  return [
    { pointer: "/name", detail: `name "${name}" is that of the router at ${at}; choose another` },
  ];
}

function credentialErrors(router: ImportRow, { credentials }: ImportContext): FieldError[] {
  const error = (pointer: string, detail: string) => [{ pointer, detail }];
  if (router.credential !== undefined && router.credentialId !== undefined) {
    return error("/credential", "credential and credentialId exclude each other; give one");
  }
  if (router.credentialId !== undefined) {
    return credentials.some(({ id }) => id === router.credentialId)
      ? []
      : error("/credentialId", "credentialId is not one of this tenant's (GET /v1/credentials)");
  }
  if (router.credential === undefined) {
    return error(
      "/credential",
      "credential is required: the name of a credential (or credentialId, its id)",
    );
  }
  return credentials.some(({ name }) => name === router.credential)
    ? []
    : error(
        "/credential",
        `credential "${router.credential}" does not exist; make it with POST /v1/credentials`,
      );
}

function credentialId(router: ImportRow, { credentials }: ImportContext): string | undefined {
  return router.credentialId ?? credentials.find(({ name }) => name === router.credential)?.id;
}

function withDefaults(router: ImportRow): Identity {
  const { zone, port, context } = { ...ROUTER_DEFAULTS, ...router };
  return { zone, address: canonicalAddress(router.address) ?? router.address, port, context };
}

type Identity = Pick<Router, "zone" | "address" | "port" | "context">;

function identityOf({ zone, address, port, context }: Identity): string {
  return JSON.stringify([zone, address, port, context]);
}

function valuesOf(router: Router): RouterBody {
  const { name, address, port, zone, credentialId, intervalSeconds } = router;
  const { modules, context, labels, enabled } = router;
  return {
    name,
    address,
    port,
    zone,
    credentialId,
    intervalSeconds,
    modules,
    context,
    labels,
    enabled,
  };
}

function isSame(a: RouterBody, b: RouterBody): boolean {
  return canonicalText(a) === canonicalText(b);
}

/** Members in one order, so that the order in which labels were written is no change. */
function canonicalText(router: RouterBody): string {
  return JSON.stringify(router, (_name, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
