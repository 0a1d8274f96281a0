import { expect, it } from "vitest";
import { parseCsv } from "../../../src/api/csv.ts";

function check(text: string, expected: readonly (readonly [line: number, fields: string[]])[]) {
  expect(parseCsv(text)).toEqual({
    records: expected.map(([line, fields]) => ({ line, fields })),
  });
}

it("records are lines, fields are separated by commas", () => {
  check("a,b\n1,2\n", [
    [1, ["a", "b"]],
    [2, ["1", "2"]],
  ]);
});

it("the last line needs no line end, and empty lines are passed over", () => {
  check("a,b\n\n1,2", [
    [1, ["a", "b"]],
    [3, ["1", "2"]],
  ]);
});

it("a byte-order mark, semicolons and CRLF are read as spreadsheets write them", () => {
  check("\uFEFFa;b\r\n1,5;2\r\n", [
    [1, ["a", "b"]],
    [2, ["1,5", "2"]],
  ]);
});

it("a lone CR ends a line as well", () => {
  check("a,b\r1,2\r", [
    [1, ["a", "b"]],
    [2, ["1", "2"]],
  ]);
});

it("quotes keep separators, quotes and line breaks, and later lines keep their numbers", () => {
  check('a,b\n"x, ""y""\nz",2\n3,4', [
    [1, ["a", "b"]],
    [2, ['x, "y"\nz', "2"]],
    [4, ["3", "4"]],
  ]);
});

it("an empty last field is a field", () => {
  check("a,b\n1,\n,2", [
    [1, ["a", "b"]],
    [2, ["1", ""]],
    [3, ["", "2"]],
  ]);
});

it("a quote that never closes is an error with the line it opened on", () => {
  expect(parseCsv('a\nb\n"c')).toEqual({
    error: { line: 3, detail: expect.stringContaining("never closed") },
  });
});

it("text after a closing quote is an error with its line", () => {
  expect(parseCsv('a\n"b"c\n')).toEqual({
    error: { line: 2, detail: expect.stringContaining("closing quote") },
  });
});

it("nothing at all is no record", () => {
  check("", []);
});
