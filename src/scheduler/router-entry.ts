import type { RouterId } from "../routers/router.ts";
import { FIRST_ESTIMATE_MS } from "./cost-estimate.ts";
import { Poll, type PollRequest } from "./queued-poll.ts";
import type { RouterHealth } from "./router-health.ts";
import type { TenantAccount } from "./tenant-account.ts";
import { TimetableEntry } from "./timetable.ts";

/** All the scheduler keeps of a router, a million of them in memory: whole numbers and references. */
export class RouterEntry extends TimetableEntry implements RouterHealth {
  declare readonly id: RouterId;
  readonly account: TenantAccount;
  estimateMs = FIRST_ESTIMATE_MS;
  failures = 0;
  duesToSkip = 0;
  hasAnswered = false;
  /** Its poll that waits or is in flight: at most one. */
  poll: RouterPoll | undefined = undefined;
  /** When a person last asked for a poll out of turn. */
  pollRequestedAtMs: number | null = null;
  /** Taken away while its poll was in flight: forgotten when that ends. */
  isRemoved = false;

  constructor(id: RouterId, account: TenantAccount, intervalMs: number) {
    super(id, intervalMs);
    this.account = account;
  }
}

/** A router's poll on its way through the fair queue and the zone's queue. */
export class RouterPoll extends Poll {
  readonly router: RouterEntry;
  kind: "full" | "probe";
  /** A due time is served by it. False for a poll out of turn, until the next due time finds it unfinished. */
  servesDue = true;
  /** It was lost once: not repeated again. */
  isRetry = false;
  releasedAtMs = Number.NaN;
  /** A worker that gets it later than this does not start it. */
  expiresAtMs = Number.NaN;
  /** When we heard that a worker has it; NaN until then. */
  startHeardAtMs = Number.NaN;
  /** When the queue last said that it still runs. */
  seenRunningAtMs = Number.NaN;
  /** When to ask the queue what became of it. */
  checkAtMs = Number.NaN;
  /** The queue said that it has no such poll: asked once more, because an event may be on its way. */
  wasGone = false;

  constructor(router: RouterEntry, kind: "full" | "probe", request: PollRequest) {
    super(request);
    this.router = router;
    this.kind = kind;
  }
}
