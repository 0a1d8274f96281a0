import { describe, expect, it } from "vitest";
import {
  decodeCompletion,
  decodeJob,
  encodeCompletion,
  encodeJob,
  type PollJob,
} from "../../../src/queue/poll-job.ts";
import type { RouterId } from "../../../src/routers/router.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";

const job: PollJob = {
  routerId: "01900000-0000-7000-8000-000000000001" as RouterId,
  tenantId: "01900000-0000-7000-8000-0000000000aa" as TenantId,
  dueAtMs: 1_000,
  expiresAtMs: 61_000,
  kind: "probe",
};

describe("a poll job", () => {
  it("comes out of the queue as it went in", () => {
    expect(decodeJob(job.routerId, encodeJob(job))).toEqual(job);
  });

  it("carries ids and times alone: no address, no credential", () => {
    expect(Object.keys(encodeJob(job)).sort()).toEqual(["d", "k", "t", "x"]);
  });

  it("hands back its completion to a hundredth of a millisecond", () => {
    const body = encodeCompletion({ outcome: "silent", costMs: 4000.12345, startedAtMs: 5 });

    expect(decodeCompletion(body)).toEqual({ outcome: "silent", costMs: 4000.12, startedAtMs: 5 });
  });

  it("refuses a return value that is not a completion", () => {
    for (const value of [
      null,
      undefined,
      "x",
      4,
      {},
      { o: 99, c: 1, s: 1 },
      { o: 0, c: "1", s: 1 },
    ]) {
      expect(decodeCompletion(value)).toBeUndefined();
    }
  });
});
