import { Type } from "typebox";
import { Problem } from "./problems.ts";

/** The time a reading is asked for: `from` until `to`, the latter not included. */
export interface TimeSpan {
  readonly from: Date;
  readonly to: Date;
}

/** Members of a query string. */
export const SPAN_QUERY = {
  from: Type.Optional(
    Type.String({
      format: "date-time",
      description: "RFC 3339, such as 2026-01-02T03:04:05Z (write + as %2B)",
    }),
  ),
  to: Type.Optional(
    Type.String({ format: "date-time", description: "RFC 3339, not included; now when absent" }),
  ),
};

/** Throws a Problem when the ends are the wrong way round or too far apart. */
export function spanOf(
  query: { readonly from?: string; readonly to?: string },
  {
    nowMs,
    defaultMs,
    maxMs,
  }: { readonly nowMs: number; readonly defaultMs: number; readonly maxMs: number },
): TimeSpan {
  const to = query.to === undefined ? new Date(nowMs) : new Date(query.to);
  const from = query.from === undefined ? new Date(to.getTime() - defaultMs) : new Date(query.from);
  if (from >= to) throw invalidQuery("/from", "from must be before to");
  if (to.getTime() - from.getTime() > maxMs) {
    throw invalidQuery("/from", `from may be ${maxMs / 86_400_000} days before to at most`);
  }
  return { from, to };
}

/** One parameter of the query string refused by a rule no schema can say. */
export function invalidQuery(pointer: string, detail: string): Problem {
  return new Problem("validation-failed", { detail, errors: [{ in: "query", pointer, detail }] });
}
