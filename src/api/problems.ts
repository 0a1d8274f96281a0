/**
 * Every way a request can fail, by a stable code (RFC 9457). Clients branch on `code`: one may be added here, none is
 * ever renamed or given another status.
 */

interface ProblemKind {
  readonly status: number;
  readonly title: string;
}

export const PROBLEMS = {
  "validation-failed": { status: 400, title: "The request is not valid" },
  "malformed-request": { status: 400, title: "The request cannot be read" },
  unauthenticated: { status: 401, title: "A valid token is needed" },
  "permission-denied": { status: 403, title: "This token may not do this" },
  "tenant-suspended": { status: 403, title: "The tenant is suspended" },
  "tenant-not-active": { status: 403, title: "The tenant is being deleted" },
  "not-found": { status: 404, title: "Nothing is here" },
  "method-not-allowed": { status: 405, title: "This address does not take that method" },
  "slug-taken": { status: 409, title: "Another tenant has this slug" },
  "name-taken": { status: 409, title: "The name is taken" },
  "router-exists": { status: 409, title: "The router is registered already" },
  "router-disabled": { status: 409, title: "The router is disabled" },
  "credential-in-use": { status: 409, title: "Routers use this credential" },
  "tenant-being-erased": { status: 409, title: "The tenant is being erased" },
  "zone-in-use": { status: 409, title: "Routers are in this zone" },
  "quota-exceeded": { status: 409, title: "The tier's quota is used up" },
  "capacity-exceeded": { status: 409, title: "The zone has no room for this" },
  "parent-not-msp": { status: 409, title: "The parent cannot have tenants" },
  "msp-has-tenants": { status: 409, title: "Tenants belong to this MSP" },
  "body-too-large": { status: 413, title: "The body is too large" },
  "unsupported-media-type": { status: 415, title: "The body's media type is not understood" },
  "internal-error": { status: 500, title: "Something went wrong on our side" },
  "router-silent": { status: 504, title: "The router did not answer its last poll" },
  "database-unavailable": { status: 503, title: "The database cannot be reached; try again soon" },
} as const satisfies Readonly<Record<string, ProblemKind>>;
export type ProblemCode = keyof typeof PROBLEMS;

/** One thing wrong with one field. `pointer` is a JSON Pointer (RFC 6901) into the part of the request that `in` names. */
export interface FieldError {
  readonly in?: "body" | "query" | "path" | "header";
  readonly pointer: string;
  /** Names the field, what is wrong with it and what would be right. */
  readonly detail: string;
  /** Imports only: the row, from 1, and for CSV the line of the file it starts at. */
  readonly row?: number;
  readonly line?: number;
}

export interface ProblemParts {
  readonly detail: string;
  readonly errors?: readonly FieldError[];
  /** Members of this code alone, such as quota-exceeded's limit, used and resource. */
  readonly members?: Readonly<Record<string, string | number>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown by routes and hooks; the error handler turns it into the answer. Its detail is shown to the client. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly parts: ProblemParts;

  constructor(code: ProblemCode, parts: ProblemParts) {
    super(parts.detail);
    this.name = "Problem";
    this.code = code;
    this.parts = parts;
  }
}

/** The answer to an id that does not exist and to another tenant's: the same bytes but for the address and request id. */
export function notFound(noun: string): Problem {
  return new Problem("not-found", { detail: `No ${noun} has this id` });
}

/** One field refused by a rule no schema can say. */
export function invalidField(pointer: string, detail: string): Problem {
  return invalidFields([{ in: "body", pointer, detail }]);
}

export function invalidFields(errors: readonly FieldError[]): Problem {
  return new Problem("validation-failed", { detail: summaryOf(errors), errors });
}

function summaryOf(errors: readonly FieldError[]): string {
  const first = errors[0]?.detail ?? "The request breaks a rule";
  return errors.length > 1 ? `${first} (and ${errors.length - 1} more)` : first;
}

export interface ProblemDocument extends Readonly<Record<string, unknown>> {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: ProblemCode;
  readonly request_id: string;
  readonly errors?: readonly FieldError[];
}

/** The body of the answer. A 5xx carries the request id and nothing of the fault. */
export function problemDocument(
  problem: Problem,
  request: { readonly id: string; readonly path: string },
): ProblemDocument {
  const { status, title } = PROBLEMS[problem.code];
  const said = status >= 500 ? { detail: `Quote request ${request.id} to support` } : problem.parts;
  return {
    type: `urn:fairwalk:problem:${problem.code}`,
    title,
    status,
    detail: said.detail,
    instance: request.path,
    code: problem.code,
    request_id: request.id,
    ...(status < 500 && problem.parts.errors ? { errors: problem.parts.errors } : {}),
    ...(status < 500 ? problem.parts.members : {}),
  };
}
