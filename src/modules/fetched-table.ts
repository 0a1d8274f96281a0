/**
 * What a walk hands over: columns of one conceptual table side by side. Declared here as the reader of it needs it, so
 * that this folder knows nothing of the wire.
 */

/** BER tags of the values a router gives (RFC 3416, section 3). */
export const VALUE_TAG = {
  integer: 0x02,
  octetString: 0x04,
  oid: 0x06,
  ipAddress: 0x40,
  counter32: 0x41,
  gauge32: 0x42,
  timeTicks: 0x43,
  opaque: 0x44,
  counter64: 0x46,
  unsigned32: 0x47,
} as const;

export interface FetchedColumn {
  /** BER tag of row i's value; 0 = the router did not say. */
  readonly tags: Uint8Array;
  /** Two's complement; 0 where the value is not a number. */
  readonly numbers: BigInt64Array;
  /** Content of OCTET STRING, OBJECT IDENTIFIER, IpAddress and Opaque. */
  readonly bytes: readonly (Uint8Array | null)[];
}

export interface FetchedTable {
  /** The index of each row as dotted decimals, in OID order. */
  readonly instances: readonly string[];
  /** By column OID, dotted. */
  readonly columns: ReadonlyMap<string, FetchedColumn>;
}

const EMPTY_TABLE: FetchedTable = { instances: [], columns: new Map() };

/** A table without rows: what a table that was not fetched is assembled from. */
export function emptyTable(): FetchedTable {
  return EMPTY_TABLE;
}

/**
 * The rows of both tables with the columns of both, in OID order: a first and a second pass over one conceptual table.
 * A column both have is taken from the first.
 */
export function joinTables(first: FetchedTable, second: FetchedTable): FetchedTable {
  if (second.instances.length === 0) return first;
  const instances = mergedInstances(first.instances, second.instances);
  const columns = new Map<string, FetchedColumn>();
  for (const part of [first, second]) {
    const rows = rowsIn(instances, part.instances);
    for (const [oid, column] of part.columns) {
      if (!columns.has(oid)) columns.set(oid, spread(column, rows, instances.length));
    }
  }
  return { instances, columns };
}

/** Orders two dotted indexes as their OIDs are ordered: number by number, the shorter first. */
export function compareInstances(a: string, b: string): number {
  if (a === b) return 0;
  const partsA = a.split(".");
  const partsB = b.split(".");
  for (let i = 0; i < partsA.length && i < partsB.length; i++) {
    const difference = Number(partsA[i]) - Number(partsB[i]);
    if (difference !== 0) return difference;
  }
  return partsA.length - partsB.length;
}

function mergedInstances(first: readonly string[], second: readonly string[]): readonly string[] {
  const known = new Set(first);
  const added = second.filter((instance) => !known.has(instance));
  return added.length === 0 ? first : [...first, ...added].sort(compareInstances);
}

/** For each row of `part`, the row of `instances` that is the same. */
function rowsIn(instances: readonly string[], part: readonly string[]): Int32Array | undefined {
  if (instances === part) return undefined;
  const rowOf = new Map(instances.map((instance, row) => [instance, row]));
  return Int32Array.from(part, (instance) => rowOf.get(instance) ?? -1);
}

function spread(
  column: FetchedColumn,
  rows: Int32Array | undefined,
  length: number,
): FetchedColumn {
  if (rows === undefined) return column;
  const tags = new Uint8Array(length);
  const numbers = new BigInt64Array(length);
  const bytes: (Uint8Array | null)[] = new Array<Uint8Array | null>(length).fill(null);
  for (let from = 0; from < rows.length; from++) {
    const to = rows[from] ?? -1;
    if (to < 0) continue;
    tags[to] = column.tags[from] ?? 0;
    numbers[to] = column.numbers[from] ?? 0n;
    bytes[to] = column.bytes[from] ?? null;
  }
  return { tags, numbers, bytes };
}
