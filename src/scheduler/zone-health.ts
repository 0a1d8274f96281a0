import type { TenantId } from "../tenants/tenant.ts";

/**
 * Whether a whole zone has gone dark. When routers that answered the time before fail one after the other and none
 * answers in between, what failed is the way there (the workers' uplink, a firewall), not the routers: then the zone
 * is suspected, no router is marked unreachable, and a few probes replace the polls, one a tenant every few seconds.
 * One answer of anyone ends it.
 *
 * No tenant can bring this on another: the failures must come from several tenants, from all of them in a zone of
 * few. And were it mistaken, each tenant's first due router is probed at once, answers, and is polled: what a mistake
 * costs is one small GET.
 */

/** Failures in a row of routers that answered before. */
const FAILURES_MIN = 10;
/** Tenants they must come from, unless the zone has fewer that are heard of. */
const TENANTS_MIN = 5;
/** A tenant not heard of for so long has no say. */
const HEARD_MS_MAX = 600_000;
/** Between two probes for one tenant while the zone is suspected. */
export const ZONE_PROBE_SPACING_MS = 5_000;

export class ZoneHealth {
  #isSuspected = false;
  #failures = 0;
  readonly #failing = new Set<TenantId>();
  readonly #heardAtMs = new Map<TenantId, number>();
  readonly #probedAtMs = new Map<TenantId, number>();

  get isSuspected(): boolean {
    return this.#isSuspected;
  }

  /** Notes an answer. True when it ends a suspicion. */
  answered(tenantId: TenantId, nowMs: number): boolean {
    this.#heardAtMs.set(tenantId, nowMs);
    this.#failures = 0;
    this.#failing.clear();
    if (!this.#isSuspected) return false;
    this.#isSuspected = false;
    this.#probedAtMs.clear();
    return true;
  }

  /** Notes that a router failed that answered the time before. True when the zone is suspected from now on. */
  failed(tenantId: TenantId, nowMs: number): boolean {
    this.#heardAtMs.set(tenantId, nowMs);
    this.#failures++;
    this.#failing.add(tenantId);
    if (this.#isSuspected || this.#failures < FAILURES_MIN) return false;
    if (this.#failing.size < TENANTS_MIN && this.#failing.size < this.#heard(nowMs)) return false;
    this.#isSuspected = true;
    return true;
  }

  /** Whether a due router of this tenant may be probed now, while the zone is suspected. */
  mayProbe(tenantId: TenantId, nowMs: number): boolean {
    const last = this.#probedAtMs.get(tenantId);
    if (last !== undefined && Math.abs(nowMs - last) < ZONE_PROBE_SPACING_MS) return false;
    this.#probedAtMs.set(tenantId, nowMs);
    return true;
  }

  /** Tenants heard of lately, counted up to TENANTS_MIN. */
  #heard(nowMs: number): number {
    let count = 0;
    for (const [tenantId, atMs] of this.#heardAtMs) {
      if (Math.abs(nowMs - atMs) > HEARD_MS_MAX) this.#heardAtMs.delete(tenantId);
      else if (++count === TENANTS_MIN) break;
    }
    return count;
  }
}
