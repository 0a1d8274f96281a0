import { describe, expect, it, vi } from "vitest";
import type { Flush, FlushOutcome } from "../../../src/routers/flush.ts";
import type { RouterId } from "../../../src/routers/router.ts";
import type { PollResult, SampleBlock } from "../../../src/routers/samples.ts";
import type { TenantId } from "../../../src/tenants/tenant.ts";
import {
  FLUSH_VALUES_MAX,
  type FlushEvent,
  GroupCommit,
  USUAL_POLL_VALUES_MAX,
} from "../../../src/worker/group-commit.ts";

const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

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

interface Attempt {
  readonly flush: Flush;
  readonly routers: string[];
  readonly commit: (outcome?: Partial<FlushOutcome>) => void;
  readonly fail: (error: Error) => void;
}

interface Options {
  readonly flushPollsMax?: number;
  readonly storeMsMax?: number;
  readonly spool?: (flush: Flush) => Promise<void>;
}

/** A Postgres whose answers the test gives by hand, and a spool. */
function openGroupCommit({ flushPollsMax = 100, storeMsMax = 60_000, spool }: Options = {}) {
  const attempts: Attempt[] = [];
  const spooled: Flush[] = [];
  const events: FlushEvent[] = [];
  const writer = new GroupCommit(
    {
      store: (flush) =>
        new Promise((resolve, reject) => {
          attempts.push({
            flush,
            routers: routersOf(flush),
            commit: (outcome) => resolve({ refused: [], postponed: [], ...outcome }),
            fail: reject,
          });
        }),
      spool: async (flush) => {
        await spool?.(flush);
        spooled.push(flush);
      },
      observe: (event) => events.push(event),
      log: silentLog as never,
    },
    { flushPollsMax, gatherMs: 0, storeMsMax },
  );
  const nextAttempt = async (number: number): Promise<Attempt> => {
    await vi.waitFor(() => expect(attempts.length).toBeGreaterThan(number), { timeout: 5_000 });
    return attempts[number] as Attempt; // The wait above saw it there.
  };
  return { writer, attempts, spooled, events, nextAttempt };
}

function routersOf({ results }: Flush): string[] {
  return results.map(({ poll }) => poll.routerId);
}

async function outcomeOf(promise: Promise<void>): Promise<string> {
  return promise.then(
    () => "committed",
    (error: Error) => `refused: ${error.message}`,
  );
}

describe("group commit", () => {
  it("answers a poll only when its flush has committed", async () => {
    const { writer, nextAttempt } = openGroupCommit();
    let isCommitted = false;
    const added = writer.add(pollOf("t", "r1")).then(() => {
      isCommitted = true;
    });

    const attempt = await nextAttempt(0);
    expect(isCommitted).toBe(false);
    attempt.commit();
    await added;

    expect(writer.waitingPolls).toBe(0);
  });

  it("puts polls that end during a flush together into the next one", async () => {
    const { writer, nextAttempt } = openGroupCommit();
    const first = writer.add(pollOf("t", "r1"));
    const attempt = await nextAttempt(0);
    const rest = [writer.add(pollOf("t", "r2")), writer.add(pollOf("u", "r3"))];

    attempt.commit();
    const second = await nextAttempt(1);
    second.commit();
    await Promise.all([first, ...rest]);

    expect(second.routers).toEqual(["r2", "r3"]);
  });

  it("never puts more polls into a flush than the bound", async () => {
    const { writer, nextAttempt } = openGroupCommit({ flushPollsMax: 2 });
    const polls = ["r1", "r2", "r3"].map((router) => writer.add(pollOf("t", router)));

    const first = await nextAttempt(0);
    first.commit();
    const second = await nextAttempt(1);
    second.commit();
    await Promise.all(polls);

    expect(first.routers).toEqual(["r1", "r2"]);
    expect(second.routers).toEqual(["r3"]);
  });

  const large = (router: string, values: number) => ({
    ...pollOf("t", router),
    blocks: [{ values: new BigInt64Array(values) } as unknown as SampleBlock],
  });

  it("lets no usual poll wait for a large one", async () => {
    const { writer, events, nextAttempt } = openGroupCommit();
    const stored = writer.add(large("large", USUAL_POLL_VALUES_MAX + 1));
    const slow = await nextAttempt(0);

    const usual = writer.add(pollOf("t", "usual"));
    (await nextAttempt(1)).commit();
    await usual;

    expect(slow.routers).toEqual(["large"]);
    expect(writer.waitingPolls).toBe(1);
    slow.commit();
    await stored;
    expect(events.at(-1)).toEqual({ kind: "waiting", polls: 0 });
  });

  it("does not take Postgres for away because a large poll takes it long", async () => {
    const { writer, spooled, nextAttempt } = openGroupCommit({ storeMsMax: 5 });
    await writer.add(large("large", USUAL_POLL_VALUES_MAX + 1));
    expect(spooled).toHaveLength(1);

    const usual = writer.add(pollOf("t", "usual"));
    (await nextAttempt(1)).commit();
    await usual;
  });

  it("never puts more values into a flush than the bound, and a huge poll alone", async () => {
    const { writer, nextAttempt } = openGroupCommit();
    const polls = [
      writer.add(large("r1", FLUSH_VALUES_MAX / 2)),
      writer.add(large("r2", FLUSH_VALUES_MAX / 2)),
      writer.add(large("r3", FLUSH_VALUES_MAX + 1)),
      writer.add(large("r4", USUAL_POLL_VALUES_MAX + 1)),
    ];

    for (const [number, routers] of [["r1", "r2"], ["r3"], ["r4"]].entries()) {
      const attempt = await nextAttempt(number);
      expect(attempt.routers).toEqual(routers);
      attempt.commit();
    }
    await Promise.all(polls);
  });

  it("repeats a flush that was cut off under the same id", async () => {
    const { writer, spooled, nextAttempt } = openGroupCommit();
    const poll = writer.add(pollOf("t", "r1"));

    const first = await nextAttempt(0);
    first.fail(new Error("connection lost"));
    const second = await nextAttempt(1);
    second.commit();
    await poll;

    expect(second.flush).toEqual(first.flush);
    expect(spooled).toEqual([]);
  });

  it("answers when the flush is in the spool, under the id that Postgres may know", async () => {
    const { writer, spooled, nextAttempt } = openGroupCommit();
    const poll = writer.add(pollOf("t", "r1"));

    const first = await nextAttempt(0);
    first.fail(new Error("connection lost"));
    (await nextAttempt(1)).fail(new Error("connection refused"));
    await poll;

    expect(spooled).toEqual([first.flush]);
  });

  it("spools at once while Postgres is away, and asks it again when it is back", async () => {
    const { writer, attempts, spooled, nextAttempt } = openGroupCommit();
    const first = writer.add(pollOf("t", "r1"));
    (await nextAttempt(0)).fail(new Error("connection lost"));
    (await nextAttempt(1)).fail(new Error("connection refused"));
    await first;

    await writer.add(pollOf("t", "r2"));
    expect(attempts.length).toBe(2);
    expect(spooled.flatMap(routersOf)).toEqual(["r1", "r2"]);

    writer.postgresIsBack();
    const third = writer.add(pollOf("t", "r3"));
    (await nextAttempt(2)).commit();
    await third;
    expect(spooled.length).toBe(2);
  });

  it("spools what Postgres takes too long for", async () => {
    const { writer, spooled, nextAttempt } = openGroupCommit({ storeMsMax: 5 });

    await writer.add(pollOf("t", "r1"));

    expect(spooled).toEqual([(await nextAttempt(0)).flush]);
  });

  it("is stuck while neither takes anything, and tries both until one does", async () => {
    let isFull = true;
    const { writer, spooled, nextAttempt } = openGroupCommit({
      spool: async () => {
        if (isFull) throw new Error("full");
      },
    });
    const poll = writer.add(pollOf("t", "r1"));
    (await nextAttempt(0)).fail(new Error("connection lost"));
    (await nextAttempt(1)).fail(new Error("connection refused"));

    const third = await nextAttempt(2);
    expect(writer.isStuck).toBe(true);
    isFull = false;
    third.fail(new Error("connection refused"));
    (await nextAttempt(3)).fail(new Error("connection refused"));
    await poll;

    expect(spooled).toEqual([third.flush]);
    expect(writer.isStuck).toBe(false);
  });

  it("refuses the polls that Postgres refuses, and those alone", async () => {
    const { writer, events, nextAttempt } = openGroupCommit();
    const outcomes = ["r1", "r2"].map((router) => outcomeOf(writer.add(pollOf("t", router))));

    const { flush, commit } = await nextAttempt(0);
    const [, result] = flush.results;
    if (result === undefined) throw new Error("the flush has two results");
    commit({ refused: [{ flushId: "part", result, error: new Error("value out of range") }] });

    expect(await Promise.all(outcomes)).toEqual(["committed", "refused: value out of range"]);
    expect(events).toContainEqual({ kind: "refused", polls: 1 });
    expect(events.find(({ kind }) => kind === "committed")).toMatchObject({ rows: 1 });
  });

  it("spools what a tenant's lock keeps out, and answers then", async () => {
    const { writer, spooled, nextAttempt } = openGroupCommit();
    const polls = ["r1", "r2"].map((router) => writer.add(pollOf("t", router)));

    const { flush, commit } = await nextAttempt(0);
    const part = { flushId: "part", results: flush.results.slice(1) };
    commit({ postponed: [part] });
    await Promise.all(polls);

    expect(spooled).toEqual([part]);
  });

  it("commits what waits before it stops, and takes nothing more", async () => {
    const { writer, nextAttempt } = openGroupCommit();
    const poll = outcomeOf(writer.add(pollOf("t", "r1")));
    const stopped = writer.stop();
    const late = outcomeOf(writer.add(pollOf("t", "r2")));

    (await nextAttempt(0)).commit();
    await stopped;

    expect(await poll).toBe("committed");
    expect(await late).toBe("refused: Cannot take samples: stopping");
  });

  it("spools what waits when it stops without Postgres", async () => {
    const { writer, spooled, nextAttempt } = openGroupCommit();
    const poll = outcomeOf(writer.add(pollOf("t", "r1")));
    const stopped = writer.stop();

    (await nextAttempt(0)).fail(new Error("connection refused"));
    await stopped;

    expect(await poll).toBe("committed");
    expect(spooled.flatMap(routersOf)).toEqual(["r1"]);
  });

  it("does not hang in its stop when there is neither Postgres nor room in the spool", async () => {
    const { writer, nextAttempt } = openGroupCommit({
      spool: () => Promise.reject(new Error("full")),
    });
    const poll = outcomeOf(writer.add(pollOf("t", "r1")));
    const stopped = writer.stop();

    (await nextAttempt(0)).fail(new Error("connection refused"));
    await stopped;

    expect(await poll).toBe("refused: full");
  });

  it("says how many rows were committed and how many polls wait", async () => {
    const { writer, events, nextAttempt } = openGroupCommit();
    const poll = writer.add(pollOf("t", "r1"));

    (await nextAttempt(0)).commit();
    await poll;

    expect(events.find(({ kind }) => kind === "committed")).toMatchObject({ rows: 1 });
    expect(events).toContainEqual({ kind: "waiting", polls: 1 });
  });
});
