import { createHash } from "node:crypto";
import type { Log } from "../lib/log.ts";
import { LruCache } from "../lib/lru-cache.ts";
import type { Interface, RouterId } from "../routers/router.ts";
import type { TextFact } from "../routers/samples.ts";
import type { TenantId } from "../tenants/tenant.ts";

/**
 * Writes what routers say of themselves in words (interfaces, sysDescr, …) when it differs from what was written last:
 * words change once a month, polls come once a minute.
 */

/** Routers whose last written inventory is remembered, 64 bytes each; a forgotten one is written again. */
const DIGESTS_KEPT_MAX = 200_000;

export type SaveInventory = (
  tenantId: TenantId,
  routerId: RouterId,
  inventory: { readonly interfaces?: readonly Interface[]; readonly texts?: readonly TextFact[] },
  seenAtMs: number,
) => Promise<void>;

export class InventoryKeeper {
  readonly #save: SaveInventory;
  readonly #log: Log;
  readonly #written = new LruCache<string, string>(DIGESTS_KEPT_MAX);
  /** The very arrays last found written: a router that says the same as last time gives the same ones. */
  readonly #seen = new WeakSet<object>();

  constructor(save: SaveInventory, log: Log) {
    this.#save = save;
    this.#log = log;
  }

  /** Never rejects: what could not be written is written after the router's next poll. */
  async keep(
    tenantId: TenantId,
    routerId: RouterId,
    read: {
      readonly interfaces: readonly Interface[] | undefined;
      readonly texts: readonly TextFact[];
    },
    seenAtMs: number,
  ): Promise<void> {
    const interfaces = this.#changed(`${routerId}/interfaces`, read.interfaces);
    const texts =
      read.texts.length > 0 ? this.#changed(`${routerId}/texts`, read.texts) : undefined;
    if (interfaces === undefined && texts === undefined) return;
    try {
      await this.#save(
        tenantId,
        routerId,
        {
          ...(interfaces === undefined ? {} : { interfaces: interfaces.value }),
          ...(texts === undefined ? {} : { texts: texts.value }),
        },
        seenAtMs,
      );
      for (const part of [interfaces, texts]) {
        if (part === undefined) continue;
        this.#written.set(part.key, part.digest);
        this.#seen.add(part.value);
      }
    } catch (error) {
      this.#log.warn(
        { tenant: tenantId, router: routerId, error: (error as Error).message },
        "inventory not written, trying again after the next poll",
      );
    }
  }

  #changed<T extends object>(key: string, value: T | undefined) {
    if (value === undefined || this.#seen.has(value)) return undefined;
    const digest = createHash("sha1").update(JSON.stringify(value)).digest("base64");
    return this.#written.get(key) === digest ? undefined : { key, digest, value };
  }
}
