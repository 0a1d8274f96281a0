/**
 * The rules of a router that no schema can say: addresses that may be polled, intervals a tier sells, modules that
 * exist, labels that would collide with ours. Pure: one list of complaints a router, each with its remedy.
 */
import type { TierRules } from "../tenants/tenant.ts";
import type { FieldError } from "./problems.ts";
import { escapePointer } from "./safe-text.ts";
import { canonicalAddress, type JudgeTarget } from "./target-guard.ts";

export interface RouterRules {
  readonly tier: Pick<TierRules, "intervalSecondsMin">;
  readonly moduleNames: ReadonlySet<string>;
  readonly reservedLabels: ReadonlySet<string>;
  readonly judgeTarget: JudgeTarget;
  /** Zones by name, and whether each is shared between tenants. */
  readonly zones: ReadonlyMap<string, { readonly shared: boolean }>;
}

/** The fields to judge: those the request gives, with `zone` as the router will have it. */
export interface RouterFields {
  readonly address?: string | undefined;
  readonly zone: string;
  readonly intervalSeconds?: number | undefined;
  readonly modules?: readonly string[] | null | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** Labels of every device series that are ours to set, or that Prometheus sets when it scrapes. */
const RESERVED_LABELS = ["router", "router_id", "zone", "instance", "job", "le", "quantile"];

/** Our labels and those that modules put on their series: a tenant's label of that name would make two of one. */
export function reservedLabels(labelsOfModules: Iterable<string>): ReadonlySet<string> {
  return new Set([...RESERVED_LABELS, ...labelsOfModules]);
}

export function routerErrors(router: RouterFields, rules: RouterRules): FieldError[] {
  return [
    ...zoneErrors(router, rules),
    ...addressErrors(router, rules),
    ...intervalErrors(router, rules),
    ...moduleErrors(router, rules),
    ...labelErrors(router, rules),
  ].map((error) => ({ in: "body", ...error }));
}

function zoneErrors({ zone }: RouterFields, { zones }: RouterRules): FieldError[] {
  if (zones.has(zone)) return [];
  const known = [...zones.keys()].sort().join(", ");
  return [
    {
      pointer: "/zone",
      detail: `zone "${zone}" does not exist; take one of ${known}, or make it with POST /v1/zones`,
    },
  ];
}

function addressErrors(router: RouterFields, rules: RouterRules): FieldError[] {
  if (router.address === undefined) return [];
  const address = canonicalAddress(router.address);
  const error = (complaint: string) => [{ pointer: "/address", detail: `address ${complaint}` }];
  if (address === undefined) {
    return error(
      `"${router.address}" is not an IP address; give IPv4 or IPv6 such as 192.0.2.1 or 2001:db8::1, not a host name`,
    );
  }
  const zone = rules.zones.get(router.zone);
  const reason = zone && rules.judgeTarget(address, zone);
  if (!reason) return [];
  const remedy = zone.shared
    ? "routers on such addresses belong in a zone of your own (POST /v1/zones)"
    : "give the router's own address";
  return error(`${address} ${reason}; ${remedy}`);
}

function intervalErrors({ intervalSeconds }: RouterFields, { tier }: RouterRules): FieldError[] {
  if (intervalSeconds === undefined || intervalSeconds >= tier.intervalSecondsMin) return [];
  return [
    {
      pointer: "/intervalSeconds",
      detail: `intervalSeconds must be ${tier.intervalSecondsMin} to 86400 in this tenant's tier, got ${intervalSeconds}`,
    },
  ];
}

function moduleErrors({ modules }: RouterFields, { moduleNames }: RouterRules): FieldError[] {
  const known = [...moduleNames].sort().join(", ");
  return (modules ?? []).flatMap((name, index) =>
    moduleNames.has(name)
      ? []
      : [
          {
            pointer: `/modules/${index}`,
            detail: `modules names "${name}", which does not exist; known are ${known}`,
          },
        ],
  );
}

function labelErrors({ labels }: RouterFields, { reservedLabels }: RouterRules): FieldError[] {
  return Object.keys(labels ?? {}).flatMap((name) => {
    const isReserved = reservedLabels.has(name);
    if (!isReserved && !name.startsWith("__")) return [];
    const reason = isReserved ? "is set by Fairwalk or Prometheus" : "begins with __";
    return [
      {
        pointer: `/labels/${escapePointer(name)}`,
        detail: `labels may not hold "${name}": it ${reason}; choose another name, such as my_${name.replace(/^_+/, "")}`,
      },
    ];
  });
}
