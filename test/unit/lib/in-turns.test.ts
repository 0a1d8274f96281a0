import { expect, it } from "vitest";
import { inTurns } from "../../../src/lib/in-turns.ts";

it("a long computation leaves time to others before it ends", async () => {
  let othersTurns = 0;
  const other = () => {
    othersTurns++;
    if (othersTurns < 3) setImmediate(other);
  };
  setImmediate(other);
  function* untilOthersHadThree(): Generator<undefined, string, undefined> {
    while (othersTurns < 3) yield;
    return "done";
  }

  expect(await inTurns(untilOthersHadThree())).toBe("done");
});

it("what it throws, rejects", async () => {
  function* broken(): Generator<undefined, string, undefined> {
    yield;
    throw new Error("broken");
  }

  await expect(inTurns(broken())).rejects.toThrow("broken");
});
