/** Rows read from the database at once. */
const ROWS_A_READ = 1_000;

/** All rows of a list that storage gives in pages, in their order. For what a tier bounds: routers, credentials. */
export async function everyRow<Row extends { readonly id: string }>(
  read: (page: { readonly limit: number; readonly after: string | undefined }) => Promise<Row[]>,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (;;) {
    const page = await read({ limit: ROWS_A_READ, after: rows.at(-1)?.id });
    rows.push(...page);
    if (page.length < ROWS_A_READ) return rows;
  }
}
