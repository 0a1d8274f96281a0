/**
 * Reads CSV as spreadsheets write it (RFC 4180 and its habits): a byte-order mark, `;` or tab instead of a comma,
 * line ends of any kind, quotes doubled inside quotes, line breaks inside quotes. Each record knows its line.
 */

export interface CsvRecord {
  /** The line of the file the record starts on, from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

export interface CsvError {
  readonly line: number;
  readonly detail: string;
}

export type CsvResult = { readonly records: readonly CsvRecord[] } | { readonly error: CsvError };

/** Records of `text` in order, without empty lines; the separator is the one the first line uses most. */
export function parseCsv(text: string): CsvResult {
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const separator = separatorOf(source);
  const records: CsvRecord[] = [];
  let at = 0;
  let line = 1;
  while (at < source.length) {
    const startLine = line;
    const fields: string[] = [];
    for (let isLast = false; !isLast; ) {
      const field = readField(source, at, separator, line);
      if ("error" in field) return field;
      fields.push(field.text);
      line += field.lineBreaks;
      isLast = source[field.end] !== separator;
      at = field.end + 1;
      if (isLast && field.end < source.length) {
        if (source[field.end] === "\r" && source[at] === "\n") at++;
        line++;
      }
    }
    if (fields.length > 1 || fields[0] !== "") records.push({ line: startLine, fields });
  }
  return { records };
}

interface Field {
  readonly text: string;
  /** Where the field stops: at a separator, a line end or the end of the text. */
  readonly end: number;
  readonly lineBreaks: number;
}

function readField(
  source: string,
  start: number,
  separator: string,
  line: number,
): Field | { readonly error: CsvError } {
  if (source[start] !== '"') {
    let end = start;
    while (end < source.length && !isBoundary(source[end], separator)) end++;
    return { text: source.slice(start, end).trim(), end, lineBreaks: 0 };
  }
  let text = "";
  let at = start + 1;
  for (;;) {
    const quote = source.indexOf('"', at);
    if (quote === -1) {
      return { error: { line, detail: "A quoted field is never closed; add the missing quote" } };
    }
    text += source.slice(at, quote);
    at = quote + 1;
    if (source[at] !== '"') break;
    text += '"';
    at++;
  }
  const lineBreaks = text.match(/\r\n|\r|\n/g)?.length ?? 0;
  if (at < source.length && !isBoundary(source[at], separator)) {
    const detail = "Text follows a closing quote; double the quotes inside a quoted field";
    return { error: { line: line + lineBreaks, detail } };
  }
  return { text, end: at, lineBreaks };
}

function isBoundary(character: string | undefined, separator: string): boolean {
  return character === separator || character === "\n" || character === "\r";
}

function separatorOf(source: string): string {
  const header = source.slice(0, source.search(/[\r\n]|$/));
  const count = (separator: string) => header.split(separator).length;
  return [",", ";", "\t"].reduce((best, it) => (count(it) > count(best) ? it : best));
}
