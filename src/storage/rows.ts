import { invariant } from "../lib/invariant.ts";

/** The single row of an answer that always has one, such as that of an insert with `returning`. */
export function onlyRow<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  invariant(row !== undefined && rows.length === 1, "the statement returns one row");
  return row;
}

/** A page of a list: rows after the one whose id is given, in the order of ids, which is that of creation. */
export interface PageRequest {
  readonly limit: number;
  readonly after?: string | undefined;
}
