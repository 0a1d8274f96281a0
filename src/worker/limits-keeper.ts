import type { Log } from "../lib/log.ts";
import type { AnswerLimits, RouterId } from "../routers/router.ts";
import type { TenantId } from "../tenants/tenant.ts";

/**
 * Writes what polls have learnt about the sizes of routers' answers, a few seconds' worth at a time: it changes rarely,
 * and losing it costs a router some packets, so it never holds a poll up.
 */

const FLUSH_MS = 5_000;
/** What waits at most, about 300 bytes each; what comes then is learnt again after the next restart. */
const WAITING_MAX = 50_000;
/** Of one tenant in one statement. */
const ROWS_MAX = 1_000;

export interface Learnt {
  readonly routerId: RouterId;
  readonly walk: string;
  readonly limits: AnswerLimits;
}

export type SaveLimits = (tenantId: TenantId, learnt: readonly Learnt[]) => Promise<void>;

export class LimitsKeeper {
  readonly #save: SaveLimits;
  readonly #log: Log;
  #waiting = new Map<TenantId, Map<string, Learnt>>();
  #size = 0;
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(save: SaveLimits, log: Log) {
    this.#save = save;
    this.#log = log;
  }

  /** Notes what one poll learnt, by walk. */
  keep(tenantId: TenantId, routerId: RouterId, learnt: ReadonlyMap<string, AnswerLimits>): void {
    if (learnt.size === 0) return;
    for (const [walk, limits] of learnt) this.#add(tenantId, { routerId, walk, limits });
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#flushing = this.#flushing.then(() => this.#flush());
    }, FLUSH_MS);
  }

  /** Writes what still waits. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#flushing;
    await this.#flush();
  }

  #add(tenantId: TenantId, learnt: Learnt): void {
    let ofTenant = this.#waiting.get(tenantId);
    if (ofTenant === undefined) {
      ofTenant = new Map();
      this.#waiting.set(tenantId, ofTenant);
    }
    const key = `${learnt.routerId}/${learnt.walk}`;
    if (!ofTenant.has(key)) {
      if (this.#size >= WAITING_MAX) return;
      this.#size++;
    }
    ofTenant.set(key, learnt);
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = new Map();
    this.#size = 0;
    for (const [tenantId, ofTenant] of waiting) {
      const learnt = [...ofTenant.values()];
      try {
        for (let from = 0; from < learnt.length; from += ROWS_MAX) {
          await this.#save(tenantId, learnt.slice(from, from + ROWS_MAX));
        }
      } catch (error) {
        this.#log.warn(
          { tenant: tenantId, walks: learnt.length, error: (error as Error).message },
          "sizes of answers not written; they will be learnt again",
        );
      }
    }
  }
}
