import { seededRandom } from "../lib/seeded-random.ts";
import { uuidv7 } from "../lib/uuid.ts";
import type { RouterId } from "../routers/router.ts";
import type { PollResult, SampleBlock } from "../routers/samples.ts";
import type { TenantId } from "../tenants/tenant.ts";

export const METRICS = [
  ...["ifHCInOctets", "ifHCOutOctets", "ifHCInUcastPkts", "ifHCOutUcastPkts"],
  ...["ifHCInMulticastPkts", "ifHCOutMulticastPkts", "ifHCInBroadcastPkts"],
  ...["ifHCOutBroadcastPkts", "ifInErrors", "ifOutErrors", "ifInDiscards", "ifOutDiscards"],
  ...["ifAdminStatus", "ifOperStatus"],
] as const;

interface NetworkRouter {
  readonly id: RouterId;
  readonly tenantId: TenantId;
  readonly meaning: Omit<SampleBlock, "values" | "present">;
  readonly counters: BigInt64Array;
}

/** Routers of tenants whose counters go on from poll to poll, at rates of their own. */
export class IngestNetwork {
  readonly #routers: readonly NetworkRouter[];
  readonly #dice: () => number;
  #polledAtMs: number;

  constructor(
    tenants: readonly TenantId[],
    options: { readonly routers: number; readonly interfaces: number; readonly seed: number },
  ) {
    this.#dice = seededRandom(options.seed);
    this.#polledAtMs = Date.now() - 3_600_000;
    const instances = Array.from({ length: options.interfaces }, (_, i) => String(i + 1));
    this.#routers = Array.from({ length: options.routers }, (_, n) => ({
      id: uuidv7() as RouterId,
      tenantId: tenants[n % tenants.length] as TenantId, // There is at least one.
      meaning: {
        module: "if_mib",
        metrics: METRICS,
        instances,
        labels: instances.map((ifIndex) => ({
          ifIndex,
          ifName: `ge-0/0/${ifIndex}`,
          ifAlias: `router ${n} customer ${ifIndex}`,
        })),
      },
      counters: BigInt64Array.from({ length: METRICS.length * instances.length }, () =>
        BigInt(Math.floor(this.#dice() * 1e12)),
      ),
    }));
  }

  /** The next poll of every router. */
  polls(): PollResult[] {
    this.#polledAtMs += 1_000;
    const time = this.#polledAtMs;
    return this.#routers.map(({ id, tenantId, meaning, counters }) => {
      for (let i = 0; i < counters.length; i++) {
        counters[i] = (counters[i] ?? 0n) + BigInt(Math.floor(this.#dice() * 1e6));
      }
      return {
        poll: {
          tenantId,
          routerId: id,
          polledAtMs: time,
          dueAtMs: time,
          startedAtMs: time,
          durationMs: 40,
          outcome: "answered",
          costMs: 40,
          requests: 17,
          retries: 0,
          bytesIn: 18_000,
          modules: [{ module: "if_mib", outcome: "answered", requests: 17, retries: 0, rows: 48 }],
        },
        blocks: [
          {
            ...meaning,
            values: counters.slice(),
            present: new Uint8Array(counters.length).fill(1),
          },
        ],
      };
    });
  }
}
