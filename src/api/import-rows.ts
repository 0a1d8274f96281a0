/**
 * Reads the two forms of an import, JSON and CSV, into rows of one shape; what the rows mean is import-plan.ts's.
 * A CSV cell becomes the JSON value its column asks for; an empty cell says nothing, as an absent member does.
 */
import { parseCsv } from "./csv.ts";
import type { FieldError } from "./problems.ts";
import { IMPORT_ROW, IMPORT_ROWS_MAX, type ImportRow } from "./router-schemas.ts";
import { fieldChecker } from "./validation.ts";

export interface NumberedRow {
  /** From 1; for CSV the header is not counted. */
  readonly row: number;
  /** CSV alone: the line of the file the row starts on. */
  readonly line?: number;
  readonly router: ImportRow;
}

export interface ReadRows {
  readonly rows: readonly NumberedRow[];
  /** Rows that cannot be read are here instead; an import with any is refused whole. */
  readonly errors: readonly FieldError[];
}

interface UncheckedRow {
  readonly row: number;
  readonly line?: number;
  readonly value: unknown;
}

/** Rows of a JSON body, `{ "routers": [ … ] }`. */
export function jsonRows(body: unknown): ReadRows {
  const routers = isRecord(body) ? body["routers"] : undefined;
  if (!Array.isArray(routers)) {
    return refused(
      "/routers",
      "routers is required: a list of routers, as POST /v1/routers takes them",
    );
  }
  const stranger = Object.keys(Object(body)).find((name) => name !== "routers");
  if (stranger !== undefined) {
    return refused(`/${stranger}`, `${stranger} is not a field here; known are routers`);
  }
  return checkRows(routers.map((value: unknown, index) => ({ row: index + 1, value })));
}

/** Rows of a CSV file whose first line names the columns: the fields of a router, `credential`, or `labels.<name>`. */
export function csvRows(text: string): ReadRows {
  const csv = parseCsv(text);
  if ("error" in csv) return { rows: [], errors: [{ pointer: "", ...csv.error }] };
  const [header, ...records] = csv.records;
  if (!header) return refused("", "The file is empty; its first line must name the columns");
  const errors = headerErrors(header.fields);
  if (errors.length > 0) return { rows: [], errors };

  const ragged = records.find((record) => record.fields.length > header.fields.length);
  if (ragged) {
    const detail = `The line has ${ragged.fields.length} fields, the header ${header.fields.length}; quote fields that hold the separator`;
    return { rows: [], errors: [{ pointer: "", detail, line: ragged.line }] };
  }
  return checkRows(
    records.map(({ line, fields }, index) => ({
      row: index + 1,
      line,
      value: valueOfRecord(header.fields, fields),
    })),
  );
}

const COLUMNS = Object.keys(IMPORT_ROW.properties);
const LABEL_COLUMN = "labels.";

function headerErrors(columns: readonly string[]): FieldError[] {
  return columns.flatMap((column, index): FieldError[] => {
    if (columns.indexOf(column) !== index) {
      return [{ pointer: "", line: 1, detail: `column "${column}" occurs twice; keep one` }];
    }
    if (COLUMNS.includes(column) || column.startsWith(LABEL_COLUMN)) return [];
    const known = `${COLUMNS.join(", ")} and labels.<name>`;
    return [
      { pointer: "", line: 1, detail: `column "${column}" is not known; known are ${known}` },
    ];
  });
}

function valueOfRecord(
  columns: readonly string[],
  fields: readonly string[],
): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  const labels: Record<string, string> = {};
  columns.forEach((column, index) => {
    const text = fields[index] ?? "";
    if (text === "") return;
    if (column.startsWith(LABEL_COLUMN)) labels[column.slice(LABEL_COLUMN.length)] = text;
    else value[column] = cellValue(column, text);
  });
  if (Object.keys(labels).length > 0) {
    value["labels"] = { ...(isRecord(value["labels"]) ? value["labels"] : {}), ...labels };
  }
  return value;
}

/** What cannot be read stays text, and the schema says what the column should hold. */
function cellValue(column: string, text: string): unknown {
  switch (column) {
    case "port":
    case "intervalSeconds":
      return /^\d{1,9}$/.test(text) ? Number(text) : text;
    case "enabled":
      return BOOLEANS.get(text.toLowerCase()) ?? text;
    case "modules":
      return text.split(/[\s,;|]+/).filter((name) => name !== "");
    case "labels":
      return text.startsWith("{") ? jsonOrText(text) : labelPairs(text);
    default:
      return text;
  }
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["yes", true],
  ["1", true],
  ["false", false],
  ["no", false],
  ["0", false],
]);

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** `site=berlin;rack=4`: a pair without `=` makes the whole cell unreadable. */
function labelPairs(text: string): Record<string, string> | string {
  const pairs = text.split(/[;,]/).map((pair) => /^\s*([^=]+?)\s*=\s*(.*?)\s*$/.exec(pair));
  const labels: Record<string, string> = {};
  for (const pair of pairs) {
    if (!pair) return text;
    labels[pair[1] ?? ""] = pair[2] ?? "";
  }
  return labels;
}

const checkRow = fieldChecker(IMPORT_ROW);

function checkRows(unchecked: readonly UncheckedRow[]): ReadRows {
  if (unchecked.length === 0) return refused("/routers", "routers must have at least 1 item");
  if (unchecked.length > IMPORT_ROWS_MAX) {
    return refused(
      "/routers",
      `routers must have at most ${IMPORT_ROWS_MAX} items, got ${unchecked.length}; send it in parts`,
    );
  }
  const rows: NumberedRow[] = [];
  const errors: FieldError[] = [];
  for (const { value, ...number } of unchecked) {
    const found = checkRow(value);
    if (found.length === 0) rows.push({ ...number, router: value as ImportRow }); // checkRow checked it against IMPORT_ROW
    errors.push(...found.map((error) => inRow(error, number)));
  }
  return { rows, errors };
}

/** The same complaint with the row it is about. */
export function inRow(error: FieldError, at: { row: number; line?: number }): FieldError {
  return {
    in: "body",
    pointer: `/routers/${at.row - 1}${error.pointer}`,
    detail: error.detail,
    row: at.row,
    ...(at.line === undefined ? {} : { line: at.line }),
  };
}

function refused(pointer: string, detail: string): ReadRows {
  return { rows: [], errors: [{ in: "body", pointer, detail }] };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
