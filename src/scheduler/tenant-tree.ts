import { invariant } from "../lib/invariant.ts";
import type { TenantId } from "../tenants/tenant.ts";
import { PollLanes } from "./poll-lanes.ts";
import type { Poll } from "./queued-poll.ts";
import { HeldShare, Reserve, type RoomNow, type SlotHolder } from "./reserve.ts";
import { Contender, type Rules, type SettledPoll, Turns } from "./turns.ts";

/**
 * Who takes turns with whom: the tenants at the root, and in place of an MSP with children a group, inside of which
 * the MSP and its children take turns among themselves. Of two levels and no more: a child's child is a child. What is
 * charged to a tenant is charged to its group as well. The algorithm and its proof stand in fair-queue.ts.
 */

/** What a tenant is entitled to. */
export interface TenantShare {
  /**
   * Relative to other tenants; relative to its siblings for an MSP's child. Clipped to WEIGHT_MIN … WEIGHT_MAX; not a
   * number = 1.
   */
  readonly weight: number;
  /** The MSP it belongs to. */
  readonly parent?: TenantId | undefined;
  /** Polls in flight at once; for an MSP, together with its children's. Absent or absurd = no cap; at least 1. */
  readonly inFlightMax?: number | undefined;
}

export const WEIGHT_MIN = 0.001;
export const WEIGHT_MAX = 1_000_000;

/** A tenant's turn-taking and its waiting polls. */
export class Tenant extends Contender implements SlotHolder {
  readonly id: TenantId;
  readonly lanes = new PollLanes<Poll>();
  /** The MSP's group it takes turns in; undefined = it takes turns at the root. */
  group: Group | undefined = undefined;
  /** Taken away while polls were in flight: forgotten when the last of them ends. */
  isRemoved = false;
  readonly held = new HeldShare();

  constructor(id: TenantId) {
    super();
    this.id = id;
  }
}

/** An MSP with its children. */
class Group extends Contender {
  /** The MSP. */
  readonly id: TenantId;
  readonly turns: Turns<Tenant>;
  readonly children = new Set<Tenant>();

  constructor(id: TenantId, rules: Rules) {
    super();
    this.id = id;
    this.turns = new Turns(rules);
  }
}

/** All times are the queue's own. */
export class TenantTree {
  readonly #tenants = new Map<TenantId, Tenant>();
  readonly #groups = new Map<TenantId, Group>();
  readonly #root: Turns<Tenant | Group>;
  readonly #rules: Rules;
  readonly #reserve: Reserve<Tenant>;

  /** `reservedPart`: of all slots, the part whose last free ones saturating tenants leave to the modest, 0 … 1. */
  constructor(rules: Rules, reservedPart: number) {
    this.#reserve = new Reserve(this.#tenants, reservedPart);
    this.#rules = rules;
    this.#root = new Turns(rules);
  }

  get(tenantId: TenantId): Tenant | undefined {
    return this.#tenants.get(tenantId);
  }

  /** The tenant, from now on known if it was not: with weight 1, or as the MSP that its children named. */
  have(tenantId: TenantId): Tenant {
    const known = this.#tenants.get(tenantId);
    if (known !== undefined) return known;
    const tenant = new Tenant(tenantId);
    this.#tenants.set(tenantId, tenant);
    this.#reserve.weightsChanged();
    tenant.group = this.#groups.get(tenantId);
    tenant.group?.children.add(tenant);
    return tenant;
  }

  /** The MSP of a child; undefined for a tenant of the root, an MSP among them. */
  parentOf(tenant: Tenant): TenantId | undefined {
    return tenant.group?.id === tenant.id ? undefined : tenant.group?.id;
  }

  /** A tenant's weight at the root: an MSP's is that of its group. */
  weightOf(tenantId: TenantId): number {
    return this.#groups.get(tenantId)?.weight ?? this.#tenants.get(tenantId)?.weight ?? 1;
  }

  tagOf(tenant: Tenant, now: number): number {
    return this.#turnsOf(tenant).tag(tenant, now);
  }

  /** Adds a tenant or changes its share. What it has used is not priced anew. */
  setShare(tenantId: TenantId, share: TenantShare, now: number): void {
    const tenant = this.have(tenantId);
    tenant.isRemoved = false;
    const weight = clipWeight(share.weight);
    const inFlightMax = clipCap(share.inFlightMax);

    const own = this.#groups.get(tenantId);
    if (own !== undefined) {
      // An MSP: the share is the group's; its own routers are one more child.
      this.#root.reweigh(own, weight, now);
      own.inFlightMax = inFlightMax;
      tenant.inFlightMax = Number.POSITIVE_INFINITY;
    } else {
      tenant.inFlightMax = inFlightMax;
    }
    this.#turnsOf(tenant).reweigh(tenant, weight, now);

    const group = this.#groupFor(tenant, share.parent, now);
    if (group !== tenant.group) this.#move(tenant, group, now);
    this.#reserve.weightsChanged();
    this.reconsider(tenant, now);
  }

  /**
   * The tenant that goes now: the one whose turn it is, and from now on was; or, when what room there is is reserved from
   * it, one that goes ahead of its turn. Undefined when nobody has a poll waiting that may go.
   */
  takeTurn(now: number, room: RoomNow): Tenant | undefined {
    const top = this.#root.first(now);
    if (top === undefined) return undefined;
    const first = top instanceof Tenant ? top : top.turns.first(now);
    invariant(first !== undefined, "a group takes turns only while a child has a poll waiting");
    if (!this.#reserve.mayGo(first, room, now)) return this.#reserve.nextAheadOfTurn(room);
    this.#root.turnTaken();
    first.group?.turns.turnTaken();
    return first;
  }

  /** Charges a tenant for a poll that is in flight from now on. */
  charge(tenant: Tenant, estimateMs: number): void {
    tenant.charge(estimateMs);
    this.#reserve.noteInFlight(tenant, 1);
    tenant.group?.charge(estimateMs);
  }

  /** Charges a tenant by the clock for a poll that a worker started. */
  start(tenant: Tenant, now: number): void {
    tenant.start(now);
    tenant.group?.start(now);
  }

  /** Charges a tenant what a poll cost that is no more in flight. */
  settle(tenant: Tenant, settled: SettledPoll, now: number): void {
    this.#turnsOf(tenant).settle(tenant, settled, now);
    this.#reserve.noteInFlight(tenant, -1);
    if (tenant.group !== undefined) this.#root.settle(tenant.group, settled, now);
    this.#rejoin(tenant, now);
    this.forgetIfGone(tenant);
  }

  /** Puts a tenant, and its group, where they belong after anything about them changed. */
  reconsider(tenant: Tenant, now: number): void {
    const turns = this.#turnsOf(tenant);
    this.#reserve.noteWaiting(tenant, tenant.lanes.size > 0, now);
    if (tenant.isCapped || tenant.lanes.size === 0) {
      turns.leave(tenant);
    } else {
      tenant.nextDueMs = tenant.lanes.nextDueMs;
      if (turns.has(tenant)) turns.reordered(tenant, now);
      else turns.join(tenant, now);
    }
    if (tenant.group !== undefined) this.#reconsiderGroup(tenant.group, now);
  }

  forgetIfGone(tenant: Tenant): void {
    if (!tenant.isRemoved || tenant.inFlight > 0 || tenant.lanes.size > 0) return;
    this.#tenants.delete(tenant.id);
    this.#reserve.weightsChanged();
    const group = tenant.group;
    if (group === undefined) return;
    group.children.delete(tenant);
    this.#forgetGroupIfGone(group);
  }

  /** Counts virtual time from zero again, at the tenant's level and at the root, before it loses precision. */
  rebaseIfDue(tenant: Tenant, now: number): void {
    if (this.#root.shouldRebase) {
      const singles = [...this.#tenants.values()].filter((each) => each.group === undefined);
      this.#root.rebase([...singles, ...this.#groups.values()], now);
    }
    if (tenant.group?.turns.shouldRebase) {
      tenant.group.turns.rebase(tenant.group.children, now);
    }
  }

  #turnsOf(tenant: Tenant): Turns<Contender> {
    return tenant.group?.turns ?? this.#root;
  }

  #reconsiderGroup(group: Group, now: number): void {
    const nextDueMs = group.isCapped ? undefined : group.turns.nextDueMs;
    if (nextDueMs === undefined) {
      this.#root.leave(group);
      return;
    }
    group.nextDueMs = nextDueMs;
    if (this.#root.has(group)) this.#root.reordered(group, now);
    else this.#root.join(group, now);
  }

  /** After a completion: lets a tenant or group take turns again that was held by its cap. */
  #rejoin(tenant: Tenant, now: number): void {
    const turns = this.#turnsOf(tenant);
    if (!turns.has(tenant) && tenant.lanes.size > 0) this.reconsider(tenant, now);
    const group = tenant.group;
    if (group !== undefined && !this.#root.has(group) && group.turns.size > 0) {
      this.#reconsiderGroup(group, now);
    }
  }

  /** The group a tenant belongs in: its parent's, its own when it has children, or none. */
  #groupFor(tenant: Tenant, parentId: TenantId | undefined, now: number): Group | undefined {
    const own = this.#groups.get(tenant.id);
    if (own !== undefined) return own;
    if (parentId === undefined || parentId === tenant.id) return undefined;
    const parent = this.#tenants.get(parentId);
    if (parent?.group !== undefined) return parent.group;
    const present = this.#groups.get(parentId);
    if (present !== undefined) return present;

    const group = new Group(parentId, this.#rules);
    this.#groups.set(parentId, group);
    if (parent !== undefined) {
      // The group stands where the MSP stood alone.
      group.weight = parent.weight;
      group.banked = parent.banked;
      group.inFlightMax = parent.inFlightMax;
      parent.inFlightMax = Number.POSITIVE_INFINITY;
      this.#move(parent, group, now);
      this.reconsider(parent, now);
    }
    return group;
  }

  /** Moves a tenant to another level, with its polls in flight, at that level's present virtual time. */
  #move(tenant: Tenant, group: Group | undefined, now: number): void {
    this.#turnsOf(tenant).leave(tenant);
    const left = tenant.group;
    if (left !== undefined) {
      left.children.delete(tenant);
      left.handOver(tenant, -1);
      this.#root.refunded(left, now);
      this.#reconsiderGroup(left, now);
      this.#forgetGroupIfGone(left);
    }
    tenant.group = group;
    group?.children.add(tenant);
    group?.handOver(tenant, 1);
    this.#turnsOf(tenant).settleIn(tenant, now);
  }

  #forgetGroupIfGone(group: Group): void {
    if (group.children.size > 0) return;
    this.#root.leave(group);
    this.#groups.delete(group.id);
  }
}

function clipWeight(weight: number): number {
  if (Number.isNaN(weight)) return 1;
  return Math.min(Math.max(weight, WEIGHT_MIN), WEIGHT_MAX);
}

function clipCap(inFlightMax: number | undefined): number {
  if (inFlightMax === undefined || Number.isNaN(inFlightMax)) return Number.POSITIVE_INFINITY;
  return Math.max(1, inFlightMax);
}
