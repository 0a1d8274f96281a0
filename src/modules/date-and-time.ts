/** Times as routers write them, in whole seconds since the Unix epoch; undefined where a value is none. */

/** RFC 2579 DateAndTime: 8 octets, or 11 with a time zone. Without one it is taken for UTC. */
export function parseDateAndTime(bytes: Uint8Array): number | undefined {
  if (bytes.length !== 8 && bytes.length !== 11) return undefined;
  const [high = 0, low = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = bytes;
  const seconds = utcSeconds(high * 256 + low, month, day, hour, minute, second);
  if (bytes.length === 8) return seconds;
  const sign = bytes[8] === 0x2b ? 1 : bytes[8] === 0x2d ? -1 : 0;
  const [offsetHours = 99, offsetMinutes = 99] = bytes.subarray(9);
  if (sign === 0 || offsetHours > 24 || offsetMinutes > 59) return undefined;
  return seconds - sign * (offsetHours * 3_600 + offsetMinutes * 60);
}

/** Seconds from 1900 (NTP's epoch) to 1970. */
const NTP_EPOCH_SECONDS = 2_208_988_800;

/** An NTP timestamp of 64 bits: seconds since 1900, then a fraction, which is dropped. */
export function parseNtpTimestamp(bytes: Uint8Array): number | undefined {
  if (bytes.length < 8) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) - NTP_EPOCH_SECONDS;
}

function utcSeconds(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): number {
  const date = new Date(0);
  // Date.UTC takes years below 100 for 19xx.
  date.setUTCFullYear(year, month - 1, day);
  return date.setUTCHours(hour, minute, second) / 1_000;
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const MONTH_NAME =
  "january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec";
const DAY_NAME =
  "monday|tuesday|wednesday|thursday|friday|saturday|sunday|mon|tue|wed|thu|fri|sat|sun";

/** What each strptime directive matches. */
const DIRECTIVES: Readonly<Record<string, string>> = {
  Y: "(?<Y>\\d{4})",
  y: "(?<y>\\d{2})",
  m: "(?<m>\\d{1,2})",
  d: "\\s*(?<d>\\d{1,2})",
  e: "\\s*(?<d>\\d{1,2})",
  H: "\\s*(?<H>\\d{1,2})",
  k: "\\s*(?<H>\\d{1,2})",
  I: "\\s*(?<I>\\d{1,2})",
  l: "\\s*(?<I>\\d{1,2})",
  M: "(?<M>\\d{1,2})",
  S: "(?<S>\\d{1,2})",
  f: "\\d{1,9}",
  p: "(?<p>[AaPp][Mm])",
  P: "(?<p>[AaPp][Mm])",
  b: `(?<b>${MONTH_NAME})`,
  B: `(?<b>${MONTH_NAME})`,
  h: `(?<b>${MONTH_NAME})`,
  a: `(?:${DAY_NAME})`,
  A: `(?:${DAY_NAME})`,
  j: "(?<j>\\d{1,3})",
  s: "(?<s>-?\\d+)",
  z: "(?<z>Z|[+-]\\d{2}:?\\d{2})",
  Z: "(?:[A-Z]{1,5})",
  n: "\\s+",
  t: "\\s+",
  "%": "%",
};
const COMPOUNDS: Readonly<Record<string, string>> = {
  T: "%H:%M:%S",
  X: "%H:%M:%S",
  R: "%H:%M",
  r: "%I:%M:%S %p",
  D: "%m/%d/%y",
  x: "%m/%d/%y",
  F: "%Y-%m-%d",
  v: "%e-%b-%Y",
  c: "%a %b %e %H:%M:%S %Y",
};

/** The expression for a strptime pattern. Throws SyntaxError for a directive we do not know. */
export function dateTimeRegex(pattern: string): RegExp {
  const spelt = pattern.replace(/%([A-Za-z])/g, (whole, name: string) => COMPOUNDS[name] ?? whole);
  const source = spelt.replace(/%(.)|\s+|[^\w\s%]/g, (whole, name: string | undefined) => {
    if (name === undefined) return /\s/.test(whole) ? "\\s+" : `\\${whole}`;
    const directive = DIRECTIVES[name];
    if (directive === undefined) throw new SyntaxError(`unknown directive %${name}`);
    return directive;
  });
  return new RegExp(`^${source}$`, "i");
}

/** The time a text tells, by the expression of its pattern; without a zone it is UTC, without a part the epoch's. */
export function parseDateTimeText(text: string, regex: RegExp): number | undefined {
  const parts = regex.exec(text.slice(0, 128).trim())?.groups;
  if (parts === undefined) return undefined;
  if (parts["s"] !== undefined) return Number(parts["s"]);
  const seconds = utcSeconds(
    yearOf(parts),
    monthOf(parts),
    Number(parts["j"] ?? parts["d"] ?? 1),
    hourOf(parts),
    Number(parts["M"] ?? 0),
    Number(parts["S"] ?? 0),
  );
  return seconds - zoneSeconds(parts["z"]);
}

type Parts = Readonly<Record<string, string | undefined>>;

function yearOf(parts: Parts): number {
  if (parts["Y"] !== undefined) return Number(parts["Y"]);
  const short = Number(parts["y"] ?? 70);
  return short < 69 ? 2000 + short : 1900 + short;
}

function monthOf(parts: Parts): number {
  if (parts["j"] !== undefined) return 1;
  if (parts["b"] !== undefined) return MONTHS.indexOf(parts["b"].slice(0, 3).toLowerCase()) + 1;
  return Number(parts["m"] ?? 1);
}

function hourOf(parts: Parts): number {
  const afternoon = parts["p"]?.toLowerCase() === "pm";
  if (parts["I"] !== undefined) return (Number(parts["I"]) % 12) + (afternoon ? 12 : 0);
  return Number(parts["H"] ?? 0);
}

function zoneSeconds(zone: string | undefined): number {
  if (zone === undefined || /^z$/i.test(zone)) return 0;
  const digits = zone.replace(":", "");
  const seconds = Number(digits.slice(1, 3)) * 3_600 + Number(digits.slice(3, 5)) * 60;
  return digits.startsWith("-") ? -seconds : seconds;
}
