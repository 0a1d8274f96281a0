import { createHash } from "node:crypto";
import type { Log } from "../lib/log.ts";
import { LruCache } from "../lib/lru-cache.ts";
import type { Discovery, ReadDocument } from "../routers/inventory.ts";
import type { Interface, RouterId } from "../routers/router.ts";
import type { TextFact } from "../routers/samples.ts";
import type { TenantId } from "../tenants/tenant.ts";

/**
 * Writes what routers say of themselves in words (sysDescr, …) when it differs from what was written last, because words
 * change once a month and polls come once a minute; and their inventory whenever it was read.
 */

/** Routers whose last written inventory is remembered, 64 bytes each; a forgotten one is written again. */
const DIGESTS_KEPT_MAX = 200_000;

/** What is written together; what is absent stays as it is. */
export interface InventoryToSave {
  readonly texts?: readonly TextFact[];
  /** All interfaces of the router. */
  readonly interfaces?: readonly Interface[];
  readonly sections?: {
    readonly documents: readonly ReadDocument[];
    readonly discovery: Discovery;
  };
}

export type SaveInventory = (
  tenantId: TenantId,
  routerId: RouterId,
  inventory: InventoryToSave,
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

  /** Never rejects: false when it could not be written, and then it is written after the router's next poll. */
  async keep(
    tenantId: TenantId,
    routerId: RouterId,
    read: InventoryToSave & { readonly texts: readonly TextFact[] },
    seenAtMs: number,
  ): Promise<boolean> {
    const { texts, ...inventory } = read;
    const changed = texts.length > 0 ? this.#changed(`${routerId}/texts`, texts) : undefined;
    if (changed === undefined && Object.keys(inventory).length === 0) return true;
    try {
      await this.#save(
        tenantId,
        routerId,
        { ...inventory, ...(changed === undefined ? {} : { texts: changed.value }) },
        seenAtMs,
      );
    } catch (error) {
      this.#log.warn(
        { tenant: tenantId, router: routerId, error: (error as Error).message },
        "inventory not written, trying again after the next poll",
      );
      return false;
    }
    if (changed !== undefined) {
      this.#written.set(changed.key, changed.digest);
      this.#seen.add(changed.value);
    }
    return true;
  }

  #changed<T extends object>(key: string, value: T) {
    if (this.#seen.has(value)) return undefined;
    const digest = createHash("sha1").update(JSON.stringify(value)).digest("base64");
    return this.#written.get(key) === digest ? undefined : { key, digest, value };
  }
}
