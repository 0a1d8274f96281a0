/**
 * What a module is: snmp_exporter's `snmp.yml` module as values. A module says which OIDs to walk and get, and what the
 * answers mean: metrics, the indexes their rows are named by, and lookups that turn an index into a name.
 *
 * One key is ours: `only_where_missing` (see Metric.onlyWhereMissing).
 */

/** Types whose samples are whole numbers. Enumerations are kept as their number; their names are added when rendered. */
const INTEGER_METRICS = ["gauge", "counter", "EnumAsInfo", "EnumAsStateSet"] as const;
/** Types that carry a time; their samples are whole seconds since the Unix epoch. */
const TIME_METRICS = ["DateAndTime", "ParseDateAndTime", "NTPTimeStamp"] as const;
const FLOAT_METRICS = ["Float", "Double"] as const;
/** Types that are text: the value becomes a label of the same name, and the series is always 1. */
const TEXT_METRICS = [
  "DisplayString",
  "OctetString",
  "PhysAddress48",
  "InetAddressIPv4",
  "InetAddressIPv6",
  "InetAddress",
  "InetAddressMissingSize",
  "LldpPortId",
  "Bits",
] as const;

export const METRIC_TYPES = [
  ...INTEGER_METRICS,
  ...TIME_METRICS,
  ...FLOAT_METRICS,
  ...TEXT_METRICS,
] as const;
export type MetricType = (typeof METRIC_TYPES)[number];

export const INDEX_TYPES = [
  "gauge",
  "counter",
  "Integer",
  "Integer32",
  "EnumAsInfo",
  "DisplayString",
  "OctetString",
  "PhysAddress48",
  "InetAddressIPv4",
  "InetAddressIPv6",
  "InetAddress",
  "InetAddressMissingSize",
  "LldpPortId",
] as const;
export type IndexType = (typeof INDEX_TYPES)[number];

/** A lookup's column may be of any type that has a text; "" means what OctetString means. */
export const LOOKUP_TYPES = [...INDEX_TYPES, "Bits", "Float", "Double", ""] as const;
export type LookupType = (typeof LOOKUP_TYPES)[number];

export type EnumValues = ReadonlyMap<number, string>;

/** One part of a row's index, as the MIB's INDEX clause orders them. */
export interface Index {
  readonly labelname: string;
  readonly type: IndexType;
  /** Sub-identifiers of the index where the MIB fixes them; 0 = the index starts with its own length. */
  readonly fixedSize: number;
  /** The last index of variable length without a leading length (RFC 2578, section 7.7). */
  readonly implied: boolean;
  readonly enumValues: EnumValues;
}

/** A label read from another column, found by indexes or by earlier lookups. Without `labels` it removes a label instead. */
export interface Lookup {
  readonly labels: readonly string[];
  readonly labelname: string;
  readonly oid: string;
  readonly type: LookupType;
  readonly enumValues: EnumValues;
  readonly displayHint: string;
}

/** Of the rules of one suffix the first that matches and yields a number makes the metric `<name><suffix>`. */
export interface RegexExtract {
  readonly suffix: string;
  readonly rules: readonly { readonly regex: RegExp; readonly value: string }[];
}

export interface Metric {
  readonly name: string;
  readonly oid: string;
  readonly type: MetricType;
  readonly help: string;
  readonly indexes: readonly Index[];
  readonly lookups: readonly Lookup[];
  readonly enumValues: EnumValues;
  readonly regexExtracts: readonly RegexExtract[];
  /** The sample is value × scale + offset; 1 and 0 leave it a whole number. */
  readonly scale: number;
  readonly offset: number;
  /** What a ParseDateAndTime's text looks like; undefined for other types. */
  readonly dateTimeRegex: RegExp | undefined;
  /** RFC 2579 DISPLAY-HINT of an OctetString; "" = hexadecimal. */
  readonly displayHint: string;
  /**
   * Ours, not snmp_exporter's: the column is read in a second pass and kept only for instances that lack the named
   * metric (ifInOctets where a router has no ifHCInOctets). "" = always read.
   */
  readonly onlyWhereMissing: string;
}

/** Rows to keep of the `targets` (OIDs above or at columns). */
export type RowFilter =
  | {
      readonly kind: "static";
      readonly targets: readonly string[];
      readonly indices: readonly string[];
    }
  | {
      readonly kind: "dynamic";
      readonly targets: readonly string[];
      /** The column whose value decides: a row stays when one of `values` matches it. */
      readonly oid: string;
      readonly values: readonly RegExp[];
    };

export interface Module {
  readonly name: string;
  readonly walk: readonly string[];
  readonly get: readonly string[];
  readonly metrics: readonly Metric[];
  readonly filters: readonly RowFilter[];
  /** Upper bound of GETBULK's max-repetitions; 0 = ours to choose. */
  readonly maxRepetitions: number;
  /** Retries of a request; undefined = derived from the poll's deadline. */
  readonly retries: number | undefined;
  /** Time for one request; undefined = derived from the poll's deadline. */
  readonly timeoutMs: number | undefined;
  readonly allowNonIncreasingOids: boolean;
}

/** Whether a metric's value is text: inventory, with a series that is always 1. */
export function isTextMetric(type: MetricType): boolean {
  return (TEXT_METRICS as readonly string[]).includes(type);
}

/** Whether a metric's value is a time in whole seconds. */
export function isTimeMetric(type: MetricType): boolean {
  return (TIME_METRICS as readonly string[]).includes(type);
}

/** Whether a metric's value may have a fraction even before scale and offset. */
export function isFloatMetric(type: MetricType): boolean {
  return (FLOAT_METRICS as readonly string[]).includes(type);
}
