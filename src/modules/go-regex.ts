/**
 * Regular expressions of `snmp.yml` are Go's (RE2). The constructs found in modules mean the same in JavaScript; the
 * rest is translated here. Go's engine is linear in time and ours is not, so texts are cut before they are matched.
 */

/** Characters of a router's text that are matched. Longer texts cost more than quadratic patterns may be allowed to. */
const MATCHED_LENGTH_MAX = 512;

const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  blank: "\\t ",
  digit: "0-9",
  lower: "a-z",
  punct: "!-\\/:-@\\[-`{-~",
  space: "\\s",
  upper: "A-Z",
  word: "\\w",
  xdigit: "0-9A-Fa-f",
};

/** The JavaScript expression for a Go one. Throws SyntaxError where there is none. */
export function regexFromGo(source: string): RegExp {
  // Flags stand at the start, or at the start of the group snmp.yml's generator puts around the whole.
  const leading = /^(\^?(?:\(\?:)?)\(\?([ims]+)\)/.exec(source);
  let flags = [...new Set(leading?.[2])].join("");
  const rest = ((leading?.[1] ?? "") + source.slice(leading?.[0].length ?? 0))
    .replaceAll("(?P<", "(?<")
    .replaceAll("\\A", "^")
    .replaceAll("\\z", "$")
    .replace(/\[:(\w+):\]/g, (whole, name: string) => POSIX_CLASSES[name] ?? whole);
  if (rest.includes("\\p{") || rest.includes("\\P{")) flags += "u";
  return new RegExp(rest, flags);
}

/** The expression that matches only a whole text, as snmp_exporter anchors regex_extracts. */
export function wholeRegexFromGo(source: string): RegExp {
  const inner = regexFromGo(source);
  return new RegExp(`^(?:${inner.source})$`, inner.flags);
}

/** Matches the first 512 characters of `text`. */
export function matchText(regex: RegExp, text: string): RegExpExecArray | null {
  return regex.exec(text.length > MATCHED_LENGTH_MAX ? text.slice(0, MATCHED_LENGTH_MAX) : text);
}

/** Go's Regexp.Expand: $1, ${1}, $name, ${name} and $$; a group that is absent or did not take part is empty. */
export function expandTemplate(template: string, match: RegExpExecArray): string {
  return template.replace(
    /\$(?:\$|\{(\w+)\}|(\w+))/g,
    (whole, braced: string | undefined, bare: string | undefined) => {
      const name = braced ?? bare;
      if (name === undefined) return whole === "$$" ? "$" : whole;
      return (/^\d+$/.test(name) ? match[Number(name)] : match.groups?.[name]) ?? "";
    },
  );
}

const GO_FLOAT = /^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)$/;

/** The number Go's strconv.ParseFloat reads, or undefined where it refuses. */
export function parseGoFloat(text: string): number | undefined {
  if (GO_FLOAT.test(text)) return Number(text);
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text);
  if (special === null) return undefined;
  if (special[2]?.toLowerCase() === "nan") return Number.NaN;
  return special[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
