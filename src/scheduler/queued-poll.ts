import type { RouterId } from "../routers/router.ts";
import type { TenantId } from "../tenants/tenant.ts";
import type { WaitingPoll } from "./poll-lanes.ts";
import type { Tenant } from "./tenant-tree.ts";

/** What makes a poll. */
export interface PollRequest {
  readonly routerId: RouterId;
  readonly tenantId: TenantId;
  /** Orders the polls of one tenant. */
  readonly dueAtMs: number;
  /** What it will probably cost; rather too little than too much. Clipped to 1 ms … `pollMsMax`. */
  readonly estimateMs: number;
  /** A person waits for it, or it is a new router's first: it may overtake, within a bounded share. */
  readonly isExpress: boolean;
}

/** Where a poll stands. It goes from left to right, once; `cancelled` and `finished` are final. */
export type PollState = "new" | "waiting" | "released" | "running" | "finished" | "cancelled";

/**
 * One poll, from enqueue to finish. It carries what the fair queue knows of it, so that the queue needs no table of
 * polls: a million waiting ones cost no look-up. Extend it to carry more; only the queue writes the fields below.
 */
export class Poll implements WaitingPoll {
  readonly routerId: RouterId;
  readonly tenantId: TenantId;
  readonly dueAtMs: number;
  estimateMs: number;
  isExpress: boolean;
  state: PollState = "new";
  tenant: Tenant | undefined = undefined;
  /** On the queue's own clock; counts while the poll is running. */
  startedAtMs = 0;

  constructor(request: PollRequest) {
    this.routerId = request.routerId;
    this.tenantId = request.tenantId;
    this.dueAtMs = Number.isFinite(request.dueAtMs) ? request.dueAtMs : 0;
    this.estimateMs = request.estimateMs;
    this.isExpress = request.isExpress;
  }

  get isWaiting(): boolean {
    return this.state === "waiting";
  }
}
