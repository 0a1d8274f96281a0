import { describe, expect, it, vi } from "vitest";
import type { RouterId } from "../../../src/routers/router.ts";
import type { PollResult } from "../../../src/routers/samples.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";
import { type FlushEvent, GroupCommit } from "../../../src/worker/group-commit.ts";

const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

class Refusal extends Error {}

function pollOf(tenant: string, router: string): PollResult {
  return {
    poll: {
      tenantId: tenant as TenantId,
      routerId: router as RouterId,
      polledAtMs: 0,
      dueAtMs: 0,
      startedAtMs: 0,
      durationMs: 1,
      outcome: "answered",
      costMs: 1,
      requests: 1,
      retries: 0,
      bytesIn: 1,
      modules: [],
    },
    blocks: [],
  };
}

interface Flush {
  readonly id: string;
  readonly routers: string[];
  readonly commit: () => void;
  readonly fail: (error: Error) => void;
}

/** A Postgres whose answers the test gives by hand. */
function openGroupCommit(flushPollsMax = 100) {
  const flushes: Flush[] = [];
  const events: FlushEvent[] = [];
  const writer = new GroupCommit(
    {
      flush: (id, results) =>
        new Promise((resolve, reject) => {
          flushes.push({
            id,
            routers: results.map(({ poll }) => poll.routerId),
            commit: resolve,
            fail: reject,
          });
        }),
      isRefusal: (error) => error instanceof Refusal,
      observe: (event) => events.push(event),
      log: silentLog as never,
    },
    { flushPollsMax, gatherMs: 0 },
  );
  const nextFlush = async (number: number): Promise<Flush> => {
    await vi.waitFor(() => expect(flushes.length).toBeGreaterThan(number), { timeout: 5_000 });
    return flushes[number] as Flush; // The wait above saw it there.
  };
  return { writer, flushes, events, nextFlush };
}

async function outcomeOf(promise: Promise<void>): Promise<string> {
  return promise.then(
    () => "committed",
    (error: Error) => `refused: ${error.message}`,
  );
}

describe("group commit", () => {
  it("answers a poll only when its flush has committed", async () => {
    const { writer, nextFlush } = openGroupCommit();
    let isCommitted = false;
    const added = writer.add(pollOf("t", "r1")).then(() => {
      isCommitted = true;
    });

    const flush = await nextFlush(0);
    expect(isCommitted).toBe(false);
    flush.commit();
    await added;

    expect(writer.waitingPolls).toBe(0);
  });

  it("puts polls that end during a flush together into the next one", async () => {
    const { writer, nextFlush } = openGroupCommit();
    const first = writer.add(pollOf("t", "r1"));
    const flush = await nextFlush(0);
    const rest = [writer.add(pollOf("t", "r2")), writer.add(pollOf("u", "r3"))];

    flush.commit();
    const second = await nextFlush(1);
    second.commit();
    await Promise.all([first, ...rest]);

    expect(second.routers).toEqual(["r2", "r3"]);
  });

  it("never puts more polls into a flush than the bound", async () => {
    const { writer, nextFlush } = openGroupCommit(2);
    const polls = ["r1", "r2", "r3"].map((router) => writer.add(pollOf("t", router)));

    const first = await nextFlush(0);
    first.commit();
    const second = await nextFlush(1);
    second.commit();
    await Promise.all(polls);

    expect(first.routers).toEqual(["r1", "r2"]);
    expect(second.routers).toEqual(["r3"]);
  });

  it("repeats a flush that was cut off under the same id", async () => {
    const { writer, nextFlush } = openGroupCommit();
    const poll = writer.add(pollOf("t", "r1"));

    const first = await nextFlush(0);
    first.fail(new Error("connection lost"));
    const second = await nextFlush(1);
    second.commit();
    await poll;

    expect(second.id).toBe(first.id);
    expect(second.routers).toEqual(first.routers);
  });

  it("lets other tenants' polls through when one tenant's are refused", async () => {
    const { writer, nextFlush } = openGroupCommit();
    const outcomes = [pollOf("good", "r1"), pollOf("bad", "r2"), pollOf("bad", "r3")].map((poll) =>
      outcomeOf(writer.add(poll)),
    );

    (await nextFlush(0)).fail(new Refusal("a leaf is missing"));
    (await nextFlush(1)).commit(); // good alone
    (await nextFlush(2)).fail(new Refusal("a leaf is missing")); // bad's two
    (await nextFlush(3)).commit(); // r2 alone
    (await nextFlush(4)).fail(new Refusal("value out of range")); // r3 alone

    expect(await Promise.all(outcomes)).toEqual([
      "committed",
      "committed",
      "refused: value out of range",
    ]);
  });

  it("uses a new id for each part of a refused flush", async () => {
    const { writer, flushes, nextFlush } = openGroupCommit();
    const outcomes = [pollOf("a", "r1"), pollOf("b", "r2")].map((poll) =>
      outcomeOf(writer.add(poll)),
    );

    (await nextFlush(0)).fail(new Refusal("no"));
    (await nextFlush(1)).commit();
    (await nextFlush(2)).commit();
    await Promise.all(outcomes);

    expect(new Set(flushes.map(({ id }) => id)).size).toBe(3);
  });

  it("commits what waits before it stops, and takes nothing more", async () => {
    const { writer, nextFlush } = openGroupCommit();
    const poll = outcomeOf(writer.add(pollOf("t", "r1")));
    const stopped = writer.stop();
    const late = outcomeOf(writer.add(pollOf("t", "r2")));

    (await nextFlush(0)).commit();
    await stopped;

    expect(await poll).toBe("committed");
    expect(await late).toBe("refused: Cannot take samples: stopping");
  });

  it("does not hang in its stop when Postgres is away", async () => {
    const { writer, nextFlush } = openGroupCommit();
    const poll = outcomeOf(writer.add(pollOf("t", "r1")));
    const stopped = writer.stop();

    (await nextFlush(0)).fail(new Error("connection refused"));
    await stopped;

    expect(await poll).toBe("refused: connection refused");
  });

  it("says how many rows were committed and how many polls wait", async () => {
    const { writer, events, nextFlush } = openGroupCommit();
    const poll = writer.add(pollOf("t", "r1"));

    (await nextFlush(0)).commit();
    await poll;

    expect(events.map(({ kind }) => kind)).toContain("committed");
    expect(events.find(({ kind }) => kind === "committed")).toMatchObject({ rows: 1 });
  });
});
