import { invariant } from "../lib/invariant.ts";
import type { TenantId } from "../tenants/tenant.ts";
import type { Poll } from "./queued-poll.ts";
import { SteadyTime } from "./steady-time.ts";
import { type Tenant, type TenantShare, TenantTree } from "./tenant-tree.ts";
import { ALL_RULES, type Rules } from "./turns.ts";

/**
 * Whose poll goes next: weighted fair queuing of worker-slot time between tenants, when nobody knows beforehand what
 * a poll will cost (start-time fair queuing, Goyal, Vin & Cheng 1996; with many servers: SFQ(D), Jin, Chase & Kaur
 * 2004; with charging by elapsed time, which is ours).
 *
 * THE PROBLEM. Workers have slots; a poll holds one from its start until its router answered or its deadline L
 * passed. A healthy router holds it for 50 ms, a dead one for L = 30 s. What tenants compete for is therefore slot
 * time, not polls: counting polls gives a tenant of dead routers twenty times its share. But the cost of a poll is
 * known only when it ends, and many run at once.
 *
 * THE RULE. For a tenant of weight w let, at any time,
 *     b   the cost of its finished polls divided by w, plus lifts (below),
 *     k   the number of its polls in flight: released and not finished,
 *     x   the sum of the estimates of those,
 *     e   the slot time they have used: zero for one no worker has started, else the time since its start;
 *         k running polls whose start times sum to t have used k × now − t, so no timer and no list is needed.
 *     tag = b + max(x, e) / w        what it was given, in virtual time: the more weight, the slower it grows
 * The tenant with the smallest tag that has a poll waiting and is below its own cap goes next; ties go by earliest
 * due.
 *     v   the virtual time: the greatest tag at which anyone was released, in turn (see THE RESERVE).
 * A tenant that had nothing waiting, or was at its cap, comes back at v if its tag is less: b is lifted by v − tag.
 * So nobody saves up credit by being idle.
 *
 * Why each part: with e a poll that hangs is charged while it hangs, not after it; with x a burst of releases at one
 * instant is charged before any of them has used anything; max, not sum, because the estimate is a stand-in for the
 * time a poll will use, used up as it runs. Estimates should be optimistic: one too high is refunded at completion,
 * and refunds make bursts (measured: small tenants then wait seconds instead of milliseconds).
 *
 * THE GUARANTEE. Let U be what a tenant has really received, divided by its weight, plus its lifts: U = b + e/w when
 * every start and end is heard at once. Say that a tenant contends while it has a poll waiting and is not held by its
 * own cap (an MSP: while a child of it does). For any f and any g that contends, at every moment,
 *
 *     U_f − U_g  <=  k_f L/w_f + k_g est_g/w_g
 *
 * with k_f the polls f had in flight just after its last release (or lift), k_g those g had in flight when v last rose
 * (or g came back, if that was later), est_g the largest estimate of these. So while f and g both contend, from equal
 * U (both new, say), the difference of slot time received divided by weight stays within
 *
 *     k_f L/w_f + k_g est_g/w_g + est_f/(2 w_f)                                (f the one that is ahead)
 *
 * whose last term is a margin that the proof does not need; and over any interval at all in which both contend,
 * within the sum of that and its mirror image. It does not depend on the length of the interval, on how many slots
 * there are, nor on workers coming and going.
 *
 * PROOF. S denotes the tag.
 * (1) b + e/w <= S <= b + e/w + x/w, since max(x, e) lies between e and e + x.
 * (2) U never falls: while a poll runs it grows, when it ends e falls by what b·w rises by; lifts are positive.
 * (3) v never falls, by definition.
 * (4) While g contends, v <= U_g + x_g/w_g, with x_g as of the last time s at which v rose or g came back. If v rose
 *     at s, someone with the least tag was released at tag v, so v <= S_g(s). If g came back at s it was lifted to v
 *     at least, so v <= S_g(s) again. By (1) S_g(s) <= U_g(s) + x_g(s)/w_g, and by (2) U_g(s) <= U_g now.
 * (5) At any time, U_f <= v + k_f L/w_f, with k_f as of f's last release or lift, at time r (one that never had either
 *     has received nothing, and U_f = 0). Released at r: v(r) >= S_f(r). Lifted at r: v(r) = S_f(r). Either way U_f(r)
 *     <= S_f(r) <= v(r) <= v now. After r, U_f grows only by the polls in flight at r (and the one just released),
 *     each of which uses at most L in all.
 * (4) and (5) give the first inequality, as x_g <= k_g est_g. Exchange f and g for the other side. While both contend
 *     there are no lifts, so the growth of U is what was received ÷ w, and the difference of two such growths is that
 *     of two values of U_f − U_g. QED.
 * (5) says more: what f can be ahead is what its polls in flight still have to use, so where they have run already it
 * is ahead by less; and elapsed charging keeps k_f small for a tenant whose polls hang.
 *
 * WAITING. From any moment t on at which g contends, until its next turn, each other f receives at most
 *
 *     w_f k_g L/w_g + k_f L + k_f est_f        and, had it nothing waiting at t, what its polls in flight at t still use
 *
 * For until then whoever is released has a tag of S_g at most, and S_g <= v(t) + k_g L/w_g as in (5) (what a poll in
 * flight adds to a tag, by estimate or by the clock, is L at most): so v <= v(t) + k_g L/w_g. By (5) U_f ends below
 * v + k_f L/w_f; by (4) it was above v(t) − x_f/w_f at t, or when f came back, and lifts since then only use up the
 * difference. For a newcomer, which has nothing in flight, k_g = 0: it waits one quantum of each other tenant, divided
 * by the capacity, plus a residual poll if no slot is free, plus what the window already released. Nobody starves.
 *
 * ASSUMED. Weights stay as they are, and nobody moves between MSPs. Every poll ends within L of its start, and its cost
 * is the time between; what a worker reports is clipped to L (`pollMsMax`). Starts may be heard late or never: what was
 * not charged meanwhile is part of the L a poll has in (5), and (1) and (4) hold the more. An end heard δ late is
 * charged for δ until then, so each poll in flight adds δ to its estimate in (4), and so does a clock that is set
 * forward (δ = `clockStepMsMax`). Polls taken over from another leader count as in flight at r.
 *
 * TWO LEVELS. An MSP and its children form a group: it competes with other tenants as one, with the MSP's weight,
 * charged for all of their polls; when it is its turn, the children (and the MSP itself, for routers of its own, with
 * its own weight) take turns by the same rule among themselves. Nothing above used how often a level is served, so
 * the guarantee holds within a group and between groups. A deeper parent is flattened: a child's child is a child.
 *
 * THE RESERVE. A poll cannot be taken back from its slot, so with every slot held by dead routers anyone's next poll waits
 * until one of them times out: seconds, where they began together. Hence the last free slots are not for everyone. Say
 * that a tenant saturates when it has had polls waiting for a second without a break, and that the others are modest.
 * The reserve is a tenth of the slots (`reservedPart`; in a small zone up to four), or what the modest lately held together
 * at most, less what they hold now, and a twentieth, if that is more; never more than their weights guarantee the modest
 * and they do not hold. While no more slots are free than the reserve,
 *   - the tenant whose turn it is goes if it is modest (and does not fill the reserve in one burst);
 *   - else a modest tenant goes ahead of its turn that then holds no more slots for its share of the weights than the
 *     saturating would, had they every free slot too; the modest do so one after the other;
 *   - else nobody goes until one more slot is free.
 * Likewise while many released polls have not started yet (`unstartedMax`): a hundred slots that become free at once are
 * filled in portions, with the modest between them.
 * What it gives: while the modest use no more slots together than the reserve and what they held when the saturating last
 * took one, a modest tenant below its share starts without waiting for a slot, whatever the others' polls cost. What it
 * costs: so many slots stay free while polls of saturating tenants wait; none when all saturate or a zone has a single
 * tenant (but for polls on their way), and never so many that the saturating together could not hold what they are
 * guaranteed.
 * What it does to the proof: v rises only with those that go in turn, so (4) holds as it stands, and (5) with r the last
 * release in turn and, on its right side, what f received since from polls that went ahead of its turn, divided by w_f.
 * So the guarantee holds as stated for every f that did not go ahead of its turn since its last turn, hence between
 * tenants that saturate; and one that did was, each time, below the saturating in slots held for its share. WAITING gets
 * the same term. Nobody starves of it: the modest that go ahead of their turn leave the saturating, whose share of the
 * weights is s, at least s of the slots that are theirs or free.
 *
 * WITHIN A TENANT: earliest due first; express polls (poll-lanes.ts) go ahead for at most every fourth.
 *
 * Pure: no clock, no dice, no I/O; time is an argument. Time that goes back is ignored and a step longer than
 * `clockStepMsMax` counts as that (the process was stopped or the clock was set): neither may turn into a charge.
 * Unknown polls, second events of one poll, absurd weights and costs change nothing or are clipped, as each method
 * says. Costs O(log tenants) a release: measured 1.9 µs of CPU, and 2.5 µs for a whole poll (enqueue, release, start,
 * finish), at 10,000 busy tenants with 300,000 waiting polls.
 */

export interface TenantSnapshot {
  readonly tenantId: TenantId;
  readonly weight: number;
  readonly parent: TenantId | undefined;
  /** Polls waiting for the tenant's turn. */
  readonly backlog: number;
  readonly oldestDueAtMs: number | undefined;
  readonly inFlight: number;
  /** Of those in flight, how many a worker has started. */
  readonly running: number;
  /** Slot time received since the tenant was first seen, running polls included. */
  readonly receivedMs: number;
  readonly isCapped: boolean;
  /** Its place in virtual time; comparable among tenants of one level. */
  readonly tag: number;
}

/** What workers can take. */
export interface Room {
  readonly slots: number;
  /** Released polls that no worker has started yet, at which tenants that saturate wait. */
  readonly unstartedMax: number;
}

const ENDLESS: Room = {
  slots: Number.POSITIVE_INFINITY,
  unstartedMax: Number.POSITIVE_INFINITY,
};

export interface FairQueueOptions {
  /** L: the most slot time one poll is ever charged. Twice the longest poll deadline. */
  readonly pollMsMax?: number;
  /** The longest step of the clock that is believed. The shell calls several times a second. */
  readonly clockStepMsMax?: number;
  /** Of all slots, the part whose last free ones saturating tenants leave to the modest, 0 … 1. */
  readonly reservedPart?: number;
}

const ESTIMATE_MS_MIN = 1;
const POLL_MS_MAX = 60_000;
const CLOCK_STEP_MS_MAX = 1_000;
const RESERVED_PART = 0.1;

export class FairQueue<P extends Poll = Poll> {
  readonly #tree: TenantTree;
  readonly #time: SteadyTime;
  readonly #pollMsMax: number;
  #backlog = 0;
  #inFlight = 0;
  #running = 0;

  constructor(options: FairQueueOptions = {}, rules: Rules = ALL_RULES) {
    this.#tree = new TenantTree(rules, options.reservedPart ?? RESERVED_PART);
    this.#time = new SteadyTime(options.clockStepMsMax ?? CLOCK_STEP_MS_MAX);
    this.#pollMsMax = options.pollMsMax ?? POLL_MS_MAX;
  }

  /** Polls released and not finished. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Polls waiting for their tenant's turn. */
  get backlog(): number {
    return this.#backlog;
  }

  /** Adds a tenant or changes its share. What it has used is not priced anew. */
  setTenant(tenantId: TenantId, share: TenantShare): void {
    this.#tree.setShare(tenantId, share, this.#time.nowMs);
  }

  /**
   * Takes a tenant's turn away at once and gives back its waiting polls. Its polls in flight stay counted until they
   * finish. The children of an MSP keep their group as long as any is there.
   */
  removeTenant(tenantId: TenantId): P[] {
    const tenant = this.#tree.get(tenantId);
    if (tenant === undefined) return [];
    const waiting = [...tenant.lanes.values()];
    for (const poll of waiting) {
      poll.state = "cancelled";
      tenant.lanes.takenBack();
    }
    this.#backlog -= waiting.length;
    tenant.isRemoved = true;
    this.#tree.reconsider(tenant, this.#time.nowMs);
    this.#tree.forgetIfGone(tenant);
    return waiting as P[]; // Only `enqueue` adds to the lanes, and it takes a P.
  }

  /**
   * Lets a poll wait for its tenant's turn. False for one that was enqueued before. A tenant never set gets weight 1.
   */
  enqueue(poll: P, nowMs: number): boolean {
    const now = this.#time.read(nowMs);
    if (poll.state !== "new") return false;
    const tenant = this.#enter(poll);
    poll.state = "waiting";
    this.#backlog++;
    tenant.lanes.add(poll);
    // Behind another poll of its tenant it changes nobody's turn.
    if (tenant.lanes.next === poll) this.#tree.reconsider(tenant, now);
    return true;
  }

  /** Lets a waiting poll go by the express lane. False when it does not wait, or does so already. */
  hasten(poll: P, nowMs: number): boolean {
    const now = this.#time.read(nowMs);
    if (poll.state !== "waiting" || poll.isExpress) return false;
    const tenant = tenantOf(poll);
    tenant.lanes.hasten(poll);
    this.#tree.reconsider(tenant, now);
    return true;
  }

  /** Takes back a waiting poll. False when it does not wait (one in flight stays in flight). */
  cancel(poll: P): boolean {
    if (poll.state !== "waiting") return false;
    const tenant = tenantOf(poll);
    poll.state = "cancelled";
    tenant.lanes.takenBack();
    this.#backlog--;
    this.#tree.reconsider(tenant, this.#time.nowMs);
    this.#tree.forgetIfGone(tenant);
    return true;
  }

  /**
   * The poll whose turn it is, from now on in flight; undefined when none waits that may go. Given the room there is, the
   * last of it is left to modest tenants.
   */
  release(nowMs: number, { slots, unstartedMax } = ENDLESS): P | undefined {
    const now = this.#time.read(nowMs);
    const tenant = this.#tree.takeTurn(now, {
      slots,
      free: slots - this.#inFlight,
      isCrowded: this.#inFlight - this.#running >= unstartedMax,
    });
    if (tenant === undefined) return undefined;
    const poll = tenant.lanes.take();
    invariant(poll !== undefined, "a tenant takes turns only while it has a poll waiting");
    this.#backlog--;
    this.#fly(poll, tenant);
    this.#tree.reconsider(tenant, now);
    this.#tree.rebaseIfDue(tenant, now);
    return poll as P; // Only `enqueue` adds to the lanes, and it takes a P.
  }

  /** Counts a poll as in flight that another leader released. False for one that was enqueued before. */
  adopt(poll: P, isRunning: boolean, nowMs: number): boolean {
    const now = this.#time.read(nowMs);
    if (poll.state !== "new") return false;
    const tenant = this.#enter(poll);
    this.#fly(poll, tenant);
    if (isRunning) this.#start(poll, now);
    this.#tree.reconsider(tenant, now);
    return true;
  }

  /** Notes that a worker started a poll: its clock runs from now. False for one not in flight, or started already. */
  started(poll: P, nowMs: number): boolean {
    const now = this.#time.read(nowMs);
    if (poll.state !== "released") return false;
    this.#start(poll, now);
    return true;
  }

  /**
   * Takes a poll out of flight and charges it exactly: `costMs`, at most `pollMsMax`; undefined, negative or not a
   * finite number = what it has used as far as we saw. False for one that is not in flight (never released, or heard
   * of before).
   */
  finished(poll: P, costMs: number | undefined, nowMs: number): boolean {
    const now = this.#time.read(nowMs);
    if (poll.state !== "released" && poll.state !== "running") return false;
    const startedAtMs = poll.state === "running" ? poll.startedAtMs : undefined;
    const seenMs = startedAtMs === undefined ? 0 : now - startedAtMs;
    const isTold = costMs !== undefined && costMs >= 0 && Number.isFinite(costMs);
    if (poll.state === "running") this.#running--;
    poll.state = "finished";
    this.#inFlight--;
    const settled = {
      estimateMs: poll.estimateMs,
      startedAtMs,
      costMs: Math.min(isTold ? costMs : seenMs, this.#pollMsMax),
    };
    this.#tree.settle(tenantOf(poll), settled, now);
    return true;
  }

  /** A tenant's weight at the root: an MSP's is that of its group. */
  weightOf(tenantId: TenantId): number {
    return this.#tree.weightOf(tenantId);
  }

  /** A tenant's figures at `nowMs`; undefined for one never heard of. */
  tenant(tenantId: TenantId, nowMs: number): TenantSnapshot | undefined {
    const now = this.#time.read(nowMs);
    const tenant = this.#tree.get(tenantId);
    return tenant === undefined ? undefined : this.#snapshot(tenant, now);
  }

  #enter(poll: P): Tenant {
    const tenant = this.#tree.have(poll.tenantId);
    poll.tenant = tenant;
    const estimate = Number.isFinite(poll.estimateMs) ? poll.estimateMs : ESTIMATE_MS_MIN;
    poll.estimateMs = Math.round(Math.min(Math.max(estimate, ESTIMATE_MS_MIN), this.#pollMsMax));
    return tenant;
  }

  #fly(poll: Poll, tenant: Tenant): void {
    poll.state = "released";
    this.#inFlight++;
    this.#tree.charge(tenant, poll.estimateMs);
  }

  #start(poll: Poll, now: number): void {
    poll.state = "running";
    poll.startedAtMs = now;
    this.#running++;
    this.#tree.start(tenantOf(poll), now);
  }

  #snapshot(tenant: Tenant, now: number): TenantSnapshot {
    const oldest = tenant.lanes.oldestDueMs;
    const parent = this.#tree.parentOf(tenant);
    return {
      tenantId: tenant.id,
      weight: parent === undefined ? this.#tree.weightOf(tenant.id) : tenant.weight,
      parent,
      backlog: tenant.lanes.size,
      oldestDueAtMs: oldest === Number.POSITIVE_INFINITY ? undefined : oldest,
      inFlight: tenant.inFlight,
      running: tenant.running,
      receivedMs: tenant.finishedMs + tenant.elapsedMs(now),
      isCapped: tenant.isCapped || tenant.group?.isCapped === true,
      tag: this.#tree.tagOf(tenant, now),
    };
  }
}

function tenantOf(poll: Poll): Tenant {
  const { tenant } = poll;
  invariant(tenant !== undefined, "a poll past `new` has its tenant");
  return tenant;
}
