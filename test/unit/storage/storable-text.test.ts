import { expect, it } from "vitest";
import { storableJson, storableText } from "../../../src/storage/storable-text.ts";

it("text Postgres would refuse is replaced, all other text kept", () => {
  expect(storableText("a\0b")).toBe("a\u{fffd}b");
  expect(storableText("\ud800x\udc00")).toBe("\u{fffd}x\u{fffd}");
  expect(storableText("Zürich 🗼 \u0001\ufffe")).toBe("Zürich 🗼 \u0001\ufffe");
});

it("JSON keeps what it holds but for what jsonb would refuse", () => {
  const value = { a: ["x\0", "\ud800", "🗼"], b: 1, c: null, d: "\\u0000" };

  expect(JSON.parse(storableJson(value))).toEqual({
    a: ["x\u{fffd}", "\u{fffd}", "🗼"],
    b: 1,
    c: null,
    d: "\\u0000",
  });
});
