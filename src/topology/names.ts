import { isIP } from "node:net";

/** A host name for comparison: lower case, without white space around it, NUL, or one trailing dot. "" = none. */
export function comparableName(name: string): string {
  return name.replaceAll("\0", "").trim().toLowerCase().replace(/\.$/, "");
}

/** The first label of a host name in comparable form; an address has none but itself. */
export function shortName(comparable: string): string {
  return isIP(comparable) === 0 ? (comparable.split(".")[0] ?? comparable) : comparable;
}

/** cdpCacheDeviceId without the serial number that some switches append in parentheses. */
export function withoutSerial(deviceId: string): string {
  return deviceId.replace(/\([^()]*\)\s*$/, "");
}

/** Long and short spellings of one kind of port, the shortest last. */
const SPELLINGS: readonly (readonly string[])[] = [
  ["hundredgigabitethernet", "hundredgige", "hundredgig", "hu"],
  ["fortygigabitethernet", "fortygige", "fortygig", "fo"],
  ["twentyfivegigabitethernet", "twentyfivegige", "twentyfivegig", "twe"],
  ["ten-gigabitethernet", "tengigabitethernet", "tengige", "xgigabitethernet", "xge", "ten", "te"],
  ["fivegigabitethernet", "fi"],
  ["twogigabitethernet", "tw"],
  ["gigabitethernet", "gigaethernet", "gige", "gig", "ge", "gi"],
  ["fastethernet", "fas", "fa"],
  ["ethernet", "eth", "et"],
  ["mgmteth", "mg"],
  ["port-channel", "portchannel", "po"],
  ["bundle-ether", "be"],
  ["loopback", "lo"],
  ["tunnel", "tu"],
  ["serial", "se"],
];
const SHORTEST = new Map(
  SPELLINGS.flatMap((spellings) => spellings.map((it) => [it, spellings.at(-1) ?? it] as const)),
);

/**
 * An interface name for comparison: `GigabitEthernet1/0/1`, `Gi1/0/1` and `gi 1/0/1` are one, and of a path of names
 * (`bridge/ether2`) the last counts.
 */
export function comparableInterfaceName(name: string): string {
  const compact = name.replaceAll("\0", "").replace(/\s+/g, "").toLowerCase();
  const inner = /^.*[a-z][^/]*\/(?=[a-z])/.exec(compact);
  const last = inner === null ? compact : compact.slice(inner[0].length);
  const parts = /^([a-z-]+)(\d.*)$/.exec(last);
  if (parts === null) return last;
  const [, kind = "", place = ""] = parts;
  return `${SHORTEST.get(kind) ?? kind}${place}`;
}
