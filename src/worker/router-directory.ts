import { LruCache } from "../lib/lru-cache.ts";
import type { Discovery } from "../routers/inventory.ts";
import type { AnswerLimits, Router, RouterId, SnmpCredential } from "../routers/router.ts";
import type { TenantId } from "../tenants/tenant.ts";

/**
 * What a worker knows of the routers it polls: address, modules, credential, read once and kept until their tenant
 * changes something. The only place in the system where credentials live unsealed.
 */

export interface PollTarget {
  readonly router: Router;
  readonly credential: SnmpCredential;
  /** How its inventory was read last, as far as is known here; undefined before that. */
  readonly discovery: Discovery | undefined;
  /** What walks of its tables had learnt about sizes when it was read here. */
  readonly answerLimits?: Readonly<Record<string, AnswerLimits>>;
}

/** Targets kept in memory; about 2 kB each. More routers than this in one worker's zones cost a query each poll. */
const TARGETS_KEPT_MAX = 100_000;

/** Routers of one tenant asked for in one query at most. */
const TARGETS_READ_MAX = 500;

export type ReadTargets = (
  tenantId: TenantId,
  routerIds: readonly RouterId[],
) => Promise<ReadonlyMap<RouterId, PollTarget>>;

interface Asked {
  readonly routerId: RouterId;
  readonly resolve: (target: PollTarget | undefined) => void;
  readonly reject: (error: unknown) => void;
}

export class RouterDirectory {
  readonly #read: ReadTargets;
  readonly #targets = new LruCache<RouterId, PollTarget>(TARGETS_KEPT_MAX);
  readonly #asked = new Map<TenantId, Asked[]>();
  /** Counts invalidations: an answer that was asked for before one is used once but not kept. */
  #generation = 0;

  constructor(read: ReadTargets) {
    this.#read = read;
  }

  /**
   * The router to poll, or undefined when it is gone, disabled, or its tenant is not active. Routers of one tenant asked
   * for in one turn of the event loop share a query. Rejects when Postgres does.
   */
  find(tenantId: TenantId, routerId: RouterId): Promise<PollTarget | undefined> {
    const known = this.#targets.get(routerId);
    // A job names tenant and router; only a target of that very tenant may serve it.
    if (known !== undefined && known.router.tenantId === tenantId) return Promise.resolve(known);
    return new Promise((resolve, reject) => {
      const asked = this.#asked.get(tenantId);
      if (asked !== undefined) {
        asked.push({ routerId, resolve, reject });
        return;
      }
      this.#asked.set(tenantId, [{ routerId, resolve, reject }]);
      setImmediate(() => void this.#answer(tenantId));
    });
  }

  /** Notes what a poll learnt, so that the next one chooses the right profile and reads no more than is due. */
  learn(routerId: RouterId, discovery: Discovery): void {
    const known = this.#targets.get(routerId);
    if (known !== undefined) this.#targets.set(routerId, { ...known, discovery });
  }

  /** Something of the tenant changed: its routers are read again at their next poll. */
  forgetTenant(tenantId: TenantId): void {
    this.#generation++;
    for (const routerId of [...this.#targets.keys()]) {
      if (this.#targets.get(routerId)?.router.tenantId === tenantId) this.#targets.delete(routerId);
    }
  }

  /** Changes may have been missed. */
  forgetAll(): void {
    this.#generation++;
    this.#targets.clear();
  }

  async #answer(tenantId: TenantId): Promise<void> {
    const asked = this.#asked.get(tenantId) ?? [];
    this.#asked.delete(tenantId);
    for (let from = 0; from < asked.length; from += TARGETS_READ_MAX) {
      const part = asked.slice(from, from + TARGETS_READ_MAX);
      const generation = this.#generation;
      try {
        const targets = await this.#read(
          tenantId,
          part.map(({ routerId }) => routerId),
        );
        for (const { routerId, resolve } of part) {
          const target = targets.get(routerId);
          if (target !== undefined && generation === this.#generation) {
            this.#targets.set(routerId, target);
          }
          resolve(target);
        }
      } catch (error) {
        for (const { reject } of part) reject(error);
      }
    }
  }
}
