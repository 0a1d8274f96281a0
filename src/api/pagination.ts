/**
 * Keyset pages: a cursor holds the key of the last item of a page, so a page costs the same at any depth and rows that
 * come or go meanwhile are neither repeated nor skipped. Cursors are opaque to clients, and no secret.
 */
import { type TSchema, Type } from "typebox";
import { isUuid } from "../lib/uuid.ts";
import { Problem } from "./problems.ts";

const PAGE_LIMIT_DEFAULT = 100;
export const PAGE_LIMIT_MAX = 1_000;

/** The query parameters of every list. */
export const PAGE_QUERY = {
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: PAGE_LIMIT_MAX,
      description: `How many items at most, 1 to ${PAGE_LIMIT_MAX}`,
    }),
  ),
  cursor: Type.Optional(
    Type.String({ maxLength: 200, description: "`next` of the page before; absent for the first" }),
  ),
};

/** The answer of every list. */
export function pageSchema<Item extends TSchema>(item: Item) {
  return Type.Object({
    items: Type.Array(item),
    next: Type.Union([Type.String(), Type.Null()], {
      description: "Cursor of the next page; null on the last",
    }),
  });
}

export interface Page {
  readonly limit: number;
  /** The key of the last item seen; undefined for the first page. */
  readonly after: string | undefined;
}

/** The page asked for, of a list whose keys `isKey` knows. Throws a Problem naming `cursor` when it holds no such key. */
export function pageOf(
  query: { readonly limit?: number; readonly cursor?: string },
  isKey: (text: string) => boolean = isUuid,
  limitDefault = PAGE_LIMIT_DEFAULT,
): Page {
  const after =
    query.cursor === undefined ? undefined : Buffer.from(query.cursor, "base64url").toString();
  if (after !== undefined && !isKey(after)) {
    const detail = "cursor must be the `next` of an earlier page of this list, or absent";
    throw new Problem("validation-failed", {
      detail,
      errors: [{ in: "query", pointer: "/cursor", detail }],
    });
  }
  return { limit: query.limit ?? limitDefault, after };
}

/** How many rows to ask the database for: one more than the page shows, which tells whether another page follows. */
export function rowsToFetch(page: Page): {
  readonly limit: number;
  readonly after: string | undefined;
} {
  return { limit: page.limit + 1, after: page.after };
}

/** The page's answer from rows fetched by `rowsToFetch`, in the order of their keys. */
export function pageAnswer<Row, Shown>(
  rows: readonly Row[],
  page: Page,
  { keyOf, shown }: { keyOf: (row: Row) => string; shown: (row: Row) => Shown },
): { items: Shown[]; next: string | null } {
  const kept = rows.slice(0, page.limit);
  const last = kept.at(-1);
  const isMore = rows.length > page.limit && last !== undefined;
  return {
    items: kept.map(shown),
    next: isMore ? Buffer.from(keyOf(last)).toString("base64url") : null,
  };
}

export function idOf(row: { readonly id: string }): string {
  return row.id;
}
