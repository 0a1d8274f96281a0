/**
 * What every poller of `bench snmp` reads from every router: 20 columns of IF-MIB and 7 scalars, with 48 interfaces 967
 * varbinds. The columns of the product's lean `if_mib`, and ifType.
 */

const SYSTEM = "1.3.6.1.2.1.1";
const IF_ENTRY = "1.3.6.1.2.1.2.2.1";
const IF_X_ENTRY = "1.3.6.1.2.1.31.1.1.1";

export const BENCH_SCALARS: readonly string[] = [
  ...[1, 2, 3, 4, 5, 6].map((column) => `${SYSTEM}.${column}.0`),
  "1.3.6.1.2.1.2.1.0",
];
/** Those of them that are texts. */
const TEXTS = new Set([1, 2, 4, 5, 6].map((column) => `${SYSTEM}.${column}.0`));

/** Columns of numbers, which become metrics. */
const VALUES = [
  ...[3, 7, 8, 13, 14, 19, 20].map((column) => `${IF_ENTRY}.${column}`),
  ...[6, 7, 8, 9, 10, 11, 12, 13, 15, 19].map((column) => `${IF_X_ENTRY}.${column}`),
];

/** Columns of names, which become labels. */
const NAMES = { ifDescr: `${IF_ENTRY}.2`, ifName: `${IF_X_ENTRY}.1`, ifAlias: `${IF_X_ENTRY}.18` };

export const BENCH_COLUMNS: readonly string[] = [...VALUES, ...Object.values(NAMES)];

/** The tables those columns are in, for a program that walks subtrees. */
export const BENCH_TABLES = ["1.3.6.1.2.1.2.2", "1.3.6.1.2.1.31.1.1"] as const;

export const BENCH_COMMUNITY = "public";

/** SNMPv3, authPriv by SHA-256 and AES-128. */
export const BENCH_USER = {
  username: "bench",
  authPassword: "authentication of the bench",
  privPassword: "privacy of the bench",
} as const;

export function varbindsOf(interfaces: number): number {
  return BENCH_COLUMNS.length * interfaces + BENCH_SCALARS.length;
}

/** Modules for the product, in snmp.yml's format (JSON is YAML): one of the scalars, one of the columns. */
export function benchModules(): string {
  const indexes = [{ labelname: "ifIndex", type: "gauge" }];
  const lookups = Object.entries(NAMES).map(([labelname, oid]) => {
    return { labels: ["ifIndex"], labelname, oid, type: "DisplayString" };
  });
  const scalars = {
    get: BENCH_SCALARS,
    metrics: BENCH_SCALARS.map((oid, i) => ({
      name: `scalar${i}`,
      oid: oid.slice(0, -".0".length),
      type: TEXTS.has(oid) ? "DisplayString" : "gauge",
    })),
  };
  const interfaces = {
    walk: BENCH_COLUMNS,
    metrics: VALUES.map((oid, i) => ({ name: `column${i}`, oid, type: "gauge", indexes, lookups })),
  };
  return JSON.stringify({ modules: { scalars, interfaces } });
}

/** snmp.yml of snmp_exporter 0.21: the same walks, and no metrics. */
export function exporterConfiguration(): string {
  const walks = {
    walk: BENCH_COLUMNS,
    get: BENCH_SCALARS,
    version: 2,
    max_repetitions: 25,
    timeout: "5s",
    auth: { community: BENCH_COMMUNITY },
  };
  return JSON.stringify({ walks });
}
