import { describe, expect, it } from "vitest";
import { isUuid, uuidv7 } from "../../../src/lib/uuid.ts";

describe("uuidv7", () => {
  it("has the version, the variant and the time of RFC 9562", () => {
    const id = uuidv7(0x0123456789ab);

    expect(isUuid(id)).toBe(true);
    expect(id.slice(0, 13)).toBe("01234567-89ab");
    expect(id[14]).toBe("7");
    expect("89ab").toContain(id[19]);
  });

  it("sorts by the time it was made", () => {
    expect(uuidv7(1_000) < uuidv7(1_001)).toBe(true);
  });

  it("sorts by the order it was made in within a millisecond, and does not repeat", () => {
    const ids = Array.from({ length: 10_000 }, () => uuidv7(5));

    expect(new Set(ids).size).toBe(10_000);
    expect(ids.toSorted()).toEqual(ids);
  });
});
